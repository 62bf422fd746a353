# --- records: small files of `key=value` lines under logs/state/, each whole or none

# read_record <name>: set record_<key> for each line of the record, the others to nothing; false when there is none
read_record() {
  for key in status attempt pid identity commits uncommitted error by exit_code started started_at finished \
    finished_at base_branch base_commit start_commit max_concurrent kept; do
    eval "record_$key="
  done
  [ -f "$state/$1" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      '' | *[!a-z_]*) ;;
      *) eval "record_$key=\${value}" ;;
    esac
  done <"$state/$1"
}

# read_outcome <id>: set outcome to pending, running, lost or what the task's result says, and the record_* variables
# to those of its result, else of its start
read_outcome() {
  if read_record "$1.result" && [ -n "$record_status" ]; then
    outcome=$record_status
  elif ! read_record "$1.start" || [ -z "$record_pid" ]; then
    outcome=pending
  elif is_alive "$record_pid" "$record_identity"; then
    outcome=running
  else
    outcome=lost
  fi
  return 0
}
