# Signals, deaths, and who may run at the same time.

# bats file_tags=process
load helper

# stop_by <signal> <status>: a run of four tasks, two at a time, of which one has ended, is stopped
stop_by() {
  project chain
  agent task-001 <<<'work; finish'
  agent task-002 <<<'work; note up; sleep 300'
  launch
  await noted up
  kill -s "$1" "$pid"
  finish
  ended_with "$2"
  all_dead
  out_is <<'END'
[PROGRESS] wave=1 status=started
[PROGRESS] wave=1 task=task-001 status=started
[PROGRESS] wave=1 task=task-001 status=completed commits=1
[PROGRESS] wave=1 status=completed tasks=1/1
[PROGRESS] wave=2 status=started
[PROGRESS] wave=2 task=task-002 status=started
[PROGRESS] wave=2 task=task-002 status=interrupted commits=1
[PROGRESS] wave=2 status=interrupted tasks=0/1
[PROGRESS] execution status=interrupted
END
  same '["interrupted", ["completed", "interrupted", "pending"], ["completed", "interrupted", "pending"]]' \
    "$(execution '[e["status"], [w["status"] for w in e["waves"]], [e["tasks"][t]["status"] for t in sorted(e["tasks"])]]')"
  [ -e "$spaces/task-002/task-002.txt" ]
  branch_has feature/task-002-second task-002.txt
  absent "$state"/lock.* "$spaces/task-003"
  has "$state/run" status=interrupted
}

# bats test_tags=portable
@test "INT stops the run in order, exit 130" {
  stop_by INT 130
}

# bats test_tags=portable
@test "TERM stops the run in order, exit 143" {
  stop_by TERM 143
}

@test "HUP stops the run in order, exit 129" {
  stop_by HUP 129
}

@test "--retry-failed goes on after an interrupted run" {
  project chain
  agent task-002 <<<'work "$PARALLEL_ATTEMPT"; [ "$PARALLEL_ATTEMPT" -gt 1 ] || { note up; sleep 300; }; finish'
  launch
  await noted up
  kill -s TERM "$pid"
  finish
  completes --retry-failed
  out_has '  - task-002-second (error: interrupted)' '[PROGRESS] wave=2 task=task-002 status=completed commits=2'
  same 'task-002 task-003' "$(started)"
}

# bats test_tags=portable
@test "a second INT kills at once an agent that ignores TERM" {
  project one
  agent task-001 <<<'trap "" TERM; sleep 300 & note up; while :; do sleep 1; done'
  GRACE=60
  launch
  await noted up
  kill -s INT "$pid"
  # The first has been passed on when the runner has stopped waiting for its agent's end.
  sleep 0.3
  kill -s INT "$pid"
  finish
  ended_with 130
  all_dead
  task_ended task-001 'interrupted commits=0'
}

# signal_group <signal> <status>: a signal to the whole group of the script, as a terminal sends it
signal_group() {
  project four
  agent task-001 task-002 task-003 <<<'work; note "$PARALLEL_TASK up"; sleep 300'
  # A group of its own, as a terminal's foreground job has.
  shell=("$PERL" -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV' -- "${shell[@]}")
  launch
  await noted 'task-001 up'
  await noted 'task-002 up'
  await noted 'task-003 up'
  kill -s "$1" -- "-$pid"
  finish
  ended_with "$2"
  all_dead
  task_ended task-001 'interrupted commits=1'
  out_has '[PROGRESS] wave=1 status=interrupted tasks=0/4' '[PROGRESS] execution status=interrupted'
  out_lacks task-004
}

@test "Ctrl-C in a terminal, which goes to the whole group, stops the run in order" {
  signal_group INT 130
}

@test "a terminal that is closed, which tells the whole group, stops the run in order" {
  signal_group HUP 129
}

@test "an agent that completes while it is stopped is interrupted all the same, and not run twice in vain" {
  project one
  agent task-001 <<<'trap "work; finish; exit 0" TERM; note up; while :; do sleep 0.1; done'
  launch
  await noted up
  kill -s INT "$pid"
  finish
  ended_with 130
  task_ended task-001 'interrupted commits=1'
}

@test "a signal between two waves does not get lost" {
  project chain
  agent task-002 <<<'sleep 300'
  agent task-001 <<<'work; await test -s "$TEST_NOTES/pid"; finish; kill -s TERM "$(cat "$TEST_NOTES/pid")"'
  launch
  echo "$pid" >"$TEST_NOTES/pid"
  finish
  ended_with 143
  all_dead
  out_has '[PROGRESS] execution status=interrupted'
  out_lacks task-003
}

@test "signals in a row are one" {
  project one
  agent task-001 <<<'note up; sleep 300'
  launch
  await noted up
  for signal in HUP INT TERM HUP INT; do
    kill -s "$signal" "$pid" 2>/dev/null || :
  done
  finish
  all_dead
  case $status in
    129 | 130 | 143) ;;
    *) ended_with 143 ;;
  esac
  same 1 "$(grep -c 'execution status=' "$out")"
  same '"interrupted"' "$(execution 'e["status"]')"
}

@test "a run that was started with INT ignored still stops on TERM" {
  project one
  agent task-001 <<<'note up; sleep 300'
  shell=("$PERL" -e '$SIG{INT} = "IGNORE"; exec { $ARGV[0] } @ARGV' -- "${shell[@]}")
  launch
  await noted up
  term_ends_it
}

# --- two runs

# bats test_tags=portable
@test "a second run while one is under way exits 2 and says who" {
  project four
  agent task-001 <<<'note up; await test -e "$TEST_NOTES/go"; work; finish'
  launch
  await noted up
  local first=$pid
  out=$home/out2 err=$home/err2
  refuses --retry-failed
  err_has "ERROR: another run of 'parallel/TS-0042-inventory' is under way"
  grep -q "^  Process $first holds it since 20..-..-..T" "$err" || { show && return 1; }
  refuses --force
  err_has "ERROR: another run of 'parallel/TS-0042-inventory' is under way"
  out=$home/out err=$home/err
  : >"$TEST_NOTES/go"
  wait "$first"
  out_has '[PROGRESS] wave=1 status=completed tasks=4/4' '[PROGRESS] execution status=completed'
}

# bats test_tags=portable
@test "a run is known to be alive in another time zone, too" {
  # Without /proc only ps tells when a process began, in local time unless told otherwise.
  project one
  agent task-001 <<<'note up; await test -e "$TEST_NOTES/go"; work; finish'
  TZ=Asia/Tokyo launch
  await noted up
  local first=$pid
  out=$home/out2 err=$home/err2
  TZ=America/New_York refuses --retry-failed
  err_has "ERROR: another run of 'parallel/TS-0042-inventory' is under way"
  TZ=America/New_York run_script --status
  grep -q "^execution status=running alive=yes pid=$first " "$out" || { show && return 1; }
  out=$home/out err=$home/err
  : >"$TEST_NOTES/go"
  wait "$first"
  out_has '[PROGRESS] execution status=completed'
}

@test "of runs that start together one goes on" {
  project one
  agent task-001 <<<'note run; await test -e "$TEST_NOTES/go"; work; finish'
  local pids='' ends=''
  for n in 1 2 3 4 5; do
    out=$home/out$n err=$home/err$n
    launch --retry-failed
    pids="$pids $pid"
  done
  # When four have been refused the fifth may end. That one sees them, too, and is refused as well, is a start in vain
  # and no harm.
  refused() { [ "$(cat "$home"/err[1-5] | grep -c 'is under way')" -ge 4 ]; }
  await refused
  : >"$TEST_NOTES/go"
  for pid in $pids; do
    finish
    ends="$ends $status"
  done
  case $(printf '%s\n' $ends | sort | paste -s -d ' ' -) in
    '0 2 2 2 2') same run "$(cat "$TEST_NOTES/notes")" ;;
    *) same '2 2 2 2 2' "$(paste -s -d ' ' - <<<"${ends// /$'\n'}" | sed 's/^ //')" && absent "$TEST_NOTES/notes" ;;
  esac
}

# bats test_tags=portable
@test "the lock of a dead run is taken over, with a word" {
  project one
  mkdir -p "$state"
  # A number that is none, and one that another process has: ours.
  printf '%s\n' pid=999999999 identity=gone started_at=2026-01-01T00:00:00Z >"$state/lock.999999999"
  completes
  grep -q 'process 999999999, started 2026-01-01T00:00:00Z' "$err" || { show && return 1; }
  printf '%s\n' "pid=$$" identity=gone started_at=2026-01-01T00:00:00Z >"$state/lock.$$"
  completes --force
  absent "$state"/lock.*
}

@test "an empty lock, as a full disk leaves it, does not stop anybody for ever" {
  project one
  mkdir -p "$state"
  : >"$state/lock.1"
  completes
}

# --- what is killed

# bats test_tags=portable
@test "a run whose scheduler was killed can be taken up: what still runs is not started twice" {
  project chain
  agent task-001 <<<'note "run $PARALLEL_ATTEMPT"; work; await test -e "$TEST_NOTES/go"; finish'
  launch
  await noted 'run 1'
  kill -s KILL "$pid"
  finish
  end_naps
  out=$home/out2 err=$home/err2
  launch --retry-failed
  await grep -q 'status=adopted' "$out"
  : >"$TEST_NOTES/go"
  finish
  ended_with 0
  out_has '[PROGRESS] wave=1 task=task-001 status=completed commits=1' '[PROGRESS] execution status=completed'
  same 'task-002 task-003' "$(started)"
  same 'run 1' "$(cat "$TEST_NOTES/notes")"
}

@test "a task that ended after its scheduler was killed counts" {
  project chain
  agent task-001 <<<'note up; work; await test -e "$TEST_NOTES/go"; finish'
  launch
  await noted up
  kill -s KILL "$pid"
  finish
  end_naps
  : >"$TEST_NOTES/go"
  await nobody_lives
  has "$state/task-001.result" status=completed commits=1
  completes --retry-failed
  same 'task-002 task-003' "$(started)"
}

@test "a run of which everything was killed is retried: its tasks are lost, their commits kept" {
  project chain
  agent task-001 <<<'work "$PARALLEL_ATTEMPT"; [ "$PARALLEL_ATTEMPT" -gt 1 ] || { echo x >draft; note up; sleep 300; }; finish'
  launch
  await noted up
  kill_all
  finish
  await nobody_lives
  same '"running"' "$(execution 'e["status"]')"
  completes --retry-failed
  out_has '  - task-001-first (error: lost)' '[PROGRESS] wave=1 task=task-001 status=started attempt=2'
  task_ended task-001 'completed commits=2'
  branch_has feature/task-001-first draft
  same '"completed"' "$(execution 'e["status"]')"
}

@test "an agent that outlived its runner is stopped before its task is tried again" {
  project one
  agent task-001 <<<'
if [ "$PARALLEL_ATTEMPT" -eq 1 ]; then
  echo $$ >"$TEST_NOTES/agent"
  note up
  while :; do note alive; sleep 0.05; done
fi
before=$(wc -c <"$TEST_NOTES/notes")
sleep 0.2
[ "$before" -eq "$(wc -c <"$TEST_NOTES/notes")" ]
work
finish'
  launch
  await noted up
  local survivor
  survivor=$(cat "$TEST_NOTES/agent")
  kill_all '*run-parallel.sh*'
  finish
  end_naps
  kill -s 0 "$survivor"
  completes --retry-failed
  end_naps
  all_dead
  task_ended task-001 'completed commits=1'
}

@test "a half-made worktree, as a kill during checkout leaves it, is filled" {
  project one
  mkdir "$spaces"
  git -C "$project" worktree add --quiet --no-checkout -b feature/task-001-only "$spaces/task-001"
  mkdir -p "$state"
  printf '%s\n' attempt=1 used=0 pid=999999999 identity=gone started=1 started_at=2026-01-01T00:00:00Z >"$state/task-001.start"
  printf '%s\n' status=running pid=999999999 identity=gone >"$state/run"
  completes --retry-failed
  out_has '  - task-001-only (error: lost)'
  [ -e "$spaces/task-001/README.md" ]
  task_ended task-001 'completed commits=1'
  branch_has feature/task-001-only README.md
}

@test "records that a crash left empty or torn are read as what they are: no verdict" {
  project chain
  agent task-001 task-002 task-003 <<<'work "$PARALLEL_TASK.$PARALLEL_ATTEMPT"; finish'
  completes
  : >"$state/task-002.result"
  printf 'sta' >"$state/task-003.result"
  printf '2026-11-22T06:44:53Z [PROGR' >>"$logs/orchestrator.log"
  completes --retry-failed
  same 'task-002 task-003' "$(started)"
  same '' "$(grep -v -x -E '[0-9TZ:-]+ \[PROGR(ESS\] .*)?' "$logs/orchestrator.log")"
}
