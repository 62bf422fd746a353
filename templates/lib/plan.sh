# --- plan: the tasks as numbered variables, so that no value is ever part of a command

# load_plan: read the plan; task number N has id_N, name_N, wave_N, deps_N (as written), deps_of_N (their numbers),
# limit_N (seconds, or - for TASK_TIMEOUT) and prompt_N; task_count, waves (their numbers, ascending) and, for wave W,
# tasks_in_W (the numbers of its tasks) sum it up
load_plan() {
  task_count=0
  waves=
  last_wave=
  while read -r numbers id name wave deps limit prompt; do
    task_count=$((task_count + 1))
    [ "$numbers" != - ] || numbers=
    while [ "$numbers" != "${numbers#*,}" ]; do
      numbers="${numbers%%,*} ${numbers#*,}"
    done
    eval "id_$task_count=\$id name_$task_count=\$name wave_$task_count=\$wave deps_$task_count=\$deps" \
      "deps_of_$task_count=\$numbers limit_$task_count=\$limit prompt_$task_count=\$prompt" \
      "outcome_$task_count= facts_$task_count=status=pending blocked_by_$task_count= dependents_$task_count="
    if [ "$wave" != "$last_wave" ]; then
      waves="$waves $wave"
      last_wave=$wave
      eval "tasks_in_$wave="
    fi
    eval "tasks_in_$wave=\"\$tasks_in_$wave $task_count\""
  done <<EOF
$(plan | awk '{
    number[$1] = NR
    list = "-"
    if ($4 != "-") {
      list = ""
      count = split($4, dep, ",")
      for (i = 1; i <= count; i++) list = list (i > 1 ? "," : "") number[dep[i]]
    }
    print list, $0
  }')
EOF
}

# number_of <id or name>: set number to that of the task, or fail
number_of() {
  number=1
  while [ "$number" -le "$task_count" ]; do
    eval "id=\$id_$number name=\$name_$number"
    if [ "$1" = "$id" ] || [ "$1" = "$name" ]; then
      return 0
    fi
    number=$((number + 1))
  done
  return 1
}

# show_plan: print what would be done, in the words of the execution plan
show_plan() {
  say "=== Parallel Execution Plan ===" "" "Parallel Dir: $parallel_dir" "Tech Spec: $tech_spec" \
    "Base Branch: $base_branch" "Max Concurrent: $MAX_CONCURRENT"
  planned=0
  for this_wave in $waves; do
    selected_in "$this_wave"
    case $selected_count in
      0) continue ;;
      1) say "" "Wave $this_wave (1 task):" ;;
      *) say "" "Wave $this_wave ($selected_count tasks, parallel):" ;;
    esac
    for number in $selected; do
      use_task "$number"
      printf '  - %-19s -> %s (%s)\n' "$name" "$WORKSPACE_ROOT/$id" "$branch"
    done
    planned=$((planned + selected_count))
  done
  say "" "Total Tasks: $planned"
}
