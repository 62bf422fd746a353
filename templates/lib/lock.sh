# --- lock: one orchestrator a directory. Each announces itself in a record of its own, then looks for others: of two that
# start at once at least one sees the other, and no crash leaves more than the record of a dead process

# refuse_beside: end with status 2 when another orchestrator is at work here
refuse_beside() {
  for other in "$state"/lock.*; do
    other=${other##*/}
    if [ "$other" != "lock.$$" ] && read_record "$other" && is_alive "$record_pid" "$record_identity"; then
      fail "ERROR: another run of '$parallel_dir' is under way" \
        "  Process $record_pid holds it since $record_started_at."
    fi
  done
}

# take_lock: become the one orchestrator of this directory, or end with status 2
take_lock() {
  trap 'drop_lock' EXIT
  write_record "lock.$$" "pid=$$" "identity=$own_identity" "started_at=$now_at" || fail_to_write
  refuse_beside
  for other in "$state"/lock.*; do
    other=${other##*/}
    if [ "$other" != "lock.$$" ] && read_record "$other"; then
      warn "Taking over from a run that died: process ${record_pid:-unknown}, started $record_started_at."
      # A runner of its scheduler that starts only now finds this gone, and leaves its task to us.
      rm -f -- "$state/$other"
    fi
  done
  [ ! -e "$manifest.new" ] || rm -f -- "$manifest.new"
}

# drop_lock: let the next run in
drop_lock() {
  trap - EXIT
  rm -f -- "$state/lock.$$"
}
