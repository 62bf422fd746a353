# --- scheduler: one loop that decides what starts, and turns every result into progress lines and the manifest

# progress <text>: print a progress line, and keep it with its time in the orchestrator's log
progress() {
  printf '[PROGRESS] %s\n' "$1"
  printf '%s [PROGRESS] %s\n' "$now_at" "$1" >>"$logs/orchestrator.log"
}

# link_tasks: note for each task who depends on it (dependents_N), and which dependency, left out of this run, it cannot
# do without (blocked_by_N); count the tasks of each wave that have ended (ran_in_W) and completed (done_in_W)
link_tasks() {
  for this_wave in $waves; do
    eval "ran_in_$this_wave=0 done_in_$this_wave=0"
    selected_in "$this_wave"
    for number in $selected; do
      eval "deps_of=\$deps_of_$number"
      for dep in $deps_of; do
        eval "chosen=\$outcome_$dep dependents_$dep=\"\$dependents_$dep $number\""
        case $chosen in
          selected | completed) ;;
          *) has_branch_of "$dep" || eval "blocked_by_$number=\$id_$dep" ;;
        esac
      done
    done
  done
}

# has_branch_of <number>: true when that task's branch exists
has_branch_of() {
  eval "has_branch \"\$branch_prefix\$name_$1\""
}

# open_wave <wave>: begin a wave: its tasks that wait for nothing become ready
open_wave() {
  selected_in "$1"
  [ "$selected_count" -gt 0 ] || return 0
  progress "wave=$1 status=started"
  for ready_one in $selected; do
    eval "blocker=\$blocked_by_$ready_one"
    if [ -n "$blocker" ]; then
      block_task "$ready_one"
    else
      ready="$ready${ready:+ }$ready_one"
    fi
  done
}

# report_skipped <wave>: say and record which tasks of the wave are left out
report_skipped() {
  eval "candidates=\$tasks_in_$1"
  for number in $candidates; do
    eval "chosen=\$outcome_$number"
    if [ "$chosen" = skipped ]; then
      use_task "$number"
      write_record "$id.result" "status=skipped" "finished=$now" "finished_at=$now_at"
      read_record "$id.result"
      keep_facts "$number" skipped
      progress "wave=$wave task=$id status=skipped"
    fi
  done
}

# block_task <number>: record that the task cannot start, since a dependency of it did not complete
block_task() {
  use_task "$1"
  eval "blocker=\$blocked_by_$1"
  write_record "$id.result" "status=blocked" "by=$blocker" "finished=$now" "finished_at=$now_at"
  end_task "$1"
}

# start_ready: start tasks from the ready list as long as the limit allows
start_ready() {
  while [ -n "$ready" ] && [ "$running_count" -lt "$MAX_CONCURRENT" ] && [ -z "$stopping" ]; do
    next=${ready%% *}
    ready=${ready#"$next"}
    ready=${ready# }
    start_task "$next"
  done
}

# start_task <number>: make the task's worktree and hand it to a task runner in the background
start_task() {
  use_task "$1"
  begin_attempt
  if [ "$attempt" -gt 1 ]; then
    progress "wave=$wave task=$id status=started attempt=$attempt"
  else
    progress "wave=$wave task=$id status=started"
  fi
  if ! add_worktree >>"$log" 2>&1; then
    warn "$id: cannot create worktree $WORKSPACE_ROOT/$id: $(tail -n 1 -- "$log")"
    write_record "$id.result" "status=failed" "attempt=$attempt" "error=worktree" \
      "started=$now" "started_at=$now_at" "finished=$now" "finished_at=$now_at"
    end_task "$1"
    return 0
  fi
  (
    trap '' INT HUP
    run_task
    # By now another process may have the number of a scheduler that died.
    is_alive "$$" "$own_identity" && kill -s USR1 "$$"
  ) &
  eval "runner_$1=$!"
  record_attempt=$attempt record_commits='' record_error='' record_by='' record_exit_code=''
  record_started_at=$now_at record_finished_at=''
  keep_facts "$1" running
  running="$running $1"
  running_count=$((running_count + 1))
}

# collect_results: end every running task whose result is there, and those whose runner died without one
collect_results() {
  still=
  for number in $running; do
    eval "id=\$id_$number runner=\$runner_$number"
    if [ ! -f "$state/$id.result" ]; then
      if is_alive "$runner"; then
        still="$still $number"
        continue
      fi
      [ -f "$state/$id.result" ] || bury_task "$number"
    fi
    wait "$runner" 2>/dev/null
    running_count=$((running_count - 1))
    end_task "$number"
  done
  running=$still
}

# bury_task <number>: a runner died without a verdict: stop what its agent left, and record the task as lost
bury_task() {
  use_task "$1"
  warn "$id: its runner died; the task can be run again with --retry-failed"
  read_record "$id.agent"
  is_alive "$record_pid" "$record_identity" || record_pid=0
  stop_processes "$record_pid" "$GRACE"
  read_record "$id.start"
  buried=failed
  [ -z "$stopping" ] || buried=interrupted
  write_record "$id.result" "status=$buried" "attempt=${record_attempt:-$attempt}" "error=lost" \
    "started=$record_started" "started_at=$record_started_at" "finished=$now" "finished_at=$now_at"
}

# end_task <number>: take over the task's recorded result: report it, free its dependents or block them
end_task() {
  use_task "$1"
  read_record "$id.result"
  eval "outcome_$1=\$record_result"
  keep_facts "$1" "$record_result"
  case $record_result in
    completed) detail=" commits=${record_commits:-0}" ;;
    failed) detail=" error=$record_error${record_commits:+ commits=$record_commits}" ;;
    blocked) detail=" by=$record_by" ;;
    *) detail=${record_commits:+ commits=$record_commits} ;;
  esac
  progress "wave=$wave task=$id status=$record_result$detail${record_uncommitted:+ uncommitted=$record_uncommitted}"
  [ "$record_result" = completed ] || run_outcome=failed
  eval "ran_in_$wave=\$((ran_in_$wave + 1)) dependents=\$dependents_$1"
  [ "$record_result" != completed ] || eval "done_in_$wave=\$((done_in_$wave + 1))"
  manifest_stale=1
  [ "$record_result" != completed ] || return 0
  for dependent in $dependents; do
    eval "blocked_by_$dependent=\$id"
  done
}

# close_wave <wave>: report the wave's verdict
close_wave() {
  eval "ran=\$ran_in_$1 completed=\$done_in_$1"
  [ "$ran" -gt 0 ] || return 0
  verdict=completed
  [ "$completed" -eq "$ran" ] || verdict=failed
  [ -z "$stopping" ] || [ "$verdict" = completed ] || verdict=interrupted
  progress "wave=$1 status=$verdict tasks=$completed/$ran"
}

# on_signal <name>: a trap: remember the first signal, count them, and wake the loop
on_signal() {
  [ -n "$stopping" ] || stopping=$1
  signal_count=$((signal_count + 1))
  wake
}

# pass_signals: tell the runners to stop their agents; at the second signal, kill the agents at once
pass_signals() {
  [ "$signal_count" -gt "$signals_passed" ] || return 0
  signals_passed=$signal_count
  for number in $running; do
    eval "id=\$id_$number runner=\$runner_$number"
    if [ "$signal_count" -eq 1 ]; then
      kill -s TERM "$runner" 2>/dev/null
    elif read_record "$id.agent" && is_alive "$record_pid" "$record_identity"; then
      use_task "$number"
      # shellcheck disable=SC2046  # a list of numbers
      signal_all KILL "$record_pid" $(list_processes "$record_pid")
    fi
  done
}

# refresh_manifest: write the manifest when it is stale, but seldom enough that a large plan does not pay for it
refresh_manifest() {
  [ "$manifest_stale" -eq 0 ] || [ $((now - manifest_written)) -le $((task_count / 100)) ] || write_manifest
}

# run_wave <wave>: run the wave until its last task has ended, or a signal has stopped it
run_wave() {
  report_skipped "$1"
  open_wave "$1"
  while :; do
    start_ready
    [ -n "$running" ] || { [ -n "$ready" ] && [ -z "$stopping" ]; } || break
    refresh_manifest
    pass_signals
    [ -z "$running" ] || nap "$tick"
    awake=
    read_clock
    collect_results
  done
  close_wave "$1"
}

# run_plan: run all selected tasks, wave after wave
run_plan() {
  ready='' running='' running_count=0 stopping='' signal_count=0 signals_passed=0 awake='' sleeper=''
  run_outcome=running run_started=$now run_started_at=$now_at run_finished_at='' manifest_stale=0
  trap 'wake' USR1
  trap 'on_signal INT' INT
  trap 'on_signal TERM' TERM
  trap 'on_signal HUP' HUP
  trap '' PIPE
  record_run running
  write_manifest
  for this_wave in $waves; do
    [ -n "$stopping" ] || run_wave "$this_wave"
  done
  finish_run
}

# record_run <outcome>: write the record of this run
record_run() {
  write_record run "status=$1" "pid=$$" "identity=$own_identity" "base_branch=$base_branch" \
    "base_commit=$base_commit" "started=$run_started" "started_at=$run_started_at" \
    "finished=${run_finished-}" "finished_at=$run_finished_at" "max_concurrent=$MAX_CONCURRENT" "wave=$only_wave"
}

# finish_run: say how the run ended, write manifest and record, and end with the status that goes with it
finish_run() {
  read_clock
  run_finished=$now run_finished_at=$now_at
  [ "$run_outcome" = failed ] || run_outcome=completed
  [ -z "$stopping" ] || run_outcome=interrupted
  record_run "$run_outcome"
  write_manifest
  drop_lock
  progress "execution status=$run_outcome"
  end_run
}

# end_run: end with the status that goes with the outcome
end_run() {
  case $run_outcome,$stopping in
    completed,) exit 0 ;;
    failed,) exit 1 ;;
    *,HUP) exit 129 ;;
    *,INT) exit 130 ;;
    *) exit 143 ;;
  esac
}
