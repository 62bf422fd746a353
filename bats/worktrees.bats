# How a worktree is tied to the repository: as git itself would do it, and whole whatever a crash has left.

load helper

# lost_attempt: write the records of a first attempt whose runner was killed before there was an agent
lost_attempt() {
  mkdir -p "$state"
  printf '%s\n' attempt=1 pid=999999999 identity=gone kept=0 started=1 started_at=2026-01-01T00:00:00Z >"$state/task-001.start"
  printf '%s\n' status=running pid=999999999 identity=gone >"$state/run"
}

# tie <worktree> <side>: tie a folder to the repository, with HEAD at the base, as the script does before it writes files
tie() {
  local git_dir=$project/.git/worktrees/$2
  mkdir -p "$1" "$git_dir"
  git -C "$project" rev-parse HEAD >"$git_dir/HEAD"
  printf '../..\n' >"$git_dir/commondir"
  printf '%s\n' "$1/.git" >"$git_dir/gitdir"
  printf 'gitdir: %s\n' "$git_dir" >"$1/.git"
}

# is_sound: git finds the worktrees in order: each once, and nothing to prune or repair
is_sound() {
  same '' "$(git -C "$project" worktree prune --verbose --dry-run 2>&1)"
  same '' "$(git -C "$project" worktree list --porcelain | sed -n 's/^worktree //p' | sort | uniq -d)"
  same '' "$(git -C "$project" fsck 2>&1)"
  same '' "$(git -C "$spaces/task-001" status --porcelain --ignored | grep -v claude-task-complete)"
  same feature/task-001-only "$(git -C "$spaces/task-001" symbolic-ref --short HEAD)"
}

# bats test_tags=portable
@test "a worktree is what git would have made: it can be listed, moved, locked and removed" {
  project one
  completes
  is_sound
  spaces=$(cd -P -- "$spaces" && pwd -P)
  git -C "$project" worktree list --porcelain | grep -q -x -F "worktree $spaces/task-001"
  git -C "$project" worktree move "$spaces/task-001" "$spaces/moved"
  git -C "$project" worktree lock "$spaces/moved"
  git -C "$project" worktree unlock "$spaces/moved"
  git -C "$project" worktree remove --force "$spaces/moved"
  same 1 "$(git -C "$project" worktree list | wc -l | tr -d ' ')"
}

# bats test_tags=one-shell
@test "permissions of a worktree and of git's side of it are the user's, not those of our records" {
  project one
  completes
  local git_dir
  git_dir=$(git -C "$spaces/task-001" rev-parse --git-dir)
  same '0755 0755 0644 0644' "$(mode_of "$spaces/task-001") $(mode_of "$git_dir") $(mode_of "$git_dir/gitdir") $(mode_of "$spaces/task-001/.git")"
}

# bats test_tags=one-shell
@test "two parallel directories with the same ids run side by side in one repository" {
  project one
  cp -Rp "$dir" "$project/parallel/TS-0043-other"
  sed 's/task-001-only/task-001-also/' "$dir/scripts/run-parallel.sh" >"$home/renamed"
  cat "$home/renamed" >"$project/parallel/TS-0043-other/scripts/run-parallel.sh"
  commit_all
  agent task-001 <<<'note "$PARALLEL_BRANCH up"; await grep -q only "$TEST_NOTES/notes"; await grep -q also "$TEST_NOTES/notes"; work; finish'
  launch
  local first=$pid
  directory=parallel/TS-0043-other
  use_project
  WORKSPACE_ROOT=../others launch
  finish
  ended_with 0
  status=0
  wait "$first" || status=$?
  ended_with 0
  branch_has feature/task-001-only task-001.txt
  branch_has feature/task-001-also task-001.txt
}

# bats test_tags=one-shell
@test "a crash before the worktree was tied: an empty folder and what was not put in place" {
  project one
  lost_attempt
  mkdir -p "$spaces/task-001"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

@test "a crash before git's side of the worktree was put in place: a link that leads nowhere" {
  project one
  lost_attempt
  mkdir -p "$spaces/task-001"
  printf 'gitdir: %s\n' "$project/.git/worktrees/task-001.7" >"$spaces/task-001/.git"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a crash before the files were written: tied, without a branch" {
  project one
  lost_attempt
  tie "$spaces/task-001" task-001.7
  : >"$project/.git/worktrees/task-001.7/index.lock"
  printf 'half' >"$spaces/task-001/README.md"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a crash between the files and the branch, and between the branch and HEAD" {
  project one
  lost_attempt
  tie "$spaces/task-001" task-001.7
  git -C "$spaces/task-001" reset --quiet --hard
  git -C "$project" branch feature/task-001-only
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a folder that has come in the meantime is not taken for a worktree" {
  project chain
  agent task-001 <<<'mkdir "$PARALLEL_WORKTREE/../task-002"; echo mine >"$PARALLEL_WORKTREE/../task-002/README.md"; work; finish'
  fails
  task_ended task-002 'failed error=worktree'
  same mine "$(cat "$spaces/task-002/README.md")"
  absent "$spaces/task-002/.git"
}

# bats test_tags=one-shell
@test "a branch that has come in the meantime is not moved" {
  project chain
  agent task-001 <<<'work; git branch "$TEST_BRANCH" HEAD~1; finish'
  export TEST_BRANCH=feature/task-002-second
  fails
  task_ended task-002 'failed error=worktree'
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$TEST_BRANCH")"
}

@test "a branch that is checked out elsewhere is left alone on a retry" {
  project one
  agent task-001 <<<'work; exit 3'
  fails
  git -C "$project" worktree remove --force "$spaces/task-001"
  git -C "$project" worktree add --quiet "$home/elsewhere" feature/task-001-only
  refuses --retry-failed
  err_has "ERROR: The branch of task-001 is checked out in '$(cd -P -- "$home" && pwd -P)/elsewhere'"
  git -C "$project" worktree remove --force "$home/elsewhere"
  agent task-001 <<<'finish'
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

@test "a branch in the way of the name is named, and once it is gone the task runs" {
  project one
  git -C "$project" branch feature
  completes --dry-run
  err_has "WARNING: git cannot have the branch 'feature' beside that of task-001"
  refuses
  err_has "ERROR: git cannot have the branch 'feature' beside that of task-001"
  absent "$logs" "$spaces"
  git -C "$project" branch --quiet -m feature feature/task-001-only/more
  refuses
  err_has "ERROR: git cannot have the branch 'feature/task-001-only/more' beside that of task-001"
  git -C "$project" branch --quiet -D feature/task-001-only/more
  completes
  is_sound
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a repository with extensions gets its worktrees from git: sparse ones stay sparse" {
  project one
  mkdir "$project/large"
  echo large >"$project/large/file"
  commit_all
  git -C "$project" sparse-checkout set parallel
  completes
  is_sound
  absent "$spaces/task-001/large"
  [ -e "$spaces/task-001/README.md" ]
}

# bats test_tags=one-shell
@test "a repository with extensions: a crash after the branch was made" {
  project one
  git -C "$project" config extensions.worktreeConfig true
  lost_attempt
  git -C "$project" branch feature/task-001-only
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "the post-checkout hook of the repository sees the new worktree" {
  project one
  mkdir "$project/.git/hooks"
  printf '#!/bin/sh\nprintf "%%s\\n" "$3 $PWD" >>"%s/hook"\n' "$home" >"$project/.git/hooks/post-checkout"
  chmod +x "$project/.git/hooks/post-checkout"
  completes
  same "1 $(cd -P -- "$spaces/task-001" && pwd -P)" "$(cat "$home/hook")"
}

# intrude <words>: let the first git command of the script that has these words wait for what stdin does
intrude() {
  mkdir "$home/bin"
  cat >"$home/intruder"
  printf '#!/bin/sh\ncase $* in\n  *"%s"*) [ -e "%s/once" ] || { : >"%s/once"; sh "%s/intruder" >&2; } ;;\nesac\nexec "%s" "$@"\n' \
    "$1" "$home" "$home" "$home" "$(type -P git)" >"$home/bin/git"
  chmod +x "$home/bin/git"
  prefer "$home/bin"
}

@test "a worktree that has come in the meantime is not removed, in a repository with extensions" {
  project one
  git -C "$project" config extensions.worktreeConfig true
  intrude 'worktree add' <<INTRUDER
$(type -P git) -C '$project' worktree add --quiet -b mine '$spaces/task-001'
echo precious >'$spaces/task-001/precious'
INTRUDER
  fails
  task_ended task-001 'failed error=worktree'
  same precious "$(cat "$spaces/task-001/precious")"
  same mine "$(git -C "$spaces/task-001" symbolic-ref --short HEAD)"
}

# bats test_tags=one-shell
@test "the agent of another run, which has a task of the same id, is not stopped" {
  project chain
  cp -Rp "$dir" "$project/parallel/TS-0043-other"
  sed -e 's/^task-001  task-001/task-009  task-009/' -e 's/ 2  task-001 / 2  task-009 /' -e 's/task-002-second/task-002-other /' \
    "$dir/scripts/run-parallel.sh" >"$home/renamed"
  cat "$home/renamed" >"$project/parallel/TS-0043-other/scripts/run-parallel.sh"
  commit_all
  git -C "$project" update-index --assume-unchanged "$directory/manifest.json"
  # The second run comes to its task-002 when that of the first is at work.
  agent task-001 <<<'note first; await grep -q second "$TEST_NOTES/notes"; work; finish'
  agent task-002 <<<'note up; await grep -q go "$TEST_NOTES/notes"; work; finish'
  agent task-009 <<<'note second; await grep -q up "$TEST_NOTES/notes"; work; finish'
  launch --skip task-003
  local first=$pid
  await noted first
  directory=parallel/TS-0043-other
  use_project
  fails --skip task-003
  task_ended task-009 'completed commits=1'
  task_ended task-002 'failed error=worktree'
  refuses --skip task-003 --retry-failed
  err_has "ERROR: Another parallel directory, 'parallel/TS-0042-inventory', has made the worktree of task-002"
  echo go >>"$TEST_NOTES/notes"
  status=0
  wait "$first" || status=$?
  ended_with 0
  branch_has feature/task-002-second task-002.txt
}

# bats test_tags=one-shell, awk
@test "what git keeps of a worktree that is gone does not become a duplicate" {
  project one
  completes
  rm -rf "$spaces"
  git -C "$project" branch -m feature/task-001-only done
  completes
  is_sound
  rm -rf "$spaces"
  completes --force
  is_sound
}

# bats test_tags=one-shell
@test "a worktree with a submodule is moved aside whole" {
  project one
  git init --quiet "$home/library"
  git -C "$home/library" -c user.name=x -c user.email=x@example.org commit --quiet --allow-empty -m 'Start'
  git -C "$project" -c protocol.file.allow=always submodule --quiet add "$home/library" library
  commit_all
  agent task-001 <<<'git -c protocol.file.allow=always submodule --quiet update --init; work; finish'
  completes
  completes --force
  is_sound
  local aside
  aside=$(printf '%s\n' "$spaces"/task-001.*)
  git -C "$aside" rev-parse --verify --quiet HEAD >/dev/null
  same 3 "$(git -C "$project" worktree list | wc -l | tr -d ' ')"
}

@test "files of an agent are kept when somebody has removed the index" {
  project one
  agent task-001 <<<'work; exit 3'
  fails
  echo mine >>"$spaces/task-001/README.md"
  rm "$(git -C "$spaces/task-001" rev-parse --git-dir)/index"
  agent task-001 <<<'finish'
  completes --retry-failed
  task_ended task-001 'completed commits=1 uncommitted=1'
  grep -q mine "$spaces/task-001/README.md"
}

# bats test_tags=one-shell, awk
@test "a worktree of a person's that lacks its tie after a crash is left alone" {
  project one
  git -C "$project" worktree add --quiet -b mine "$home/mine"
  : >"$project/.git/worktrees/mine/commondir"
  run_script
  [ -e "$project/.git/worktrees/mine/index" ]
}

# bats test_tags=one-shell
@test "a worktree that is tied by a relative path is known on a retry" {
  project one
  agent task-001 <<<'work; exit 3'
  fails
  printf 'gitdir: %s\n' "../../project/.git/worktrees/$(basename "$(git -C "$spaces/task-001" rev-parse --git-dir)")" >"$home/relative"
  cat "$home/relative" >"$spaces/task-001/.git"
  agent task-001 <<<'finish'
  completes --retry-failed
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a sparse checkout of an older git stays sparse" {
  project one
  mkdir "$project/large"
  echo large >"$project/large/file"
  commit_all
  git -C "$project" config core.sparseCheckout true
  mkdir -p "$project/.git/info"
  printf '/*\n!/large/\n' >"$project/.git/info/sparse-checkout"
  git -C "$project" read-tree -m -u HEAD
  completes
  absent "$spaces/task-001/large"
}

# bats test_tags=one-shell
@test "an identity that GIT_CONFIG_COUNT gives is known" {
  project one
  git -C "$project" config --unset user.name
  git -C "$project" config --unset user.email
  GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=Tess GIT_CONFIG_KEY_1=user.email \
    GIT_CONFIG_VALUE_1=tess@example.org completes
  same Tess "$(git -C "$project" log -1 --format=%an feature/task-001-only)"
}

# bats test_tags=one-shell
@test "variables of the environment are not taken for those of the script" {
  project diamond
  backwards=9 waits_1=3 outcome_1=skipped tried_1=4 rank_2=x ready_at_0='2 ' blocked_by_1=task-002 completes --schedule deps
}

# --- what a person has done in between

# bats test_tags=one-shell, process
@test "what a person does after a verdict on our own doing is kept" {
  project one
  mkdir "$project/.git/hooks"
  printf '#!/bin/sh\nexec sleep 20\n' >"$project/.git/hooks/post-checkout"
  chmod +x "$project/.git/hooks/post-checkout"
  fails --timeout 1
  task_ended task-001 'failed error=timeout'
  rm "$project/.git/hooks/post-checkout"
  echo mine >"$spaces/task-001/notes"
  echo mine >>"$spaces/task-001/README.md"
  completes --retry-failed
  same mine "$(cat "$spaces/task-001/notes")"
  grep -q mine "$spaces/task-001/README.md"
}

@test "locks of the user's own git are left alone" {
  project one
  agent task-001 <<<'exit 3'
  WORKSPACE_ROOT=ws fails
  git -C "$project" worktree remove --force "$project/ws/task-001"
  mkdir "$project/ws/task-001"
  echo x >"$project/ws/task-001/x"
  : >"$project/.git/config.lock"
  WORKSPACE_ROOT=ws fails --retry-failed
  task_ended task-001 'failed error=worktree'
  [ -e "$project/.git/config.lock" ]
  [ -e "$project/ws/task-001/x" ]
}

@test "a worktree that a person has locked is not taken apart while its folder is away" {
  project one
  agent task-001 <<<'git checkout --quiet --detach; work; exit 3'
  fails
  local lost
  lost=$(git -C "$spaces/task-001" rev-parse HEAD)
  git -C "$project" worktree lock "$spaces/task-001"
  mv "$spaces/task-001" "$home/away"
  agent task-001 <<<'finish'
  completes --dry-run --retry-failed
  grep -q '^WARNING: The worktree .* is locked, and not there$' "$err" || { show && return 1; }
  refuses --retry-failed
  same "$lost" "$(git -C "$home/away" rev-parse HEAD)"
}

# bats test_tags=one-shell
@test "a folder whose tie to the repository is gone gets no agent" {
  project one
  agent task-001 <<<'work; exit 3'
  fails
  rm -rf "$project/.git/worktrees"
  agent task-001 <<<'note ran; finish'
  fails --retry-failed
  task_ended task-001 'failed error=worktree'
  absent "$TEST_NOTES/notes"
}

# bats test_tags=process
@test "--force stops the agent that a killed scheduler and runner have left" {
  project one
  agent task-001 <<<'note "up $$"; while :; do echo alive >>"$PARALLEL_WORKTREE/pulse"; sleep 0.1; done'
  launch
  await grep -q up "$TEST_NOTES/notes"
  kill_all '*run-parallel.sh*'
  wait "$pid" 2>/dev/null || :
  end_naps
  agent task-001 <<<'work; finish'
  completes --force
  all_dead
  absent "$spaces/task-001/pulse"
}

# bats test_tags=one-shell, awk
@test "files that a git that was killed has left of a worktree are moved aside, and it is made again" {
  project one
  intrude 'worktree add' <<INTRUDER
mkdir -p '$spaces/task-001'
echo half >'$spaces/task-001/README.md'
exit 1
INTRUDER
  # Only the first call is intruded upon: it finds a folder that was not there before.
  completes
  is_sound
  same half "$(cat "$spaces"/task-001.*/README.md)"
  grep -q 'moved aside what was left' "$err"
}

@test "files that a crash has left of a worktree are moved aside, and it is made again" {
  project one
  lost_attempt
  mkdir -p "$spaces/task-001"
  echo half >"$spaces/task-001/README.md"
  completes --retry-failed
  is_sound
  same half "$(cat "$spaces"/task-001.*/README.md)"
}

# bats test_tags=one-shell
@test "a lock on the branch that a git that was killed has left is no folder in the way" {
  project one
  lost_attempt
  mkdir -p "$project/.git/refs/heads/feature"
  : >"$project/.git/refs/heads/feature/task-001-only.lock"
  completes --retry-failed
  is_sound
}

# bats test_tags=one-shell
@test "a file of the project that is called like git's own is moved aside as it is" {
  project one
  agent task-001 <<<'printf "%s\n" "$PWD/x" "and more" | tee gitdir >kept; mkdir sub; cp gitdir sub/.git; exit 3'
  fails
  fails --force
  cmp "$spaces"/task-001.*/gitdir "$spaces"/task-001.*/kept
  cmp "$spaces"/task-001.*/sub/.git "$spaces"/task-001.*/kept
}
