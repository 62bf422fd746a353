# The command line, the environment, and what is checked before anything is changed.

load helper

# refused <argument>...: a usage error, of which the words are on stderr, and nothing was touched
refused() {
  refuses "$@"
  out_is </dev/null
  grep -q "^run-parallel.sh: " "$err" || { show && return 1; }
  absent "$logs" "$spaces"
}

# bats test_tags=portable
@test "MAX_CONCURRENT has to be a positive whole number, by option and by environment" {
  project one
  for value in 0 -1 x 1.5 ' ' 1x 0x1 '1 2' '$(touch pwned)' 'a[$(touch pwned)]' 00 1e3; do
    refused --max-concurrent "$value"
    grep -q -F "max-concurrent: expected a positive whole number, not '$value'" "$err" || { show && return 1; }
  done
  refused --max-concurrent ''
  refused --max-concurrent=
  for value in 0 -1 x 1.5 'a[$(touch pwned)]'; do
    MAX_CONCURRENT=$value refused
    grep -q -F "not '$value'" "$err" || { show && return 1; }
  done
  same '' "$(find "$home" -name pwned)"
}

# bats test_tags=process
@test "timeout, grace and wave have to be numbers" {
  project one
  for option in --timeout --grace --wave --retries --max-log-size; do
    refused "$option" x
    refused "$option" -1
    refused "$option" ''
    refused "$option=1.5"
  done
  for option in --timeout --wave; do
    refused "$option" 0
  done
  TASK_TIMEOUT=1h refused
  refused --halt later
}

# bats test_tags=process
@test "a number that is too large for arithmetic does no harm" {
  project one
  run_script --max-concurrent 99999999999999999999 --timeout 99999999999999999999
  case $status in
    0 | 2) ;;
    *) ended_with 2 ;;
  esac
}

# bats test_tags=process
@test "an empty variable in the environment counts as not set" {
  project one
  MAX_CONCURRENT='' TASK_TIMEOUT='' WORKSPACE_ROOT='' BASE_BRANCH='' SKIP_TASKS='' GRACE='' completes --dry-run
  out_has 'Max Concurrent: 3'
}

# bats test_tags=portable, awk
@test "the prefix of the branches: taken wherever one is named, refused where git would refuse the branch" {
  project chain
  for value in -x / /x a//b a.. .a/ a/. a.lock/ 'a b' 'a/*' 'a$(touch pwned)' "a'"; do
    refused --branch-prefix "$value"
    BRANCH_PREFIX=$value refused
    grep -q -F "branch prefix: '$value' cannot begin a branch" "$err" || { show && return 1; }
  done
  git -C "$project" branch feature/task-001-first
  export BRANCH_PREFIX=a.b-c_
  agent task-001 <<<'note "$PARALLEL_BRANCH"; work; finish'
  completes --wave 1
  grep -q -x a.b-c_task-001-first "$TEST_NOTES/notes" || { show && return 1; }
  refuses --wave 3
  err_has 'ERROR: Branch not found: a.b-c_task-002-second'
  completes --retry-failed
  git -C "$project" merge-base --is-ancestor a.b-c_task-001-first a.b-c_task-003-third
  refuses
  err_has 'ERROR: Branch already exists: a.b-c_task-001-first'
}

# bats test_tags=portable, awk
@test "a flag takes no value, and its variable 0 or 1" {
  project one
  shows() { grep -q -F -e "--submodules           initialise submodules in each worktree (SUBMODULES, now '$1')" "$out" || { show && return 1; }; }
  completes --help
  shows 0
  completes --submodules --help
  shows 1
  SUBMODULES=1 completes --help
  shows 1
  SUBMODULES=0 completes --help --submodules
  shows 1
  SUBMODULES='' completes --dry-run --submodules --max-concurrent 6
  out_has 'Max Concurrent: 6'
  refused --submodules=1
  refused --submodules=
  refused --submodules 1
  for value in 2 x -1 00 '0|1' ' '; do
    SUBMODULES=$value refused
    grep -q -F "submodules: expected 0|1, not '$value'" "$err" || { show && return 1; }
  done
}

# bats test_tags=portable
@test "an unknown option, a stray word, an option without its value" {
  project one
  refused --concurrent 3
  refused one
  refused --wave
  refused --max-concurrent
  refused -x
  refused --force=yes
  refused ''
  refused --wave 1 --task task-001
  refused --retry-failed --force
  refused --skip
}

# bats test_tags=process
@test "--help says what there is, and works outside a repository" {
  project one
  mkdir -p "$home/nowhere"
  cp -R "$dir/scripts" "$home/nowhere/"
  from=$home/nowhere script=scripts/run-parallel.sh
  completes --help
  for option in --wave --task --skip --retry-failed --max-concurrent --timeout --grace --dry-run --status --force \
    --directory --preflight --monitor --workspace-root --base --branch-prefix --agent-command --submodules \
    MAX_CONCURRENT TASK_TIMEOUT WORKSPACE_ROOT BASE_BRANCH BRANCH_PREFIX AGENT_COMMAND SKIP_TASKS SUBMODULES GRACE; do
    grep -q -e "$option" "$out" || { show && return 1; }
  done
  err_is </dev/null
  completes -h
}

# bats test_tags=awk
@test "the option comes before the environment, and the environment before the settings" {
  project one
  MAX_CONCURRENT=4 completes --dry-run
  out_has 'Max Concurrent: 4'
  MAX_CONCURRENT=4 completes --dry-run --max-concurrent=6
  out_has 'Max Concurrent: 6'
  MAX_CONCURRENT=x completes --dry-run --max-concurrent=6
}

# --- preflight

# bats test_tags=portable
@test "all problems are reported at once, in the specification's words" {
  project five
  echo x >>"$project/README.md"
  mkdir -p "$spaces/task-001"
  git -C "$project" branch feature/task-002-products
  rm "$manifest"
  poor_box
  AGENT_COMMAND='claude -p' on_poor_box refuses
  out_is </dev/null
  same "$(
    sort <<'END'
ERROR: Uncommitted changes in working directory
  Run 'git stash' or commit changes before parallel execution.
ERROR: Worktree already exists: ../workspaces/task-001
  Run 'git worktree remove ../workspaces/task-001' or use --force.
ERROR: Branch already exists: feature/task-002-products
  Previous execution was interrupted. Use '--retry-failed' to continue.
ERROR: manifest.json not found in 'parallel/TS-0042-inventory'
  Run '/parallel-decompose' first to create task specifications.
ERROR: Claude CLI not found
  Install Claude Code CLI: https://claude.ai/code
END
  )" "$(sort "$err")"
  absent "$logs" "$spaces/task-002" "$spaces/task-003"
}

@test "a refusal changes nothing: not the index, not the worktree root, no lock" {
  project one
  echo x >>"$project/README.md"
  touch "$home/before"
  refuses
  same '' "$(find "$home" -newer "$home/before" ! -path "$out" ! -path "$err" ! -path "$home")"
}

# bats test_tags=awk
@test "changes inside the parallel directory do not count as uncommitted; untracked files elsewhere do" {
  project one
  echo >>"$dir/tasks/task-001-only.md"
  : >"$dir/new"
  completes --dry-run
  err_is </dev/null
  : >"$project/untracked"
  refuses
  err_has 'ERROR: Uncommitted changes in working directory'
  rm "$project/untracked"
  printf 'ignored\n' >"$project/.gitignore"
  commit_all
  : >"$project/ignored"
  completes
}

@test "staged, deleted and renamed files count as uncommitted, and so does a neighbour of the parallel directory" {
  project one
  git -C "$project" rm --quiet --cached README.md
  refuses
  err_has 'ERROR: Uncommitted changes in working directory'
  git -C "$project" reset --quiet
  mkdir "$project/parallel/TS-0042-inventory-two"
  : >"$project/parallel/TS-0042-inventory-two/file"
  refuses
  err_has 'ERROR: Uncommitted changes in working directory'
}

@test "another agent command that is not found is named; one with quotes is left to the shell" {
  project one
  AGENT_COMMAND='no-such-agent --now' refuses
  err_has "ERROR: Agent command not found: 'no-such-agent'"
  AGENT_COMMAND='/no/such/agent' refuses
  err_has "ERROR: Agent command not found: '/no/such/agent'"
  AGENT_COMMAND='X=1 true' fails
  task_ended task-001 'failed error=no_marker commits=0'
}

@test "claude as root needs IS_SANDBOX=1" {
  [ "$(id -u)" -eq 0 ] || skip "not root"
  project one
  mkdir "$home/bin"
  printf '#!/bin/sh\n. "%s"\n' "$BATS_TEST_DIRNAME/agents/fake.sh" >"$home/bin/claude"
  chmod +x "$home/bin/claude"
  prefer "$home/bin"
  export AGENT_COMMAND='claude -p --dangerously-skip-permissions'
  IS_SANDBOX='' refuses
  err_has 'ERROR: claude refuses --dangerously-skip-permissions as root'
  IS_SANDBOX=yes refuses
  IS_SANDBOX=1 completes
}

@test "a merge under way, a rebase under way" {
  project one
  git -C "$project" rev-parse HEAD >"$project/.git/MERGE_HEAD"
  refuses
  err_has 'ERROR: A git operation is under way (MERGE_HEAD)'
  rm "$project/.git/MERGE_HEAD"
  mkdir "$project/.git/rebase-merge"
  refuses
  err_has 'ERROR: A git operation is under way (rebase-merge)'
}

@test "git does not know who commits" {
  project one
  git -C "$project" config --unset user.name
  git -C "$project" config --unset user.email
  git -C "$project" config user.useConfigOnly true
  refuses
  err_has 'ERROR: git does not know who you are'
}

@test "a detached HEAD needs BASE_BRANCH" {
  project one
  git -C "$project" checkout --quiet --detach
  refuses
  err_has 'ERROR: HEAD is detached'
  BASE_BRANCH=main completes
}

@test "a base branch that is not there, and one that looks like an option" {
  project one
  BASE_BRANCH=nowhere refuses
  err_has "ERROR: base branch not found: 'nowhere'"
  BASE_BRANCH=--help refuses
  err_has "run-parallel.sh: base branch: '--help' begins with a dash"
  absent "$logs"
}

@test "a repository without a commit, and no repository" {
  project one
  rm -rf "$project/.git"
  git -C "$project" init --quiet --template= -b main
  refuses
  err_has "ERROR: base branch not found: 'main'"
  rm -rf "$project/.git"
  refuses
  grep -q '^ERROR: git finds no project: ' "$err" || { show && return 1; }
}

@test "another base than main or master is a warning, and so is a directory that the base lacks" {
  project one
  git -C "$project" rm -r --quiet --cached parallel
  printf 'parallel/\n' >"$project/.gitignore"
  commit_all
  git -C "$project" checkout --quiet -b develop
  completes
  err_has "WARNING: Base branch is 'develop', not main or master." \
    "WARNING: 'parallel/TS-0042-inventory' is not in the base commit; the worktrees will lack it. Consider committing it."
}

@test "a missing utility is named" {
  project one
  poor_box
  rm "$home/box/awk"
  on_poor_box refuses
  err_has 'ERROR: awk not found'
}

# bats test_tags=awk
@test "a worktree root that cannot be made" {
  project one
  : >"$home/file"
  WORKSPACE_ROOT=$home/file/below completes --dry-run
  grep -q "^WARNING: cannot make '$home/file/below/task-001': '$home/file' is no folder" "$err" || { show && return 1; }
  WORKSPACE_ROOT=$home/file/below refuses
  grep -q "^ERROR: cannot make '$home/file/below/task-001'" "$err" || { show && return 1; }
}

@test "logs/ that is a symbolic link, and one that is a file" {
  project one
  mkdir "$home/elsewhere"
  ln -s "$home/elsewhere" "$logs"
  refuses
  grep -q '^ERROR: cannot write to ' "$err" || { show && return 1; }
  absent "$home/elsewhere/state"
  rm "$logs"
  : >"$logs"
  refuses
  grep -q '^ERROR: cannot make ' "$err" || { show && return 1; }
}

# short_of_space <kib>: let df say that so much is free
short_of_space() {
  mkdir "$home/bin"
  printf '#!/bin/sh\nprintf "Filesystem 1024-blocks Used Available Capacity Mounted on\\nx 9 9 %s 1%%%% /\\n"\n' "$1" >"$home/bin/df"
  chmod +x "$home/bin/df"
  prefer "$home/bin"
}

# bats test_tags=awk
@test "worktrees that will hardly fit are a warning, in a dry run and in a run" {
  project four
  head -c 100000 /dev/urandom >"$project/large"
  commit_all
  short_of_space 300
  completes --dry-run
  err_has "WARNING: Not enough disk space for 4 worktrees below '../workspaces'."
  completes
  err_has "WARNING: Not enough disk space for 4 worktrees below '../workspaces'."
}

# bats test_tags=awk
@test "worktrees that just fit, and those for which there is plenty of room, are no warning" {
  project four
  head -c 100000 /dev/urandom >"$project/large"
  commit_all
  short_of_space 1500
  completes --dry-run
  err_lacks 'disk space'
  completes
  err_lacks 'disk space'
  sed 's/ 1500 / 100000000 /' "$home/bin/df" >"$home/df" && cat "$home/df" >"$home/bin/df"
  completes --force
  err_lacks 'disk space'
}
