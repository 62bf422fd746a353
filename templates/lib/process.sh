# --- process: who is alive, and how to sleep so that a signal can end it

# read_pid: find out who we are. Sets: pid, the process id of this shell, which in a subshell is not $$
read_pid() {
  if [ -r /proc/self/stat ]; then
    read -r pid rest </proc/self/stat
  else
    # shellcheck disable=SC2016  # the inner shell is the one to expand it
    pid=$(exec sh -c 'echo "$PPID"')
  fi
}

# read_identity <pid>: find out what tells this process from a later one of the same number. Sets: identity, empty when
# there is no such process or only its zombie
read_identity() {
  identity=
  if [ -r /proc/self/stat ]; then
    # Fields 3 (state) and 22 (start time) of proc(5); the name before them may hold anything, ')' included.
    [ -r "/proc/$1/stat" ] && { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # shellcheck disable=SC2086  # fields, none of which is a pattern
    set -- ${stat##*\) }
    [ $# -lt 20 ] || [ "$1" = Z ] || [ "$1" = X ] || identity=$boot:${20}
  elif kill -s 0 "$1" 2>/dev/null; then
    # A ps that knows no lstart leaves the number alone to go by.
    stat=$(LC_ALL=C TZ=UTC0 ps -o stat= -o lstart= -p "$1" 2>/dev/null) || stat=$(ps -o stat= -p "$1" 2>/dev/null)
    # shellcheck disable=SC2086  # fields
    set -- $stat
    case ${1-} in
      '' | Z*) return 0 ;;
    esac
    shift
    IFS=_
    identity=since_${1+"$*"}
    unset IFS
  fi
}

# read_boot: find out what tells this boot of the machine, or this start of a container, from the next, since either gives
# the numbers of processes anew. Sets: boot, empty where the box does not say it
read_boot() {
  boot=
  if [ -r /proc/sys/kernel/random/boot_id ] && [ -r /proc/1/stat ]; then
    read -r boot </proc/sys/kernel/random/boot_id
    read_identity 1
    boot=$boot-${identity##*:}
  fi
}

# is_alive <pid> [<identity>]: true when the process runs and is the one that had this identity. Sets: identity
is_alive() {
  is_whole "$1" || return 1
  read_identity "$1"
  [ -n "$identity" ] && { [ -z "${2-}" ] || [ "$identity" = "$2" ]; }
}

# nap <seconds>: sleep until the time is over or a trap calls wake, and leave no sleep behind
nap() {
  sleep "$1" &
  sleeper=$!
  {
    # A signal that came before this line has set awake; one that comes later ends the sleep.
    [ -n "$awake" ] || wait "$sleeper"
    # In a subshell of bash a signal to the shell above may have ended the wait.
    if [ -n "$sleeper" ] && { [ -n "$awake" ] || kill -s 0 "$sleeper"; }; then
      kill -s KILL "$sleeper"
      wait "$sleeper"
    fi
  } 2>/dev/null
  awake='' sleeper=''
}

# wake: called by traps: end the nap that goes on, or the next one. Not by TERM: a child that has not become the sleep yet
# still has our traps, and would swallow it. One that is gone may be lost to the shell, as reap tells
wake() {
  [ -n "$awake" ] || [ -z "$sleeper" ] || kill -s KILL "$sleeper" 2>/dev/null || sleeper=
  awake=1
}

# reap <pid>: wait for a child that is at its end. bash loses one that ends in the very moment in which a trap interrupts a
# wait, and would wait for it until its other children have ended, too
reap() {
  ! kill -s 0 "$1" 2>/dev/null || wait "$1" 2>/dev/null
}
