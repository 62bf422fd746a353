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
  printf '%s\n' status=completed base_branch=main "base_commit=$(git -C "$project" rev-parse main)" >"$state/run"
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
  sed -n "s/^\[PROGRESS\] integration status=//p" "$out" | sed "s: branch=$branch::; s/ tip=[0-9a-f]*//"
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

# check <command>: print a command that notes each run of it, with wave and tree, and does the rest
check() {
  printf 'echo "$PARALLEL_WAVE $(git rev-parse "HEAD^{tree}")" >>"$TEST_NOTES/checks"; %s' "$1"
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
failed merged=1/2 error=validation
END
  out_has '[PROGRESS] execution status=failed reason=integration'
  grep -q "^task-002 turns $branch red" "$err"
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
@test "a task that has only what its dependency has is not merged" {
  project chain
  agent task-002 <<<'finish'
  completes
  integrates 0
  tells <<'END'
started tasks=3
merged task=task-001
merged task=task-003
completed merged=3/3
END
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~2")"
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
  integrates 2
  err_has "ERROR: $branch has commits that were not made here, and main has moved: merge that there by hand."
  same "$own" "$(tip)"
  # That it has been seen does not make it ours.
  integrates 2
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
@test "what somebody has committed stays when merges have come on top of it, and the base moves then" {
  project chain
  agent task-003 <<<'exit 1'
  fails
  integrates 0
  git -C "$worktree" commit --quiet --allow-empty -m Mine
  rm "$TEST_AGENTS/task-003.sh"
  completes --retry-failed
  integrates 0
  own=$(tip)
  move_base
  integrates 2
  same "$own" "$(tip)"
}

# bats test_tags=awk
@test "what somebody has committed is known among more merges than an argument can hold" {
  project chain
  completes
  integrates 0
  git -C "$worktree" commit --quiet --allow-empty -m Mine
  own=$(tip)
  "$PERL" -e 'printf "%040d\n", $_ for 1 .. 5000' >>"$state/merges"
  move_base
  integrates 2
  same "$own" "$(tip)"
}

# bats test_tags=one-shell
@test "a crash between the branch and its record does not make our merges somebody's" {
  project chain
  completes
  integrates 0
  sed -i.old '/^tip=/d; s/^status=.*/status=running/' "$state/integration"
  move_base
  integrates 0
  same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~3")"
}

# bats test_tags=one-shell
@test "a branch that has got more after it was merged is merged once more, and nothing anew" {
  project chain
  each_done task-001
  task_done task-002 feature/task-001-first <<<'echo 2 >task-002.txt'
  integrates 0
  before=$(tip)
  git -C "$project" worktree add --quiet "$home/maker" feature/task-001-first
  (cd "$home/maker" && echo more >more.txt && git add more.txt && git commit --quiet -m More)
  integrates 0
  same "$before" "$(git -C "$project" rev-parse "$branch^1")"
  branch_has "$branch" more.txt
  out_has 'task-001 has changed since it completed: its branch is merged as it is now.'
}

# bats test_tags=one-shell
@test "a branch that was amended after it was merged is in once, as it is now, and all is merged anew" {
  project four
  each_done task-001 task-002 task-003
  integrates 0
  # The second time the record knows neither what was merged nor what is there.
  for text in once twice; do
    git -C "$project" worktree add --quiet "$home/maker" feature/task-002-b
    echo "$text" >"$home/maker/task-002.txt"
    git -C "$home/maker" commit --quiet -a --amend --no-edit
    git -C "$project" worktree remove "$home/maker"
    integrates 0
    out_has 'task-002 has changed since it completed: its branch is merged as it is now.'
    same "$text" "$(git -C "$project" show "$branch:task-002.txt")"
    same "$(git -C "$project" rev-parse main)" "$(git -C "$project" rev-parse "$branch~3")"
    same 1 "$(git -C "$project" log --format=%s "$branch" | grep -c 'Do task-002')"
  done
}

# bats test_tags=one-shell
@test "a base branch that is gone: it starts from what the run has started from" {
  project chain
  completes
  start=$(git -C "$project" rev-parse main)
  git -C "$project" checkout --quiet --detach
  git -C "$project" branch --quiet -D main
  integrates 0
  same "$start" "$(git -C "$project" rev-parse "$branch~3")"
}

# bats test_tags=one-shell
@test "a directory with a blank and an umlaut: the branch has what git takes" {
  project one project 'Größe der Dinge'
  branch=integration/Größe-der-Dinge
  completes --integrate end
  same task-001.txt "$(files "$branch" | sed 's/.* //')"
  integrates 0
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
  grep -q "^$own turns $branch red" "$err"
  same "$own" "$(tip)"
}

# bats test_tags=one-shell
@test "what somebody has merged by hand is validated as well" {
  project chain
  own_commands <<'END'
1 validation ! grep RED shared.txt
END
  task_done task-001 <<<'echo 1 >shared.txt'
  task_done task-002 <<<'echo 2 >shared.txt'
  integrates 1
  git -C "$worktree" merge --quiet "$(git -C "$project" for-each-ref --format='%(refname)' 'refs/heads/feature/task-002*')" || :
  echo RED >"$worktree/shared.txt"
  git -C "$worktree" add shared.txt
  git -C "$worktree" commit --quiet --no-edit
  own=$(tip)
  integrates 1
  grep -q "turns $branch red" "$err"
  same "$own" "$(tip)"
}

# bats test_tags=one-shell
@test "a file that somebody has put into the worktree is not lost" {
  project chain
  each_done task-001
  integrates 0
  echo mine >"$worktree/task-002.txt"
  each_done task-002
  integrates 2
  err_has "ERROR: somebody is at work in ../workspaces/${worktree##*/}: commit what is there, or move it away."
  same mine "$(cat "$worktree/task-002.txt")"
  rm "$worktree/task-002.txt"
  integrates 0
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
@test "a branch below the name of its own is refused before anything is done" {
  project one
  git -C "$project" branch "$branch/mine"
  completes --integrate end --dry-run
  err_has "WARNING: git cannot have the branch '$branch' beside '$branch/mine'"
  refuses --integrate end --preflight
  refuses --integrate end
  same '' "$(started)"
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
  # The commit of the manifest has moved the base, and who has merged there is not known here.
  integrates 2
  err_has "ERROR: $branch has commits that were not made here, and main has moved: merge that there by hand."
  git -C "$project" worktree add --quiet "$worktree" "$branch"
  git -C "$worktree" merge --quiet --no-edit main
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

# leaves_out <files>: of four tasks the second conflicts with the first in these files; the others are in
leaves_out() {
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

# conflict: the first two of four tasks conflict in these files, and are left as they are; the others are in
conflicts_in() {
  each_done task-003 task-004
  leaves_out "$1"
  [ ! -e "$project/.git/worktrees/${worktree##*/}/MERGE_HEAD" ]
  same '' "$(git -C "$project" ls-tree -r "$branch" | grep -e '~' -e '<<<')"
  # The same, where git cannot merge trees.
  git -C "$project" worktree remove --force "$worktree"
  git -C "$project" branch --quiet -D "$branch"
  rm "$state/integration"
  old_git
  leaves_out "$1"
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
@test "no conflict: with --submodules a submodule that one task moves on farther than the other" {
  project four
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always
  git init --quiet "$home/library"
  for step in base left right; do
    git -C "$home/library" -c user.name=x -c user.email=x@example.org commit --quiet --allow-empty -m "$step"
    git -C "$home/library" branch "$step"
  done
  git -C "$project" submodule --quiet add "$home/library" library
  git -C "$project/library" checkout --quiet origin/base
  commit_all
  for step in left right; do
    at=$(git -C "$home/library" rev-parse "$step")
    task_done "task-00$([ "$step" = left ] && echo 1 || echo 2)" \
      <<<"git update-index --cacheinfo 160000,$at,library; git commit --quiet -m $step; git reset --quiet"
  done
  SUBMODULES=1 VERIFY_INTEGRATION='test "$(git -C library log -1 --format=%s)" = right' integrates 0
  same "$at" "$(git -C "$project" rev-parse "$branch:library")"
}

# bats test_tags=one-shell
@test "conflict: by the attributes that a task brings" {
  project four
  seq 30 >"$project/lock"
  commit_all
  task_done task-001 <<<'echo "lock -merge" >.gitattributes'
  task_done task-002 <<<'sed -i s/^1$/one/ lock'
  task_done task-003 <<<'sed -i s/^30$/thirty/ lock'
  integrates 1
  tells <<'END'
started tasks=3
left_out task=task-003 error=conflict with=task-002
merged task=task-001
merged task=task-002
failed merged=2/3
END
  err_has "task-003 is left out of $branch: it conflicts with task-002 in lock"
}

# bats test_tags=one-shell
@test "a merge that fails without a conflict has no rival" {
  project four
  both_do 'echo one >one' 'echo two >two'
  git -C "$project" config --remove-section user
  git -C "$project" config user.useConfigOnly true
  refuses --integrate end --preflight
  err_has 'ERROR: git does not know who you are'
  integrates 1
  tells <<'END'
started tasks=2
left_out task=task-001 error=merge
left_out task=task-002 error=merge
failed merged=0/2
END
  err_has "integration: task-001 is left out of $branch: git cannot merge it:"
  grep -q 'no email was given' "$err"
  err_lacks conflict
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  integrates 0
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

# bats test_tags=one-shell
@test "no conflict: merge=union, what is only another line end, and what a merge driver of the user's resolves" {
  for git_is in new old; do
    mkdir "$home/$git_is"; project four "$git_is/project"
    printf 'log merge=union\nnumber merge=higher\nlines text\n' >"$project/.gitattributes"
    echo start >"$project/log"
    echo 1 >"$project/number"
    commit_all
    git -C "$project" config merge.higher.driver 'sort -n -r %A %B | head -n 1 >%A.new && mv %A.new %A'
    both_do 'echo one >>log; echo 5 >number; printf "a\nb\n" >lines' 'echo two >>log; echo 7 >number; printf "a\r\nb\r\n" >lines'
    [ "$git_is" = new ] || old_git
    integrates 0
    same 'start one two' "$(git -C "$project" show "$branch:log" | paste -s -d ' ' -)"
    same 7 "$(git -C "$project" show "$branch:number")"
  done
}

# bats test_tags=one-shell
@test "what the user has resolved once is resolved again" {
  project four
  git -C "$project" config rerere.enabled true
  both_do 'echo one >README.md' 'echo two >README.md'
  git -C "$project" worktree add --quiet --detach "$home/mine" feature/task-001-a
  ! git -C "$home/mine" merge --quiet feature/task-002-b >/dev/null 2>&1
  echo both >"$home/mine/README.md"
  git -C "$home/mine" commit --quiet -a -m Both
  git -C "$project" worktree remove --force "$home/mine"
  integrates 0
  same both "$(git -C "$project" show "$branch:README.md")"
  same "$(git -C "$project" rev-parse feature/task-002-b)" "$(git -C "$project" rev-parse "$branch^2")"
  same "Merge feature/task-002-b into $branch" "$(git -C "$project" log -1 --format=%s "$branch")"
}

# bats test_tags=one-shell
@test "who depends on a task that is left out is left out, too, and the rest is in" {
  project five
  task_done task-001 <<<'echo one >README.md'
  each_done task-002
  task_done task-003 <<<'echo three >README.md'
  task_done task-004 feature/task-001-users <<<'git merge --quiet feature/task-002-products; echo 4 >4'
  task_done task-005 feature/task-003-shared <<<'echo 5 >5'
  integrates 1
  tells <<'END'
started tasks=5
left_out task=task-003 error=conflict with=task-001
left_out task=task-005 error=dependency by=task-003
merged task=task-001
merged task=task-002
merged task=task-004
failed merged=3/5
END
  same '[{"id": "task-003", "error": "conflict", "with": "task-001"}, {"id": "task-005", "error": "dependency", "by": "task-003"}]' \
    "$(execution 'e["integration"]["left_out"]')"
  same '["task-001", "task-002", "task-004"]' "$(execution 'e["integration"]["merged"]')"
  same '"failed"' "$(execution 'e["integration"]["status"]')"
  # Resolved by hand on the branch, it is in.
  ! git -C "$worktree" merge --quiet feature/task-003-shared >/dev/null 2>&1
  echo both >"$worktree/README.md"
  git -C "$worktree" commit --quiet -a -m Both
  integrates 0
  tells <<'END'
started tasks=5
merged task=task-005
completed merged=5/5
END
}

# bats test_tags=one-shell
@test "hooks, signatures and settings of the user's do not get in the way" {
  project four
  both_do 'echo one >one' 'echo two >two'
  mkdir -p "$project/.git/hooks"
  for name in pre-commit commit-msg pre-merge-commit post-checkout post-merge reference-transaction; do
    printf '#!/bin/sh\necho %s >>"%s/hooks"\nexit 1\n' "$name" "$home" >"$project/.git/hooks/$name"
    chmod +x "$project/.git/hooks/$name"
  done
  rm "$project/.git/hooks/reference-transaction"
  git -C "$project" config commit.gpgSign true
  git -C "$project" config merge.ff only
  git -C "$project" config merge.verifySignatures true
  git -C "$project" config core.autocrlf true
  git -C "$project" config advice.detachedHead true
  old_git
  VERIFY_INTEGRATION='test -f one && test -f two' integrates 0
  rm -f "$home/hooks"
}

# bats test_tags=one-shell
@test "signatures that git shows do not make more commits of them" {
  project chain
  each_done task-001
  integrates 0
  cat >"$home/gpg" <<'END'
#!/bin/sh
cat >/dev/null
case $* in
  *--verify*) echo Good >&2 ;;
  *) echo signature && printf '\n[GNUPG:] SIG_CREATED \n' >&2 ;;
esac
END
  chmod +x "$home/gpg"
  git -C "$project" config gpg.program "$home/gpg"
  git -C "$project" config log.showSignature true
  git -C "$worktree" commit --quiet --allow-empty -S -m Mine
  each_done task-002
  VERIFY_INTEGRATION='test ! -e task-002.txt' integrates 1
  out_has '[PROGRESS] integration status=left_out task=task-002 error=validation'
}

# bats test_tags=one-shell
@test "a task whose branch is gone is in by its commit, and one whose commit is gone as well is left out" {
  project five
  each_done task-001 task-002 task-003
  git -C "$project" branch --quiet -D feature/task-001-users
  task_done task-005 feature/task-003-shared <<<'echo 5 >5'
  git -C "$project" branch --quiet -D feature/task-003-shared
  record_done task-003 0123456789012345678901234567890123456789
  integrates 1
  tells <<'END'
started tasks=4
left_out task=task-003 error=branch
left_out task=task-005 error=dependency by=task-003
merged task=task-001
merged task=task-002
failed merged=2/4
END
}

# bats test_tags=one-shell
@test "what a check has left is not in the way of a task that brings the same file" {
  project chain
  own_commands <<'END'
1 validation echo left >lock
END
  old_git
  each_done task-001
  task_done task-002 <<<'echo 2 >lock'
  # Where setup has left something, nothing is cleared away.
  SETUP_COMMAND='echo x >built' integrates 0
  same 2 "$(git -C "$project" show "$branch:lock")"
  same '?? built' "$(git -C "$worktree" status --porcelain)"
}

# --- who turns it red

# many <count>: a project with so many tasks of one wave that have completed, each with a file of its own
many() {
  project one
  local number line
  for number in $(seq -w 1 "$1"); do
    echo "task-0$number  task-0$number-x  1  -  -  prompts/task-001.txt"
  done >"$home/plan"
  sed -e '/^task-001  task-001-only/{' -e "r $home/plan" -e d -e '}' "$dir/scripts/run-parallel.sh" >"$home/script"
  cat "$home/script" >"$dir/scripts/run-parallel.sh"
  commit_all
  each_done $(sed 's/ .*//' "$home/plan")
}

# bats test_tags=one-shell
@test "one culprit among 32 is found by six checks, besides its repetition and the last one" {
  many 32
  for culprit in 16 32 01; do
    : >"$TEST_NOTES/checks"
    export VERIFY_INTEGRATION="echo x >>\"\$TEST_NOTES/checks\"; test ! -e task-0$culprit.txt"
    integrates 1 --skip-culprits
    out_has "[PROGRESS] integration status=left_out task=task-0$culprit error=validation"
    grep -q '^\[PROGRESS\] integration status=failed merged=31/32 ' "$out"
    same 31 "$(files "$branch" | wc -w | tr -d ' ')"
    branch_lacks "$branch" "task-0$culprit.txt"
    # At first all of them, twice; at last all without it; before the first merge the base is checked, too.
    [ "$(checks)" -le $((culprit == 01 ? 9 : 8)) ] || { checks && return 1; }
    git -C "$project" worktree remove --force "$worktree"
    git -C "$project" branch --quiet -D "$branch"
    rm "$state/integration" "$state/verified"
  done
}

# bats test_tags=portable
@test "without --skip-culprits it ends with the culprit, in the middle of a wave, and what is green stays in" {
  project four
  own_commands <<'END'
1 validation echo "it sees: $(ls task-*)" && test ! -e task-003.txt
END
  each_done task-001 task-002 task-003 task-004
  integrates 1
  tells <<'END'
started tasks=4
verifying wave=1
verifying wave=1
verifying wave=1
verifying wave=1
left_out task=task-003 error=validation
merged task=task-001
merged task=task-002
failed merged=2/4 error=validation
END
  same 'task-001.txt task-002.txt' "$(files "$branch")"
  grep -q "^task-003 turns $branch red" "$err"
  err_has '  task-003.txt'
  run_script --status
  out_has 'integration status=left_out task=task-003 error=validation'
}

# bats test_tags=portable
@test "with --skip-culprits the culprit and its dependents are left out, and the rest goes on" {
  project diamond
  own_commands <<'END'
1 validation test ! -e task-002.txt
2 validation test -e task-004.txt
END
  each_done task-001 task-002
  task_done task-003 feature/task-001-left <<<'git merge --quiet feature/task-002-right; echo 3 >task-003.txt'
  task_done task-004 feature/task-001-left <<<'echo 4 >task-004.txt'
  task_done task-005 feature/task-003-both <<<'echo 5 >task-005.txt'
  SKIP_CULPRITS=1 integrates 1
  tells <<'END'
started tasks=5
verifying wave=1
verifying wave=1
verifying wave=1
left_out task=task-002 error=validation
merged task=task-001
verified wave=1
left_out task=task-003 error=dependency by=task-002
verifying wave=2
merged task=task-004
verified wave=2
left_out task=task-005 error=dependency by=task-003
failed merged=2/5
END
  same 'task-001.txt task-004.txt' "$(files "$branch")"
}

# bats test_tags=one-shell
@test "two tasks are red together: the second is the culprit" {
  project four
  own_commands <<'END'
1 validation test ! -e task-001.txt || test ! -e task-003.txt
END
  each_done task-001 task-002 task-003 task-004
  integrates 1 --skip-culprits
  out_has '[PROGRESS] integration status=left_out task=task-003 error=validation'
  same 'task-001.txt task-002.txt task-004.txt' "$(files "$branch")"
}

# bats test_tags=one-shell
@test "red once in the search is not believed: the culprit is found behind it" {
  project four
  export VERIFY_INTEGRATION="$(check 'test "$(grep -c . "$TEST_NOTES/checks")" -ne 2 && test ! -e task-004.txt')"
  each_done task-001 task-002 task-003 task-004
  integrates 1
  same 'task-001.txt task-002.txt task-003.txt' "$(files "$branch")"
  out_has '[PROGRESS] integration status=left_out task=task-004 error=validation'
  same 6 "$(checks)"
}

# bats test_tags=one-shell
@test "a task of an early wave that comes later is checked as the later waves are" {
  project diamond
  own_commands <<'END'
1 validation true
2 validation test ! -e task-002.txt
END
  each_done task-001
  task_done task-004 feature/task-001-left <<<'echo 4 >task-004.txt'
  integrates 0
  each_done task-002
  integrates 1
  out_has '[PROGRESS] integration status=verified wave=1' '[PROGRESS] integration status=left_out task=task-002 error=validation'
  same 'task-001.txt task-004.txt' "$(files "$branch")"
}

# bats test_tags=one-shell
@test "a culprit of a wave without a validation is named by the next one, and stays on the branch" {
  project diamond
  own_commands <<'END'
2 validation test ! -e task-002.txt
END
  fails --integrate wave
  same 'failed merged=2/4 error=validation by=task-002' "$(told | tail -n 1)"
  grep -q "^task-002 turns $branch red" "$err"
  out_lacks left_out
  out_has '[PROGRESS] execution status=failed reason=integration'
  branch_has "$branch" task-002.txt
}

# bats test_tags=one-shell
@test "a culprit that was merged before is named, and not left out" {
  project four
  each_done task-001 task-002 task-003
  integrates 0
  own=$(tip)
  each_done task-004
  VERIFY_INTEGRATION='test ! -e task-002.txt' integrates 1 --skip-culprits
  grep -q '^\[PROGRESS\] integration status=failed merged=3/4 .* error=validation by=task-002$' "$out"
  out_lacks left_out
  same "$own" "$(tip)"
  # By the same name later.
  run_script --status
  grep -q '^integration status=failed merged=3/4 .* by=task-002\>' "$out"
  out_lacks left_out
}

# bats test_tags=one-shell
@test "several culprits are all left out" {
  project four
  export VERIFY_INTEGRATION='test ! -e task-001.txt && test ! -e task-003.txt && test ! -e task-004.txt'
  each_done task-001 task-002 task-003 task-004
  integrates 1 --skip-culprits
  same 'task-002.txt' "$(files "$branch")"
  same 3 "$(told | grep -c 'left_out task=task-00[134] error=validation')"
}

# bats test_tags=portable
@test "red and then green is flaky, and goes on" {
  project four
  each_done task-001 task-002
  VERIFY_INTEGRATION="$(check 'test "$(grep -c . "$TEST_NOTES/checks")" -gt 1')" integrates 0
  tells <<'END'
started tasks=2
verifying
verifying
verifying
merged task=task-001
merged task=task-002
verified flaky=1
completed merged=2/2
END
  grep -q '^WARNING: .* is flaky.$' "$err"
}

# bats test_tags=one-shell
@test "a check that is red without any of them has no culprit" {
  project four
  each_done task-001 task-002
  VERIFY_INTEGRATION='echo it cannot; exit 1' integrates 1 --skip-culprits
  told | grep -q left_out && return 1
  grep -q '^ERROR: .*before any of these merges' "$err"
  err_has '  it cannot'
  ! git -C "$project" show-ref --quiet "$branch"
}

# bats test_tags=portable
@test "include and setup are done once, before the first check; a setup that fails is told" {
  project diamond
  own_commands <<'END'
1 validation echo 1 >>"$TEST_NOTES/notes"; test -f .env && test -f built
2 validation echo 2 >>"$TEST_NOTES/notes"; test -f .env && test -f built
END
  printf '.env\nbuilt\n' >"$project/.gitignore"
  printf '.env\n' >"$project/.worktreeinclude"
  echo SECRET >"$project/.env"
  commit_all
  each_done task-001 task-002
  task_done task-004 feature/task-001-left <<<'echo 4 >task-004.txt'
  SETUP_COMMAND='echo failed so; exit 3' integrates 1
  err_has 'integration: setup failed with status 3:' '  failed so'
  ! git -C "$project" show-ref --quiet "$branch"
  export SETUP_COMMAND='echo setup >>"$TEST_NOTES/notes"; : >built'
  integrates 0
  same 'setup 1 2' "$(notes)"
  integrates 0
  VERIFY_INTEGRATION='echo last >>"$TEST_NOTES/notes"; test -f .env && test -f built' integrates 0
  same 'setup 1 2 last' "$(notes)"
}

# bats test_tags=portable, process
@test "a check that hangs is stopped with all that it has started, and is red" {
  project four
  each_done task-001
  SECONDS=0
  VERIFY_INTEGRATION='sleep 50 & sleep 40' integrates 1 --verify-timeout 1
  [ "$SECONDS" -lt 30 ]
  all_dead
  has "$logs/integration.log" '[run-parallel.sh: ended with status 143, stopped after 1 seconds]'
  # Without one the time of a task counts.
  VERIFY_INTEGRATION='sleep 40' integrates 1 --timeout 1
  all_dead
}

# bats test_tags=one-shell, process
@test "a culprit with which a check hangs is found, though all of it takes longer than a task may" {
  project four
  each_done task-001 task-002 task-003 task-004
  VERIFY_INTEGRATION='test ! -e task-003.txt || sleep 40' integrates 1 --timeout 1
  out_has '[PROGRESS] integration status=left_out task=task-003 error=validation'
  same 'task-001.txt task-002.txt' "$(files "$branch")"
}

# bats test_tags=process
@test "what a check has left in the background is stopped" {
  project four
  each_done task-001
  VERIFY_INTEGRATION='sleep 50 & setsid sleep 40 & exit 0' integrates 0
  all_dead
}

# bats test_tags=one-shell
@test "a check that changes what it checks is red; what it leaves beside that is not" {
  project four
  each_done task-001 task-002
  VERIFY_INTEGRATION='echo changed >README.md' integrates 1
  grep -q 'verify has changed what it had to verify' "$err"
  ! git -C "$project" show-ref --quiet "$branch"
  same '' "$(git -C "$worktree" status --porcelain)"
  VERIFY_INTEGRATION='git commit --quiet --allow-empty -m Mine' integrates 1
  ! git -C "$project" show-ref --quiet "$branch"
  VERIFY_INTEGRATION='echo left >left' integrates 0
  same "$(git -C "$project" rev-parse "$branch")" "$(git -C "$worktree" rev-parse HEAD)"
}

# bats test_tags=one-shell
@test "a validation of several lines is one command, byte for byte" {
  project four
  own_commands <<'END'
1 validation cat >"$TEST_NOTES/found" <<'TEXT'
1 validation   two blanks, a \ and a tab	here
1 validation 
1 validation TEXT
1 validation test 'a
1 validation b' = "$(printf 'a\nb')" || exit 1
1 validation   for file in task-*.txt; do
1 validation     echo "$file" >>"$TEST_NOTES/found"
1 validation   done
END
  each_done task-001 task-002
  integrates 0
  printf '  two blanks, a \\ and a tab\there\n\ntask-001.txt\ntask-002.txt\n' | diff -u - "$TEST_NOTES/found"
}

# bats test_tags=portable
@test "a retry that integrates wave after wave runs again what has failed in a later one" {
  project diamond
  agent task-003 <<<'exit 1'
  fails
  rm "$TEST_AGENTS/task-003.sh"
  completes --retry-failed --integrate wave
  same 'task-003 task-005' "$(started)"
}

# --- stopped, killed, in the way

# no_check_twice: no check has run twice on a tree
no_check_twice() {
  same '' "$(sort "$TEST_NOTES/checks" | uniq -d)"
}

# holding: print a command that notes the tree, waits until the test lets it go on, and then notes that it was green there
holding() {
  printf 'echo on >>"$TEST_NOTES/held"; test -e "%s/go" || sleep 50; %s' "$home" "$(check true)"
}

# bats test_tags=portable, process
@test "a run that is stopped in a check ends in time, and a retry goes on there" {
  project chain
  own_commands <<END
1 validation $(check true)
3 validation $(holding)
END
  launch --integrate end
  await test -s "$TEST_NOTES/held"
  term_ends_it 15
  same 'interrupted merged=2/3' "$(told | tail -n 1)" || same 'interrupted merged=1/3' "$(told | tail -n 1)"
  out_has '[PROGRESS] execution status=interrupted'
  : >"$home/go"
  completes --retry-failed --integrate end
  same 'completed merged=3/3' "$(told | tail -n 1)"
  no_check_twice
  same 2 "$(checks)"
}

# bats test_tags=one-shell, process
@test "stopped in a check that has left a file: the worktree is taken again, and set up once" {
  project chain
  own_commands <<END
1 validation : >left; $(holding)
END
  export SETUP_COMMAND='echo setup >>"$TEST_NOTES/notes"'
  each_done task-001
  for signal in TERM KILL; do
    rm -f "$TEST_NOTES/held"
    launch --integrate-now
    await test -s "$TEST_NOTES/held"
    if [ "$signal" = TERM ]; then term_ends_it; else kill_all; fi
    finish
  done
  integrates 1 --verify-timeout 1
  : >"$home/go"
  integrates 0
  end_naps
  same "${worktree##*/}" "$(cd "$spaces" && ls)"
  same setup "$(notes)"
}

# bats test_tags=portable, process
@test "an integration that is killed in a check: what it left is stopped, and no green tree is checked again" {
  project chain
  own_commands <<END
1 validation $(check true)
2 validation $(check true)
3 validation $(holding)
END
  each_done task-001
  task_done task-002 feature/task-001-first <<<'echo 2 >task-002.txt'
  task_done task-003 feature/task-002-second <<<'echo 3 >task-003.txt'
  launch --integrate-now
  await test -s "$TEST_NOTES/held"
  before=$(tip)
  for process in $(living | grep -v -e 'sleep 50' -e 'sh -c echo' | sed 's/ .*//'); do
    kill -s KILL "$process" 2>/dev/null || :
  done
  finish
  run_script --status
  grep -q '^integration status=lost merged=2/3 ' "$out"
  : >"$home/go"
  integrates 0
  end_naps
  all_dead
  git -C "$project" merge-base --is-ancestor "$before" "$branch"
  no_check_twice
  same 3 "$(checks)"
}

# wait_behind <pattern>: let the script wait for ever when it has called git with arguments that match, for the first time
wait_behind() {
  mkdir -p "$home/bin"
  cat >"$home/bin/git" <<END
#!/bin/sh
git=$(PATH=$(script_path) type -P git)
case "\$*" in
  $1) ;;
  *) exec \$git "\$@" ;;
esac
[ ! -e "\$TEST_NOTES/waiting" ] || exec \$git "\$@"
\$git "\$@"
! mkdir "\$TEST_NOTES/waiting" 2>/dev/null || exec sleep 60
END
  chmod +x "$home/bin/git"
  prefer "$home/bin"
}

# killed_at <wait_at git|wait_behind> <pattern>...: an integration that is killed there goes on, and checks no green tree again
killed_at() {
  local wait=$1 number=0 where
  shift
  for where in "$@"; do
    number=$((number + 1))
    mkdir "$home/$number"
    project chain "$number/project"
    own_commands <<END
1 validation $(check true)
3 validation $(check 'test ! -e task-003.txt')
END
    each_done task-001
    task_done task-002 feature/task-001-first <<<'echo 2 >task-002.txt'
    task_done task-003 feature/task-002-second <<<'echo 3 >task-003.txt'
    rm -rf "$TEST_NOTES/waiting" "$TEST_NOTES/checks"
    (
      $wait "$where"
      remember
      launch --integrate-now
      await test -e "$TEST_NOTES/waiting"
      kill_all
      finish
    )
    integrates 1
    end_naps
    unchanged
    grep -q '^\[PROGRESS\] integration status=failed merged=2/3 ' "$out" || { show && echo "at $where" && return 1; }
    # What is red is tried twice each time.
    grep -v "$(git -C "$project" rev-parse "feature/task-003-third^{tree}")" "$TEST_NOTES/checks" | sort | uniq -d >"$home/twice"
    [ ! -s "$home/twice" ] || { show && echo "at $where" && return 1; }
    same '' "$(git -C "$project" fsck --connectivity-only 2>&1 | grep -v -e dangling)"
    same "$branch" "$(git -C "$worktree" symbolic-ref --short HEAD)"
    same '' "$(git -C "$worktree" status --porcelain)"
    same "${worktree##*/}" "$(cd "$spaces" && ls)"
  done
}

# bats test_tags=one-shell, process
@test "an integration that is killed before any git command goes on, and no green tree is checked again" {
  killed_at 'wait_at git' '*" commit-tree "*task-003*' '*" update-ref "*task-002*' '*" worktree add "*' '*" checkout "*detach*'
}

# bats test_tags=one-shell, process
@test "an integration that is killed behind any git command goes on, and no green tree is checked again" {
  killed_at wait_behind '*" update-ref "*task-001*' '*" update-ref "*task-002*' '*" worktree add "*' '*" checkout "*"integration/"*'
}

# bats test_tags=one-shell, process
@test "an integration that is killed in a merge in the worktree goes on" {
  old_git
  mv "$home/bin/git" "$home/bin/old"
  for when in before after; do
    mkdir "$home/$when"
    project chain "$when/project"
    rm -rf "$TEST_NOTES/waiting"
    each_done task-001
    task_done task-002 <<<'echo 2 >task-002.txt'
    {
      printf '#!/bin/sh\ncase " $* " in *" merge --quiet "*task-002*) [ -e "$TEST_NOTES/waiting" ] || {\n'
      [ "$when" = before ] || printf '"%s" "$@"\n' "$home/bin/old"
      printf ': >"$TEST_NOTES/waiting"; exec sleep 60; } ;; esac\nexec "%s" "$@"\n' "$home/bin/old"
    } >"$home/bin/git"
    chmod +x "$home/bin/git"
    launch --integrate-now
    await test -e "$TEST_NOTES/waiting"
    kill_all
    finish
    # Half of a merge.
    [ "$when" = after ] || git -C "$spaces/integration-TS-0042-inventory" merge --quiet --no-ff --no-commit feature/task-002-second
    integrates 0
    end_naps
    same 'task-001.txt task-002.txt' "$(files "$branch")"
    same "$branch" "$(git -C "$worktree" symbolic-ref --short HEAD)"
  done
}

# bats test_tags=portable
@test "a git that cannot merge trees: the same is merged, checked and left out" {
  project diamond
  old_git
  own_commands <<'END'
1 validation test -f task-001.txt
2 validation test ! -e task-004.txt
END
  agent task-002 <<<'echo two >README.md; git commit --quiet -a -m Two; finish'
  agent task-001 <<<'echo one >README.md; git commit --quiet -a -m One; work; finish'
  agent task-003 <<<'work; finish'
  fails --integrate end
  integrates 1 --skip-culprits
  same 'task-001.txt' "$(files "$branch")"
  out_has '[PROGRESS] integration status=left_out task=task-002 error=conflict with=task-001' \
    '[PROGRESS] integration status=left_out task=task-004 error=validation'
}

# bats test_tags=one-shell
@test "somebody is at work in the worktree: that is refused, and goes on when it is committed" {
  project chain
  each_done task-001
  integrates 0
  task_done task-002 <<<'echo 2 >task-002.txt'
  echo idea >>"$worktree/README.md"
  integrates 2
  grep -q '^ERROR: somebody is at work in ../workspaces/integration-TS-0042-inventory: commit what is there, or move it away.$' "$err"
  tail -n 1 "$worktree/README.md" | grep -q idea
  git -C "$worktree" commit --quiet -a -m Idea
  integrates 0
  tail -n 1 "$worktree/README.md" | grep -q idea
  branch_has "$branch" task-002.txt
  # A commit on no branch is work as well.
  git -C "$worktree" checkout --quiet --detach
  git -C "$worktree" commit --quiet --allow-empty -m Lost
  lost=$(git -C "$worktree" rev-parse HEAD)
  task_done task-003 <<<'echo 3 >task-003.txt'
  integrates 2
  same "$lost" "$(git -C "$worktree" rev-parse HEAD)"
}

# bats test_tags=one-shell
@test "what a crash has left in the worktree is moved aside" {
  project chain
  each_done task-001
  integrates 0
  sed -i '/^tidy=/d; s/^status=.*/status=running/' "$state/integration"
  echo half >>"$worktree/README.md"
  task_done task-002 <<<'echo 2 >task-002.txt'
  integrates 0
  grep -q half "$spaces/integration-"*.*/README.md
  same '' "$(git -C "$worktree" status --porcelain)"
}

# bats test_tags=one-shell
@test "with --force an earlier integration is moved aside with what it was made of" {
  project chain
  completes --integrate end
  use_spaces
  first=$(tip)
  completes --force --integrate end
  same 3 "$(told | grep -c merged\ task)"
  same 1 "$(git -C "$project" for-each-ref --format='%(refname)' refs/heads/backup/integration-* refs/heads/backup | grep -c integration)"
  git -C "$project" for-each-ref --contains "$first" | grep -q backup
  # Another run, which does not integrate, does so, too.
  completes --force
  ! git -C "$project" show-ref --quiet --verify "refs/heads/$branch"
  integrates 0
}

# --- what a task has changed beside its scope

# bats test_tags=portable, awk
@test "paths outside of the scope, or inside the boundary, are counted, listed, and no reason to fail" {
  project four
  own_commands <<'END'
task-001 scope src/inventory tests/test_*.py docs/*.md README.md my?notes.txt
task-001 boundary src/inventory/secret/ *.lock
task-002 boundary src/**/shared.py
task-003 scope src/inventory/
END
  agent task-001 <<'AGENT'
mkdir -p src/inventory/secret src/other tests/unit docs/deep
for file in src/inventory/a.py src/inventory/secret/b.py src/other/c.py tests/test_a.py tests/unit/test_b.py docs/a.md docs/deep/b.md \
  'my notes.txt' 'src/inventory/a "quoted" \ name' 'with a blank "and" quotes' src/inventoryx poetry.lock 'src/inventory/deep.lock'; do
  echo x >"$file"
done
git add -A
git commit --quiet -m 'All of them'
git mv README.md src/other/README.md
git commit --quiet -m 'Move one'
finish
AGENT
  agent task-002 <<<'mkdir -p src/a/b; echo x >src/a/b/shared.py; echo x >src/shared.py; work; finish'
  agent task-003 <<<'mkdir -p src/inventory; work src/inventory/x; finish'
  completes
  task_ended task-001 'completed commits=2 outside=8'
  diff -u - "$state/task-001.outside" <<'END'
poetry.lock
src/inventory/deep.lock
src/inventory/secret/b.py
src/inventoryx
src/other/README.md
src/other/c.py
tests/unit/test_b.py
with a blank "and" quotes
END
  task_ended task-002 'completed commits=1 outside=1'
  task_ended task-003 'completed commits=1'
  task_ended task-004 'completed commits=1'
  same '["src/a/b/shared.py"]' "$(execution 'e["tasks"]["task-002"]["outside"]')"
  same '"with a blank \"and\" quotes"' "$(execution 'e["tasks"]["task-001"]["outside"][7]')"
  same 8 "$(execution 'len(e["tasks"]["task-001"]["outside"])')"
  run_script --status
  grep -q '^wave=1 task=task-001 status=completed .*outside=8' "$out"
}

# bats test_tags=awk
@test "odd names outside of the scope leave the manifest a manifest" {
  project one
  own_commands <<'END'
task-001 scope src
END
  agent task-001 <<'AGENT'
mkdir src
echo x >"src/new
line"
echo x >"$(printf 'tab\there')"
echo x >"$(printf 'caf\351')"
echo x >"$(printf 'caf\303\251')"
echo x >"$(printf 'bell\a')"
echo x >'back\slash'
git add -A
git commit --quiet -m Odd
finish
AGENT
  completes
  task_ended task-001 'completed commits=1 outside=5'
  "$PYTHON" -m json.tool "$manifest" >/dev/null
  same '["back\\slash", "bell?", "caf\u00e9", "caf?", "tab?here"]' "$(execution 'e["tasks"]["task-001"]["outside"]')"
}

# bats test_tags=one-shell
@test "what comes from dependencies and from the integrated tree is not the task's" {
  project chain
  own_commands <<'END'
task-001 scope task-001.txt
task-002 scope task-002.txt
task-003 scope elsewhere
END
  completes --integrate wave
  task_ended task-001 'completed commits=1'
  task_ended task-002 'completed commits=1'
  task_ended task-003 'completed commits=1 outside=1'
  same '["task-003.txt"]' "$(execution 'e["tasks"]["task-003"]["outside"]')"
}
