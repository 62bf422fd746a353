# --- scheduler: one loop that decides what starts and turns each result into progress lines and the manifest

# progress <text>: print a progress line, and keep it with its time in the orchestrator's log
progress() {
  printf '[PROGRESS] %s\n' "$1"
  printf '%s [PROGRESS] %s\n' "$now_at" "$1" >>"$logs/orchestrator.log"
}

# link_tasks: set for each selected task how many dependencies it waits for (waits_N), who waits for it (dependents_N)
# and which missing dependency it cannot do without (blocked_by_N); for wave W, how many of its tasks are to end
# (left_in_W), have completed (done_in_W) and count in all (size_of_W)
link_tasks() {
  for wave in $waves; do
    list_tasks "$wave" completed
    eval "done_in_$wave=$count"
    list_tasks "$wave" adopted
    eval "left_in_$wave=$count announced_$wave="
    list_tasks "$wave" selected
    eval "left_in_$wave=\$((left_in_$wave + count)) size_of_$wave=\$((done_in_$wave + left_in_$wave))"
    for number in $listed; do
      use_task "$number"
      for dep in $deps_of; do
        name_task "$dep"
        case $its_outcome in
          completed) ;;
          selected | adopted)
            eval "waits_$number=\$((\${waits_$number-0} + 1)) dependents_$dep=\"\${dependents_$dep-} $number\""
            ;;
          *) has_branch "$branch_prefix$its_name" || eval "blocked_by_$number=\$its_id" ;;
        esac
      done
    done
  done
}

# rank_tasks: with --schedule deps, set rank_N to how many tasks the longest chain has that waits for the task
rank_tasks() {
  top_rank=0 backwards=''
  for number in $tasks; do
    backwards="$number $backwards"
  done
  for number in $backwards; do
    use_task "$number"
    eval "above=\$((\${rank_$number-0} + 1))"
    for dep in $deps_of; do
      eval "rank=\${rank_$dep-0}"
      [ "$rank" -ge "$above" ] || eval "rank_$dep=$above"
      [ "$top_rank" -ge "$above" ] || top_rank=$above
    done
  done
}

# advance: release, block and start whatever can be; true while a task runs
advance() {
  while [ -z "$stopping" ]; do
    if [ -n "$hopeless" ]; then
      number=${hopeless%% *}
      hopeless=${hopeless#"$number "}
      block_task "$number"
    elif may_release; then
      wave=${unreleased%% *}
      unreleased=${unreleased#* }
      release_wave "$wave"
    elif [ "$ready_count" -gt 0 ] && [ "$running_count" -lt "$MAX_CONCURRENT" ]; then
      take_ready
      start_task "$number"
    else
      break
    fi
  done
  [ -n "$running" ] || { [ -n "$delayed" ] && [ -z "$stopping" ]; }
}

# may_release: true when the next wave may start: when all before it have ended, or, with --schedule deps, at once
may_release() {
  [ -n "$unreleased" ] && { [ "$SCHEDULE" = deps ] || [ "$ready_count$running$delayed" = 0 ]; }
}

# release_wave <wave>: let the wave's tasks start
release_wave() {
  list_tasks "$1" skipped
  for number in $listed; do
    use_task "$number"
    write_record "$id.result" "status=skipped" "finished=$now" "finished_at=$now_at"
    announce_wave
    progress "wave=$wave task=$id status=skipped"
  done
  list_tasks "$1" selected
  for number in $listed; do
    place_task "$number"
  done
  # All that is left of the wave may be skipped tasks.
  eval "left=\$left_in_$1 announced=\$announced_$1"
  [ "$left" -gt 0 ] || [ -z "$announced" ] || report_wave "$1"
}

# announce_wave: report that the wave has started, once
announce_wave() {
  eval "announced=\$announced_$wave announced_$wave=1"
  [ -n "$announced" ] || progress "wave=$wave status=started"
}

# place_task <number>: put a task that waits for nothing on the list it belongs to
place_task() {
  eval "blocker=\${blocked_by_$1-} waits=\${waits_$1-0} outcome=\${outcome_$1-selected}"
  if [ -n "$blocker" ] && [ "$outcome" = selected ]; then
    eval "outcome_$1=hopeless"
    hopeless="$hopeless$1 "
  elif [ -z "$blocker" ] && [ "$waits" -eq 0 ]; then
    add_ready "$1"
  fi
}

# add_ready <number>: put the task behind those of its rank that can start
add_ready() {
  eval "rank=\${rank_$1-0}"
  eval "ready_at_$rank=\"\${ready_at_$rank-}$1 \""
  ready_count=$((ready_count + 1))
}

# take_ready: set number to the first task of the highest rank that can start, and take it off its list
take_ready() {
  rank=$top_rank
  eval "queue=\${ready_at_$rank-}"
  while [ -z "$queue" ]; do
    rank=$((rank - 1))
    eval "queue=\${ready_at_$rank-}"
  done
  number=${queue%% *}
  eval "ready_at_$rank=\${queue#* }"
  ready_count=$((ready_count - 1))
}

# block_task <number>: record that the task cannot start, since a dependency of it did not complete
block_task() {
  use_task "$1"
  announce_wave
  eval "blocker=\$blocked_by_$1"
  write_record "$id.result" "status=blocked" "by=$blocker" "finished=$now" "finished_at=$now_at"
  end_task "$1"
}

# start_task <number>: hand the task to a task runner in the background
start_task() {
  use_task "$1"
  announce_wave
  begin_attempt
  (
    trap '' INT HUP
    run_task
    # By now another process may have the number of a scheduler that died.
    ! is_alive "$$" "$own_identity" || kill -s USR1 "$$"
  ) &
  eval "runner_$1=$! identity_$1="
  running="$running$1 "
  running_count=$((running_count + 1))
  manifest_stale=1
}

# collect_results: end each running task whose result is there, and each whose runner died without one
collect_results() {
  still=
  # A runner that ends tells us; one that was killed does not, and looking costs more than being told.
  look=0
  if [ "$now" -ge "$look_due" ] || [ -n "$adopted$stopping" ]; then
    look=1 look_due=$((now + tick))
  fi
  for number in $running; do
    name_task "$number"
    eval "runner=\$runner_$number identity=\$identity_$number"
    if ! has_result; then
      if [ "$look" -eq 0 ] || is_alive "$runner" "$identity"; then
        still="$still$number "
        continue
      fi
      has_result || bury_task "$number"
    fi
    reap "$runner"
    unset "runner_$number" "identity_$number"
    running_count=$((running_count - 1))
    end_task "$number"
  done
  running=$still
}

# has_result: true when the verdict on the task that was named is recorded, to its last line
has_result() {
  [ -s "$state/$its_id.result" ] && read_record "$its_id.result" && [ -n "$record_status" ]
}

# bury_task <number>: a runner died without a verdict: stop what its agent left, and give one
bury_task() {
  use_task "$1"
  warn "$id: its runner died without a verdict"
  stop_remains
  read_record "$id.start"
  verdict=failed
  [ -z "$stopping" ] || verdict=interrupted
  write_record "$id.result" "status=$verdict" "attempt=$record_attempt" "error=lost" \
    "started=$record_started" "started_at=$record_started_at" "finished=$now" "finished_at=$now_at"
}

# end_task <number>: take over the task's recorded result: report it, and free its dependents or block them
end_task() {
  use_task "$1"
  announce_wave
  manifest_stale=1
  if ! read_record "$id.result" || [ -z "$record_status" ]; then
    warn "$id: its result cannot be read or was never written: is the disk full?"
    record_status=failed record_error=state
  fi
  ! delay_retry "$1" || return 0
  report_task
  if [ "$record_status" != completed ]; then
    run_outcome=failed
    halt
  fi
  eval "dependents=\${dependents_$1-} left=\$((left_in_$wave - 1)) left_in_$wave=\$left"
  if [ "$record_status" = completed ]; then
    eval "done_in_$wave=\$((done_in_$wave + 1))"
  fi
  for dependent in $dependents; do
    eval "waits_$dependent=\$((waits_$dependent - 1))"
    [ "$record_status" = completed ] || eval "blocked_by_$dependent=\$id"
    # Before its wave is released nothing is done with it.
    [ -n "$unreleased" ] || place_task "$dependent"
  done
  [ "$left" -gt 0 ] || report_wave "$wave"
}

# delay_retry <number>: when the task failed and may be tried again, put it off for a while that doubles each time
delay_retry() {
  [ "$record_status" = failed ] && [ "$tried" -lt "$RETRIES" ] && [ -z "$stopping" ] || return 1
  case $record_error in
    merge_conflict | prompt_missing | state) return 1 ;;
  esac
  pause=$retry_delay
  doublings=$tried
  while [ "$doublings" -gt 0 ] && [ "$pause" -lt 600 ]; do
    pause=$((pause * 2)) doublings=$((doublings - 1))
  done
  eval "tried_$1=$((tried + 1)) due_$1=$((now + pause))"
  delayed="$delayed$1 "
  progress "wave=$wave task=$id status=retrying error=$record_error in=$pause"
}

# release_delayed: make those tasks ready again whose pause is over
release_delayed() {
  waiting=
  for number in $delayed; do
    eval "due=\$due_$number"
    if [ "$due" -le "$now" ]; then
      add_ready "$number"
    else
      waiting="$waiting$number "
    fi
  done
  delayed=$waiting
}

# halt: after a failure, stop as the policy says: never, soon (start no more) or now (stop what runs)
halt() {
  if [ "$HALT" != never ] && [ -z "$stopping" ]; then
    stopping=halt
    [ "$HALT" = soon ] || signals=1
  fi
}

# report_task: print the progress line of the result that was read
report_task() {
  case $record_status in
    completed) detail=" commits=${record_commits:-0}" ;;
    failed) detail=" error=$record_error${record_commits:+ commits=$record_commits}" ;;
    blocked) detail=" by=$record_by" ;;
    *) detail=${record_commits:+ commits=$record_commits} ;;
  esac
  progress "wave=$wave task=$id status=$record_status$detail${record_uncommitted:+ uncommitted=$record_uncommitted}"
}

# report_wave <wave>: print the verdict on the wave
report_wave() {
  eval "completed=\$done_in_$1 size=\$size_of_$1 announced=\$announced_$1 announced_$1=reported"
  [ "$announced" != reported ] || return 0
  verdict=completed
  [ "$completed" -eq "$size" ] || verdict=failed
  case $stopping,$verdict in
    ,* | halt,* | *,completed) ;;
    *) verdict=interrupted ;;
  esac
  progress "wave=$1 status=$verdict tasks=$completed/$size"
}

# on_signal <name>: called by traps: remember the first signal, count them, and wake the loop
on_signal() {
  case $stopping in
    '' | halt) stopping=$1 ;;
  esac
  signals=$((signals + 1))
  wake
}

# pass_signals: while stopping, tell the runners to stop their agents; after a second signal kill the agents at once
pass_signals() {
  [ "$signals" -gt 0 ] || return 0
  if [ -z "$said_stopping" ] && [ -n "$running" ]; then
    said_stopping=1
    warn "Stopping: the agents have $GRACE seconds to end; another signal kills them."
  fi
  for number in $running; do
    use_task "$number"
    eval "runner=\$runner_$number identity=\$identity_$number"
    # Every time we wake: a runner that has only just been started may not have its trap yet.
    ! is_alive "$runner" "$identity" || kill -s TERM "$runner" 2>/dev/null
    if [ "$signals" -gt 1 ]; then
      recall_agent
      processes=
      add_processes "$recalled"
      signal_all KILL "$recalled"
    fi
  done
}

# run_plan: run all selected tasks until the last has ended or a signal has stopped them
run_plan() {
  ready_count=0 top_rank=0 hopeless='' delayed='' unreleased="${waves# } "
  [ "$SCHEDULE" = waves ] || rank_tasks
  stopping='' said_stopping='' signals=0 awake='' sleeper=''
  run_outcome=running run_started=$now run_started_at=$now_at run_finished='' run_finished_at=''
  trap 'wake' USR1
  trap 'on_signal INT' INT
  trap 'on_signal TERM' TERM
  trap 'on_signal HUP' HUP
  adopted=$running look_due=$((now + tick))
  for number in $adopted; do
    use_task "$number"
    announce_wave
    progress "wave=$wave task=$id status=adopted"
  done
  refuse_nothing
  record_run running || fail_to_write
  # Written when the first tasks have been started.
  manifest_stale=1 manifest_written=0
  while advance; do
    refresh_manifest
    pass_signals
    # No signal tells of an adopted runner, the end of a pause, or the time to write the manifest.
    if [ -n "$stopping$adopted$delayed" ] || [ "$manifest_stale" -eq 1 ]; then
      nap 1
    else
      nap "$tick"
    fi
    awake=
    read_clock
    collect_results
    release_delayed
  done
  finish_run
}

# refuse_nothing: when there is nothing to do, and the latest run said so in full, end as it did; only the manifest may
# have missed it
refuse_nothing() {
  for wave in $waves; do
    eval "left=\$left_in_$wave"
    [ "$left" -eq 0 ] || return 0
    list_tasks "$wave" skipped
    [ "$count" -eq 0 ] || return 0
  done
  if read_record run && [ "$record_status" = completed ]; then
    run_outcome=completed run_started_at=$record_started_at run_finished_at=$record_finished_at
    base_branch=$record_base_branch base_commit=$record_base_commit MAX_CONCURRENT=$record_max_concurrent
    write_manifest
    drop_lock
    say "Nothing is left to run." "[PROGRESS] execution status=completed"
    exit 0
  fi
}

# record_run <outcome>: write the record of this run
record_run() {
  write_record run "status=$1" "pid=$$" "identity=$own_identity" "base_branch=$base_branch" \
    "base_commit=$base_commit" "started=$run_started" "started_at=$run_started_at" \
    "finished=$run_finished" "finished_at=$run_finished_at" "max_concurrent=$MAX_CONCURRENT" "wave=$only_wave"
}

# finish_run: say how the run ended, in record, manifest and progress line
finish_run() {
  read_clock
  run_finished=$now run_finished_at=$now_at
  # Whatever the reason: with a task that was to run and did not, nothing is completed.
  [ "$run_outcome" = failed ] || [ "$ready_count" -gt 0 ] || run_outcome=completed
  [ "$run_outcome" = completed ] || run_outcome=failed
  if [ -n "$stopping" ]; then
    [ "$stopping" = halt ] || run_outcome=interrupted
    for wave in $waves; do
      eval "left=\$left_in_$wave announced=\$announced_$wave"
      [ -z "$announced" ] || [ "$left" -eq 0 ] || report_wave "$wave"
    done
  fi
  # The record last: who finds it completed may rely on the manifest.
  write_manifest
  record_run "$run_outcome"
  drop_lock
  progress "execution status=$run_outcome"
  exit_with_outcome
}

# exit_with_outcome: end with the status that tells how the run ended
exit_with_outcome() {
  case $stopping,$run_outcome in
    HUP,*) exit 129 ;;
    INT,*) exit 130 ;;
    TERM,*) exit 143 ;;
    *,completed) exit 0 ;;
    *) exit 1 ;;
  esac
}
