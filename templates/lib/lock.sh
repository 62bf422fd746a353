# --- lock: one orchestrator a directory

# respect_lock: end with status 2 when another orchestrator is at work here
respect_lock() {
  if read_record lock && is_alive "$record_pid" "$record_identity"; then
    fail "ERROR: another run of '$parallel_dir' is under way" \
      "  Process $record_pid holds it since $record_started_at."
  fi
}

# take_lock: become the one orchestrator of this directory, or end with status 2
take_lock() {
  read_identity "$$"
  own=.lock.$$
  trap 'rm -f -- "$state/$own"' EXIT
  printf '%s\n' "pid=$$" "identity=$identity" "started_at=$now_at" >"$state/$own"
  tries=0
  # A hard link is made at once and with its contents, and fails when the name is taken.
  until ln -- "$state/$own" "$state/lock" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "ERROR: cannot lock '$state/lock'"
    respect_lock
    read_record lock || continue
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
  trap 'drop_lock' EXIT
  # Ours, and what crashes have left.
  rm -f -- "$state"/.lock.* "$manifest.new"
}

# drop_lock: let the next run in
drop_lock() {
  trap - EXIT
  rm -f -- "$state/lock"
}
