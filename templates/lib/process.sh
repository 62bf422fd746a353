# --- process: who is alive, how long to sleep, and how to stop an agent with all that it started

# read_pid: set pid to the process id of this shell, which in a subshell is not $$
read_pid() {
  if [ -r /proc/self/stat ]; then
    read -r pid rest </proc/self/stat
  else
    # shellcheck disable=SC2016  # the inner shell is the one to expand it
    pid=$(exec sh -c 'echo "$PPID"')
  fi
}

# read_identity <pid>: set identity to what tells this process from a later one of the same number,
# or to nothing when there is no such process or only its zombie
read_identity() {
  identity=
  if [ -r /proc/self/stat ]; then
    # Fields 3 (state) and 22 (start time) of proc(5); the name before them may hold anything, ')' included.
    read -r stat 2>/dev/null </proc/"$1"/stat || return 0
    set -f
    # shellcheck disable=SC2086  # fields
    set -- ${stat##*) }
    set +f
    [ $# -lt 20 ] || [ "$1" = Z ] || [ "$1" = X ] || identity=$boot:${20}
  elif kill -s 0 "$1" 2>/dev/null; then
    identity=$(ps -o stat= -o lstart= -p "$1" 2>/dev/null | sed -n 's/^ *[^Z ][^ ]* *//p' | tr -s ' ' '_')
  fi
}

# read_boot: set boot to what tells this boot of the machine from the next, where the machine says it
read_boot() {
  boot=
  if [ -r /proc/sys/kernel/random/boot_id ]; then
    read -r boot </proc/sys/kernel/random/boot_id
  fi
}

# is_alive <pid> [<identity>]: true when the process runs and is the one that had this identity
is_alive() {
  is_whole "$1" || return 1
  read_identity "$1"
  [ -n "$identity" ] && { [ -z "${2-}" ] || [ "$identity" = "$2" ]; }
}

# nap <seconds>: sleep until the time is over or wake is called by a trap, and leave no sleep behind
nap() {
  sleep "$1" &
  sleeper=$!
  # A signal that came before this line finds awake set; one that comes later ends the sleep.
  [ -n "$awake" ] || wait "$sleeper" 2>/dev/null
  if [ -n "$awake" ]; then
    kill "$sleeper" 2>/dev/null
    wait "$sleeper" 2>/dev/null
  fi
  sleeper=
}

# wake: end the nap that goes on, or the next one
wake() {
  awake=1
  [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
}

# is_group <pid>: true when a process group of this number exists, which may be signalled as a whole
is_group() {
  is_whole "$1" && [ "$1" -gt 1 ] && kill -s 0 -- "-$1" 2>/dev/null
}

# list_marked: print the ids of all processes whose environment says that they belong to this task
list_marked() {
  # The runner itself has no mark: it is exported to the agent alone.
  grep -l -F -e "PARALLEL_MARK=$worktree:" /proc/[0-9]*/environ 2>/dev/null | sed 's/[^0-9]//g'
}

# list_processes <agent>: print the ids of the agent, its descendants, its group and all that carry its mark
list_processes() {
  {
    list_marked
    ps -A -o pid= -o ppid= -o pgid= 2>/dev/null || ps -o pid= -o ppid= -o pgid=
  } | awk -v agent="$1" '
    NF == 1 { found[$1] = 1; next }
    { parent[$1] = $2; if ($1 == agent || $3 == agent) found[$1] = 1 }
    END {
      do {
        more = 0
        for (p in parent) if (!(p in found) && parent[p] in found) { found[p] = 1; more = 1 }
      } while (more)
      for (p in found) if (p in parent && p > 1) print p
    }'
}

# list_living <pid>...: set living to those of the processes that run
list_living() {
  living=
  for process in "$@"; do
    is_alive "$process" && living="$living $process"
  done
}

# signal_all <signal> <agent> <pid>...: signal the agent's group, where it has one, and each of the processes
signal_all() {
  is_group "$2" && kill -s "$1" -- "-$2" 2>/dev/null
  for process in "$@"; do
    is_whole "$process" && kill -s "$1" "$process" 2>/dev/null
  done
}

# stop_processes <agent> <grace>: TERM the agent and all that it started, KILL what is left after so many seconds
stop_processes() {
  processes=$(list_processes "$1")
  # shellcheck disable=SC2086  # a list of numbers, here and below
  signal_all TERM "$1" $processes
  tenths=$(($2 * 10))
  while [ "$tenths" -gt 0 ]; do
    # shellcheck disable=SC2086
    list_living $processes
    [ -n "$living" ] || is_group "$1" || break
    sleep 0.1 2>/dev/null || { sleep 1 && tenths=$((tenths - 9)); }
    tenths=$((tenths - 1))
  done
  # What appeared since the first look is found by the second; what still appears, by the third.
  for round in 1 2 3; do
    processes="$processes $(list_processes "$1")"
    # shellcheck disable=SC2086
    list_living $processes
    [ -n "$living" ] || return 0
    # shellcheck disable=SC2086
    signal_all KILL "$1" $living
    [ "$round" -eq 1 ] || sleep 1
  done
  # shellcheck disable=SC2086
  list_living $living
  [ -z "$living" ] || warn "$id: these processes survived KILL:$living"
}

# stop_leftovers <agent> <grace>: when the agent has ended, stop what it left running
stop_leftovers() {
  if is_group "$1" || [ -n "$(list_marked)" ]; then
    stop_processes "$1" "$2"
  fi
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
