# --- status: what became of each task

# show_status: print the run and its tasks as the records have them
show_status() {
  if ! read_record run; then
    say "No run has started."
    return 0
  fi
  ended="finished $record_finished_at"
  if [ "$record_result" = running ]; then
    ended="process $record_pid"
    is_alive "$record_pid" "$record_identity" || ended="process $record_pid is dead"
  fi
  say "Run: $record_result, started $record_started_at, $ended"
  for this_wave in $waves; do
    say "Wave $this_wave:"
    eval "candidates=\$tasks_in_$this_wave"
    for number in $candidates; do
      use_task "$number"
      read_outcome "$id"
      printf '  %-19s %s%s%s%s\n' "$name" "$outcome" "${record_commits:+ commits=$record_commits}" \
        "${record_error:+ error=$record_error}" "${record_by:+ by=$record_by}"
    done
  done
}
