# --- show: the plan, and what became of it

# show_plan: print what would be done, in the words of the execution plan
show_plan() {
  say "=== Parallel Execution Plan ===" "" "Parallel Dir: $parallel_dir" "Tech Spec: $tech_spec" \
    "Base Branch: $base_branch" "Max Concurrent: $MAX_CONCURRENT"
  total=0
  width=$(plan | awk '{ if (length($2) > width) width = length($2) } END { print width + 2 }')
  for wave in $waves; do
    list_tasks "$wave" selected
    case $count in
      0) continue ;;
      1) say "" "Wave $wave (1 task):" ;;
      *) say "" "Wave $wave ($count tasks, parallel):" ;;
    esac
    for number in $listed; do
      use_task "$number"
      printf "  - %-${width}s -> %s (%s)\\n" "$name" "$WORKSPACE_ROOT/$id" "$branch"
    done
    total=$((total + count))
  done
  say "" "Total Tasks: $total"
  awk -v count="$total" -v kib="$tree_kib" '
    function text(kib) {
      if (kib < 1024) return sprintf("%dKB", kib)
      kib /= kib < 1024 * 1024 ? 1024 : 1024 * 1024
      return sprintf(kib >= 10 || kib == int(kib) ? "%.0f%s" : "%.1f%s", kib, size < 1024 * 1024 ? "MB" : "GB")
    }
    BEGIN {
      unit = kib < 1024 ? 1 : kib < 1024 * 1024 ? 1024 : 1024 * 1024
      each = int((kib + unit - 1) / unit) * unit
      if (each == 0) each = 1
      printf "Estimated Worktree Space: ~%s (%d %s x ~%s)\n", text(size = each * count), count, \
        (count == 1 ? "worktree" : "worktrees"), text(size = each)
    }'
  say "" "Dry run complete. No files modified."
}

# show_status: print the run and its tasks as the records have them
show_status() {
  if ! read_record run; then
    say "No run has started."
    return 0
  fi
  ended="finished $record_finished_at"
  if [ "$record_status" = running ]; then
    ended="process $record_pid"
    is_alive "$record_pid" "$record_identity" || ended="$ended is dead"
  fi
  say "Run: $record_status, started $record_started_at, $ended"
  for number in $tasks; do
    use_task "$number"
    read_outcome "$id"
    printf 'Wave %s: %-19s %s%s%s%s\n' "$wave" "$name" "$outcome" "${record_commits:+ commits=$record_commits}" \
      "${record_error:+ error=$record_error}" "${record_by:+ by=$record_by}"
  done
}
