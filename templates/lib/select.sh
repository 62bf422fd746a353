# --- selection: which tasks this run is about

# select_tasks: set outcome_N to what is known of each task: `selected`, `skipped`, `completed`, or nothing for a task
# that this run leaves alone
select_tasks() {
  case " $waves " in
    *" ${only_wave:-${waves##* }} "*) ;;
    *) usage_error "no wave $only_wave: the plan has waves$waves" ;;
  esac
  [ -z "$only_task" ] || number_of "$only_task" || usage_error "unknown task '$only_task'"
  number=1
  while [ "$number" -le "$task_count" ]; do
    use_task "$number"
    selection=selected
    [ -z "$only_wave" ] || [ "$only_wave" = "$wave" ] || selection=
    [ -z "$only_task" ] || [ "$only_task" = "$id" ] || [ "$only_task" = "$name" ] || selection=
    eval "outcome_$number=\$selection"
    number=$((number + 1))
  done
  skip_tasks
}

# skip_tasks: mark the tasks of SKIP_TASKS
skip_tasks() {
  set -f
  for skipped in $(printf '%s\n' "$SKIP_TASKS" | tr ',' ' '); do
    number_of "$skipped" || usage_error "skip: unknown task '$skipped'"
    eval "[ -z \"\$outcome_$number\" ] || outcome_$number=skipped"
  done
  set +f
}

# selected_in <wave>: set selected to the numbers of its tasks that are to run, and selected_count to how many
selected_in() {
  selected='' selected_count=0
  eval "candidates=\$tasks_in_$1"
  for number in $candidates; do
    eval "chosen=\$outcome_$number"
    if [ "$chosen" = selected ]; then
      selected="$selected $number"
      selected_count=$((selected_count + 1))
    fi
  done
}

# load_outcomes: with --retry-failed, take what the records say: completed tasks stay, all others run
load_outcomes() {
  [ -e "$state/run" ] || import_manifest
  failed_before=
  number=1
  while [ "$number" -le "$task_count" ]; do
    use_task "$number"
    read_outcome "$id"
    keep_facts "$number" "$outcome"
    if [ "$outcome" = completed ]; then
      eval "outcome_$number=completed"
    fi
    eval "chosen=\$outcome_$number"
    case $chosen,$outcome in
      selected,failed | selected,interrupted | selected,lost)
        failed_before="$failed_before $number"
        eval "error_$number=\${record_error:-$outcome}"
        ;;
    esac
    number=$((number + 1))
  done
}

# show_retries: print the tasks that failed, with their errors
show_retries() {
  say "=== Retrying Failed Tasks ===" ""
  if [ -z "$failed_before" ]; then
    say "No failed tasks from previous run." ""
    return 0
  fi
  say "Failed tasks from previous run:"
  for number in $failed_before; do
    eval "printf '  - %s (error: %s)\n' \"\$name_$number\" \"\$error_$number\""
  done
  say "" "Creating worktree for retry..." "Launching agent..." ""
}

# check_dependencies: with --wave, check that the branches which the wave depends on exist, and say so
check_dependencies() {
  say "=== Running Wave $only_wave Only ===" ""
  missing=
  needed=
  number=1
  while [ "$number" -le "$task_count" ]; do
    eval "chosen=\$outcome_$number deps_of=\$deps_of_$number"
    [ "$chosen" != selected ] || needed="$needed $deps_of"
    number=$((number + 1))
  done
  shown_wave=
  # shellcheck disable=SC2086  # a list of numbers
  for number in $(printf '%s\n' $needed | sort -n -u); do
    use_task "$number"
    [ "$wave" = "$shown_wave" ] || say "Checking Wave $wave dependencies..."
    shown_wave=$wave
    if has_branch "$branch"; then
      say "  $branch: EXISTS"
    else
      say "  $branch: MISSING"
      missing="$missing $branch"
    fi
  done
  if [ -n "$missing" ]; then
    for branch in $missing; do
      warn "ERROR: Branch not found: $branch" "  Wave $only_wave depends on it. Run the wave it belongs to first."
    done
    exit 2
  fi
  [ -z "$shown_wave" ] || say ""
  say "All dependencies satisfied. Proceeding with Wave $only_wave." ""
}
