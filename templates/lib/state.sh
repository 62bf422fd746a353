# --- state: one small file a fact under logs/state/, each replaced whole or not at all

# write_record <name> <key=value>...: replace the record by the lines that have a value
write_record() {
  record=$1
  shift
  for line in "$@"; do
    case $line in
      *=) ;;
      *) printf '%s\n' "$line" ;;
    esac
  done >"$state/.$record.new" && mv -f -- "$state/.$record.new" "$state/$record"
}

# read_record <name>: set the record_* variables to the values of the record, or to nothing; false when there is none
read_record() {
  record_result='' record_attempt='' record_pid='' record_identity='' record_commits='' record_uncommitted=''
  record_error='' record_by='' record_exit_code='' record_started='' record_started_at='' record_finished=''
  record_finished_at='' record_base_branch='' record_base_commit='' record_start_commit='' record_max_concurrent=''
  [ -f "$state/$1" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      status) record_result=$value ;;
      attempt) record_attempt=$value ;;
      pid) record_pid=$value ;;
      identity) record_identity=$value ;;
      commits) record_commits=$value ;;
      uncommitted) record_uncommitted=$value ;;
      error) record_error=$value ;;
      by) record_by=$value ;;
      exit_code) record_exit_code=$value ;;
      started) record_started=$value ;;
      started_at) record_started_at=$value ;;
      finished) record_finished=$value ;;
      finished_at) record_finished_at=$value ;;
      base_branch) record_base_branch=$value ;;
      base_commit) record_base_commit=$value ;;
      start_commit) record_start_commit=$value ;;
      max_concurrent) record_max_concurrent=$value ;;
    esac
  done <"$state/$1"
}

# read_outcome <id>: set outcome to pending, running, lost or what the task's result says; the record_* variables
# are those of its result, else of its start
read_outcome() {
  if read_record "$1.result" && [ -n "$record_result" ]; then
    outcome=$record_result
  elif ! read_record "$1.start" || [ -z "$record_pid" ]; then
    outcome=pending
  elif is_alive "$record_pid" "$record_identity"; then
    outcome=running
  else
    outcome=lost
  fi
}

# open_state: make the folders for logs and records, which nobody else may read
open_state() {
  mkdir -p -- "$state" || fail "ERROR: cannot write to '$logs'"
  [ -e "$logs/.gitignore" ] || printf '*\n' >"$logs/.gitignore"
}

# take_lock: become the one orchestrator of this directory, or end with status 2
take_lock() {
  read_identity "$$"
  own=.lock.$$
  printf '%s\n' "pid=$$" "identity=$identity" "started_at=$now_at" >"$state/$own"
  tries=0
  # A hard link is made at once and with its contents, and fails when the name is taken.
  until ln -- "$state/$own" "$state/lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "ERROR: cannot lock '$state/lock'"
    read_record lock || continue
    if is_alive "$record_pid" "$record_identity"; then
      rm -f -- "$state/$own"
      fail "ERROR: another run of '$parallel_dir' is under way" \
        "  Process $record_pid holds it since $record_started_at."
    fi
    dead=$record_pid:$record_identity
    mv -- "$state/lock" "$state/$own.dead" 2>/dev/null || continue
    read_record "$own.dead"
    if [ "$dead" = "$record_pid:$record_identity" ]; then
      warn "Taking over from a run that died: process $record_pid, started $record_started_at."
    else
      # Somebody else took over in between: what we moved is the lock of the living.
      ln -- "$state/$own.dead" "$state/lock" 2>/dev/null
    fi
    rm -f -- "$state/$own.dead"
  done
  rm -f -- "$state/$own"
}

# drop_lock: let the next run in
drop_lock() {
  rm -f -- "$state/lock"
}
