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
  absent "$project"/.git/parallelgen.*
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

@test "permissions of a worktree and of git's side of it are the user's, not those of our records" {
  project one
  completes
  local git_dir
  git_dir=$(git -C "$spaces/task-001" rev-parse --git-dir)
  same '0755 0755 0644 0644' "$(mode_of "$spaces/task-001") $(mode_of "$git_dir") $(mode_of "$git_dir/gitdir") $(mode_of "$spaces/task-001/.git")"
}

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

@test "a crash before the worktree was tied: an empty folder and what was not put in place" {
  project one
  lost_attempt
  mkdir -p "$spaces/task-001" "$project/.git/parallelgen.999999999"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

@test "a crash before git's side of the worktree was put in place: a link that leads nowhere" {
  project one
  lost_attempt
  mkdir -p "$spaces/task-001" "$project/.git/parallelgen.999999999"
  printf 'gitdir: %s\n' "$project/.git/worktrees/task-001.7" >"$spaces/task-001/.git"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

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

@test "a crash before the files were written, in an attempt that was not the first" {
  project one
  lost_attempt
  printf '%s\n' status=failed error=worktree >"$state/task-001.earlier"
  tie "$spaces/task-001" task-001.7
  printf 'half' >"$spaces/task-001/README.md"
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

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

@test "a folder that has come in the meantime is not taken for a worktree" {
  project chain
  agent task-001 <<<'mkdir "$PARALLEL_WORKTREE/../task-002"; echo mine >"$PARALLEL_WORKTREE/../task-002/README.md"; work; finish'
  fails
  task_ended task-002 'failed error=worktree'
  same mine "$(cat "$spaces/task-002/README.md")"
  absent "$spaces/task-002/.git"
}

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
  fails --retry-failed
  task_ended task-001 'failed error=worktree'
  git -C "$project" worktree remove --force "$home/elsewhere"
  agent task-001 <<<'finish'
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

@test "a branch in the way of the name is named, and once it is gone the task runs" {
  project one
  git -C "$project" branch feature
  fails
  task_ended task-001 'failed error=worktree'
  git -C "$project" branch --quiet -D feature
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

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

@test "a repository with extensions: a crash after the branch was made" {
  project one
  git -C "$project" config extensions.worktreeConfig true
  lost_attempt
  git -C "$project" branch feature/task-001-only
  completes --retry-failed
  is_sound
  task_ended task-001 'completed commits=1'
}

@test "the post-checkout hook of the repository sees the new worktree" {
  project one
  mkdir "$project/.git/hooks"
  printf '#!/bin/sh\nprintf "%%s\\n" "$3 $PWD" >>"%s/hook"\n' "$home" >"$project/.git/hooks/post-checkout"
  chmod +x "$project/.git/hooks/post-checkout"
  completes
  same "1 $(cd -P -- "$spaces/task-001" && pwd -P)" "$(cat "$home/hook")"
}
