# The session of an agent: resumed, lost, stalled; what it has told, and what it has cost.

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  export NO_BASELINE=1
}

# told <sentence>: print what an agent is told that knows its task
told() {
  printf '%s\n' "This task was attempted before, and the work is in this worktree. $1" \
    'Go on from there, commit, and end as the task tells.'
}

# way <word>: from now on the agent below goes this way
way() {
  echo "$1" >"$TEST_NOTES/way"
}

# wayward <first line>: an agent of task-001 that begins with that line, and ends in the way that the test chooses
wayward() {
  agent task-001 <<AGENT
cat >"\$TEST_NOTES/stdin"
echo "\$PARALLEL_SESSION" >"\$TEST_NOTES/session"
echo "\$PARALLEL_SESSION" >>"\$TEST_NOTES/sessions"
$1
case \$(cat "\$TEST_NOTES/way") in
  exit) exit 3 ;;
  nothing) exit 0 ;;
  verify) finish ;;
  sleep) note asleep; sleep 50 ;;
  *) work good.txt; finish ;;
esac
AGENT
}

# knows <sentence>: the last launch was in the session s-1, and was told this and nothing else
knows() {
  same s-1 "$(cat "$TEST_NOTES/session")" && same "$(told "$1")" "$(cat "$TEST_NOTES/stdin")"
}

# launches: print how claude was launched, in one line
launches() {
  sed 's/ .*//' "$TEST_NOTES/launches" | paste -s -d ' ' -
}

# sessions: print in how many sessions
sessions() {
  sed 's/.* //' "$TEST_NOTES/launches" | sort -u | grep -c ''
}

# spent <key>...: print what the result of task-001 says of these, in one line
spent() {
  local key
  for key in "$@"; do fact "$key" task-001.result; done | paste -s -d ' ' -
}

# has_no_controls <file>: no byte of it is a control character
has_no_controls() {
  [ "$(LC_ALL=C tr -d '\000-\011\013-\037\177' <"$1" | wc -c)" -eq "$(wc -c <"$1")" ] || { show && od -c "$1" | head -n 30 && return 1; }
}

# bats test_tags=portable
@test "an attempt after an exit status, no marker, a verify or a timeout goes on in the session, with a message alone" {
  plan_of one
  export VERIFY_COMMAND='test -f good.txt || { echo good.txt is not there; exit 4; }'
  wayward 'echo session=s-1 >"$PARALLEL_RESULT"'
  way exit
  fails
  same "$(cat "$dir/prompts/task-001.txt")" "$(cat "$TEST_NOTES/stdin")"
  same '' "$(cat "$TEST_NOTES/session")"
  way nothing
  fails --retry-failed
  knows 'The agent ended with status 3.'
  way verify
  fails --retry-failed
  knows 'The agent ended without .claude-task-complete.'
  way sleep
  TASK_TIMEOUT=2 fails --retry-failed
  same s-1 "$(cat "$TEST_NOTES/session")"
  has "$TEST_NOTES/stdin" '  good.txt is not there' 'Mend that first, commit, and end as the task tells.'
  lacks "$TEST_NOTES/stdin" 'Do task-001.' ---
  task_ended task-001 'failed error=timeout commits=0'
  rm "$state/task-001.feedback"
  way good
  completes --retry-failed
  knows 'It was stopped because its time was over.'
  all_dead
}

@test "an attempt after a signal or a crash goes on in the session, with a message alone" {
  plan_of one
  wayward 'echo session=s-1 >"$PARALLEL_RESULT"'
  way sleep
  launch
  await noted asleep
  term_ends_it
  rm "$TEST_NOTES/notes"
  launch --retry-failed
  await noted asleep
  knows 'It was cut off.'
  kill_all
  finish
  await nobody_lives
  way good
  completes --retry-failed
  knows 'It was cut off.'
  same 3 "$(fact attempt task-001.result)"
}

@test "an agent without a session is told what happened, and then its prompt" {
  plan_of one
  wayward ''
  way exit
  fails
  way good
  completes --retry-failed
  same '' "$(cat "$TEST_NOTES/session")"
  same "$(told 'The agent ended with status 3.'; printf '\n%s\n\n' ---; cat "$dir/prompts/task-001.txt")" "$(cat "$TEST_NOTES/stdin")"
}

# bats test_tags=portable
@test "claude gets a session of our choice, and goes on in it; one that is gone begins anew in the same attempt" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  wayward 'says Hello'
  way exit
  fails --wave 1 --skip task-002,task-003,task-004
  same "$(cat "$TEST_NOTES/session")" "$(sed 's/.* //' "$TEST_NOTES/launches")"
  grep -q -x '[0-9a-f]\{8\}-[0-9a-f]\{4\}-4[0-9a-f]\{3\}-a[0-9a-f]\{3\}-[0-9a-f]\{12\}' "$TEST_NOTES/session"
  fails --retry-failed --skip task-002,task-003,task-004
  same "$(told 'The agent ended with status 3.')" "$(cat "$TEST_NOTES/stdin")"
  same 'session-id resume' "$(launches)"
  same 1 "$(sessions)"
  rm "$TEST_NOTES"/session-*
  way good
  completes --retry-failed --skip task-002,task-003,task-004
  same 'session-id resume session-id' "$(launches)"
  same 2 "$(sessions)"
  same "$(told 'The agent ended with status 3.'; printf '\n%s\n\n' ---; cat "$dir/prompts/task-001.txt")" "$(cat "$TEST_NOTES/stdin")"
  same 3 "$(fact attempt task-001.result)"
  grep -q '^No conversation found' "$logs/task-001.log"
  # It has told no session of its own since: this one is known.
  same "$(tail -n 1 "$TEST_NOTES/launches" | sed 's/.* //')" "$(fact session task-001.session)"
}

# bats test_tags=one-shell
@test "neither another agent nor another worktree goes on in a session, nor one that begins afresh" {
  plan_of claude
  use_claude
  local skip=task-002,task-003,task-004 command=$AGENT_COMMAND
  unset AGENT_COMMAND
  wayward ''
  way exit
  fails --skip "$skip"
  AGENT_COMMAND=$command fails --retry-failed --skip "$skip"
  same '' "$(cat "$TEST_NOTES/session")"
  has "$TEST_NOTES/stdin" 'Do task-001.'
  same 2 "$(grep -c '' "$TEST_NOTES/sessions")"
  # That one told none.
  fails --retry-failed --skip "$skip"
  fails --retry-failed --skip "$skip"
  same 'session-id session-id resume' "$(launches)"
  # The new worktree is made by --force, or because somebody has removed it.
  fails --force --skip "$skip"
  rm -rf "$spaces/task-001"
  fails --retry-failed --skip "$skip"
  fails --retry-failed --fresh --skip "$skip"
  same 'session-id session-id resume session-id session-id session-id' "$(launches)"
  same 5 "$(sessions)"
}

# bats test_tags=portable, awk
@test "what an agent writes to PARALLEL_RESULT is data" {
  plan_of one
  agent task-001 <<'AGENT'
cat >"$TEST_NOTES/stdin"
printf '%s\n' "$PARALLEL_SESSION" >"$TEST_NOTES/session"
case $PARALLEL_RESULT in /*) note absolute ;; esac
if [ "$PARALLEL_ATTEMPT" -eq 1 ]; then
  {
    printf 'session=a b$(touch pwned)`touch pwned`"'"'"'\\ *\033[31m\001;touch pwned\r\n'
    printf 'said=\033]0;title\007I said "$(touch pwned)"\tand \033[1mthis\n'
    printf 'turns=%0400d\n' 0 | tr 0 9
    printf 'turns=-7\ninput_tokens=$(touch pwned)\ninput_tokens=12\noutput_tokens=1e9\ncost_usd=0.5.5\ncost_usd=.5\n'
    printf 'resets_at=99999999999999999999\nstatus=completed\nidentity=x\npid=1\nPATH=/nowhere\n=x\n\nnothing\n\000\377\n'
    printf 'record_status=completed\nattempt=99\noutcome=limited\nuntil=1'
  } >"$PARALLEL_RESULT"
  exit 3
fi
work
finish
AGENT
  fails
  task_ended task-001 'failed error=exit_code_3 commits=0'
  "${shell[@]}" "$project/$script" --status >"$home/status" 3>&-
  has_no_controls "$home/status"
  has_no_controls "$state/task-001.session"
  has_no_controls "$manifest"
  same 12 "$(fact input_tokens task-001.result)"
  same '' "$(fact output_tokens task-001.result)$(fact cost_usd task-001.result)$(fact until task-001.result)"
  same 'I said "$(touch pwned)" and this' "$(fact said task-001.session)"
  same 3 "$(execution 'int(e["tasks"]["task-001"]["exit_code"])')"
  completes --retry-failed
  same 'a b$(touch pwned)`touch pwned`"'"'"'\ *;touch pwned' "$(cat "$TEST_NOTES/session")"
  same 2 "$(fact attempt task-001.result)"
  absent "$spaces/task-001/pwned" "$project/pwned"
  noted absolute
  # A folder is no data, nor is what has no end.
  agent task-001 <<<'mkdir "$PARALLEL_RESULT"; work; finish'
  completes --force
  agent task-001 <<<'mkfifo "$PARALLEL_RESULT"; work; finish'
  completes --force
  same '' "$(cat "$err")"
}

# bats test_tags=process
@test "an agent that is silent and idle has stalled; one that is busy has not" {
  plan_of four
  agent task-001 <<<'echo session=s-1 >"$PARALLEL_RESULT"; sleep 50 & sleep 40'
  # Its child is busy, not itself.
  agent task-002 <<<'end=$(($(date +%s) + 5)); sh -c "while [ \$(date +%s) -lt $end ]; do :; done"; work; finish'
  agent task-003 <<<'for turn in 1 2 3 4 5; do sleep 1; echo "$turn"; done; work; finish'
  fails --stall-timeout 2
  task_ended task-001 'failed error=stalled commits=0'
  hides_proc || task_ended task-002 'completed commits=1'
  task_ended task-003 'completed commits=1'
  all_dead
  agent task-001 <<<'cat >"$TEST_NOTES/stdin"; sleep 4; work; finish'
  completes --retry-failed --stall-timeout 0
  same "$(told 'It was stopped because nothing was heard of it any more.')" "$(cat "$TEST_NOTES/stdin")"
  all_dead
}

# bats test_tags=process
@test "a stall is retried, and one that heeds no TERM is killed" {
  plan_of one
  agent task-001 <<<'[ "$PARALLEL_ATTEMPT" -gt 1 ] || { trap "" TERM; sleep 40; sleep 40; }; work; finish'
  RETRIES=1 completes --stall-timeout 2
  out_has '[PROGRESS] wave=1 task=task-001 status=retrying error=stalled in=1'
  all_dead
}

# bats test_tags=awk
@test "what a session has cost is not counted twice, and attempts and sessions add up" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  agent task-001 <<'AGENT'
says Hello
case $(grep -c '' "$TEST_NOTES/launches") in
  1) costs 200; limited "$(($(date +%s) + 1))" ;;
  2) costs 300; result 3 false; exit 9 ;;
  3) costs 250; result 2 false; exit 9 ;;
  4) costs 100; result 2 false; exit 9 ;;
  *) costs 50; work; finish; result 1 false ;;
esac
AGENT
  fails --skip task-002,task-003,task-004
  # One turn before the limit, three after it.
  same '4 420 80 0.500000 0.500000' "$(spent turns input_tokens output_tokens cost_usd total_usd)"
  fails --retry-failed --skip task-002,task-003,task-004
  same '2 210 40 0.250000 0.750000' "$(spent turns input_tokens output_tokens cost_usd total_usd)"
  rm "$TEST_NOTES"/session-*
  fails --retry-failed --skip task-002,task-003,task-004
  same '2 0.100000 0.850000' "$(spent turns cost_usd total_usd)"
  # What the task has cost, another worktree does not change.
  rm -rf "$spaces/task-001"
  completes --retry-failed --skip task-002,task-003,task-004
  same '1 0.050000 0.900000' "$(spent turns cost_usd total_usd)"
  same 'session-id resume resume session-id session-id' "$(launches)"
  same 0.9 "$(execution 'float(e["tasks"]["task-001"]["total_usd"])')"
}

@test "--max-cost: nothing more is started, what runs goes on, and a higher one lets the rest go" {
  plan_of four
  agent task-001 <<<'echo cost_usd=2.5 >"$PARALLEL_RESULT"; work; finish'
  agent task-002 <<<'await ended task-001; sleep 0.5; echo cost_usd=1 >"$PARALLEL_RESULT"; work; finish'
  fails --max-concurrent 2 --max-cost 2
  same 'task-001 task-002' "$(started)"
  task_ended task-002 'completed commits=1'
  out_has '[PROGRESS] execution status=failed reason=cost'
  err_has "The tasks have cost 2.5 USD, and --max-cost is 2: no more are started. '--retry-failed' goes on with a higher one."
  same 1 "$(grep -c 'have cost' "$err")"
  fails --retry-failed --max-cost 3.5
  same '' "$(started)"
  completes --retry-failed --max-cost 3.6
  same 'task-003 task-004' "$(started)"
  # Nothing that costs is left to start.
  completes --retry-failed --max-cost 1
}

# bats test_tags=awk
@test "--logs prints what the agent has said and done as text" {
  plan_of claude
  use_claude
  unset AGENT_COMMAND
  agent task-001 <<'AGENT'
says 'I will \"look\".\nThen \u001b[31mwrite\u001b[0m \\\\ it.'
uses Bash '"command":"ls -l\ttests","description":"List"'
hears 'total 3\nfile\u0007'
uses Edit '"file_path":"app/models.py","old_string":"a","new_string":"b"'
printf 'a warning of \033[1mthe\033[0m program\a\n' >&2
work
finish
result 1 false
AGENT
  completes --skip task-002,task-003,task-004
  completes --logs task-001
  has_no_controls "$out"
  grep -q 'look".$' "$out"
  has "$out" '$ ls -l tests' '    total 3' 'Edit app/models.py' 'a warning of the program'
  grep -q 'write.* it\.$' "$out"
  out_lacks '{"type"'
  refuses --logs task-009
  refuses --logs task-002
}

@test "--logs --follow prints on until the task has ended" {
  plan_of one
  agent task-001 <<<'printf "one\n\033[31mtwo\n"; await test -e "$TEST_NOTES/go"; echo three; work; finish'
  local run reader
  launch
  run=$pid
  await grep -q one "$logs/task-001.log"
  out=$home/followed err=$home/followed.err
  launch --logs task-001 --follow
  reader=$pid
  await grep -q -x two "$out"
  lacks "$out" three
  : >"$TEST_NOTES/go"
  pid=$run
  finish
  ended_with 0
  pid=$reader
  finish
  ended_with 0
  same 'one two three' "$(paste -s -d ' ' "$out")"
}
