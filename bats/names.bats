# Names as people have them: spaces, quotes, substitutions, dashes, letters beyond ASCII.

load helper

# what_is_odd: run the plan whose prompts have odd names, and see that nothing was taken for a command
what_is_odd() {
  agent task-001 <<<'work; finish'
  agent task-002-long <<<'cat >"$TEST_NOTES/prompt"; work "$(basename "$PARALLEL_DIR")"; finish'
  completes --timeout 50
  task_ended task-002-long 'completed commits=1'
  task_ended T.3_x 'completed commits=1'
  same 'Do task-002-long.' "$(cat "$TEST_NOTES/prompt")"
  same '' "$(find "$home" -name 'pwned*')"
  [ -d "$spaces/T.3_x" ]
  branch_has feature/T.3_x-y task-001.txt
  same '"completed"' "$(execution 'e["status"]')"
  err_is </dev/null
}

# bats test_tags=portable
@test "a directory with spaces, quotes, substitutions, a semicolon and non-ASCII letters" {
  project odd "my project's \"\$(touch pwned)\" ; touch pwned; \`touch pwned\` ü" \
    "-TS 1's \"\$(touch pwned)\"; touch pwned & \`touch pwned\` *é\\n"
  what_is_odd
  refuses
  err_has "ERROR: Worktree already exists: ../workspaces/task-001"
}

@test "a directory that begins with a dash, and a project that does" {
  project odd -project -- -rf
  # The shell needs a -- where a person would write one, too.
  shell=("${shell[@]}" --)
  from=$home script=-project/$script
  what_is_odd
}

@test "a parallel directory at the top of the repository" {
  project four
  mv "$project/$directory" "$project/top"
  directory=top
  use_project
  commit_all
  : >"$dir/new"
  completes
  err_is </dev/null
  same '["completed"]' "$(execution '[e["status"]]')"
}

@test "a repository that is itself the parallel directory" {
  project four
  (cd "$project" && mv "$directory"/* . && rmdir "$directory" parallel)
  directory=.
  use_project
  script=scripts/run-parallel.sh
  commit_all
  : >"$dir/new"
  completes
  err_is </dev/null
  same '["completed"]' "$(execution '[e["status"]]')"
}

@test "a parallel directory deep in the repository, reached through a symbolic link" {
  project one
  mkdir -p "$project/a/b c"
  mv "$project/$directory" "$project/a/b c/deep"
  directory="a/b c/deep"
  use_project
  commit_all
  ln -s "$project/a/b c" "$home/link"
  script=$home/link/deep/scripts/run-parallel.sh from=$home
  : >"$dir/new"
  completes
  err_is </dev/null
  [ -d "$spaces/task-001" ]
}

@test "WORKSPACE_ROOT absolute, with spaces and quotes, and inside the project" {
  project one
  WORKSPACE_ROOT="$home/my \"work\" 'spaces' \$(touch pwned)/deep" completes
  [ -e "$home/my \"work\" 'spaces' \$(touch pwned)/deep/task-001/README.md" ]
  same "\"$(printf '%s' "$home/my \\\"work\\\" 'spaces' \$(touch pwned)/deep")\"" "$(execution 'e["workspace_root"]')"
  git -C "$project" branch -m feature/task-001-only old
  WORKSPACE_ROOT=.worktrees completes
  [ -e "$project/.worktrees/task-001/README.md" ]
  git -C "$project" branch -m feature/task-001-only older
  # And the worktrees that are there now are no uncommitted changes.
  WORKSPACE_ROOT=.worktrees refuses
  err_lacks Uncommitted
}

# bats test_tags=awk, process
@test "a worktree root with a colon, a percent sign and a backslash" {
  project one
  agent task-001 <<<'work; finish; sleep 300 &'
  WORKSPACE_ROOT='../a:b%s\n' completes
  all_dead
  same '"../a:b%s\\n"' "$(execution 'e["workspace_root"]')"
  [ -e "$home/a:b%s\\n/task-001/README.md" ]
}

# bats test_tags=awk, process
@test "one directory beside another whose worktree's name begins alike: only its own agent is stopped" {
  project one
  agent task-001 <<<'
case $PARALLEL_WORKTREE in
  */task-001-b/*) note other; await test -e "$TEST_NOTES/go"; work; finish ;;
  *) sleep 300 & work; finish ;;
esac'
  WORKSPACE_ROOT=$home/spaces/task-001-b launch
  await noted other
  local first=$pid
  project one second
  out=$home/out2 err=$home/err2
  WORKSPACE_ROOT=$home/spaces completes
  : >"$TEST_NOTES/go"
  pid=$first out=$home/out err=$home/err
  finish
  ended_with 0
}

@test "a base branch with a slash and non-ASCII letters, and a file named like it" {
  project one
  git -C "$project" branch 'release/été'
  mkdir "$project/release"
  : >"$project/release/été"
  : >"$project/feature"
  commit_all
  BASE_BRANCH='release/été' completes
  same '"release/\u00e9t\u00e9"' "$(execution 'e["base_branch"]')"
  branch_lacks feature/task-001-only feature
}

@test "the agent command may hold quotes, newlines and what looks like an option" {
  project one
  export AGENT_COMMAND='x="a  b"; echo "$x" '\''$x'\'' >out.txt # a comment
git add out.txt; git commit -q -m "it'\''s" && touch .claude-task-complete'
  completes
  same 'a  b $x' "$(git -C "$project" show feature/task-001-only:out.txt)"
}

@test "the agent command of the settings is used when the environment has none" {
  project one
  AGENT_COMMAND='' fails
  task_ended task-001 'failed error=exit_code_7 commits=0'
  has "$logs/task-001.log" 'this is the agent of the settings'
}
