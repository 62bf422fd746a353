# --wave, --skip, --retry-failed, --force, --task, --status, --dry-run.

# bats file_tags=awk
load helper

# --- one wave

# bats test_tags=portable
@test "--wave 1 and then --wave 2 make the whole, and the second shows what it depends on" {
  project five
  completes --wave 1
  out_has '=== Running Wave 1 Only ===' '[PROGRESS] wave=1 status=completed tasks=3/3'
  out_lacks 'wave=2' EXISTS
  same '["completed", "pending"]' "$(execution '[w["status"] for w in e["waves"]]')"
  agent task-005 <<<'work; await ended task-004; finish'
  completes --wave=2
  out_is <<'END'
=== Running Wave 2 Only ===

Checking Wave 1 dependencies...
  feature/task-001-users: EXISTS
  feature/task-002-products: EXISTS
  feature/task-003-shared: EXISTS

All dependencies satisfied. Proceeding with Wave 2.

[PROGRESS] wave=2 status=started
[PROGRESS] wave=2 task=task-004 status=started
[PROGRESS] wave=2 task=task-005 status=started
[PROGRESS] wave=2 task=task-004 status=completed commits=1
[PROGRESS] wave=2 task=task-005 status=completed commits=1
[PROGRESS] wave=2 status=completed tasks=2/2
[PROGRESS] execution status=completed
END
  branch_has feature/task-004-orders task-002.txt
  same '["completed", "completed", "completed"]' "$(execution '[e["status"]] + [w["status"] for w in e["waves"]]')"
  same '{"task-001": 1, "task-002": 1, "task-003": 1, "task-004": 1, "task-005": 1}' \
    "$(execution '{k: v["commits"] for k, v in e["tasks"].items()}')"
}

@test "--wave 2 without a branch that it depends on names the branch and runs nothing" {
  project five
  git -C "$project" branch feature/task-001-users
  git -C "$project" branch feature/task-003-shared
  refuses --wave 2
  out_has '  feature/task-001-users: EXISTS' '  feature/task-002-products: MISSING' '  feature/task-003-shared: EXISTS'
  out_lacks 'All dependencies satisfied' '[PROGRESS]'
  err_has 'ERROR: Branch not found: feature/task-002-products'
  absent "$state"/lock.* "$spaces/task-004" "$state/task-004.start"
  # And then the way is free.
  git -C "$project" branch feature/task-002-products
  completes --wave 2
}

@test "--wave 9 is no wave of the plan" {
  project five
  refuses --wave 9
  grep -q 'no wave 9' "$err" || { show && return 1; }
  absent "$logs" "$spaces"
}

@test "--wave looks only at the branches that the wave depends on" {
  project chain
  git -C "$project" branch feature/task-002-second
  completes --wave 3
  out_has 'Checking Wave 2 dependencies...' '  feature/task-002-second: EXISTS'
  out_lacks task-001
}

# --- skip

# bats test_tags=portable
@test "--skip by id and by name leaves tasks out, and blocks what depends on them" {
  project five
  fails --skip task-001,task-003-shared
  out_has '[PROGRESS] wave=1 task=task-001 status=skipped' '[PROGRESS] wave=1 task=task-003 status=skipped' \
    '[PROGRESS] wave=1 status=completed tasks=1/1' '[PROGRESS] wave=2 task=task-004 status=blocked by=task-001' \
    '[PROGRESS] wave=2 task=task-005 status=blocked by=task-003' '[PROGRESS] wave=2 status=failed tasks=0/2'
  same task-002 "$(started)"
  same '["task-001", "task-003"]' "$(execution 'e["skipped_tasks"]')"
  same '"skipped"' "$(execution 'e["tasks"]["task-001"]["status"]')"
}

@test "--skip with spaces after the commas, and SKIP_TASKS, do the same" {
  project four
  completes --skip 'task-001, task-002-b ,'
  same 'task-003 task-004' "$(started)"
  SKIP_TASKS=task-003 completes --force
  same 'task-001 task-002 task-004' "$(started)"
}

@test "--skip of an unknown task is an error that names it" {
  project five
  refuses --skip task-001,task-099
  grep -q "unknown task 'task-099'" "$err" || { show && return 1; }
  absent "$logs" "$spaces"
}

@test "--skip does not take patterns for names" {
  project five
  refuses --skip '*'
  grep -q -F "unknown task '*'" "$err" || { show && return 1; }
}

@test "a skipped task whose branch exists satisfies what depends on it" {
  project five
  git -C "$project" checkout --quiet -b feature/task-001-users
  echo x >"$project/by-hand"
  commit_all
  git -C "$project" checkout --quiet main
  completes --skip task-001
  task_ended task-004 'completed commits=1'
  branch_has feature/task-004-orders by-hand
}

@test "skipping everything is no failure" {
  project one
  completes --skip task-001
  out_has '[PROGRESS] execution status=completed'
  same '""' "\"$(started)\""
}

# --- retry

# bats test_tags=portable
@test "--retry-failed runs what failed again in its worktree, then what was blocked, and nothing else" {
  project diamond
  agent task-001 <<'AGENT'
note "$PARALLEL_TASK $PARALLEL_ATTEMPT $([ -e .claude-task-complete ] && echo marked)"
echo "attempt $PARALLEL_ATTEMPT"
[ "$PARALLEL_ATTEMPT" -eq 2 ] || { work first.txt; echo draft >draft.txt; finish; exit 1; }
[ -e first.txt ] && [ -e draft.txt ] && work second.txt && finish
AGENT
  fails
  task_ended task-001 'failed error=exit_code_1 commits=1 uncommitted=1'
  local tip
  tip=$(git -C "$project" rev-parse feature/task-001-left)
  completes --retry-failed
  has "$out" '=== Retrying Failed Tasks ===' 'Failed tasks from previous run:' \
    '  - task-001-left (error: exit_code_1)' 'Creating worktree for retry...' 'Launching agent...' \
    '[PROGRESS] wave=1 task=task-001 status=started attempt=2' \
    '[PROGRESS] wave=1 task=task-001 status=completed commits=2' '[PROGRESS] execution status=completed'
  same 'task-001 task-003 task-004 task-005' "$(started)"
  has "$TEST_NOTES/notes" 'task-001 1 ' 'task-001 2 '
  git -C "$project" merge-base --is-ancestor "$tip" feature/task-001-left
  branch_has feature/task-005-top draft.txt
  has "$logs/task-001.1.log" 'attempt 1'
  has "$logs/task-001.log" 'attempt 2'
  same '[["completed", 2, 2], [], "completed"]' \
    "$(execution '[[e["tasks"]["task-001"][k] for k in ("status", "attempts", "commits")], e["failed_tasks"], e["status"]]')"
}

@test "--retry-failed begins in the specification's words" {
  project chain
  agent task-001 <<<'exit 3'
  fails
  fails --retry-failed
  same '=== Retrying Failed Tasks ===

Failed tasks from previous run:
  - task-001-first (error: exit_code_3)

Creating worktree for retry...
Launching agent...' "$(head -n 7 "$out")"
  fails --retry-failed
  out_has '[PROGRESS] wave=1 task=task-001 status=started attempt=3'
  [ -e "$logs/task-001.1.log" ] && [ -e "$logs/task-001.2.log" ] && [ -e "$logs/task-001.log" ]
}

@test "--retry-failed after success has nothing to do" {
  project chain
  completes
  completes --retry-failed
  same '' "$(started)"
  out_has 'No failed tasks from previous run.' '[PROGRESS] execution status=completed'
  same '["completed", "completed", "completed", "completed"]' "$(execution '[e["status"]] + [w["status"] for w in e["waves"]]')"
}

@test "--retry-failed with --wave runs the failed tasks of that wave only" {
  project diamond
  agent task-001 <<<'[ "$PARALLEL_ATTEMPT" -gt 1 ] && work && finish'
  fails
  completes --retry-failed --wave 1
  same 'task-001' "$(started)"
  completes --retry-failed --wave 2
  same 'task-003 task-004' "$(started)"
}

@test "--retry-failed with --skip leaves a failed task out" {
  project four
  agent task-001 task-002 <<<'[ "$PARALLEL_ATTEMPT" -gt 1 ] && work && finish'
  fails
  completes --retry-failed --skip task-002
  same task-001 "$(started)"
}

@test "--retry-failed tries a merge again that conflicted, once its cause is gone" {
  project diamond
  agent task-001 task-002 <<<'work shared; finish'
  fails
  task_ended task-003 'failed error=merge_conflict'
  # Somebody settles it by hand in the right branch.
  git -C "$spaces/task-002" merge --quiet -X ours --no-edit feature/task-001-left
  completes --retry-failed
  same 'task-003 task-005' "$(started)"
  branch_has feature/task-003-both shared
}

@test "--retry-failed makes the worktree anew when somebody has removed it, and keeps the branch" {
  project one
  agent task-001 <<<'work "$PARALLEL_ATTEMPT"; [ "$PARALLEL_ATTEMPT" -gt 1 ] && finish'
  fails
  rm -rf "$spaces/task-001"
  completes --retry-failed
  branch_has feature/task-001-only 1
  task_ended task-001 'completed commits=2'
}

# bats test_tags=portable
@test "--retry-failed in a clone without logs/ goes by the objects in manifest.json" {
  project five
  git -C "$project" branch feature/task-001-users
  git -C "$project" branch feature/task-002-products
  cat >"$manifest" <<'JSON'
{"execution": {"status": "failed", "failed_tasks": [{"id": "task-003", "error": "timeout"}], "skipped_tasks": [],
  "waves": [{"wave": 1, "status": "failed", "tasks": ["task-001", "task-002", "task-003"]},
            {"wave": 2, "status": "failed", "tasks": ["task-004", "task-005"]}],
  "tasks": {"task-001": {"status": "completed", "commits": 1}, "task-002": {"status": "completed"},
            "task-003": {"status": "failed", "error": "timeout"}, "task-004": {"status": "pending"},
            "task-005": {"status": "blocked"}}}, "name": "x"}
JSON
  completes --retry-failed
  out_has '  - task-003-shared (error: timeout)'
  same 'task-003 task-004 task-005' "$(started)"
  same '[[], "completed", "x"]' "$(execution '[e["failed_tasks"], e["status"], m["name"]]')"
}

# bats test_tags=portable
@test "--retry-failed in a clone without logs/ goes by plain strings in manifest.json" {
  project five
  for name in 001-users 003-shared; do
    git -C "$project" branch "feature/task-$name"
  done
  cat >"$manifest" <<'JSON'
{
  "execution": {
    "waves": [
      {"wave": 1, "status": "failed", "tasks": ["task-001", "task-002", "task-003"]},
      {"wave": 2, "status": "pending", "tasks": ["task-004", "task-005"]}
    ],
    "failed_tasks": [
      "task-002"
    ]
  }
}
JSON
  completes --retry-failed
  out_has '  - task-002-products (error: unknown)'
  out_has '[PROGRESS] wave=1 task=task-002 status=completed commits=1' '[PROGRESS] execution status=completed'
  task_ended task-004 'completed commits=1'
}

@test "--retry-failed goes by the short id where manifest.json has the name" {
  project four
  printf '%s\n' '{"execution": {"failed_tasks": ["task-002-b"], "waves": [{"wave": 1, "status": "failed", "tasks": []}]}}' >"$manifest"
  completes --retry-failed
  out_has '  - task-002-b (error: unknown)'
}

@test "--retry-failed in a directory that never ran runs it" {
  project chain
  completes --retry-failed
  out_has 'No failed tasks from previous run.'
  same 'task-001 task-002 task-003' "$(started)"
}

@test "--retry-failed refuses what only a first run may find in its way" {
  project one
  agent task-001 <<<'exit 1'
  fails
  refuses
  err_has 'ERROR: Worktree already exists: ../workspaces/task-001' 'ERROR: Branch already exists: feature/task-001-only'
  same '"failed"' "$(execution 'e["status"]')"
}

# --- force

# bats test_tags=portable
@test "--force moves worktree and branch aside, names them, and loses nothing" {
  project one
  agent task-001 <<<'work first; echo precious >uncommitted; exit 1'
  fails
  local tip aside
  tip=$(git -C "$project" rev-parse feature/task-001-only)
  agent task-001 <<<'[ ! -e first ] && work; finish'
  completes --force
  aside=$(sed -n 's/^Moved aside: worktree .* -> //p' "$out")
  same precious "$(cat "$project/$aside/uncommitted")"
  same "$tip" "$(git -C "$project" rev-parse "$(sed -n 's/^Moved aside: branch feature\/task-001-only -> //p' "$out")")"
  same "$tip" "$(git -C "$project/$aside" rev-parse HEAD)"
  same '' "$(git -C "$project" worktree list --porcelain | grep prunable)"
  task_ended task-001 'completed commits=1'
  branch_lacks feature/task-001-only first
}

@test "--force moves aside what is no worktree: a file, a folder, a dangling link" {
  project four
  mkdir -p "$spaces/task-002/sub"
  echo mine >"$spaces/task-001"
  echo mine >"$spaces/task-002/sub/mine"
  ln -s nowhere "$spaces/task-003"
  completes --force
  same mine "$(cat "$spaces"/task-001.*)"
  same mine "$(cat "$spaces"/task-002.*/sub/mine)"
  out_has '[PROGRESS] wave=1 status=completed tasks=4/4'
}

@test "--force twice within a second keeps both" {
  project one
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase $* in *%%s*) exec "%s" "$@" ;; esac\necho 20261122T064453Z\n' "$(type -P date)" >"$home/bin/date"
  chmod +x "$home/bin/date"
  prefer "$home/bin"
  completes
  completes --force
  completes --force
  same 3 "$(git -C "$project" for-each-ref --format='%(refname)' refs/heads/feature refs/heads/backup | grep -c task-001-only)"
  same 3 "$(ls "$spaces" | grep -c .)"
  same 4 "$(git -C "$project" worktree list | grep -c .)"
}

@test "--force with nothing in the way is a plain run" {
  project one
  completes --force
  same '[PROGRESS] wave=1 status=started' "$(head -n 1 "$out")"
}

@test "--force --wave 2 leaves the other wave alone" {
  project chain
  completes
  local tip
  tip=$(git -C "$project" rev-parse feature/task-001-first)
  completes --force --wave 2
  same "$tip" "$(git -C "$project" rev-parse feature/task-001-first)"
  out_lacks 'branch feature/task-001' 'branch feature/task-003'
  same '["completed", "completed", "completed"]' "$(execution '[e["tasks"][t]["status"] for t in sorted(e["tasks"])]')"
}

# --- task

@test "--task runs one task from worktree to verdict and leaves manifest.json alone" {
  project chain
  completes --task task-001
  has "$out" '[PROGRESS] wave=1 task=task-001 status=started' '[PROGRESS] wave=1 task=task-001 status=completed commits=1'
  same '' "$(git -C "$project" status --porcelain)"
  completes --task task-002-second
  branch_has feature/task-002-second task-001.txt
  has "$state/task-002.result" status=completed commits=1
}

@test "--task exits 1 when the task fails, and 2 when it is unknown" {
  project chain
  agent task-001 <<<'exit 4'
  fails --task task-001
  task_ended task-001 'failed error=exit_code_4 commits=0'
  refuses --task task-9
  grep -q "unknown task 'task-9'" "$err" || { show && return 1; }
  refuses --task ''
}

@test "--task refuses a task whose dependency has no branch, and names it" {
  project chain
  refuses --task task-002
  grep -q 'task-001' "$err" || { show && return 1; }
  absent "$spaces/task-002"
}

@test "tasks run one by one can be shown, and a run goes on from them" {
  project chain
  completes --task task-001
  completes --retry-failed
  same 'task-002 task-003' "$(started)"
  same '["completed", "completed", "completed"]' "$(execution '[w["status"] for w in e["waves"]]')"
}

# bats test_tags=portable, process
@test "--task stops its agent on TERM" {
  project one
  agent task-001 <<<'note up; sleep 300'
  launch --task task-001
  await noted up
  term_ends_it
  task_ended task-001 'interrupted commits=0'
}

# --- status

@test "--status says what became of each task, and changes nothing" {
  project diamond
  completes --status
  out_has 'execution status=none alive=no' 'wave=1 task=task-001 status=pending' 'wave=1 status=pending tasks=0/2'
  absent "$logs" "$spaces"
  agent task-002 <<<'work; exit 3'
  fails
  touch "$home/before"
  completes --status
  same 'execution status=failed
wave=1 task=task-001 status=completed attempt=1 commits=1 exit_code=0
wave=1 task=task-002 status=failed attempt=1 commits=1 exit_code=3 error=exit_code_3
wave=1 status=failed tasks=1/2
wave=2 task=task-003 status=blocked by=task-002
wave=2 task=task-004 status=completed attempt=1 commits=1 exit_code=0
wave=2 status=failed tasks=1/2
wave=3 task=task-005 status=blocked by=task-003
wave=3 status=failed tasks=0/1' "$(sed -e 's/ alive=.*//' -e 's/ tip=[0-9a-f]*//' -e 's/ started=.*//' -e 's/ finished=.*//' "$out")"
  same '' "$(find "$home" -newer "$home/before" ! -path "$out" ! -path "$err")"
}

# bats test_tags=process
@test "--status of a run under way, and of one that was killed" {
  project one
  agent task-001 <<<'note up; sleep 300'
  launch
  await noted up
  local runner=$pid
  out=$home/out2 err=$home/err2
  completes --status
  grep -q '^wave=1 task=task-001 status=running ' "$out" || { show && return 1; }
  grep -q "^execution status=running alive=yes pid=$runner " "$out" || { show && return 1; }
  kill_all
  await nobody_lives
  completes --status
  grep -q '^wave=1 task=task-001 status=lost ' "$out" || { show && return 1; }
  grep -q "^execution status=lost alive=no pid=$runner " "$out" || { show && return 1; }
}

@test "manifest.json and --status say the same of a wave that was left in the middle" {
  project four
  agent task-001 <<<'exit 3'
  fails --max-concurrent 1 --halt soon
  same '["failed", "pending"]' "$(execution '[e["waves"][0]["status"], e["tasks"]["task-002"]["status"]]')"
  completes --status
  out_has 'wave=1 status=failed tasks=0/4'
}

@test "a quote in the manifest does not hide what has completed" {
  project chain
  printf '{"note": "a 5\\" disk \\\\", "tasks": {"total": 3}}' >"$manifest"
  agent task-002 <<<'exit 3'
  fails
  rm -r "$logs"
  agent task-002 <<<'work; finish'
  completes --retry-failed
  same 'task-002 task-003' "$(started)"
}

@test "a task is named by its whole id, also where ids are numbers" {
  project one
  sed -e 's/^task-001  task-001-only.*/010  010  1  -  -  prompts\/p.txt\n10  10  1  -  -  prompts\/p.txt/' "$project/$script" >"$home/numbers"
  cat "$home/numbers" >"$project/$script"
  echo go >"$dir/prompts/p.txt"
  commit_all
  completes --task 10
  same 10 "$(started)"
}

@test "--status and --retry-failed in a clone without logs/ go by manifest.json alike" {
  project diamond
  agent task-002 <<<'work; exit 3'
  fails
  rm -r "$logs"
  completes --status
  grep -q '^wave=1 task=task-002 status=failed .*error=exit_code_3 ' "$out" || { show && return 1; }
  grep -q '^wave=2 task=task-003 status=blocked by=task-002 ' "$out" || { show && return 1; }
  absent "$logs"
}

# --- dry run

# bats test_tags=portable
@test "--dry-run prints the plan in the specification's words and changes not a byte" {
  project five
  # As after a fresh clone: git would like to write the index.
  touch "$project/README.md"
  sleep 0.01
  touch "$home/before"
  sleep 0.01
  local before kib
  kib=$(git -C "$project" ls-tree -r -l main | awk '{ sum += $4 } END { print int((sum + 1023) / 1024) }')
  before=$(cd "$project" && find . -type f -exec cksum {} + | sort)
  completes --dry-run
  out_is <<END
=== Parallel Execution Plan ===

Parallel Dir: parallel/TS-0042-inventory
Tech Spec: TS-0042
Base Branch: main
Max Concurrent: 3
Agent: $AGENT_COMMAND

Wave 1 (3 tasks, parallel):
  - task-001-users      -> ../workspaces/task-001 (feature/task-001-users)
  - task-002-products   -> ../workspaces/task-002 (feature/task-002-products)
  - task-003-shared     -> ../workspaces/task-003 (feature/task-003-shared)

Wave 2 (2 tasks, parallel):
  - task-004-orders     -> ../workspaces/task-004 (feature/task-004-orders)
  - task-005-api        -> ../workspaces/task-005 (feature/task-005-api)

Total Tasks: 5
Estimated Worktree Space: ~$((5 * kib))KB (5 worktrees x ~${kib}KB)

Dry run complete. No files modified.
END
  err_is </dev/null
  same "$before" "$(cd "$project" && find . -type f -exec cksum {} + | sort)"
  same '' "$(find "$home" -newer "$home/before" ! -path "$out" ! -path "$err" ! -path "$home")"
}

@test "--dry-run shows only what would run: one wave, without the skipped" {
  project five
  completes --dry-run --wave 1 --skip task-002 --max-concurrent 7
  out_has 'Max Concurrent: 7' 'Wave 1 (2 tasks, parallel):' 'Total Tasks: 2'
  out_lacks task-002 'Wave 2'
}

@test "--dry-run only warns of what would be an error" {
  project one
  echo x >>"$project/README.md"
  mkdir -p "$spaces/task-001"
  git -C "$project" branch feature/task-001-only
  AGENT_COMMAND=claude PATH=/nowhere:$(dirname "$(command -v git)") completes --dry-run
  err_has 'WARNING: Uncommitted changes detected. Consider committing or stashing.' \
    "WARNING: Worktree '../workspaces/task-001' already exists."
  grep -q '^WARNING: Branch already exists: feature/task-001-only' "$err" || { show && return 1; }
  err_lacks ERROR
  out_has 'Dry run complete. No files modified.'
}

@test "--dry-run after a run, with --retry-failed, shows what would run" {
  project chain
  agent task-002 <<<'exit 1'
  fails
  touch "$home/before"
  completes --dry-run --retry-failed
  out_has 'Total Tasks: 2'
  same '' "$(find "$home" -newer "$home/before" ! -path "$out" ! -path "$err" ! -path "$home")"
}

# --- output that goes nowhere

@test "what only shows something does not start a run when nobody can read it" {
  [ -c /dev/full ] || skip 'there is no /dev/full'
  project five
  for option in --help --status --dry-run --preflight; do
    out=/dev/full
    run_script "$option"
    out=$home/out
    absent "$logs" "$spaces"
  done
  same main "$(git -C "$project" branch --format='%(refname:short)')"
}

@test "--dry-run with --retry-failed writes nothing, and counts to none" {
  project one
  completes --dry-run --retry-failed
  absent "$logs" "$spaces"
  completes
  completes --dry-run --retry-failed
  out_has 'Total Tasks: 0'
  grep -q '^Estimated Worktree Space: ~0KB (0 worktrees x ' "$out" || { show && return 1; }
}

@test "--force moves everything aside although nobody can read it" {
  [ -c /dev/full ] || skip 'there is no /dev/full'
  project four
  completes
  out=/dev/full
  completes --force
  out=$home/out
  same 4 "$(git -C "$project" branch --list 'backup/*' | wc -l | tr -d ' ')"
}
