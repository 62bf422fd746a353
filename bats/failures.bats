# What goes wrong in a task: the right words, the right manifest, no process left, the other tasks done.

# bats file_tags=process
load helper

# stubborn: as the agent, start what is hard to stop: children that ignore TERM, in the agent's group, in a session of
# their own and without a parent
stubborn='
  trap "" TERM
  sleep 300 &
  "$PERL" -MPOSIX -e "POSIX::setsid(); exec qw(sleep 301)" &
  (sleep 302 &)
'
# Only /proc tells whose child this was.
hides_proc || stubborn=$stubborn'
  ("$PERL" -MPOSIX -e "POSIX::setsid(); fork && exit; exec qw(sleep 303)" &)
'
stubborn=$stubborn'
  note $PARALLEL_TASK is up
'

@test "an agent that exits with 3 fails with exit_code_3, and the run exits 1" {
  project four
  agent task-002 <<<'work; finish; exit 3'
  fails
  task_ended task-002 'failed error=exit_code_3 commits=1'
  out_has '[PROGRESS] wave=1 status=failed tasks=3/4' '[PROGRESS] execution status=failed'
  same '["failed", [{"id": "task-002", "error": "exit_code_3"}]]' "$(execution '[e["status"], e["failed_tasks"]]')"
  same '["failed", 3, "exit_code_3"]' "$(execution '[e["tasks"]["task-002"][k] for k in ("status", "exit_code", "error")]')"
  same '"failed"' "$(execution 'e["waves"][0]["status"]')"
}

# bats test_tags=portable
@test "an agent that a signal killed fails with 128 and its number" {
  project one
  agent task-001 <<<'kill -s KILL $$'
  fails
  task_ended task-001 'failed error=exit_code_137 commits=0'
  AGENT_COMMAND='exec sh -c "kill -s KILL \$\$"' fails --force
  task_ended task-001 'failed error=exit_code_137 commits=0'
  same '' "$(cat "$err")"
}

@test "an agent command that is not found fails with exit_code_127" {
  project one
  AGENT_COMMAND='true && no-such-agent --now' fails
  task_ended task-001 'failed error=exit_code_127 commits=0'
  lacks "$logs/task-001.log" "$PROJECTS"
  grep -q no-such-agent "$logs/task-001.log"
}

@test "an agent that leaves no marker fails with no_marker" {
  project four
  agent task-001 <<<'work'
  fails
  task_ended task-001 'failed error=no_marker commits=1'
  task_ended task-004 'completed commits=1'
}

# bats test_tags=portable
@test "the timeout stops an agent that ignores TERM, with its children in other sessions and without parents" {
  project four
  agent task-002 <<<"$stubborn"'work; finish; while :; do sleep 1; done'
  # Long enough for the other three, however busy the box is.
  fails --timeout 5 --grace 1
  all_dead
  task_ended task-002 'failed error=timeout commits=1'
  out_has '[PROGRESS] wave=1 status=failed tasks=3/4'
  same '[{"id": "task-002", "error": "timeout"}]' "$(execution 'e["failed_tasks"]')"
  # Some shells have a word on each child that a signal kills.
  lacks "$logs/task-002.log" run-parallel.sh
}

@test "the timeout does so on a box without setsid" {
  project one
  agent task-001 <<<"$stubborn"'while :; do sleep 1; done'
  poor_box perl
  TASK_TIMEOUT=1 GRACE=0 on_poor_box fails
  all_dead
  task_ended task-001 'failed error=timeout commits=0'
}

# bats test_tags=portable
@test "the timeout does so on a box without setsid and perl" {
  case ${PARALLELGEN_SHELL-} in
    bash* | mksh | ksh93) ;;
    *) ! hides_proc || skip "no groups and no /proc: nothing tells whose child it was" ;;
  esac
  project one
  agent task-001 <<<"$stubborn"'while :; do sleep 1; done'
  poor_box
  TASK_TIMEOUT=1 GRACE=0 on_poor_box fails
  all_dead
  task_ended task-001 'failed error=timeout commits=0'
}

@test "an agent that ends in order on TERM has still timed out" {
  project one
  agent task-001 <<<'trap "work; finish; exit 0" TERM; note up; while :; do sleep 0.1; done'
  fails --timeout 1
  task_ended task-001 'failed error=timeout commits=1'
  same '[false, "timeout"]' "$(execution '["exit_code" in e["tasks"]["task-001"], e["tasks"]["task-001"]["error"]]')"
}

@test "a task's own timeout comes before that of the run" {
  project odd
  agent task-001 <<<'sleep 300'
  fails --timeout 50
  task_ended task-001 'failed error=timeout commits=0'
  task_ended task-002-long 'completed commits=1'
  task_ended T.3_x 'blocked by=task-001'
}

# bats test_tags=awk
@test "what an agent leaves running is stopped when it has ended" {
  project one
  # When the agent is gone, so is what makes a session of its own its descendant.
  ! hides_proc || stubborn=${stubborn/POSIX::setsid();/}
  agent task-001 <<<"$stubborn"'work; finish'
  completes
  all_dead
  task_ended task-001 'completed commits=1 stopped=[1-9]'
  has "$logs/task-001.log" '[run-parallel.sh: stopping what the agent of task-001 left running:]'
  grep -q '^\[run-parallel.sh:  *[0-9][0-9]* sleep 300]$' "$logs/task-001.log"
}

# bats test_tags=awk
@test "a background child that holds the log open does not keep the task from ending" {
  project one
  agent task-001 <<<'sleep 300 & work; finish'
  completes
  all_dead
}

# bats test_tags=portable
@test "a marker that a dependency committed does not pass for completion" {
  project chain
  agent task-001 <<<'finish; git add -f .claude-task-complete; work'
  agent task-002 <<<'work'
  fails
  branch_has feature/task-001-first .claude-task-complete
  task_ended task-001 'completed commits=1'
  task_ended task-002 'failed error=no_marker commits=1'
  task_ended task-003 'blocked by=task-002'
}

@test "a marker that is in the base does not pass for completion" {
  project one
  : >"$project/.claude-task-complete"
  commit_all
  agent task-001 <<<'[ ! -e .claude-task-complete ] && work'
  fails
  task_ended task-001 'failed error=no_marker commits=1'
}

@test "removing a committed marker does not count as uncommitted work" {
  project chain
  agent task-001 <<<'finish; git add -f .claude-task-complete; work'
  agent task-002 <<<'git rm -q --cached --ignore-unmatch .claude-task-complete; git commit -q --allow-empty -m x; finish'
  completes
  task_ended task-002 'completed commits=1'
}

# bats test_tags=portable, awk
@test "two dependencies that conflict stop the task, with the file named and the merge undone; the others go on" {
  project diamond
  agent task-001 task-002 <<<'work "the same file"; finish'
  fails
  task_ended task-003 'failed error=merge_conflict'
  task_ended task-004 'completed commits=1'
  task_ended task-005 'blocked by=task-003'
  grep -q 'task-003: cannot merge feature/task-002-right: .*the same file' "$err" || { show && return 1; }
  same '' "$(git -C "$spaces/task-003" status --porcelain)"
  absent "$(git -C "$spaces/task-003" rev-parse --git-dir)/MERGE_HEAD"
  same feature/task-003-both "$(git -C "$spaces/task-003" symbolic-ref --short HEAD)"
  same '[{"id": "task-003", "error": "merge_conflict"}]' "$(execution 'e["failed_tasks"]')"
  same '["failed", "failed", "task-003"]' "$(execution '[e["waves"][1]["status"], e["waves"][2]["status"], e["tasks"]["task-005"].get("by", "task-003")]')"
}

@test "uncommitted work is counted and kept" {
  project one
  agent task-001 <<<'work; echo changed >>README.md; : >new; : >"$(printf "odd\nname")"; finish'
  completes
  task_ended task-001 'completed commits=1 uncommitted=3'
  [ -e "$spaces/task-001/new" ]
}

@test "a task whose commits end on another branch has failed, and they are kept" {
  project one
  agent task-001 <<<'work; git checkout -q -b elsewhere; work b; work c; finish'
  fails
  task_ended task-001 'failed error=wrong_branch commits=1'
  same 3 "$(git -C "$project" rev-list --count main..elsewhere)"
}

@test "an agent that leaves its branch and brings the work back to it has completed" {
  project one
  agent task-001 <<<'git checkout -q -b elsewhere; work; git branch -f "$PARALLEL_BRANCH"; finish'
  completes
  task_ended task-001 'completed commits=1'
}

@test "a prompt file that is gone fails its task alone" {
  project four
  rm "$dir/prompts/task-003.txt"
  fails
  task_ended task-003 'failed error=prompt_missing'
  out_has '[PROGRESS] wave=1 status=failed tasks=3/4'
}

@test "a prompt that is a folder fails its task" {
  project one
  rm "$dir/prompts/task-001.txt"
  mkdir "$dir/prompts/task-001.txt"
  fails
  task_ended task-001 'failed error=prompt_missing'
}

# bats test_tags=portable
@test "a failure blocks all that depends on it, and says by what" {
  project chain
  agent task-001 <<<'exit 1'
  fails
  out_is <<'END'
[PROGRESS] wave=1 status=started
[PROGRESS] wave=1 task=task-001 status=started
[PROGRESS] wave=1 task=task-001 status=failed error=exit_code_1 commits=0
[PROGRESS] wave=1 status=failed tasks=0/1
[PROGRESS] wave=2 status=started
[PROGRESS] wave=2 task=task-002 status=blocked by=task-001
[PROGRESS] wave=2 status=failed tasks=0/1
[PROGRESS] wave=3 status=started
[PROGRESS] wave=3 task=task-003 status=blocked by=task-002
[PROGRESS] wave=3 status=failed tasks=0/1
[PROGRESS] execution status=failed
END
  absent "$spaces/task-002"
  same '["blocked", "blocked"]' "$(execution '[e["tasks"][t]["status"] for t in ("task-002", "task-003")]')"
}

@test "a file that takes a worktree's place during the run fails that task alone" {
  project diamond
  agent task-001 <<<'work; finish; echo mine >../task-003'
  fails
  task_ended task-003 'failed error=worktree'
  task_ended task-004 'completed commits=1'
  task_ended task-005 'blocked by=task-003'
  same mine "$(cat "$spaces/task-003")"
  err_has 'task-003: cannot create worktree ../workspaces/task-003:' "  fatal: '$(cd -P -- "$spaces" && pwd -P)/task-003' already exists"
}

@test "a branch that appears during the run is not touched, and fails its task" {
  project diamond
  agent task-001 <<<'work; finish; git branch feature/task-003-both; git rev-parse HEAD >"$TEST_NOTES/tip"'
  fails
  task_ended task-003 'failed error=worktree'
  same "$(cat "$TEST_NOTES/tip")" "$(git -C "$project" rev-parse feature/task-003-both)"
}

@test "an agent that removes its worktree fails, and the others go on" {
  project four
  agent task-002 <<<'rm -rf -- "$PARALLEL_WORKTREE"'
  fails
  task_ended task-002 'failed error=no_marker commits=0'
  task_ended task-003 'completed commits=1'
}

@test "an agent that deletes its branch does not upset the run" {
  project four
  agent task-002 <<<'git checkout -q --detach; await git branch -q -D feature/task-002-b; finish'
  run_script
  grep -q 'task=task-002 status=' "$out"
  task_ended task-003 'completed commits=1'
  task_ended task-002 'failed error=wrong_branch'
  out_has '[PROGRESS] wave=1 status=failed tasks=3/4'
}

@test "an agent that removes the records of its task cannot make the run hang" {
  project four
  agent task-002 <<<'rm -rf -- "$PARALLEL_DIR/logs/state/task-002.agent" "$PARALLEL_DIR/logs/state/task-002.start"; work; finish'
  completes
  task_ended task-002 'completed commits=1'
}

@test "a task runner that is killed is found out, its agent stopped and its task lost" {
  project four
  # No signal tells of such a death: the scheduler looks from time to time.
  tune tick 1
  agent task-002 <<<'note up; sleep 300'
  agent task-003 <<<'await grep -q x "$TEST_NOTES/go"; work; finish'
  launch
  await noted up
  runner=$(sed -n 's/^pid=//p' "$state/task-002.start")
  kill -s KILL "$runner"
  echo x >"$TEST_NOTES/go"
  finish
  ended_with 1
  # Its watcher has the mark; where that is not seen, it ends by itself when it looks next.
  ! hides_proc || end_naps
  await nobody_lives
  task_ended task-002 'failed error=lost'
  out_has '[PROGRESS] wave=1 status=failed tasks=3/4'
  same '[{"id": "task-002", "error": "lost"}]' "$(execution 'e["failed_tasks"]')"
}

@test "a failing hook of the user's repository fails the tasks in order" {
  project four
  mkdir "$project/.git/hooks"
  printf '#!/bin/sh\nexit 1\n' >"$project/.git/hooks/pre-commit"
  chmod +x "$project/.git/hooks/pre-commit"
  fails
  task_ended task-001 'failed error=exit_code_1 commits=0 uncommitted=1'
  out_has '[PROGRESS] wave=1 status=failed tasks=0/4'
}
