# --- scheduler: one loop that asks what is to be done now, does it, and waits for the next task to end

# print_facts: print what decide is to know
print_facts() {
  say "now=$now" "slots=$MAX_CONCURRENT" "schedule=$SCHEDULE" "halt=$HALT" "retries=$RETRIES" "retry_delay=$retry_delay" \
    "stopping=$stopping" "only_wave=$only_wave" "running=$running" "to_adopt=$to_adopt" "ended=$ended" \
    "again=$again" "skip=$skip" "branches=$branches$landed" "opened=$opened" "closed=$closed" "agent=$default_agent" \
    "agents=$own_agents" "integrate=$INTEGRATE" "integrated=$integrated_waves" "paused=$paused" "refused=$refused" "max_cost=$MAX_COST" "limit_wait=$LIMIT_WAIT" "began=$run_started"
  list_states || return 1
  say "$plan" end
}

# advance: do what is to be done now. Sets: patience (seconds to wait for news) due (until then nothing but tasks changes) outcome (once the run is over)
advance() {
  patience=$tick due=$now
  # No answer, because who had to give it was killed: ask again.
  decisions=$(print_facts | decide) || { patience=1 && return 0; }
  ended='' to_adopt='' carried=0
  [ -z "$decisions" ] || manifest_stale=1
  # Of a wave there are its number, its status and DONE/SIZE.
  while read -r decision detail id name wave deps limit prompt; do
    carried=1
    use_task
    case $decision in
      open) opened="$opened$detail " && progress "wave=$detail status=started" ;;
      close) closed="$closed$detail " && progress "wave=$detail status=$id tasks=$name" ;;
      adopt) progress "wave=$wave task=$id status=adopted" ;;
      report) report_task ;;
      pause) forget_pause && paused="$paused$detail:$id " && progress "agent=$detail status=limited until=$id" ;;
      resume) forget_pause && progress "agent=$detail status=resumed" ;;
      refuse) refuse_agent ;;
      give_up)
        refused="$refused$detail " reason=limit
        warn "The limit of $detail lasts longer than --limit-wait: its tasks stay as they are, and '--retry-failed' goes on with them."
        ;;
      cap)
        stopping=${stopping:-cost} reason=cost
        warn "The tasks have cost $detail USD, and --max-cost is $MAX_COST: no more are started. '--retry-failed' goes on with a higher one."
        ;;
      retry) read_record "$id.result" && progress "wave=$wave task=$id status=retrying error=$record_error in=$detail" ;;
      integrate) integrate_wave ;;
      halt)
        stopping=${stopping:-halt}
        [ "$HALT" = soon ] || signals=$((signals + 1))
        ;;
      skip | block) end_unstarted ;;
      start | probe) [ -n "$stopping" ] || start_task ;;
      wait)
        due=$((now + detail))
        [ "$detail" -ge "$patience" ] || patience=$detail
        ;;
      'done') outcome=$detail ;;
    esac
  done <<EOF
$decisions
EOF
  # In some shells a text like this is a file.
  if [ "$carried" -eq 0 ] && [ -n "$decisions" ]; then
    warn "ERROR: cannot read what is to be done: is TMPDIR full?" "  What runs goes on, and '--retry-failed' takes over."
    exit 1
  fi
}

# integrate_wave: merge what has completed, up to the wave that detail names, or all. Sets: branch_from (what the branches of the next
# wave start from)
integrate_wave() {
  write_manifest
  integrate "${detail#end}" || [ -n "$stopping" ] || { stopping=integration && reason=integration; }
  integrated_waves="$integrated_waves$detail "
  [ -z "$work" ] || [ "$detail" = end ] || branch_from=$integrated
  watch_signals
  read_clock
  # There is more to do at once.
  awake=1
}

# refuse_agent: say why no more tasks of an agent are started: in its own words, from the log of a task
refuse_agent() {
  refused="$refused$detail "
  read_record "$id.session"
  warn "ERROR: $detail has refused $id, and no more of its tasks are started: $record_said"
}

# forget_pause: take an agent out of those of which a limit was told
forget_pause() {
  case $paused in
    *" $detail:"*)
      rest=${paused#*" $detail:"}
      paused=${paused%%" $detail:"*}\ ${rest#* }
      ;;
  esac
}

# forget_verdict: the verdict on an earlier attempt counts no longer; its record tells that a person may have come since
forget_verdict() {
  [ ! -e "$state/$id.result" ] || mv -f -- "$state/$id.result" "$state/$id.earlier"
  case $again in
    *" $id "*) again=${again%%" $id "*}\ ${again#*" $id "} ;;
  esac
}

# end_unstarted: record and report a task that is skipped, or blocked by the one that detail names
end_unstarted() {
  forget_verdict
  verdict=skipped by=
  [ "$decision" = skip ] || verdict=blocked by=$detail
  limited_until='' limits=0 limited_since=''
  write_result "by=$by" || unrecorded="$unrecorded$id "
  progress "wave=$wave task=$id status=$verdict${by:+ by=$by}"
}

# start_task: hand the task to a task runner in the background; detail says how often this run has tried it
start_task() {
  if [ ! -s "$state/$id.result" ] && read_record "$id.start" && is_alive "$record_pid" "$record_identity"; then
    # Somebody runs it by hand.
    running="$running$id:s$record_slot:$record_pid:$record_identity " to_adopt="$to_adopt$id: " patience=1
    return
  fi
  tried=$detail slot=1 probe=
  [ "$decision" = start ] || probe=1
  while [ "${running#*":s$slot:"}" != "$running" ]; do
    slot=$((slot + 1))
  done
  begin_attempt
  (
    # Not behind the bracket: yash would put another process in between.
    exec </dev/null
    trap '' INT HUP
    run_task do_task
    tell_scheduler
  ) &
  running="$running$id:s$slot:$!: "
}

# collect_results: move each running task whose verdict is there, or whose runner died without one, to ended
collect_results() {
  # A runner that ends tells us; one that was killed does not, and looking costs more than being told.
  look=0 still=
  [ "$now" -lt "$look_due" ] && [ -z "$adopted$stopping" ] || look=1 look_due=$((now + tick))
  adopted=
  for entry in $running; do
    id=${entry%%:*} runner=${entry#*:*:}
    runner_identity=${runner#*:} runner=${runner%%:*}
    if [ ! -s "$state/$id.result" ] && { [ "$look" -eq 0 ] || is_alive "$runner" "$runner_identity"; }; then
      # Those that an earlier scheduler has started have an identity here, and do not tell us.
      still="$still$entry " adopted=$adopted$runner_identity
      continue
    fi
    [ -s "$state/$id.result" ] || bury_task
    reap "$runner"
    ended="$ended$id "
  done
  running=$still
}

# bury_task: a runner died without a verdict: stop what its agent left, and give one
bury_task() {
  name=
  use_task
  warn "$id: its runner died without a verdict"
  stop_remains
  read_record "$id.steps"
  step_name=$record_step error=lost verdict=failed
  [ -z "$stopping" ] || verdict=interrupted
  find_limit
  record_end && return
  unrecorded="$unrecorded$id "
  warn "$id: its verdict cannot be recorded: is the disk full?"
}

# record_end: record the verdict on a task whose runner died
record_end() {
  read_record "$id.session"
  launched=${record_launched:-$now}
  read_record "$id.start"
  # Nobody knows when the limit was met; what came after the launch is not the time of the task.
  [ "$verdict" != limited ] || record_waited=$((${record_waited:-0} + now - launched))
  write_result "attempt=$record_attempt" "tried=$record_tried" "error=$error" "step=$step_name" "waited=$record_waited" \
    "started=$record_started" "started_at=$record_started_at"
}

# report_task: print the progress line of a task's verdict
report_task() {
  read_record "$id.result" && [ -n "$record_status" ] || record_status=failed record_error=state
  case $record_status in
    completed) facts=" commits=${record_commits:-0}" ;;
    failed) facts=" error=$record_error${record_commits:+ commits=$record_commits}" ;;
    limited) facts=" until=$record_until" ;;
    *) facts=${record_commits:+ commits=$record_commits} ;;
  esac
  facts=$facts${record_uncommitted:+ uncommitted=$record_uncommitted}${record_stopped:+ stopped=$record_stopped}${record_outside:+ outside=$record_outside}
  progress "wave=$wave task=$id status=$record_status$facts"
}

# on_signal <name>: called by traps: remember the first signal, count them, and wake the loop, or stop the step after it
on_signal() {
  signals=$((signals + 1))
  case $stopping in
    '' | halt | cost | integration) stopping=$1 ;;
  esac
  wake
  stop_task interrupted
}

# pass_signals: while stopping, tell the runners to stop their tasks; after a second signal kill these at once
pass_signals() {
  [ "$signals" -gt 0 ] || return 0
  if [ -z "$said_stopping" ] && [ -n "$running" ]; then
    said_stopping=1
    warn "Stopping: the agents have $GRACE seconds to end; another signal kills them."
  fi
  for entry in $running; do
    id=${entry%%:*} runner=${entry#*:*:} name=''
    use_task
    # Every time we wake: a runner that has only just been started may not have its trap yet.
    ! is_alive "${runner%%:*}" "${runner#*:}" || kill -s TERM "${runner%%:*}" 2>/dev/null
    [ "$signals" -gt 1 ] || continue
    processes=
    for record in agent steps; do
      recall_process "$id.$record"
      add_processes "$recalled"
      signal_all KILL "$recalled"
    done
  done
}

# watch_signals: note signals, and wake the loop
watch_signals() {
  # A runner has something to tell.
  trap 'manifest_stale=1 && wake' USR1
  trap 'on_signal INT' INT
  trap 'on_signal TERM' TERM
  trap 'on_signal HUP' HUP
  trap - USR2
}

# run_plan: run the selected tasks until the last has ended or a signal has stopped them
run_plan() {
  opened=' ' closed=' ' ended='' outcome='' stopping='' said_stopping='' signals=0 awake='' sleeper=''
  # Of the step that comes after the last task.
  cause='' step='' stopped_step='' settled=''
  paused=' ' refused=' ' reason=''
  run_outcome=running run_started=$now run_started_at=$now_at run_finished='' run_finished_at=''
  integrated_waves=' ' branch_from=''
  watch_signals
  adopted=$running to_adopt=$running look_due=$((now + tick))
  [ ! -e "$logs/checkout.log" ] || rm -f -- "$logs/checkout.log"
  watch_checkout
  write_run running || fail "ERROR: cannot write to '$state'" "  Is the disk full?"
  # The manifest is written when the first tasks have been started.
  manifest_stale=1 manifest_written=0 task_count=$(say "$plan" | grep -c '')
  while :; do
    advance
    [ -z "$outcome" ] || break
    # So seldom that a large plan does not pay for it.
    [ "$manifest_stale" -eq 0 ] || [ $((now - manifest_written)) -le $((task_count / 100)) ] || write_manifest
    pass_signals
    # No signal tells of an adopted runner, or of the time to write the manifest.
    [ -z "$stopping$adopted" ] && [ "$manifest_stale" -eq 0 ] || patience=1
    nap "$patience"
    read_clock
    # As long as nothing runs, as while all agents are limited, only the clock and signals have news.
    while [ -z "$running$stopping" ] && [ "$manifest_stale" -eq 0 ] && [ "$now" -lt "$due" ]; do
      nap "$((due - now < tick ? due - now : tick))"
      read_clock
    done
    collect_results
    [ -z "$ended" ] || tell_checkout "${ended% } ended"
  done
  run_outcome=$outcome run_finished=$now run_finished_at=$now_at
  [ "$run_outcome" = failed ] || reason=
  [ "$opened$run_outcome" != ' completed' ] || say "Nothing is left to run."
  # The record last: who finds it completed may rely on the manifest.
  write_manifest
  write_run "$run_outcome" || warn "ERROR: cannot write to '$state'" "  Is the disk full?"
  drop_lock
  progress "execution status=$run_outcome${reason:+ reason=$reason}"
  run_step end_checkout
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
