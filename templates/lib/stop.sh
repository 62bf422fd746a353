# --- stop: end an agent with all that it started

# is_group <pid>: true when a process group of this number exists, and the shell itself can signal it as a whole: some
# /bin/kill signal every process there is instead
is_group() {
  [ "$kill_is_builtin" -eq 1 ] && is_whole "$1" && [ "$1" -gt 1 ] && kill -s 0 -- "-$1" 2>/dev/null
}

# list_marked: print the environment files of all processes that carry the mark of this task, where the box has them;
# it takes the place of a subshell
list_marked() {
  if [ "$grep_takes_nul" -eq 1 ]; then
    exec grep -l -F -e "PARALLEL_MARK=$worktree:" /proc/[0-9]*/environ 2>/dev/null
  fi
  pattern=$(printf '%s\n' "$worktree" | sed 's/[].[*^$\\]/\\&/g')
  exec grep -l -e "PARALLEL_MARK=$pattern:" /proc/[0-9]*/environ 2>/dev/null
}

# list_processes <agent>: print the ids of the agent, its descendants, its group and all that carry its mark; of the
# mark alone when the agent is 0, which means that it is not known
list_processes() {
  {
    (list_marked) || [ $? -le 128 ] || exit 1
    ps -A -o pid= -o ppid= -o pgid= 2>/dev/null || { [ $? -le 128 ] && ps -o pid= -o ppid= -o pgid=; } || exit 1
    say end
  } | awk -v agent="$1" '
    /^\/proc/ { gsub(/[^0-9]/, ""); found[$0]; next }
    # Who had to print this list was not killed over it.
    $1 == "end" { is_whole = 1; next }
    { parent[$1] = $2; if (agent > 1 && ($1 == agent || $3 == agent)) found[$1] }
    END {
      if (!is_whole) exit 1
      do {
        more = 0
        for (p in parent) if (!(p in found) && parent[p] in found) { found[p]; more = 1 }
      } while (more)
      for (p in found) if (p in parent && p > 1) print p
    }'
}

# add_processes <agent>: add to processes what list_processes finds; ask again when it is killed
add_processes() {
  for try in 1 2 3; do
    listed_processes=$(list_processes "$1") && break
  done
  processes="$processes $listed_processes"
}

# keep_living: reduce processes to those that run; false when none is left
keep_living() {
  living=
  for process in $processes; do
    ! is_alive "$process" || living="$living $process"
  done
  processes=$living
  [ -n "$processes" ]
}

# signal_all <signal> <agent>: signal the agent's group, where it has one, and each of processes
signal_all() {
  ! is_group "$2" || kill -s "$1" -- "-$2" 2>/dev/null
  for process in $processes; do
    kill -s "$1" "$process" 2>/dev/null
  done
}

# stop_processes <agent> <seconds>: TERM the agent and all that it started, KILL what is left after so many seconds; the
# log names what is left then
stop_processes() {
  processes=
  add_processes "$1"
  signal_all TERM "$1"
  tenths=$(($2 * 10))
  while [ "$tenths" -gt 0 ] && keep_living; do
    sleep 0.1 2>/dev/null || { sleep 1 && tenths=$((tenths - 9)); }
    tenths=$((tenths - 1))
  done
  # What was started since the first look is found by the second, and what still appeared meanwhile by the third.
  for look in 1 2 3; do
    add_processes "$1"
    keep_living || return 0
    [ "$look" -eq 1 ] || sleep 1
    signal_all KILL "$1"
  done
  ! keep_living || warn "$id: these processes survived KILL:$processes" 2>>"$log"
}

# stop_leftovers <agent>: when the agent has ended, stop what it left running
stop_leftovers() {
  # The group first: who leaves it after this look is there to be found by its mark.
  group=0
  ! is_group "$1" || group=1
  marked=$(list_marked)
  # No answer, because who had to give it was killed, is not the answer that there is nothing.
  [ "$?" -le 128 ] || marked=unknown
  [ "$group" -eq 1 ] || [ -n "$marked" ] || return 0
  processes=
  add_processes "$1"
  # A group may consist of zombies that nobody has waited for.
  if keep_living; then
    warn "$id: stopping what the agent left running:$processes"
    stop_processes "$1" "$GRACE"
  fi
}

# recall_agent: set recalled to the process id, which is also the group, that the agent of the task had, or to 0 when
# that number may be another's by now. While a group lives its number is not given to a new process; a reboot ends that
recall_agent() {
  read_record "$id.agent"
  recalled=${record_pid:-0}
  if is_alive "$recalled"; then
    [ "$identity" = "$record_identity" ] || recalled=0
  else
    case $record_identity in
      "${boot:-none}":*) ;;
      *) recalled=0 ;;
    esac
  fi
}

# stop_remains: stop what is left of an agent whose runner died, known by its record and its mark
stop_remains() {
  recall_agent
  stop_processes "$recalled" "$GRACE"
}

# in_new_group <command> [<argument>...]: become the command, in a process group of its own where the box can do it
in_new_group() {
  if command -v setsid >/dev/null 2>&1; then
    exec setsid "$@"
  elif command -v perl >/dev/null 2>&1; then
    exec perl -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV or exit 127' "$@"
  fi
  exec "$@"
}
