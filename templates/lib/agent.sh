# --- agent: start an agent, and end it with all that it has started

# What a step is told first when it is stopped; 0 tells it nothing.
stop_signal=TERM

# choose_tools: find out what the box can do. Sets: group_by (what gives an agent a process group: setsid, perl, the shell,
# or nothing) kill_is_builtin (1 where the shell can signal one: some /bin/kill take a group for every process there is)
choose_tools() {
  kill_is_builtin=1 group_by=
  case $(command -v kill) in
    */*) kill_is_builtin=0 ;;
  esac
  if command -v setsid >/dev/null 2>&1; then
    group_by=setsid
  elif command -v perl >/dev/null 2>&1; then
    group_by=perl
  elif [ -n "${BASH_VERSION-}${KSH_VERSION-}" ]; then
    group_by=shell
  fi
}

# run_agent: launch the agent, wait until it has ended or was stopped, and stop what it has left. Sets: agent exit_code
run_agent() {
  # Where the agent's own commits begin: at its first launch in this worktree.
  read_record "$id.agent"
  start_commit=${record_start_commit:-$(read_git -C "$worktree" rev-parse --quiet --verify HEAD)}
  ! is_there "$worktree/$marker" || rm -f -- "$worktree/$marker"
  [ "$group_by" != shell ] || set -m
  run_step become_agent
  exit_code=$?
  [ "$group_by" != shell ] || set +m
  agent=$last_step
  # Death by signal N is 128+N in most shells, 256+N in ksh93 and 384+N in yash.
  [ "$exit_code" -le 255 ] || exit_code=$((128 + exit_code % 128))
  [ -z "$cause" ] || { exit_code='' && return 0; }
  processes=
  # Whoever has left its group by now can be found by the mark. To ask ps each time would cost more.
  if is_group "$agent" || [ -n "$(list_marked || say unknown)" ]; then
    add_processes "$agent"
  fi
  if keep_living; then
    # shellcheck disable=SC2086  # numbers
    set -- $processes
    stopped=$#
    { ps -A -o pid= -o args= 2>/dev/null || ps -o pid= -o args=; } |
      awk -v list="$processes " 'index(list, " " $1 " ")' >"$state/$id.stopped"
    { say "$id: stopping what the agent left running:" && cat -- "$state/$id.stopped"; } >>"$log"
    stop_processes "$agent"
  fi
}

# become_agent: take the place of this subshell: prompt on stdin, output to the log, nothing else inherited
become_agent() {
  trap - TERM HUP PIPE USR1 USR2
  exec <"$dir/$prompt" >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  # The record is of this process, which becomes the agent: there is no moment at which an agent runs unrecorded.
  read_pid
  read_identity "$pid"
  write_record "$id.agent" "start_commit=$start_commit" "identity=$identity" "pid=$pid" || exit 125
  cd -- "$worktree" || exit 125
  umask "$user_umask"
  # These mark a Claude Code session; an agent that inherits them believes that it is nested, and misbehaves.
  unset CLAUDECODE CLAUDE_CODE_CHILD_SESSION CLAUDE_CODE_SESSION_ID CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_EXECPATH \
    CLAUDE_CODE_SSE_PORT CLAUDE_EFFORT CLAUDE_JOB_DIR AI_AGENT TRACEPARENT
  PARALLEL_TASK=$id PARALLEL_WAVE=$wave PARALLEL_BRANCH=$branch PARALLEL_DIR=$dir PARALLEL_WORKTREE=$worktree
  PARALLEL_ATTEMPT=$attempt PARALLEL_MARK=$worktree:
  # As `git -c` hands settings down. A gc in the background would outlive its agent, be killed half-way, and work on what all
  # worktrees share.
  # shellcheck disable=SC2089  # git takes the quotes away
  GIT_CONFIG_PARAMETERS="${GIT_CONFIG_PARAMETERS:+$GIT_CONFIG_PARAMETERS }'gc.auto=0' 'maintenance.auto=false'"
  # shellcheck disable=SC2090
  export PARALLEL_TASK PARALLEL_WAVE PARALLEL_BRANCH PARALLEL_DIR PARALLEL_WORKTREE PARALLEL_ATTEMPT PARALLEL_MARK \
    GIT_CONFIG_PARAMETERS
  case $group_by in
    setsid) exec setsid sh -c "$AGENT_COMMAND" ;;
    perl) exec perl -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV or exit 127' sh -c "$AGENT_COMMAND" ;;
    *) exec sh -c "$AGENT_COMMAND" ;;
  esac
}

# is_group <pid>: true when a process group of this number exists, and the shell itself can signal it as a whole
is_group() {
  [ "$kill_is_builtin" -eq 1 ] && is_whole "$1" && [ "$1" -gt 1 ] && kill -s 0 -- "-$1" 2>/dev/null
}

# list_marked: print the environment files of the processes that carry the mark of the task, where the box shows them
list_marked() {
  pattern=$(printf '%s\n' "$worktree" | sed 's/[].[*^$\\]/\\&/g') || return 1
  grep -l -e "PARALLEL_MARK=$pattern:" /proc/[0-9]*/environ 2>/dev/null || [ $? -le 128 ]
}

# list_processes <pid>: print the ids of the process, its descendants, its group and all that carry the mark of the task; of
# the mark alone when the pid is 0, which means that it is not known
list_processes() {
  {
    list_marked || exit 1
    ps -A -o pid= -o ppid= -o pgid= 2>/dev/null || { [ $? -le 128 ] && ps -o pid= -o ppid= -o pgid=; } || exit 1
    say end
  } | awk -v first="$1" '
    /^\/proc/ { gsub(/[^0-9]/, ""); found[$0]; next }
    # Who had to print this list was not killed over it.
    $1 == "end" { is_whole = 1; next }
    { parent[$1] = $2; if (first > 1 && ($1 == first || $3 == first)) found[$1] }
    END {
      if (!is_whole) exit 1
      do {
        more = 0
        for (p in parent) if (!(p in found) && parent[p] in found) { found[p]; more = 1 }
      } while (more)
      for (p in found) if (p in parent && p > 1) print p
    }'
}

# add_processes <pid>: add to processes what list_processes finds; ask again when it is killed
add_processes() {
  listed=$(list_processes "$1") || listed=$(list_processes "$1") || listed=$(list_processes "$1")
  processes="$processes $listed"
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

# signal_all <signal> <pid>: signal the process's group, where it has one, and each of processes
signal_all() {
  ! is_group "$2" || kill -s "$1" -- "-$2" 2>/dev/null
  for process in $processes; do
    kill -s "$1" "$process" 2>/dev/null
  done
}

# stop_processes <pid>: TERM the process and all that it started, KILL what is left after the grace period; the log names
# what is left then
stop_processes() {
  processes=
  add_processes "$1"
  signal_all "$stop_signal" "$1"
  tenths=$((GRACE * 10))
  while [ "$tenths" -gt 0 ] && keep_living; do
    sleep 0.1 2>/dev/null || { sleep 1 && tenths=$((tenths - 9)); }
    tenths=$((tenths - 1))
  done
  # What was started since the first look is found by the second, and what still appeared meanwhile by the third.
  for turn in 1 2 3; do
    add_processes "$1"
    keep_living || return 0
    [ "$turn" -eq 1 ] || sleep 1
    signal_all KILL "$1"
  done
  ! keep_living || warn "$id: these processes survived KILL:$processes" 2>>"$log"
}

# recall_agent: find the agent that the task had. Sets: recalled (its process id, which is also its group, or 0 when that
# number may be another's by now: while a group lives its number is not given to a new process, but a reboot ends that)
recall_agent() {
  read_record "$id.agent"
  recalled=${record_pid:-0}
  if is_alive "$recalled"; then
    [ "$identity" = "$record_identity" ] || recalled=0
  elif [ "${record_identity#"${boot:-none}":}" = "$record_identity" ]; then
    recalled=0
  fi
}

# stop_remains: stop what is left of an agent whose runner died, known by its record and its mark
stop_remains() {
  recall_agent
  stop_processes "$recalled"
}
