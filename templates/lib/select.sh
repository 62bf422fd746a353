# --- selection: which tasks this run is about

# select_tasks: set outcome_N to `skipped`, or to nothing for a task that this run leaves alone; one that it is to run
# has none
select_tasks() {
  case " $waves " in
    *" ${only_wave:-${waves##* }} "*) ;;
    *) usage_error "no wave $only_wave: the plan has waves$waves" ;;
  esac
  [ -z "$only_task" ] || number_of "$only_task" || usage_error "unknown task '$only_task'"
  only_number=$number
  if [ -n "$only_wave$only_task" ]; then
    for number in $tasks; do
      use_task "$number"
      if [ "$wave" != "${only_wave:-$wave}" ] || { [ -n "$only_task" ] && [ "$number" != "$only_number" ]; }; then
        eval "outcome_$number="
      fi
    done
  fi
  set -f
  IFS=', '
  # shellcheck disable=SC2086  # words between commas
  set -- $SKIP_TASKS
  unset IFS
  set +f
  for skipped in ${1+"$@"}; do
    # zsh makes an empty word of a comma and a blank.
    [ -n "$skipped" ] || continue
    number_of "$skipped" || usage_error "skip: unknown task '$skipped'"
    eval "outcome=\${outcome_$number-selected} outcome_$number=\${outcome:+skipped}"
  done
}

# resume_tasks: with --retry-failed, leave completed tasks alone, adopt those whose runner outlived its scheduler, and
# list in failed_before those that have to run again
resume_tasks() {
  failed_before='' running='' running_count=0
  for number in $tasks; do
    name_task "$number"
    read_outcome "$its_id"
    case $its_outcome,$outcome in
      *,completed) eval "outcome_$number=completed" ;;
      selected,running)
        eval "outcome_$number=adopted runner_$number=\$record_pid identity_$number=\$record_identity"
        running="$running$number "
        running_count=$((running_count + 1))
        ;;
      selected,failed | selected,interrupted | selected,lost)
        failed_before="$failed_before $number"
        eval "error_$number=\${record_error:-$outcome}"
        ;;
    esac
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
    name_task "$number"
    eval "say \"  - \$its_name (error: \$error_$number)\""
  done
  say "" "Creating worktree for retry..." "Launching agent..." ""
}

# check_dependencies: with --wave, print whether the branches exist that the wave depends on, and end when one is missing
check_dependencies() {
  say "=== Running Wave $only_wave Only ===" ""
  list_tasks "$only_wave" selected
  needed=
  for number in $listed; do
    use_task "$number"
    needed="$needed $deps_of"
  done
  checked='' missing=''
  # shellcheck disable=SC2086  # a list of numbers
  for number in $(printf '%s\n' $needed | sort -n -u); do
    use_task "$number"
    [ "$wave" = "$checked" ] || say "Checking Wave $wave dependencies..."
    checked=$wave
    if has_branch "$branch"; then
      say "  $branch: EXISTS"
    else
      say "  $branch: MISSING"
      missing="$missing $branch"
    fi
  done
  for branch in $missing; do
    warn "ERROR: Branch not found: $branch" "  Wave $only_wave depends on it. Run the wave it belongs to first."
  done
  [ -z "$missing" ] || exit 2
  [ -z "$checked" ] || say ""
  say "All dependencies satisfied. Proceeding with Wave $only_wave." ""
}
