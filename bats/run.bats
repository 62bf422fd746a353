# The happy path: two waves, five tasks, and what the agent finds.

load helper

setup_file() {
  begin "$BATS_FILE_TMPDIR" run
  project five
  agent task-001 <<'AGENT'
cat >"$TEST_NOTES/stdin"
env >"$TEST_NOTES/env"
pwd >"$TEST_NOTES/pwd"
umask >"$TEST_NOTES/umask"
echo 'to stdout'
echo 'to stderr' >&2
work users.txt
work more.txt
mkdir sub
echo x >sub/untracked
finish
AGENT
  # The order of the ends is that of the plan.
  agent task-002 <<<'work; await ended task-001; finish'
  agent task-003 <<<'work; await ended task-002; finish'
  agent task-004 <<<'git ls-files >"$TEST_NOTES/files-of-4"; ls >"$TEST_NOTES/ls-of-4"; work; finish'
  agent task-005 <<<'work; await ended task-004; finish'
  CLAUDECODE=1 CLAUDE_CODE_ENTRYPOINT=cli CLAUDE_CODE_SESSION_ID=x AI_AGENT=x TRACEPARENT=x CLAUDE_EFFORT=x \
    CLAUDE_CODE_CHILD_SESSION=1 CLAUDE_CODE_EXECPATH=x CLAUDE_CODE_SSE_PORT=1 CLAUDE_JOB_DIR=x \
    CLAUDE_CONFIG_DIR=kept run_script
  declare -p home project directory out err status >"$BATS_FILE_TMPDIR/variables"
}

teardown_file() {
  begin "$BATS_FILE_TMPDIR" run
  nothing_runs
}

# the_run: see what the run of setup_file left
the_run() {
  # Not through source alone: declare -p in a function would make the variables local.
  eval "$(sed 's/^declare -[^ ]* //' "$BATS_FILE_TMPDIR/variables")"
  TEST_NOTES=$home/notes
  use_project
}

# bats test_tags=portable
@test "a run of two waves prints its progress in order and exits 0" {
  the_run
  ended_with 0
  out_is <<'END'
[PROGRESS] wave=1 status=started
[PROGRESS] wave=1 task=task-001 status=started
[PROGRESS] wave=1 task=task-002 status=started
[PROGRESS] wave=1 task=task-003 status=started
[PROGRESS] wave=1 task=task-001 status=completed commits=2 uncommitted=1
[PROGRESS] wave=1 task=task-002 status=completed commits=1
[PROGRESS] wave=1 task=task-003 status=completed commits=1
[PROGRESS] wave=1 status=completed tasks=3/3
[PROGRESS] wave=2 status=started
[PROGRESS] wave=2 task=task-004 status=started
[PROGRESS] wave=2 task=task-005 status=started
[PROGRESS] wave=2 task=task-004 status=completed commits=1
[PROGRESS] wave=2 task=task-005 status=completed commits=1
[PROGRESS] wave=2 status=completed tasks=2/2
[PROGRESS] execution status=completed
END
  err_is </dev/null
}

@test "the orchestrator's log has each progress line with its UTC time" {
  the_run
  same "$(cat "$out")" "$(sed 's/^[0-9-]*T[0-9:]*Z //' "$logs/orchestrator.log")"
  same 15 "$(grep -c '^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z \[PROGRESS\] ' "$logs/orchestrator.log")"
}

# bats test_tags=portable
@test "the manifest gets the specification's execution block with the outcome" {
  the_run
  local commit
  commit=$(git -C "$project" rev-parse main)
  same "$("$PYTHON" -c 'import json, sys; print(json.dumps(json.loads(sys.argv[1])))' '{
    "status": "completed",
    "script_path": "scripts/run-parallel.sh",
    "workspace_root": "../workspaces",
    "options": {"max_concurrent": 3},
    "waves": [
      {"wave": 1, "status": "completed", "tasks": ["task-001", "task-002", "task-003"]},
      {"wave": 2, "status": "completed", "tasks": ["task-004", "task-005"]}
    ],
    "failed_tasks": [],
    "skipped_tasks": [],
    "base_branch": "main",
    "base_commit": "'"$commit"'"
  }')" "$(execution '{k: v for k, v in e.items() if k not in ("started_at", "finished_at", "tasks")}')"
  same '[true, true]' "$(execution '[bool(__import__("re").fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", e[k])) for k in ("started_at", "finished_at")]')"
  same '{"task-001": ["completed", 1, 2], "task-002": ["completed", 1, 1], "task-003": ["completed", 1, 1], "task-004": ["completed", 1, 1], "task-005": ["completed", 1, 1]}' \
    "$(execution '{k: [v["status"], v["attempts"], v["commits"]] for k, v in e["tasks"].items()}')"
  same '["python", {"total": 5}]' "$(execution '[m["technology"]["language"], m["tasks"]]')"
}

@test "each task has its branch and its worktree, and the project is as it was" {
  the_run
  branch_has feature/task-001-users more.txt
  branch_has feature/task-005-api task-005.txt
  same feature/task-004-orders "$(git -C "$spaces/task-004" symbolic-ref --short HEAD)"
  same 1 "$(git -C "$project" rev-list --count main)"
  same main "$(git -C "$project" symbolic-ref --short HEAD)"
  same " M $directory/manifest.json" "$(git -C "$project" status --porcelain)"
}

# bats test_tags=portable
@test "a task of wave 2 starts from what its dependencies committed, and from nothing else" {
  the_run
  has "$TEST_NOTES/files-of-4" users.txt more.txt task-002.txt README.md "$directory/prompts/task-004.txt"
  same '' "$(grep -x -e task-003.txt -e 'sub.*' "$TEST_NOTES/files-of-4")"
  has "$TEST_NOTES/ls-of-4" users.txt task-002.txt
  branch_lacks feature/task-004-orders task-003.txt
  branch_has feature/task-005-api task-003.txt
  branch_lacks feature/task-005-api task-002.txt
}

@test "a task's log has the agent's stdout and stderr" {
  the_run
  same 'to stdout to stderr' "$(paste -s -d ' ' "$logs/task-001.log")"
}

@test "the agent reads its prompt from stdin, in its worktree" {
  the_run
  same 'Do task-001.' "$(cat "$TEST_NOTES/stdin")"
  same "$(cd -P "$spaces/task-001" && pwd -P)" "$(cat "$TEST_NOTES/pwd")"
}

# bats test_tags=portable
@test "the agent's environment says what it works on, and nothing of a session around it" {
  the_run
  local real
  real=$(cd -P "$home" && pwd -P)
  has "$TEST_NOTES/env" PARALLEL_TASK=task-001 PARALLEL_WAVE=1 PARALLEL_BRANCH=feature/task-001-users \
    PARALLEL_ATTEMPT=1 "PARALLEL_DIR=$real/project/$directory" "PARALLEL_WORKTREE=$real/workspaces/task-001" \
    CLAUDE_CONFIG_DIR=kept "LC_ALL=$LC_ALL"
  lacks "$TEST_NOTES/env" CLAUDECODE CLAUDE_CODE_ AI_AGENT TRACEPARENT CLAUDE_EFFORT CLAUDE_JOB_DIR GIT_EDITOR \
    GIT_TERMINAL_PROMPT
}

# bats test_tags=portable
@test "logs and records are private; the agent and the worktree have the user's umask" {
  the_run
  same '0700 0700 0600 0600 0600' "$(echo $(mode_of "$logs") $(mode_of "$state") $(mode_of "$logs/task-001.log") \
    $(mode_of "$logs/orchestrator.log") $(mode_of "$state/task-001.result"))"
  same '0022' "$(cat "$TEST_NOTES/umask")"
  same '0644 0755 0644' "$(echo $(mode_of "$spaces/task-004/README.md") $(mode_of "$spaces/task-004") $(mode_of "$manifest"))"
}

@test "logs/ ignores itself, and the records are lines of key=value" {
  the_run
  same '*' "$(cat "$logs/.gitignore")"
  has "$state/task-001.result" status=completed attempt=1 commits=2 uncommitted=1 exit_code=0
  has "$state/run" status=completed base_branch=main "base_commit=$(git -C "$project" rev-parse main)" max_concurrent=3
  same '' "$(grep -v -h -E '^[a-z_]+=.+$' "$state"/*)"
  absent "$state"/lock.*
}

# most_at_once: print how many agents ran at the same time at most, by their notes
most_at_once() {
  awk '$1 == "begin" { if (++n > most) most = n } $1 == "end" { n-- } END { print most + 0 }' "$TEST_NOTES/notes"
}

# gather <number>: let each agent wait until so many have begun, and then a little for one too many
gather() {
  agent task-001 task-002 task-003 task-004 <<AGENT
note begin
crowd() { [ "\$(grep -c begin "\$TEST_NOTES/notes")" -ge $1 ]; }
await crowd
sleep 0.1
note end
finish
AGENT
}

@test "MAX_CONCURRENT=1 runs one agent at a time, in the order of the plan" {
  project four
  gather 1
  MAX_CONCURRENT=1 completes
  same 1 "$(most_at_once)"
  same 'task-001 task-002 task-003 task-004' "$(started)"
  same 1 "$(execution 'e["options"]["max_concurrent"]')"
}

# bats test_tags=portable
@test "--max-concurrent 2 runs two agents at a time, and never more" {
  project four
  gather 2
  MAX_CONCURRENT=1 completes --max-concurrent 2
  same 2 "$(most_at_once)"
  same 2 "$(execution 'e["options"]["max_concurrent"]')"
}

@test "three agents run at a time when nothing is said" {
  project four
  gather 3
  completes
  same 3 "$(most_at_once)"
}

@test "a task starts when its dependency has ended, not before" {
  project chain
  agent task-001 task-002 task-003 <<<'note begin $PARALLEL_TASK; work; finish; note end $PARALLEL_TASK'
  completes
  same 'begin task-001,end task-001,begin task-002,end task-002,begin task-003,end task-003' \
    "$(paste -s -d , "$TEST_NOTES/notes")"
  branch_has feature/task-003-third task-001.txt
}

@test "a dependency that is in the base already is merged without ado" {
  project chain
  completes --wave 1
  git -C "$project" merge --quiet feature/task-001-first
  completes --wave 2
  task_ended task-002 'completed commits=1'
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse feature/task-002-second~1)"
}

# bats test_tags=portable
@test "the script runs on a box without python, jq, timeout, setsid, flock and perl" {
  project diamond
  poor_box
  on_poor_box completes
  out_has '[PROGRESS] execution status=completed'
  err_is </dev/null
}

@test "the script runs by itself, as an executable file" {
  project one
  shell=(env)
  script=./$script
  completes
}

@test "the script runs from anywhere: by its absolute path, and inside scripts/ by its bare name" {
  project one
  from=/ script=$dir/scripts/run-parallel.sh
  completes
  absent "$project/workspaces" /workspaces
  [ -d "$spaces/task-001" ]
  from=$dir/scripts script=run-parallel.sh
  completes --retry-failed
  out_has '[PROGRESS] execution status=completed'
}

@test "the script runs by a relative path, from outside the project and with CDPATH set" {
  project one
  mkdir -p "$home/decoy/project/$directory/scripts"
  from=$home script=project/$script
  CDPATH=$home/decoy completes
  [ -d "$spaces/task-001" ]
  out_has '[PROGRESS] execution status=completed'
}

@test "the script runs from a linked worktree, on the branch that is checked out there" {
  project one
  git -C "$project" worktree add --quiet -b release "$home/linked tree"
  project="$home/linked tree"
  use_project
  commit_all 2>/dev/null || :
  completes
  err_has "WARNING: Base branch is 'release', not main or master."
  same '"release"' "$(execution 'e["base_branch"]')"
  [ -d "$spaces/task-001" ]
}

@test "a git that started the script does not tell it where to work" {
  project one
  mkdir "$home/other"
  git init --quiet "$home/other"
  GIT_DIR=$home/other/.git GIT_WORK_TREE=$home/other GIT_INDEX_FILE=$home/other/.git/index completes
  task_ended task-001 'completed commits=1'
  absent "$home/other/task-001.txt"
}

# bats test_tags=portable
@test "a run whose stdout is closed goes on to the end" {
  project chain
  cd "$project"
  # Not launch: its output is a file.
  "$PERL" -e '$SIG{PIPE} = "DEFAULT"; alarm 60; exec { $ARGV[0] } @ARGV' -- "${shell[@]}" "$script" \
    2>"$err" </dev/null 3>&- | head -n 1 >"$out"
  out_is <<<'[PROGRESS] wave=1 status=started'
  await grep -q 'execution status=completed' "$logs/orchestrator.log"
  await nobody_lives
  same '"completed"' "$(execution 'e["status"]')"
}

@test "the script leaves stdin to whoever called it" {
  project four
  cd "$project"
  printf '%s\n' one two >"$home/in"
  { "${shell[@]}" "$script" --task task-001 >"$out" 2>"$err" 3>&- && read -r line; } <"$home/in"
  same one "$line"
  { "${shell[@]}" "$script" --retry-failed >"$out" 2>"$err" 3>&- && read -r line; } <"$home/in"
  same one "$line"
}

# bats test_tags=portable
@test "the agent inherits no descriptor but its standard ones" {
  [ -d /proc/self/fd ] && ! hides_proc || skip "no /proc"
  project one
  # The shell itself lists them: a program would open some of its own.
  local list='for fd in /proc/$$/fd/*; do [ ! -e "$fd" ] || echo "${fd##*/}"; done'
  export AGENT_COMMAND="{ $list; } >'$TEST_NOTES/fds'; : >.claude-task-complete"
  launch 5>"$home/five"
  finish
  ended_with 0
  # No shell but bash can close those above 9.
  same '0 1 2' "$(sort -n "$TEST_NOTES/fds" | awk '$1 < 10' | paste -s -d ' ' -)"
}

@test "the marker is kept out of commits, and what info/exclude held stays" {
  project one
  mkdir "$project/.git/info"
  printf '%s' '*.orig' >"$project/.git/info/exclude"
  agent task-001 <<<'finish; work'
  completes
  task_ended task-001 'completed commits=1'
  branch_lacks feature/task-001-only .claude-task-complete
  same '*.orig' "$(head -n 1 "$project/.git/info/exclude")"
  has "$project/.git/info/exclude" /.claude-task-complete
  completes --retry-failed
  same 2 "$(grep -c '' "$project/.git/info/exclude")"
}

@test "a user's strict umask holds for the agent's files" {
  project one
  agent task-001 <<<'umask >"$TEST_NOTES/umask"; work; finish'
  umask 027
  completes
  umask 022
  same 0027 "$(cat "$TEST_NOTES/umask")"
  same '0640 0750' "$(echo $(mode_of "$spaces/task-001/README.md") $(mode_of "$spaces/task-001"))"
}
