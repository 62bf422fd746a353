# An agent that has met a limit, or that the service refuses: who is started, who waits, and what is charged.

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  export NO_BASELINE=1
}

# resets_in <seconds>: the limit of the account ends then; before, agents that call `meet` meet it. Sets: at
resets_in() {
  at=$(($(date +%s) + $1))
  echo "$at" >"$TEST_NOTES/at"
}

# meet: what an agent does that may meet the limit, and tells it as the protocol of any command has it, or as claude does
meet='at=$(cat "$TEST_NOTES/at"); if [ "$(date +%s)" -lt "$at" ]; then note "limit-${PARALLEL_TASK#task-00}"; echo "resets_at=$at" >"$PARALLEL_RESULT"; exit 75; fi;'
meet_claude='at=$(cat "$TEST_NOTES/at"); says "On it."; if [ "$(date +%s)" -lt "$at" ]; then note "limit-${PARALLEL_TASK#task-00}"; limited "$at"; fi;'

# is_limited <task>: true when that is its recorded verdict
is_limited() {
  [ "$(fact status "$1.result" 2>/dev/null)" = limited ]
}

# shift_until <task> <seconds>: let the limit that the task has met end so much later; before now: it is over
shift_until() {
  awk -v by="$2" '{ if (sub(/^until=/, "")) $0 = "until=" $0 + by; print }' "$state/$1.result" >"$home/result"
  cat "$home/result" >"$state/$1.result"
}

# lines_on <agent>: print the status of each progress line of the agent
lines_on() {
  sed -n "s/^\[PROGRESS\] agent=$1 status=\([a-z]*\).*/\1/p" "$out" | paste -s -d ' ' -
}

# crash: kill all that this test has started
crash() {
  kill_all
  finish
  await nobody_lives
}

# bats test_tags=portable
@test "a limit: the task waits and goes on where it was, in the same attempt, and the wait is not its time" {
  plan_of one
  agent task-001 <<AGENT
cat >"\$TEST_NOTES/stdin"
echo "attempt \$PARALLEL_ATTEMPT of \${PARALLEL_SESSION:-nobody}"
if [ ! -e "\$TEST_NOTES/at" ]; then
  # Its marker stays, since it may have been done.
  finish
  at=\$((\$(date +%s) + 4))
  echo "\$at" >"\$TEST_NOTES/at"
  printf '%s\n' session=s-1 "resets_at=\$at" >"\$PARALLEL_RESULT"
  exit 75
fi
[ ! -e .claude-task-complete ] || note kept
[ "\$(date +%s)" -ge "\$(cat "\$TEST_NOTES/at")" ] && note late
sleep 1.5
work
finish
AGENT
  launch --timeout 3
  await is_limited task-001
  at=$(cat "$TEST_NOTES/at")
  await grep -q -x "\[PROGRESS\] agent=command status=limited until=$at" "$out"
  "${shell[@]}" "$project/$script" --status >"$home/status" 3>&-
  grep -q " task=task-001 status=limited .*until=$at" "$home/status"
  await eval "[ '\"limited\"' = \"\$(execution 'e[\"tasks\"][\"task-001\"][\"status\"]')\" ]"
  finish
  ended_with 0
  same 'started limited resumed completed' "$(lines_of task-001)"
  task_ended task-001 "limited until=$at"
  same 'limited resumed' "$(lines_on command)"
  same 'kept late' "$(notes)"
  # The time of the limit was over, and no more than a few seconds.
  [ $(($(fact finished task-001.result) - at)) -le 5 ]
  same 'attempt 1 of nobody
[run-parallel.sh: the limit is over]
attempt 1 of s-1' "$(cat "$logs/task-001.log")"
  absent "$logs/task-001.1.log"
  same 1 "$(fact attempt task-001.result)"
  same 'This task was attempted before, and the work is in this worktree. It was stopped by a usage limit, which is over now.
Go on from there, commit, and end as the task tells.' "$(cat "$TEST_NOTES/stdin")"
  same '' "$(fact until task-001.result)$(fact limits task-001.result)"
}

@test "after a limit one task goes first, one that has met it, and the others follow when it has an answer" {
  plan_of four
  for task in 001 002 003 004; do
    agent "task-$task" <<AGENT
${meet%;}
note "begin-\${PARALLEL_TASK#task-00}"
if mkdir "\$TEST_NOTES/first" 2>/dev/null; then
  sleep 1.2
  note answer
  echo Hello
  await test -e "\$TEST_NOTES/second"
else
  : >"\$TEST_NOTES/second"
fi
work
finish
AGENT
  done
  resets_in 3
  completes --max-concurrent 2
  same 'task-001 task-002 task-003 task-004' "$(started)"
  same 'started limited resumed completed' "$(lines_of task-001)"
  same 'started limited resumed completed' "$(lines_of task-002)"
  same 'started completed' "$(lines_of task-003)"
  same 'limited resumed' "$(lines_on command)"
  same 'limit limit' "$(head -n 2 "$TEST_NOTES/notes" | sed 's/-.*//' | paste -s -d ' ' -)"
  same 'begin-1 answer begin-2' "$(sed -n 3,5p "$TEST_NOTES/notes" | paste -s -d ' ' -)"
}

# bats test_tags=one-shell
@test "a limit that the first task meets again: the others wait on" {
  plan_of four
  for task in 001 002 003 004; do
    agent "task-$task" <<<"${meet%;}"'
if mkdir "$TEST_NOTES/again" 2>/dev/null; then
  note again
  at=$(($(date +%s) + 2))
  echo "$at" >"$TEST_NOTES/at"
  echo "resets_at=$at" >"$PARALLEL_RESULT"
  exit 75
fi
note "go-${PARALLEL_TASK#task-00}"; work; finish'
  done
  resets_in 2
  completes --max-concurrent 2
  same 'started limited resumed limited resumed completed' "$(lines_of task-001)"
  same 'started limited resumed completed' "$(lines_of task-002)"
  same 'limited limited resumed' "$(lines_on command)"
  same 'again go-1' "$(sed -n 3,4p "$TEST_NOTES/notes" | paste -s -d ' ' -)"
  same '[run-parallel.sh: the limit is over]
[run-parallel.sh: the limit is over]' "$(cat "$logs/task-001.log")"
  same '1 1' "$(fact attempt task-001.result) $(fact attempt task-002.result)"
}

# bats test_tags=one-shell
@test "while one agent waits for its limit the others go on" {
  plan_of claude
  use_claude
  own_commands <<<'task-002 agent claude'
  agent task-002 <<<"$meet_claude"' work; costs 5; finish; result 2 false'
  resets_in 3
  completes --max-concurrent 1
  same 'started limited resumed completed' "$(lines_of task-002)"
  same 'limited resumed' "$(lines_on claude)"
  same '' "$(lines_on command)"
  # Those of the others have ended before it went on.
  same 'completed resumed' "$(sed -n 's/.*task=\(task-004 status=completed\|task-002 status=resumed\).*/\1/p' "$out" | sed 's/.*=//' | paste -s -d ' ' -)"
  # In the same session.
  same 'session-id resume' "$(sed 's/ .*//' "$TEST_NOTES/launches" | paste -s -d ' ' -)"
  same 1 "$(sed 's/.* //' "$TEST_NOTES/launches" | sort -u | grep -c '')"
}

@test "a limit without a time: a minute, then two, unless it has had an answer; a signal ends the wait" {
  plan_of one
  agent task-001 <<<'exit 75'
  launch
  await grep -q '^\[PROGRESS\] agent=command status=limited' "$out"
  same 60 $(($(fact until task-001.result) - $(fact finished task-001.result)))
  term_ends_it 5
  has "$out" '[PROGRESS] execution status=interrupted'
  is_limited task-001
  shift_until task-001 -100
  : >"$out"
  launch --retry-failed
  await grep -q '^\[PROGRESS\] agent=command status=limited' "$out"
  same 120 $(($(fact until task-001.result) - $(fact finished task-001.result)))
  term_ends_it 5
  agent task-001 <<<'work; finish'
  shift_until task-001 -200
  completes --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
  same 1 "$(fact attempt task-001.result)"
}

@test "a limit without a time: what the agent says of it is no answer" {
  plan_of one
  agent task-001 <<<'echo "Overloaded. Try again later."; exit 75'
  launch
  await grep -q '^\[PROGRESS\] agent=command status=limited' "$out"
  term_ends_it
  shift_until task-001 -100
  : >"$out"
  launch --retry-failed
  await grep -q '^\[PROGRESS\] agent=command status=limited' "$out"
  same 120 $(($(fact until task-001.result) - $(fact finished task-001.result)))
  term_ends_it
}

@test "with --limit-wait a limit that lasts longer is given up, and --retry-failed goes on" {
  plan_of four
  for task in 001 002 003 004; do agent "task-$task" <<<"$meet work; finish"; done
  resets_in 1000
  LIMIT_WAIT=5 fails --max-concurrent 1
  same task-001 "$(started)"
  same 'started limited' "$(lines_of task-001)"
  has "$out" '[PROGRESS] execution status=failed reason=limit'
  err_has "The limit of command lasts longer than --limit-wait: its tasks stay as they are, and '--retry-failed' goes on with them."
  same '"limited"' "$(execution 'e["tasks"]["task-001"]["status"]')"
  # The limit is known: nobody has to meet it again.
  LIMIT_WAIT=5 fails --retry-failed
  same '' "$(started)"
  same limit-1 "$(notes)"
  resets_in 0
  shift_until task-001 -1000
  LIMIT_WAIT=5 completes --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
  same 1 "$(fact attempt task-001.result)"
}

# bats test_tags=portable
@test "a crash of everything while limited charges nothing" {
  plan_of four
  for task in 001 002 003 004; do agent "task-$task" <<<"$meet work; finish"; done
  resets_in 3
  launch --max-concurrent 2
  await is_limited task-001
  await is_limited task-002
  crash
  completes --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
  same 'resumed completed' "$(lines_of task-002)"
  same 'task-003 task-004' "$(started)"
  same '1 1' "$(fact attempt task-001.result) $(fact attempt task-002.result)"
  absent "$logs/task-001.1.log"
  # Nobody has tried before the time.
  same 'limit limit' "$(sed 's/-.*//' "$TEST_NOTES/notes" | paste -s -d ' ' -)"
}

@test "a crash of everything between the end of an agent and its verdict charges nothing" {
  crash_at '*.result'
}

# bats test_tags=one-shell
@test "a crash of everything before the end of an agent is read charges nothing" {
  crash_at '*.session'
}

# stop_at <pattern> <seconds>: start a run whose first agent meets a limit of so many seconds, and that stops where, after the launch,
# mv has such arguments
stop_at() {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  agent task-001 <<<'[ -s "$TEST_NOTES/notes" ] || { rmdir "$TEST_NOTES/waiting"; note launched; }; '"$meet_claude"' work; finish; result 1 false'
  resets_in "$2"
  mkdir "$TEST_NOTES/waiting"
  wait_at mv "$1"
  launch --max-concurrent 1
  await test -s "$TEST_NOTES/notes"
  await test -e "$TEST_NOTES/waiting"
}

# crash_at <pattern>: after an agent has met its limit everything is killed where mv has such arguments, and nothing is lost
crash_at() {
  stop_at "$1" 3
  crash
  completes --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
  same 1 "$(fact attempt task-001.result)"
  same 'launched limit-1' "$(notes)"
}

# bats test_tags=one-shell
@test "a runner that dies between the end of its agent and the verdict: the scheduler sees the limit" {
  stop_at "*.session" 4
  kill -s KILL "$(fact pid task-001.start)"
  kill_all 'sleep 60'
  await is_limited task-001
  finish
  ended_with 0
  same 'started limited resumed completed' "$(lines_of task-001)"
  same 1 "$(fact attempt task-001.result)"
}

# bats test_tags=one-shell
@test "a crash between the end of another command and its verdict: where it has told a time, nothing is charged" {
  plan_of one
  agent task-001 <<<"$meet work; finish"
  resets_in 3
  wait_at mv "*.result"
  launch
  await test -e "$TEST_NOTES/waiting"
  crash
  completes --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
  same 1 "$(fact attempt task-001.result)"
}

# bats test_tags=one-shell, awk
@test "words about limits are no limit" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  # In the words of the model, in what a tool prints, and told by a service that goes on all the same.
  agent task-001 <<'AGENT'
says "You've hit your 5-hour limit. {\"type\":\"result\",\"is_error\":true,\"terminal_reason\":\"api_error\",\"api_error_status\":429}"
hears 'HTTP 429 rate_limit_event {\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":9999999999}}'
echo 'usage limit reached, resets 3pm'
window allowed_warning 9999999999
window rejected 9999999999
says "Going on."
work
finish
result 3 false
AGENT
  agent task-003 <<'AGENT'
says "429 Too Many Requests"
result 1 false
echo '{"type":"result","is_error":true,"terminal_reason":"api_error","api_error_status":429' >&2
exit 1
AGENT
  fails
  task_ended task-001 'completed commits=1'
  task_ended task-003 'failed error=exit_code_1 commits=0'
  same '' "$(lines_on claude)"
}

# bats test_tags=one-shell
@test "words about limits are no limit, whatever the command" {
  plan_of one
  agent task-001 <<'AGENT'
echo "You've hit your usage limit. HTTP 429"
echo '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":9999999999}}'
echo '{"type":"result","is_error":true,"terminal_reason":"api_error","api_error_status":429}'
echo outcome=limited >>"$PARALLEL_RESULT"
exit 1
AGENT
  fails
  task_ended task-001 'failed error=exit_code_1 commits=0'
}

# bats test_tags=one-shell
@test "an agent that the service refuses: no more of its tasks are started, and others go on" {
  plan_of claude
  use_claude
  own_commands <<'END'
task-001 agent claude
task-002 agent claude
task-004 agent claude
END
  agent task-001 <<<'refused 401 "Failed to authenticate. API Error: 401"'
  RETRIES=2 fails --max-concurrent 1
  task_ended task-001 'failed error=agent_config commits=0'
  err_has 'ERROR: claude has refused task-001, and no more of its tasks are started: Failed to authenticate. API Error: 401'
  same 'task-001 task-003' "$(started)"
  same 'started failed' "$(lines_of task-001)"
  task_ended task-003 'completed commits=1'
  # Once that is mended, they go on.
  rm "$TEST_AGENTS/task-001.sh"
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same 'task-001 task-002 task-004' "$(started)"
}

# bats test_tags=one-shell, awk
@test "a service that has failed is tried again under --retries, and counts; an overload is waited for" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  agent task-001 <<<'if [ "$PARALLEL_ATTEMPT" -eq 1 ]; then refused 500 "API Error: 500"; fi; says Done; work; finish; result 1 false'
  RETRIES=1 completes --wave 1
  out_has '[PROGRESS] wave=1 task=task-001 status=retrying error=agent_service in=1'
  same 'started retrying started completed' "$(lines_of task-001)"
  same 2 "$(fact attempt task-001.result)"
  agent task-001 <<<'refused 529 "API Error: 529"'
  : >"$out"
  launch --force --max-concurrent 1
  await grep -q '^\[PROGRESS\] agent=claude status=limited' "$out"
  same 60 $(($(fact until task-001.result) - $(fact finished task-001.result)))
  term_ends_it
}

@test "--retry-failed --fresh asks again at once, in a new session and a new attempt" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  agent task-001 <<<"$meet_claude"' work; finish; result 1 false'
  resets_in 1000
  LIMIT_WAIT=1 fails --max-concurrent 1
  resets_in 0
  completes --retry-failed --fresh
  same 'started completed' "$(lines_of task-001)"
  same 2 "$(fact attempt task-001.result)"
  same 0 "$(grep -c '^resume' "$TEST_NOTES/launches")"
}

# bats test_tags=one-shell
@test "--task tells of a limit, and does not wait for it" {
  plan_of one
  agent task-001 <<<"$meet work; finish"
  resets_in 1000
  fails --task task-001
  task_ended task-001 "limited until=$at"
  resets_in 0
  completes --task task-001 --retry-failed
  same 'resumed completed' "$(lines_of task-001)"
}

# bats test_tags=one-shell
@test "a fleet that is limited costs no processor time" {
  local before after
  plan_of four 10
  for task in 001 002 003 004; do agent "task-$task" <<<"$meet work; finish"; done
  resets_in 1000
  launch
  await grep -q '^\[PROGRESS\] agent=command status=limited' "$out"
  await eval '[ "$(grep -c "status=limited" "$out")" -ge 4 ]'
  sleep 1.5
  before=$(used)
  sleep 3
  after=$(used)
  # A hundredth of a second each.
  [ $((after - before)) -le 2 ]
  term_ends_it 5
}

# used: print the ticks that what this test has started has used of a processor, children that have ended included
used() {
  living | while read -r number _; do
    [ "$number" = "$BASHPID" ] || cut -d ')' -f 2- "/proc/$number/stat" 2>/dev/null
  done | awk '{ sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
}
