# What has completed, merged into one branch: whole runs, and what stands in the way of them.

# shellcheck disable=SC2016  # checks and agents have dollars of their own

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  export NO_BASELINE=1
  branch=integration/TS-0042-inventory
}

teardown() {
  nothing_runs
}

# use_spaces: set what the integration has of its own
use_spaces() {
  worktree=$spaces/integration-${directory##*/} verified=$state/verified
}

# task_done <task> [<start>]: let stdin be done on the branch of the task, from the base or the start, and record that the task has
# completed
task_done() {
  local name place=$home/maker
  name=$(sed -n "s/^$1 *\([^ ]*\) .*/\1/p" "$dir/scripts/run-parallel.sh")
  git -C "$project" worktree add --quiet -b "feature/$name" "$place" "${2-main}"
  (cd "$place" && task=$1 && eval "$(cat)" && git add -A && git commit --quiet --allow-empty -m "Do $1")
  record_done "$1" "$(git -C "$place" rev-parse HEAD)"
  git -C "$project" worktree remove --force "$place"
}

# record_done <task> <commit>: record that it has completed
record_done() {
  mkdir -p "$state"
  printf '%s\n' attempt=1 "tip=$2" commits=1 started=1 finished=2 status=completed >"$state/$1.result"
}

# each_done <task>...: let each of these tasks have written a file of its own
each_done() {
  for task in "$@"; do
    task_done "$task" <<<'echo "by $task" >"$task.txt"'
  done
}

# integrates <status> [<argument>...]: merge what has completed
integrates() {
  local expected=$1
  shift
  use_spaces
  run_script --integrate-now "$@"
  ended_with "$expected"
}

# told: print what was said of the integration, without what each line begins with
told() {
  sed -n "s/^\[PROGRESS\] integration status=//p" "$out" | sed "s: branch=$branch::; s/ tip=[0-9a-f]*$//"
}

# tells: what was said of the integration is what stdin says
tells() {
  same "$(cat)" "$(told)"
}

# tip: print the commit of the integration branch
tip() {
  git -C "$project" rev-parse "refs/heads/$branch"
}

# files <commit>: print the files of the tasks that are in the commit
files() {
  git -C "$project" ls-tree -r --name-only "$1" | grep -v -e ^parallel/ -e README | paste -s -d ' ' -
}

# check <command>: print a command that notes each run of it, and does the rest
check() {
  printf 'git rev-parse "HEAD^{tree}" >>"$TEST_NOTES/checks"; %s' "$1"
}

# checks: print how many times a check has run
checks() {
  grep -c . "$TEST_NOTES/checks" 2>/dev/null || :
}

# look: print all that must stay as it is: branches but for the integration's, HEAD, index, and the files of the user's checkout
look() {
  git -C "$project" for-each-ref | grep -v integration/
  cat "$project/.git/HEAD"
  git -C "$project" ls-files -s -v
  git -C "$project" stash list
  (cd "$project" && find . -path ./.git -prune -o -path '*/logs' -prune -o -type f ! -name manifest.json -exec cksum {} +) | sort
}

# remember: keep in mind how all looks; unchanged: it does so still
remember() {
  look >"$home/look"
}
unchanged() {
  look | diff -u "$home/look" - || { show && return 1; }
}

# bats test_tags=portable
@test "what has completed is merged in plan order, and is not merged again" {
  project diamond
  agent task-004 <<<'exit 1'
  fails
  remember
  integrates 0
  tells <<'END'
started tasks=4
merged task=task-001
merged task=task-002
merged task=task-003
merged task=task-005
completed merged=4/4
END
  same 'task-001.txt task-002.txt task-003.txt task-005.txt' "$(files "$branch")"
  same "Merge feature/task-005-top into $branch" "$(git -C "$project" log -1 --format=%s "$branch")"
  same "$branch" "$(git -C "$worktree" symbolic-ref --short HEAD)"
  same '' "$(git -C "$worktree" status --porcelain)"
  unchanged
  first=$(tip)
  same '"completed"' "$(execution 'e["integration"]["status"]')"
  same '["task-001", "task-002", "task-003", "task-005"]' "$(execution 'e["integration"]["merged"]')"
  same "\"$first\"" "$(execution 'e["integration"]["tip"]')"
  integrates 0
  tells <<'END'
started tasks=4
completed merged=4/4
END
  same "$first" "$(tip)"
  rm "$TEST_AGENTS/task-004.sh"
  completes --retry-failed
  remember
  integrates 0
  tells <<'END'
started tasks=5
merged task=task-004
completed merged=5/5
END
  same "$first" "$(git -C "$project" rev-parse "$branch^")"
  unchanged
}

# bats test_tags=portable
@test "once at the end: validation of each wave, then the last check, in the worktree" {
  project diamond
  own_commands <<'END'
1 validation echo 1 >>"$TEST_NOTES/notes"
1 validation test -f task-001.txt && test ! -e task-003.txt
3 validation echo 3 >>"$TEST_NOTES/notes"; pwd; git rev-parse HEAD >"$TEST_NOTES/head"
END
  use_spaces
  remember
  VERIFY_INTEGRATION='echo last >>"$TEST_NOTES/notes"; test -f task-005.txt' completes --integrate end
  same '1 3 last' "$(notes)"
  tells <<'END'
started tasks=5
verifying wave=1
merged task=task-001
merged task=task-002
verified wave=1
verifying wave=3
merged task=task-003
merged task=task-004
merged task=task-005
verified wave=3
verifying
verified
completed merged=5/5
END
  has "$logs/integration.log" "$worktree"
  same "$(tip)" "$(cat "$TEST_NOTES/head")"
  same '[PROGRESS] execution status=completed' "$(tail -n 1 "$out")"
  same '"completed"' "$(execution 'e["status"]')"
  look | grep -v 'refs/heads/feature' >"$home/now"
  diff -u "$home/look" "$home/now"
  # The same lines tell of it later.
  run_script --status
  grep -q "^integration status=completed merged=5/5 branch=$branch tip=$(tip) base_commit=[0-9a-f]* started=[0-9]* started_at=[^ ]*Z finished=[0-9]* finished_at=[^ ]*Z$" "$out"
  out_has 'integration status=merged task=task-005'
}

# bats test_tags=portable
@test "wave after wave: the next one starts from the tree that was checked" {
  project chain
  own_commands <<'END'
1 validation echo validation of 1 >>"$TEST_NOTES/notes"
END
  agent task-003 <<<'test -e task-001.txt; note "3: $(git log -1 --format=%s HEAD)"; work; finish'
  completes --integrate wave
  same "validation of 1 3: Merge feature/task-002-second into $branch" "$(notes)"
  out_has '[PROGRESS] wave=2 status=completed tasks=1/1'
  tells <<'END'
started tasks=1
verifying wave=1
merged task=task-001
verified wave=1
completed merged=1/1
started tasks=2
merged task=task-002
completed merged=2/2
started tasks=3
merged task=task-003
completed merged=3/3
END
  # What a dependency has brought is in it, and not merged once more.
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~3")"
  task_ended task-003 'completed commits=1'
}

# bats test_tags=portable
@test "a wave that is red ends the run, and a retry goes on where the cause was mended" {
  project diamond
  own_commands <<'END'
1 validation echo check >>"$TEST_NOTES/checks"; echo it is red; test -e "$TEST_NOTES/mended" || test ! -e task-002.txt
END
  fails --integrate wave
  same 'task-001 task-002' "$(started)"
  tells <<'END'
started tasks=2
verifying wave=1
verifying wave=1
verifying wave=1
left_out task=task-002 error=validation
merged task=task-001
failed merged=1/2
END
  out_has '[PROGRESS] execution status=failed reason=integration'
  grep -q "^task-002 turns $branch red: with it fails 'echo check .*'. The end of the log:\$" "$err"
  err_has '  it is red' "In $branch: task-001 " 'Not in it: task-002 '
  has "$state/run" reason=integration
  same task-001.txt "$(files "$branch")"
  : >"$TEST_NOTES/mended"
  completes --retry-failed --integrate wave
  same 'task-003 task-004 task-005' "$(started)"
  branch_has "$branch" task-002.txt
  branch_has "$branch" task-005.txt
  branch_has feature/task-004-left task-002.txt
}

# bats test_tags=portable
@test "a task that has failed: what has completed is merged all the same" {
  project diamond
  agent task-002 <<<'exit 1'
  fails --integrate end
  tells <<'END'
started tasks=2
merged task=task-001
merged task=task-004
completed merged=2/2
END
  out_has '[PROGRESS] execution status=failed'
}

# bats test_tags=one-shell
@test "wave after wave a task that has failed is not in what the next wave starts from" {
  project diamond
  agent task-002 <<<'exit 1'
  fails --integrate wave
  tells <<'END'
started tasks=1
merged task=task-001
completed merged=1/1
started tasks=2
merged task=task-004
completed merged=2/2
started tasks=2
completed merged=2/2
END
}

# bats test_tags=one-shell
@test "nothing has completed, nothing is to be merged, and options that exclude each other" {
  project chain
  integrates 2
  err_has "Nothing was done: no task of '$directory' has completed."
  absent "$worktree"
  ! git -C "$project" show-ref --quiet "$branch"
  refuses --integrate wave --schedule deps
  err_has "run-parallel.sh: integrate: 'wave' needs the schedule 'waves'"
  refuses --integrate now
  refuses --integrate-now --wave 1
  # A task may have no commit of its own.
  agent task-001 <<<'finish'
  completes
  integrates 0
  out_has 'task-001 has nothing to merge.'
  tells <<'END'
started tasks=3
merged task=task-002
merged task=task-003
completed merged=3/3
END
}

# bats test_tags=one-shell
@test "where nobody has committed there is nothing to integrate, and all is in" {
  project one
  agent task-001 <<<'finish'
  completes
  integrates 0
  out_has 'task-001 has nothing to merge.'
  ! git -C "$project" show-ref --quiet "$branch"
  integrates 0
}

# --- the base, and whose the branch is

# move_base [<file>]: somebody commits to the base branch
move_base() {
  echo moved >"$project/${1-moved}"
  commit_all
}

# bats test_tags=one-shell
@test "it starts where the base branch is, and anew from there when that has moved" {
  project chain
  completes
  move_base
  remember
  integrates 0
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~3")"
  same 'moved task-001.txt task-002.txt task-003.txt' "$(files "$branch")"
  unchanged
  first=$(tip)
  move_base again
  VERIFY_INTEGRATION=true integrates 0
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~3")"
  same 'again moved task-001.txt task-002.txt task-003.txt' "$(files "$branch")"
  # git still knows what was there.
  same "$first" "$(git -C "$project" rev-parse "$branch@{1}")"
  # Somebody has taken it over: there is nothing to do.
  git -C "$project" merge --quiet --ff-only "$branch"
  integrates 0
  tells <<'END'
started tasks=3
completed merged=3/3
END
  same "$(git -C "$project" rev-parse main)" "$(tip)"
}

# bats test_tags=one-shell
@test "the base has moved, and somebody has committed to the branch, who merges it by hand, and nothing is lost" {
  project chain
  agent task-003 <<<'exit 1'
  fails
  integrates 0
  echo mine >"$worktree/mine"
  git -C "$worktree" add mine
  git -C "$worktree" commit --quiet -m Mine
  own=$(tip)
  rm "$TEST_AGENTS/task-003.sh"
  completes --retry-failed
  integrates 0
  tells <<'END'
started tasks=3
merged task=task-003
completed merged=3/3
END
  same "$own" "$(git -C "$project" rev-parse "$branch^")"
  echo more >>"$worktree/mine"
  git -C "$worktree" commit --quiet -a -m More
  own=$(tip)
  move_base
  integrates 1
  err_has "ERROR: $branch has commits of its own, and main has moved: merge that there by hand."
  same "$own" "$(tip)"
  same "$branch" "$(git -C "$worktree" symbolic-ref --short HEAD)"
  git -C "$worktree" merge --quiet --no-edit main
  own=$(tip)
  integrates 0
  tells <<'END'
started tasks=3
completed merged=3/3
END
  same "$own" "$(tip)"
}

# bats test_tags=one-shell
@test "a red commit of somebody's on the branch is named, and stays there" {
  project chain
  completes
  integrates 0
  echo bad >"$worktree/bad"
  git -C "$worktree" add bad
  git -C "$worktree" commit --quiet -m Bad
  own=$(tip)
  VERIFY_INTEGRATION='test ! -e bad' integrates 1 --skip-culprits
  err_has "$own turns $branch red: with it fails 'test ! -e bad'. The end of the log:"
  same "$own" "$(tip)"
}

# bats test_tags=one-shell
@test "a branch of that name that nobody knows is refused, and so is one that is in the way" {
  project one
  completes
  git -C "$project" branch "$branch" main
  remember
  integrates 2
  grep -q "Branch already exists: $branch" "$err"
  out_lacks PROGRESS
  refuses --force --integrate end
  absent "$worktree"
  unchanged
  git -C "$project" branch -m "$branch" integration
  integrates 2
  grep -q "git cannot have the branch '$branch' beside 'integration'" "$err"
}

# bats test_tags=one-shell
@test "a branch that is checked out elsewhere is refused, with its place" {
  project chain
  completes
  integrates 0
  git -C "$worktree" checkout --quiet --detach
  git -C "$project" worktree add --quiet "$home/mine" "$branch"
  integrates 2
  grep -q "$branch is checked out in '$home/mine'" "$err"
  git -C "$project" worktree remove "$home/mine"
  git -C "$project" checkout --quiet "$branch"
  # The user's own checkout, too.
  BASE_BRANCH=main integrates 2
}

# bats test_tags=one-shell
@test "two directories of the same name do not share branch or worktree" {
  project one
  completes
  integrates 0
  mkdir "$project/other"
  cp -Rp "$dir" "$project/other/${directory##*/}"
  rm -r "$project/other/${directory##*/}/logs"
  first=$(tip)
  script=other/${directory##*/}/scripts/run-parallel.sh
  completes --force --branch-prefix other/ --workspace-root ../others
  integrates 2 --branch-prefix other/ --workspace-root ../others
  grep -q "Branch already exists: $branch" "$err"
  same "$first" "$(tip)"
}

# bats test_tags=one-shell
@test "the user's checkout stays as it is: another branch, changed files, what is staged, no branch at all" {
  project chain
  completes
  git -C "$project" checkout --quiet -b elsewhere
  echo changed >>"$project/README.md"
  echo staged >"$project/staged"
  git -C "$project" add staged
  echo new >"$project/task-001.txt"
  remember
  integrates 0
  unchanged
  git -C "$project" show --quiet --format=%s "$branch"
  for state_of in "$spaces"/task-00?; do
    same '' "$(git -C "$state_of" status --porcelain)"
  done
  git -C "$project" checkout --quiet --detach
  remember
  VERIFY_INTEGRATION='git checkout --quiet -b mine; echo x >>README.md' integrates 1
  git -C "$project" branch --quiet -D mine
  unchanged
}

# bats test_tags=one-shell
@test "in a clone whose manifest knows the branch it goes on" {
  project chain
  agent task-003 <<<'exit 1'
  fails
  integrates 0
  first=$(tip)
  commit_all
  git clone --quiet "$project" "$home/clone"
  for name in $(git -C "$project" for-each-ref --format='%(refname:lstrip=2)' refs/heads); do
    git -C "$home/clone" branch --quiet "$name" "origin/$name" 2>/dev/null || :
  done
  git -C "$home/clone" config user.name x
  git -C "$home/clone" config user.email x@example.org
  project=$home/clone
  use_project
  rm -r "$home/workspaces"
  rm "$TEST_AGENTS/task-003.sh"
  completes --retry-failed
  # The commit of the manifest has moved the base.
  integrates 1
  git -C "$project" worktree add --quiet "$home/mine" "$branch"
  git -C "$home/mine" merge --quiet --no-edit main
  git -C "$project" worktree remove "$home/mine"
  integrates 0
  branch_has "$branch" task-003.txt
  branch_has "$branch" task-001.txt
}

# --- conflicts

# both_do <left> <right>: two tasks of a wave do this, and depend on nothing
both_do() {
  task_done task-001 <<<"$1"
  task_done task-002 <<<"$2"
}

# conflict: the first two of four tasks conflict in these files, and are left as they are; the others are in
conflicts_in() {
  each_done task-003 task-004
  integrates 1
  tells <<'END'
started tasks=4
left_out task=task-002 error=conflict with=task-001
merged task=task-001
merged task=task-003
merged task=task-004
failed merged=3/4
END
  err_has "task-002 is left out of $branch: it conflicts with task-001 in $1"
  same '' "$(git -C "$worktree" status --porcelain)"
  [ ! -e "$project/.git/worktrees/${worktree##*/}/MERGE_HEAD" ]
  same '' "$(git -C "$project" ls-tree -r "$branch" | grep -e '~' -e '<<<')"
  # The same, where git cannot merge trees.
  git -C "$project" worktree remove --force "$worktree"
  git -C "$project" branch --quiet -D "$branch"
  rm "$state/integration"
  old_git
  integrates 1
  tells <<'END'
started tasks=4
left_out task=task-002 error=conflict with=task-001
merged task=task-001
merged task=task-003
merged task=task-004
failed merged=3/4
END
  err_has "task-002 is left out of $branch: it conflicts with task-001 in $1"
  same '' "$(git -C "$worktree" status --porcelain)"
}

# old_git: git does not know `merge-tree --write-tree`
old_git() {
  mkdir -p "$home/bin"
  cat >"$home/bin/git" <<END
#!/bin/sh
case " \$* " in
  *' merge-tree --write-tree '*)
    echo 'usage: git merge-tree <base-tree> <branch1> <branch2>' >&2
    exit 129
    ;;
esac
exec $(PATH=$(script_path) type -P git) "\$@"
END
  chmod +x "$home/bin/git"
  prefer "$home/bin"
}

# bats test_tags=one-shell
@test "conflict: the same lines" {
  project four
  both_do 'echo one >README.md' 'echo two >README.md'
  conflicts_in README.md
}

# bats test_tags=one-shell
@test "conflict: changed here, deleted there" {
  project four
  both_do 'git rm --quiet README.md' 'echo two >>README.md'
  conflicts_in README.md
}

# bats test_tags=one-shell
@test "conflict: renamed here so, there otherwise" {
  project four
  seq 30 >"$project/old"
  commit_all
  both_do 'git mv old new' 'git mv old newer'
  conflicts_in 'new, newer, old'
}

# bats test_tags=one-shell
@test "conflict: both have added it" {
  project four
  both_do 'echo one >"a file"' 'echo two >"a file"'
  conflicts_in 'a file'
}

# bats test_tags=one-shell
@test "conflict: a file here, a folder there" {
  project four
  both_do 'echo one >thing' 'mkdir thing; echo two >thing/file'
  conflicts_in thing
}

# bats test_tags=one-shell
@test "conflict: a folder here, a file there" {
  project four
  both_do 'mkdir thing; echo two >thing/file' 'echo one >thing'
  conflicts_in thing
}

# bats test_tags=one-shell
@test "conflict: a symbolic link here, a file there" {
  project four
  both_do 'rm README.md; ln -s elsewhere README.md' 'echo two >>README.md'
  conflicts_in README.md
}

# bats test_tags=one-shell
@test "conflict: changed here, renamed and changed there" {
  project four
  seq 30 >"$project/old"
  commit_all
  both_do 'sed -i s/15/one/ old' 'git mv old new; sed -i s/15/two/ new'
  conflicts_in new
}

# bats test_tags=one-shell
@test "conflict: a folder renamed here, another file in it there" {
  project four
  mkdir "$project/old"
  for name in a b c; do
    seq 30 >"$project/old/$name"
  done
  commit_all
  both_do 'git mv old new' 'echo more >old/more'
  each_done task-003 task-004
  integrates 1
  err_has "task-002 is left out of $branch: it conflicts with task-001 in new/more"
}

# bats test_tags=one-shell
@test "conflict: with the base, which has moved, and not with the task that has touched the file, too" {
  project four
  seq 30 >"$project/file"
  commit_all
  both_do 'sed -i s/29/one/ file' 'sed -i s/^2$/two/ file'
  sed -i 's/^2$/moved/' "$project/file"
  commit_all
  integrates 1
  tells <<'END'
started tasks=2
left_out task=task-002 error=conflict with=main
merged task=task-001
failed merged=1/2
END
}

# bats test_tags=one-shell
@test "conflict: both have added it, with another mode" {
  project four
  both_do 'echo one >tool' 'echo one >tool; chmod +x tool'
  conflicts_in tool
}

# bats test_tags=one-shell
@test "conflict: binary" {
  project four
  printf 'a\0b' >"$project/image"
  commit_all
  both_do 'printf "b\0b" >image' 'printf "c\0b" >image'
  conflicts_in image
}

# bats test_tags=one-shell
@test "conflict: a submodule at other commits" {
  project four
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always
  git init --quiet "$home/library"
  for step in base left right; do
    git -C "$home/library" checkout --quiet -B "$step" base 2>/dev/null || git -C "$home/library" checkout --quiet -b "$step"
    git -C "$home/library" -c user.name=x -c user.email=x@example.org commit --quiet --allow-empty -m "$step"
  done
  git -C "$home/library" checkout --quiet base
  git -C "$project" submodule --quiet add "$home/library" library
  commit_all
  at=$(git -C "$home/library" rev-parse left right | paste -s -d ' ' -)
  both_do "git update-index --cacheinfo 160000,${at% *},library; git commit --quiet -m Left; git reset --quiet" \
    "git update-index --cacheinfo 160000,${at#* },library; git commit --quiet -m Right; git reset --quiet"
  conflicts_in library
}

# bats test_tags=one-shell
@test "conflict: line ends" {
  project four
  printf '* text=auto\n' >"$project/.gitattributes"
  printf 'one\ntwo\n' >"$project/lines"
  commit_all
  # What is another line end alone is none.
  both_do 'printf "one\r\nTWO\r\n" >lines' 'printf "ONE\ntwo\n" >lines'
  conflicts_in lines
}
