# What a run does after a failure, when a task may start, and how much an agent may write.

# bats file_tags=process
load helper

@test "--retries runs a failed task again, with a log for each attempt, and what depends on it after that" {
  project chain
  tune retry_delay 1
  agent task-001 <<<'work "$PARALLEL_ATTEMPT"; [ "$PARALLEL_ATTEMPT" -eq 2 ] && finish'
  completes --retries 1
  has "$out" '[PROGRESS] wave=1 task=task-001 status=retrying error=exit_code_1 in=1' \
    '[PROGRESS] wave=1 task=task-001 status=started attempt=2' \
    '[PROGRESS] wave=1 task=task-001 status=completed commits=2'
  same 'task-001 task-001 task-002 task-003' "$(started)"
  [ -e "$logs/task-001.1.log" ]
  same '[2, []]' "$(execution '[e["tasks"]["task-001"]["attempts"], e["failed_tasks"]]')"
}

@test "--retries ends: a task that fails every time fails" {
  project one
  tune retry_delay 0
  agent task-001 <<<'exit 3'
  RETRIES=2 fails
  same 'task-001 task-001 task-001' "$(started)"
  task_ended task-001 'failed error=exit_code_3 commits=0'
}

# bats test_tags=portable
@test "the end of each attempt is noticed while another task runs on" {
  # bash may lose a child that ends when a trap interrupts a wait: who waits for it then waits for all others, too.
  project four
  tune retry_delay 0
  agent task-001 <<<'[ "$PARALLEL_ATTEMPT" -lt 12 ] || : >"$TEST_NOTES/go"; exit 3'
  agent task-002 <<<'await test -e "$TEST_NOTES/go"; work; finish'
  fails --retries 11 --skip task-003,task-004
  same 12 "$(grep -c 'task=task-001 status=started' "$out")"
  task_ended task-002 'completed commits=1'
}

# bats test_tags=awk
@test "--retries does not repeat what cannot change: a merge conflict, a missing prompt" {
  project diamond
  agent task-001 task-002 <<<'work same; finish'
  rm "$dir/prompts/task-004.txt"
  fails --retries 3
  task_ended task-003 'failed error=merge_conflict'
  task_ended task-004 'failed error=prompt_missing'
  out_lacks retrying
}

@test "a signal ends the pause before a retry" {
  project one
  tune retry_delay 600
  agent task-001 <<<'exit 3'
  launch --retries 1
  await grep -q status=retrying "$out"
  kill -s TERM "$pid"
  finish
  ended_with 143
  same '"interrupted"' "$(execution 'e["status"]')"
}

@test "--halt soon starts no more after a failure, and lets what runs end" {
  project four
  agent task-001 <<<'exit 3'
  agent task-002 <<<'await ended task-001; sleep 0.2; work; finish'
  fails --halt soon --max-concurrent 2
  task_ended task-002 'completed commits=1'
  same 'task-001 task-002' "$(started)"
  out_has '[PROGRESS] execution status=failed'
  same '"failed"' "$(execution 'e["status"]')"
  rm "$TEST_AGENTS/task-001.sh"
  completes --retry-failed
  same 'task-001 task-003 task-004' "$(started)"
}

@test "--halt now stops what runs after a failure" {
  project four
  agent task-001 <<<'await test -e "$TEST_NOTES/up"; exit 3'
  agent task-002 <<<': >"$TEST_NOTES/up"; sleep 300'
  fails --halt now --max-concurrent 2
  all_dead
  task_ended task-002 'interrupted commits=0'
  same 'task-001 task-002' "$(started)"
  out_has '[PROGRESS] execution status=failed'
}

@test "--schedule deps starts a task of the next wave when its own dependencies have ended" {
  project five
  agent task-001 <<<'await ended task-005; work; finish'
  completes --schedule deps
  out_has '[PROGRESS] wave=1 status=completed tasks=3/3' '[PROGRESS] wave=2 status=completed tasks=2/2'
  branch_has feature/task-004-orders task-001.txt
  same '["completed", "completed"]' "$(execution '[w["status"] for w in e["waves"]]')"
}

@test "--max-log-size cuts the log of an agent that writes too much, and says so in it" {
  project one
  tune tick 1
  agent task-001 <<<'yes "0123456789 0123456789" | head -n 100000; await grep -q "log cut" "$PARALLEL_DIR/logs/task-001.log"; echo more; work; finish'
  completes --max-log-size 1000
  has "$logs/task-001.log" '[run-parallel.sh: log cut at 1000 bytes]' more
  [ "$(wc -c <"$logs/task-001.log")" -lt 2000 ]
}
