# What git's users expect: hooks, filters, submodules, moved worktrees, other people's branches.

# shellcheck disable=SC2016  # hooks and agents have dollars of their own

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  # Submodules of these tests come from folders.
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always
}

# hook <name>: let the project have a hook that does what stdin says
hook() {
  mkdir -p "$project/.git/hooks"
  { printf '#!/bin/sh\n' && cat; } >"$project/.git/hooks/$1"
  chmod +x "$project/.git/hooks/$1"
}

# as_new: print what a post-checkout hook gets in a new worktree
as_new() {
  printf '0000000000000000000000000000000000000000 %s 1' "$(git -C "$project" rev-parse main)"
}

# library <name>: make a repository with a file of its name
library() {
  git init --quiet "$home/$1"
  echo "$1" >"$home/$1/$1.txt"
  git -C "$home/$1" add -A
  git -C "$home/$1" -c user.name=x -c user.email=x@example.org commit --quiet -m 'Start'
}

# nested_library: make a repository `outer` with a submodule `inner`, whose path has blanks
nested_library() {
  library inner
  library outer
  git -C "$home/outer" submodule --quiet add "$home/inner" 'the inner'
  git -C "$home/outer" -c user.name=x -c user.email=x@example.org commit --quiet -a -m 'Use inner'
}

# acts_here <folder>: git works in this folder on this folder, and can commit there
acts_here() {
  local here
  here=$(cd -P -- "$1" && pwd -P)
  same "$here" "$(git -C "$here" rev-parse --show-toplevel)"
  echo more >>"$here/acts-here"
  git -C "$here" status --porcelain | grep -q 'acts-here'
  git -C "$here" add acts-here
  git -C "$here" -c user.name=x -c user.email=x@example.org commit --quiet -m 'More'
  same '' "$(git -C "$here" status --porcelain | grep acts-here)"
  same '' "$(git -C "$here" fsck 2>&1)"
}

# --- hooks

# bats test_tags=one-shell
@test "a post-checkout hook gets the null ref, the commit and 1, once for each worktree" {
  project four
  hook post-checkout <<<'printf "%s\n" "$*" >>"$TEST_NOTES/hook"'
  completes --max-concurrent 4
  same "$(as_new)" "$(sort -u "$TEST_NOTES/hook")"
  same 4 "$(grep -c . "$TEST_NOTES/hook")"
}

# bats test_tags=one-shell
@test "a post-checkout hook gets the same when git met another worktree in the making and was asked again" {
  project one
  hook post-checkout <<<'printf "%s\n" "$*" >>"$TEST_NOTES/hook"'
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase $* in *"worktree add"*) [ -e "%s/once" ] || { : >"%s/once"; echo "fatal: failed to read" >&2; exit 128; } ;; esac\nexec "%s" "$@"\n' \
    "$home" "$home" "$(type -P git)" >"$home/bin/git"
  chmod +x "$home/bin/git"
  prefer "$home/bin"
  completes
  [ -e "$home/once" ]
  same "$(as_new)" "$(cat "$TEST_NOTES/hook")"
}

# bats test_tags=process
@test "a post-checkout hook gets the same on a retry after a crash" {
  project one
  hook post-checkout <<<'printf "%s\n" "$*" >>"$TEST_NOTES/hook"; [ -e "$TEST_NOTES/go" ] || sleep 30'
  launch
  await [ -e "$TEST_NOTES/hook" ]
  kill_all
  wait "$pid" 2>/dev/null || :
  : >"$TEST_NOTES/go" >"$TEST_NOTES/hook"
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same "$(as_new)" "$(cat "$TEST_NOTES/hook")"
}

# bats test_tags=one-shell, process
@test "a post-checkout hook that hung gets its chance on the retry, where nobody has left anything" {
  project one
  hook post-checkout <<<'[ -e "$TEST_NOTES/go" ] || sleep 30; printf "%s\n" "$*" >>"$TEST_NOTES/hook"; echo SECRET >.env; echo .env >>"$(git rev-parse --git-common-dir)/info/exclude"'
  fails --timeout 1
  task_ended task-001 'failed error=timeout'
  : >"$TEST_NOTES/go"
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same "$(as_new)" "$(cat "$TEST_NOTES/hook")"
  [ -e "$spaces/task-001/.env" ]
}

@test "a hook that fails after whole work is told, and costs nothing" {
  project one
  hook post-checkout <<<'echo "git-lfs was not found on your path" >&2; exit 2'
  completes
  task_ended task-001 'completed commits=1'
  err_has "task-001: 'git worktree add' has made ../workspaces/task-001, but failed:" '  git-lfs was not found on your path'
}

# bats test_tags=one-shell
@test "a hook that fails and leaves no whole worktree costs the task, with git's words" {
  project one
  echo '* filter=broken' >"$project/.gitattributes"
  commit_all
  git -C "$project" config filter.broken.smudge 'echo "no key in this worktree" >&2; exit 1'
  git -C "$project" config filter.broken.required true
  git -C "$project" config filter.broken.clean cat
  hook post-checkout <<<'exit 2'
  fails
  task_ended task-001 'failed error=worktree'
  grep -q '^  .*no key in this worktree' "$err" || { show; return 1; }
  grep -q '^  fatal: .*smudge filter broken failed' "$err" || { show; return 1; }
  # Once the cause is gone the worktree is made whole.
  git -C "$project" config filter.broken.smudge cat
  rm "$project/.git/hooks/post-checkout"
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same 'task-001.txt' "$(git -C "$project" diff --name-only main feature/task-001-only)"
}

# --- what hangs

# bats test_tags=one-shell, process
@test "a smudge filter that hangs is under the time limit, and its worktree is made whole on a retry" {
  project one
  echo '*.bin filter=slow' >"$project/.gitattributes"
  echo data >"$project/z.bin"
  git -C "$project" config filter.slow.smudge 'sleep 30; cat'
  git -C "$project" config filter.slow.clean cat
  git -C "$project" config filter.slow.required true
  commit_all
  fails --timeout 1
  task_ended task-001 'failed error=timeout'
  all_dead
  git -C "$project" config filter.slow.smudge cat
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same 'task-001.txt' "$(git -C "$project" diff --name-only main feature/task-001-only)"
}

# bats test_tags=process
@test "a smudge filter that hangs ends with one TERM" {
  project one
  echo '*.bin filter=slow' >"$project/.gitattributes"
  echo data >"$project/z.bin"
  git -C "$project" config filter.slow.clean cat
  commit_all
  git -C "$project" config filter.slow.smudge 'echo up >"$TEST_NOTES/up"; sleep 30; cat'
  launch
  await [ -e "$TEST_NOTES/up" ]
  term_ends_it 5
  task_ended task-001 interrupted
  git -C "$project" config filter.slow.smudge cat
  completes --retry-failed
  task_ended task-001 'completed commits=1'
  same 'task-001.txt' "$(git -C "$project" diff --name-only main feature/task-001-only)"
}

# bats test_tags=process
@test "a hook that hangs in a task that is run by hand ends with one TERM" {
  project one
  hook post-checkout <<<'echo up >"$TEST_NOTES/up"; exec sleep 30'
  launch --task task-001
  await [ -e "$TEST_NOTES/up" ]
  term_ends_it 5
  task_ended task-001 interrupted
}

# merging: a project whose third task merges two branches that a merge driver has to bring together
merging() {
  project diamond
  echo 'shared.txt merge=slow' >"$project/.gitattributes"
  echo base >"$project/shared.txt"
  commit_all
  git -C "$project" config merge.slow.driver '[ -e "$TEST_NOTES/go" ] || { echo up >"$TEST_NOTES/up"; sleep 30; }; cat %A %B >%A.new; mv %A.new %A'
  agent task-001 <<<'echo one >shared.txt; git commit -qam one; finish'
  agent task-002 <<<'echo two >shared.txt; git commit -qam two; finish'
}

# bats test_tags=one-shell, process
@test "a merge driver that hangs is under the time limit" {
  merging
  SECONDS=0
  fails --timeout 5
  [ "$SECONDS" -le 30 ]
  task_ended task-003 'failed error=timeout'
  all_dead
  : >"$TEST_NOTES/go"
  completes --retry-failed
  task_ended task-003 'completed commits=1'
  same "one two" "$(git -C "$project" show feature/task-003-both:shared.txt | tr '\n' ' ' | sed 's/ $//')"
}

# bats test_tags=process
@test "a merge driver that hangs ends with one TERM" {
  merging
  launch --skip task-004
  await [ -e "$TEST_NOTES/up" ]
  term_ends_it 6
  task_ended task-003 interrupted
  : >"$TEST_NOTES/go"
  completes --retry-failed --skip task-004
  task_ended task-003 'completed commits=1'
}

# bats test_tags=one-shell, process
@test "a clean filter that hangs once the agent has ended does not change the verdict, and is under the time limit" {
  project one
  echo '*.bin filter=slow' >"$project/.gitattributes"
  commit_all
  agent task-001 <<<'work; echo data >z.bin; git add z.bin; git commit -qm z; sleep 1.1; touch -t 203001010000 z.bin; git config filter.slow.clean "sleep 30; cat"; finish'
  SECONDS=0
  completes --timeout 3
  [ "$SECONDS" -le 20 ]
  task_ended task-001 'completed commits=2'
  all_dead
}

# bats test_tags=process
@test "a clean filter that hangs once the agent has ended ends with one TERM" {
  project one
  echo '*.bin filter=slow' >"$project/.gitattributes"
  commit_all
  agent task-001 <<<'work; echo data >z.bin; git add z.bin; git commit -qm z; sleep 1.1; touch -t 203001010000 z.bin; git config filter.slow.clean "echo up >\"$TEST_NOTES/up\"; sleep 30; cat"; finish'
  launch
  await [ -e "$TEST_NOTES/up" ]
  term_ends_it 5
  task_ended task-001 'completed commits=2'
}

# --- submodules

@test "without --submodules a repository that has some gets one warning" {
  project one
  library lib
  git -C "$project" submodule --quiet add "$home/lib" lib
  commit_all
  completes --dry-run
  err_is <<<"WARNING: The worktrees will lack the submodules. '--submodules' initialises them."
  completes
  err_is <<<"WARNING: The worktrees will lack the submodules. '--submodules' initialises them."
  absent "$spaces/task-001/lib/lib.txt"
  completes --force --submodules --dry-run
  err_lacks submodules
}

# bats test_tags=one-shell
@test "--submodules gives each worktree its submodules, nested ones too, without their origins" {
  project four
  nested_library
  git -C "$project" submodule --quiet add "$home/outer" 'lib/the outer'
  git -C "$project" submodule --quiet update --init --recursive
  commit_all
  mv "$home/outer" "$home/outer-gone"
  mv "$home/inner" "$home/inner-gone"
  agent task-001 <<<'cat "lib/the outer/the inner/inner.txt"; work; exit 3'
  fails --submodules --max-concurrent 4
  local n
  for n in 1 2 3 4; do
    same inner "$(cat "$spaces/task-00$n/lib/the outer/the inner/inner.txt")"
    same '' "$(git -C "$spaces/task-00$n" status --porcelain)"
    acts_here "$spaces/task-00$n/lib/the outer"
    acts_here "$spaces/task-00$n/lib/the outer/the inner"
  done
  agent task-001 <<<'finish'
  completes --submodules --retry-failed
  task_ended task-001 'completed commits=1 uncommitted=1'
  acts_here "$project/lib/the outer"
}

# bats test_tags=one-shell
@test "--submodules works from a clone whose submodules were never initialised" {
  project one
  nested_library
  git -C "$project" submodule --quiet add "$home/outer" outer
  commit_all
  git clone --quiet "$project" "$home/clone"
  project=$home/clone
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  use_project
  completes --submodules
  same inner "$(cat "$spaces/task-001/outer/the inner/inner.txt")"
  same '' "$(git -C "$spaces/task-001" status --porcelain)"
  acts_here "$spaces/task-001/outer/the inner"
}

@test "--submodules leaves what an agent has done in a submodule to the retry" {
  project one
  library lib
  git -C "$project" submodule --quiet add "$home/lib" lib
  commit_all
  agent task-001 <<<'cd lib; git -c user.name=x -c user.email=x commit -q --allow-empty -m mine; echo dirty >>lib.txt; exit 3'
  fails --submodules
  local tip
  tip=$(git -C "$spaces/task-001/lib" rev-parse HEAD)
  agent task-001 <<<'finish'
  completes --submodules --retry-failed
  same "$tip" "$(git -C "$spaces/task-001/lib" rev-parse HEAD)"
  grep -q dirty "$spaces/task-001/lib/lib.txt"
}

# bats test_tags=one-shell
@test "--submodules brings what a dependency has changed of them" {
  project chain
  library lib
  git -C "$project" submodule --quiet add "$home/lib" lib
  commit_all
  echo newer >"$home/lib/lib.txt"
  git -C "$home/lib" -c user.name=x -c user.email=x commit -qam newer
  agent task-001 <<<'git -C lib pull -q origin HEAD; git commit -qam "Newer lib"; finish'
  agent task-002 <<<'cat lib/lib.txt >"$TEST_NOTES/lib"; work; finish'
  completes --submodules
  same newer "$(cat "$TEST_NOTES/lib")"
  task_ended task-002 'completed commits=1'
}

# bats test_tags=process
@test "a submodule update that hangs is under the time limit, and what it left is made whole on a retry" {
  project one
  library lib
  git -C "$project" submodule --quiet add "$home/lib" lib
  commit_all
  mv "$home/lib" "$home/lib-away"
  rm -rf "$project/.git/modules"
  git -C "$project" config url."ext::sleep 30 ".insteadOf "$home/lib"
  git -C "$project" config protocol.ext.allow always
  SECONDS=0
  fails --submodules --timeout 2
  [ "$SECONDS" -le 20 ]
  task_ended task-001 'failed error=timeout'
  all_dead
  git -C "$project" config --unset url."ext::sleep 30 ".insteadOf
  mv "$home/lib-away" "$home/lib"
  completes --submodules --retry-failed
  task_ended task-001 'completed commits=1'
  same lib "$(cat "$spaces/task-001/lib/lib.txt")"
}

@test "a submodule that cannot be had fails the task, with git's words" {
  project one
  library lib
  git -C "$project" submodule --quiet add "$home/lib" lib
  commit_all
  rm -rf "$project/.git/modules" "$home/lib"
  fails --submodules
  task_ended task-001 'failed error=worktree'
  grep -q "^  .*'$home/lib' does not \(appear to be\|exist\)" "$err" || { show; return 1; }
}

# bats test_tags=one-shell
@test "a partial clone gets its worktrees, and a dry run downloads nothing" {
  project one
  echo large >"$project/large"
  commit_all
  git -C "$project" config uploadpack.allowFilter true
  git clone --quiet --filter=blob:none --no-checkout "file://$project" "$home/clone"
  git -C "$home/clone" sparse-checkout set --no-cone '/*' '!/large'
  git -C "$home/clone" checkout --quiet main
  project=$home/clone
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  use_project
  local missing
  missing=$(git -C "$project" rev-list --objects --all --missing=print | grep -c '^?')
  completes --dry-run
  same "$missing" "$(git -C "$project" rev-list --objects --all --missing=print | grep -c '^?')"
  completes
  task_ended task-001 'completed commits=1'
  absent "$spaces/task-001/large"
}

# --- what is moved

@test "--force moves a worktree aside with all repositories in it, and each goes on to work" {
  project one
  nested_library
  git -C "$project" submodule --quiet add "$home/outer" 'an outer'
  commit_all
  agent task-001 <<'AGENT'
note "$PWD"
who='-c user.name=x -c user.email=x@example.org'
git clone -q "$TEST_NOTES/../inner" "a clone"
git -C "a clone" worktree add -q -b side "$PWD/of a clone"
git -C "a clone" worktree add -q -b deep "$PWD/a clone/deep in it"
git worktree add -q -b own "$PWD/an own"
git worktree add -q --lock -b locked "$PWD/a locked"
git worktree add -q -b far "$TEST_NOTES/../far"
git -C "a clone" worktree add -q -b far "$TEST_NOTES/../far of a clone"
git -C "an own" submodule --quiet update --init
cp -R "a clone/.git" "kept of a clone"
cp -R . ../copy
mv ../copy "a copy"
exit 3
AGENT
  fails --submodules
  git -C "$project" worktree lock "$spaces/task-001"
  agent task-001 <<<'work; finish'
  completes --force --submodules
  local aside
  aside=$(printf '%s\n' "$spaces"/task-001.*)
  for place in "$aside" "$aside/an outer" "$aside/an outer/the inner" "$aside/a clone" "$aside/of a clone" "$aside/a clone/deep in it" \
    "$aside/an own" "$aside/an own/an outer" "$aside/a locked" "$home/far" "$home/far of a clone" "$spaces/task-001" "$project"; do
    acts_here "$place"
  done
  for place in "$project" "$aside/a clone"; do
    same '' "$(git -C "$place" worktree prune --verbose --dry-run 2>&1)"
    git -C "$place" worktree list | grep 'copy' && return 1
    git -C "$place" worktree list --porcelain | sed -n 's/^worktree //p' | while IFS= read -r place; do [ -e "$place/.git" ]; done
  done
  same 6 "$(git -C "$project" worktree list | wc -l | tr -d ' ')"
  same 4 "$(git -C "$aside/a clone" worktree list | wc -l | tr -d ' ')"
  git -C "$aside" submodule --quiet foreach --recursive 'git status --porcelain >/dev/null'
  git -C "$aside" submodule --quiet update --init --recursive
}

# bats test_tags=one-shell
@test "--force moves a sparse worktree in a folder with blanks aside, and it stays sparse" {
  project one 'a project'
  mkdir "$project/large"
  echo large >"$project/large/file"
  commit_all
  git -C "$project" sparse-checkout set parallel
  export WORKSPACE_ROOT='../the work spaces'
  spaces=$home/$(basename "$WORKSPACE_ROOT")
  completes
  completes --force
  local aside
  aside=$(printf '%s\n' "$spaces"/task-001.*)
  git -C "$aside" sparse-checkout list | grep -q parallel
  absent "$aside/large" "$spaces/task-001/large"
  acts_here "$aside"
  acts_here "$spaces/task-001"
}

# bats test_tags=one-shell
@test "a worktree that the user has moved goes on to work, and is neither made again nor moved" {
  project one
  agent task-001 <<<'work; exit 3'
  local way here
  here=$(cd -P -- "$home" && pwd -P)
  for way in move repair; do
    fails --force
    if [ "$way" = move ]; then
      git -C "$project" worktree move "$spaces/task-001" "$home/by $way"
    else
      mv "$spaces/task-001" "$home/by $way"
      git -C "$project" worktree repair "$home/by $way"
    fi
    acts_here "$home/by $way"
    refuses --retry-failed
    err_has "ERROR: The branch of task-001 is checked out in '$here/by $way'"
    refuses --force
    err_has "ERROR: The branch of task-001 is checked out in '$here/by $way'"
    # The way out that it tells.
    git -C "$home/by $way" checkout --quiet --detach
  done
  agent task-001 <<<'finish'
  completes --retry-failed
  task_ended task-001 'completed commits=2'
}

# --- two parallel directories with the same ids

# twins: a project with two parallel directories that have the same tasks
twins() {
  project "$1"
  one=$directory two=parallel/TS-0043-other
  mkdir "$project/$two"
  (cd "$dir" && cp -Rp manifest.json prompts scripts tasks "$project/$two/")
  echo 'in two' >"$project/$two/tasks/more.md"
  commit_all
}

# in_directory <one>: the script under test is that of this parallel directory
in_directory() {
  directory=$1
  use_project
}

# refs: print everything that must stay as it is
refs() {
  git -C "$project" for-each-ref
  git -C "$project" worktree list
  ls "$spaces" 2>/dev/null || :
}

# keeps_off <name of the other directory> <argument>...: the script refuses, and says whose it is, and touches nothing
keeps_off() {
  local other=$1 before
  shift
  before=$(refs)
  refuses "$@"
  grep -q "^ERROR: Another parallel directory, '$other', has made the branch of" "$err" || { show; return 1; }
  has "$err" '  Choose names of your own, with --branch-prefix PREFIX and --workspace-root FOLDER.'
  err_lacks retry-failed
  err_lacks "Uncommitted changes"
  same "$before" "$(refs)"
}

# bats test_tags=one-shell, awk
@test "the second of two directories with the same ids is refused whatever it is asked, and both can finish" {
  twins chain
  agent task-002 <<<'[ -e "$TEST_NOTES/go" ] || exit 3; work; finish'
  fails
  in_directory "$two"
  completes --dry-run
  grep -q "^WARNING: Another parallel directory, '$one', has made the branch of task-001 task-002" "$err" || { show; return 1; }
  keeps_off "$one"
  keeps_off "$one" --retry-failed
  keeps_off "$one" --force
  keeps_off "$one" --wave 1 --force
  keeps_off "$one" --wave 2 --force
  keeps_off "$one" --task task-001
  keeps_off "$one" --skip task-001
  absent "$logs"
  # What it is told to do.
  : >"$TEST_NOTES/go"
  completes --branch-prefix other/ --workspace-root ../others
  branch_has other/task-003-third task-003.txt
  in_directory "$one"
  err_lacks Uncommitted
  completes --retry-failed
  branch_has feature/task-003-third task-003.txt
  in_directory "$two"
  completes --branch-prefix other/ --workspace-root ../others --force
}

# bats test_tags=one-shell, awk
@test "a wave that needs a branch of another directory's is not told to run the wave before it" {
  twins chain
  completes --wave 1
  in_directory "$two"
  refuses --wave 2
  err_has 'ERROR: Branch not found: feature/task-001-first' \
    '  Another parallel directory has one of this name. Choose names of your own, with --branch-prefix PREFIX.'
  err_lacks 'Run the wave'
}

# bats test_tags=one-shell
@test "a folder of its own alone, or a prefix of its own alone, is not enough, and is told" {
  twins one
  completes
  in_directory "$two"
  keeps_off "$one" --workspace-root ../others --force
  refuses --branch-prefix other/ --force
  err_has "ERROR: Another parallel directory, '$one', has made the worktree of task-001"
}

# bats test_tags=one-shell, awk
@test "a dependency that is skipped is not taken from another directory" {
  twins chain
  agent task-002 <<<'exit 3'
  fails
  git -C "$project" worktree remove --force "$spaces/task-002"
  git -C "$project" branch -D feature/task-002-second
  agent task-002 <<<'work; finish'
  in_directory "$two"
  run_script --skip task-001 --workspace-root ../others
  [ "$status" -ne 0 ]
  branch_lacks main task-001.txt
  run git -C "$project" cat-file -e feature/task-002-second:task-001.txt
  [ "$status" -ne 0 ]
}

# bats test_tags=one-shell, awk
@test "what the second directory has made anew under a name of the first is the second's" {
  twins one
  completes
  git -C "$project" worktree remove --force "$spaces/task-001"
  git -C "$project" branch -D feature/task-001-only
  in_directory "$two"
  completes
  in_directory "$one"
  keeps_off "$two" --force
  keeps_off "$two"
}

# bats test_tags=one-shell
@test "whose a branch is stays known when the project is moved" {
  twins one
  agent task-001 <<<'work; exit 3'
  fails
  mkdir "$home/elsewhere"
  mv "$project" "$home/elsewhere/moved"
  mv "$spaces" "$home/elsewhere/"
  project=$home/elsewhere/moved
  in_directory "$two"
  git -C "$project" worktree repair "$spaces/task-001"
  keeps_off "$one" --force
  keeps_off "$one"
  in_directory "$one"
  agent task-001 <<<'finish'
  completes --retry-failed
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell, awk
@test "in a clone, where there are no records, the second directory works as the first would" {
  twins chain
  agent task-002 <<<'exit 3'
  fails
  commit_all
  git clone --quiet "$project" "$home/elsewhere/clone"
  project=$home/elsewhere/clone
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  agent task-002 <<<'work; finish'
  in_directory "$two"
  completes --wave 1
  in_directory "$one"
  keeps_off "$two" --retry-failed --task task-001 || keeps_off "$two" --wave 1
}

# bats test_tags=one-shell, awk
@test "manifest and scripts of another directory are no uncommitted changes, and other files of it are" {
  twins one
  completes
  echo '# new' >>"$dir/scripts/run-parallel.sh"
  echo '# new' >"$dir/scripts/lib/new.sh"
  in_directory "$two"
  completes --dry-run --branch-prefix other/ --workspace-root ../others
  err_lacks 'Uncommitted'
  echo edit >>"$project/$one/tasks/task-001-only.md"
  refuses --branch-prefix other/ --workspace-root ../others
  err_has 'ERROR: Uncommitted changes in working directory'
  git -C "$project" checkout --quiet -- "$one/tasks"
  echo edit >"$project/$one/notes.md"
  refuses --branch-prefix other/ --workspace-root ../others
  err_has 'ERROR: Uncommitted changes in working directory'
  rm "$project/$one/notes.md"
  completes --branch-prefix other/ --workspace-root ../others
}

# --- preflight

# is_told <first line of the problem>: a dry run warns of it, and a run is refused before anything was written
is_told() {
  local before
  before=$(refs && find "$project" ! -path '*/.git/*' | sort)
  completes --dry-run "${@:2}"
  grep -q "^WARNING: $1" "$err" || { show; return 1; }
  refuses "${@:2}"
  grep -q "^ERROR: $1" "$err" || { show; return 1; }
  refuses --force "${@:2}"
  grep -q "^ERROR: $1" "$err" || { show; return 1; }
  refuses --retry-failed "${@:2}"
  same "$before" "$(refs && find "$project" ! -path '*/.git/*' | sort)"
}

# bats test_tags=one-shell
@test "names that git cannot have beside others are told, in either direction" {
  project one
  git -C "$project" branch feature
  is_told "git cannot have the branch 'feature' beside that of task-001"
  git -C "$project" branch --quiet -m feature feature/task-001-only/x/y
  is_told "git cannot have the branch 'feature/task-001-only/x/y' beside that of task-001"
  git -C "$project" branch --quiet -D feature/task-001-only/x/y
  git -C "$project" branch deep
  is_told "git cannot have the branch 'deep' beside that of task-001" --branch-prefix deep/er/and/
  completes
}

# bats test_tags=one-shell
@test "a branch that --force needs for what it moves aside is looked at" {
  project one
  completes
  git -C "$project" branch backup
  completes --dry-run --force
  grep -q "^WARNING: git cannot have the branch 'backup' beside" "$err" || { show; return 1; }
  local before
  before=$(refs)
  refuses --force
  grep -q "^ERROR: git cannot have the branch 'backup' beside" "$err" || { show; return 1; }
  same "$before" "$(refs)"
  git -C "$project" branch --quiet -D backup
  completes --force
}

# bats test_tags=one-shell
@test "a workspace root that cannot be made is told" {
  project one
  echo file >"$home/file"
  ln -s "$home/nowhere" "$home/dangling"
  is_told "cannot make '.*/file/task-001': '.*/file' is no folder" --workspace-root ../file
  is_told "cannot make '.*/file/below/task-001': '.*/file' is no folder" --workspace-root ../file/below
  is_told "cannot make '.*/dangling/task-001': '.*/dangling' is no folder" --workspace-root ../dangling
  is_told "the name is too long" --workspace-root "../$(printf '%0256d' 0)"
  is_told "the name is too long" --workspace-root "../below/$(printf '%0256d' 0)/below"
  is_told "the name is too long" --workspace-root "../$(printf '%01500d/' 0 | sed 's|0000000000|/00000000|g')$(printf '%03000d/' 0 | sed 's|0000000000|/00000000|g')x"
}

@test "a branch whose name is too long for a file system is told" {
  project one
  is_told "the name is too long" --branch-prefix "$(printf '%0245d' 0)"
  is_told "the name is too long" --branch-prefix "$(printf '%0256d' 0)/"
}

# bats test_tags=one-shell
@test "logs that cannot be made are told" {
  project one
  echo file >"$project/elsewhere"
  commit_all
  echo file >"$logs"
  is_told "cannot make '.*/logs/state': '.*/logs' is no folder"
  rm "$logs"
  ln -s "$home/nowhere" "$logs"
  is_told "cannot write to '.*/logs/state'"
  rm "$logs"
  mkdir "$logs"
  echo file >"$logs/state"
  is_told "cannot make '.*/logs/state': '.*' is no folder"
}

# as_nobody: from now on the script is run by somebody who is not allowed everything, and owns the project
as_nobody() {
  ! hides_proc || skip 'to hide /proc makes everybody root'
  [ "$(id -u)" -eq 0 ] || return 0
  command -v setpriv >/dev/null || skip 'root is allowed everything, and there is no setpriv'
  local place=$home nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_1=safe.directory GIT_CONFIG_VALUE_1='*'
  # The checkout may be in a folder of root's own.
  cp "$BATS_TEST_DIRNAME/agents/fake.sh" "$home/fake.sh"
  export AGENT_COMMAND="sh '$home/fake.sh'"
  chown -R 65534:65534 "$home"
  while [ "$place" != "${BATS_RUN_TMPDIR%/*}" ]; do
    chmod o+x "$place"
    place=${place%/*}
  done
  "${nobody[@]}" test -x "$home" || skip 'another user may not enter the folder of temporary files'
  shell=("${nobody[@]}" "${shell[@]}")
}

@test "folders that cannot be written are told" {
  project one
  as_nobody
  mkdir "$home/closed"
  chmod 555 "$home/closed"
  is_told "cannot write to '.*/closed'" --workspace-root ../closed
  is_told "cannot write to '.*/closed'" --workspace-root ../closed/below
  chmod 666 "$home/closed"
  is_told "cannot write to '.*/closed'" --workspace-root ../closed
  local place
  for place in refs/heads; do
    chmod 555 "$project/.git/$place"
    is_told "cannot write to '.*/.git/$place'"
    chmod 755 "$project/.git/$place"
  done
  mkdir -p "$project/.git/refs/heads/feature"
  chown --reference="$project" "$project/.git/refs/heads/feature"
  chmod 555 "$project/.git/refs/heads/feature"
  is_told "cannot write to '.*/.git/refs/heads/feature'"
  chmod 755 "$project/.git/refs/heads/feature"
  chmod 555 "$project/.git/objects"
  is_told "cannot write to '.*/.git/objects'"
  chmod 755 "$project/.git/objects"
  chmod 555 "$dir"
  is_told "cannot write to '.*/$directory'"
  chmod 755 "$dir"
  completes
}

# bats test_tags=one-shell
@test "a branch that is checked out elsewhere is told, in a folder that is gone too" {
  project one
  git -C "$project" worktree add --quiet -b feature/task-001-only "$home/mine"
  is_told "The branch of task-001 is checked out in '.*/mine'"
  rm -rf "$home/mine"
  is_told "The branch of task-001 is checked out in '.*/mine'"
  git -C "$project" worktree prune
  git -C "$project" checkout --quiet feature/task-001-only
  is_told "The branch of task-001 is checked out in '.*/project'"
  git -C "$project" checkout --quiet main
  completes --force
}

# --- the project's own checkout

# told_once <text>: the warning and the log of the checkout have this once each
told_once() {
  same 1 "$(grep -c -F -e "$1" -- "$err")"
  same 1 "$(grep -c -F -e "$1" -- "$logs/checkout.log")"
}

# bats test_tags=one-shell
@test "nothing is told of the project's checkout when nothing happened there" {
  project chain
  completes
  err_is </dev/null
  absent "$logs/checkout.log"
  echo old >"$logs/checkout.log"
  completes --force
  absent "$logs/checkout.log"
}

# bats test_tags=one-shell, awk
@test "what an agent commits, edits and leaves in the project's checkout is told, each once" {
  project chain
  agent task-001 <<<'work; cd "$TEST_NOTES/../project"; echo x >"a file"; git add "a file"; git commit -qm "In the wrong place"; cd - >/dev/null; finish'
  agent task-002 <<<'work; echo y >"$TEST_NOTES/../project/left.txt"; echo z >>"$TEST_NOTES/../project/README.md"; finish'
  completes
  told_once "'main' has moved in the project's own checkout, as seen when task-001 ended:"
  told_once 'In the wrong place'
  told_once "Files in the project's own checkout have changed during the run:"
  told_once '?? left.txt'
  told_once ' M README.md'
  grep -q "a file" "$logs/checkout.log"
}

# bats test_tags=one-shell, awk
@test "an agent that switches the branch of the project's checkout is told, once" {
  project one
  agent task-001 <<<'work; cd "$TEST_NOTES/../project"; git checkout -q -b mine; git commit -q --allow-empty -m "On mine"; cd - >/dev/null; finish'
  completes
  told_once "HEAD was on 'main' in the project's own checkout, and is on 'mine'."
  told_once 'On mine'
}

# bats test_tags=awk
@test "an agent that detaches the HEAD of the project's checkout is told" {
  project one
  agent task-001 <<<'work; git -C "$TEST_NOTES/../project" checkout -q --detach; finish'
  completes
  told_once "HEAD was on 'main' in the project's own checkout, and is on 'no branch'."
}

# bats test_tags=one-shell, awk
@test "a base branch that moves while another branch is checked out is told" {
  project one
  git -C "$project" checkout --quiet -b other
  agent task-001 <<<'work; git update-ref refs/heads/main HEAD; finish'
  completes --base main
  told_once "'main' has moved in the project's own checkout, as seen when task-001 ended:"
  told_once 'Write task-001.txt'
  err_lacks "HEAD"
}

# bats test_tags=one-shell, awk
@test "both are told when HEAD and the base branch move at once" {
  project one
  agent task-001 <<<'work; cd "$TEST_NOTES/../project"; git commit -q --allow-empty -m "On main"; git checkout -q -b mine; git commit -q --allow-empty -m "On mine"; cd - >/dev/null; finish'
  completes
  told_once "'main' has moved in the project's own checkout, as seen when task-001 ended:"
  told_once "'HEAD' has moved in the project's own checkout, as seen when task-001 ended:"
  told_once "HEAD was on 'main' in the project's own checkout, and is on 'mine'."
}

# bats test_tags=awk
@test "a base branch that is set back or deleted is told" {
  project one
  git -C "$project" commit --quiet --allow-empty -m 'Second'
  agent task-001 <<<'work; git -C "$TEST_NOTES/../project" reset -q --hard HEAD~1; finish'
  completes
  told_once "'main' has moved in the project's own checkout, as seen when task-001 ended:"
  git -C "$project" checkout --quiet -b other
  agent task-001 <<<'work; git update-ref -d refs/heads/main; finish'
  completes --base main --force
  told_once "'main' is gone, as seen when task-001 ended. It was at "
}

# bats test_tags=one-shell, awk
@test "one task that is run by hand tells it too" {
  project one
  agent task-001 <<<'work; cd "$TEST_NOTES/../project"; git commit -q --allow-empty -m "In the wrong place"; cd - >/dev/null; finish'
  completes --task task-001
  told_once 'In the wrong place'
}

# --- dependencies that have landed

# land <task>...: merge the branches of these into main, and remove branches and worktrees
land() {
  local task
  for task in "$@"; do
    git -C "$project" merge --quiet --no-edit "$(git -C "$project" branch --list "feature/$task-*" --format='%(refname:short)')"
    git -C "$project" worktree remove --force "$spaces/$task"
    git -C "$project" branch --quiet -D "$(git -C "$project" branch --list "feature/$task-*" --format='%(refname:short)')"
  done
}

# bats test_tags=awk
@test "what depends on a task that has landed in the base can run: by wave, by task, on a retry" {
  project chain
  completes --wave 1
  commit_all
  land task-001
  completes --wave 2 --dry-run
  err_lacks 'Branch not found'
  agent task-002 <<<'work; exit 3'
  fails --wave 2
  agent task-002 <<<'finish'
  completes --retry-failed --wave 2
  branch_has feature/task-002-second task-001.txt
  land task-002
  completes --task task-003
  branch_has feature/task-003-third task-002.txt
}

# bats test_tags=one-shell, awk
@test "what has landed is known in a clone by the tip in the manifest" {
  project chain
  agent task-002 <<<'exit 3'
  fails
  commit_all
  land task-001
  git clone --quiet --no-local "$project" "$home/elsewhere/clone"
  project=$home/elsewhere/clone
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  agent task-002 <<<'work; finish'
  use_project
  agent task-002 <<<'exit 3'
  fails --wave 2
  agent task-002 <<<'work; finish'
  completes --wave 2 --force
  completes --retry-failed
  same task-003 "$(started)"
  branch_has feature/task-003-third task-001.txt
}

# bats test_tags=awk
@test "a squash merge is not recognised, and the way out that is told works" {
  project chain
  completes --wave 1
  git -C "$project" merge --quiet --squash feature/task-001-first
  commit_all
  git -C "$project" worktree remove --force "$spaces/task-001"
  git -C "$project" branch --quiet -D feature/task-001-first
  refuses --wave 2
  err_lacks 'Run the wave it belongs to first'
  eval "$(sed -n "s/.*: '\(git branch .*\)'\.\$/\1/p" "$err" | sed "s|^git|git -C '$project'|")"
  completes --wave 2
}

@test "commits of which git has nothing left are not told as a way out" {
  project chain
  completes --wave 1
  git -C "$project" merge --quiet --squash feature/task-001-first
  commit_all
  git -C "$project" worktree remove --force "$spaces/task-001"
  git -C "$project" branch --quiet -D feature/task-001-first
  git -C "$project" reflog expire --expire=now --all
  git -C "$project" gc --quiet --prune=now
  refuses --wave 2
  err_lacks "'git branch"
  err_has '  It was completed, but its commit is not here: fetch the branch, or run the task again with --task and --force.'
}

# bats test_tags=one-shell, awk
@test "a squash merge in a clone, where the commits are not, is not answered by a branch that cannot be made" {
  project chain
  completes --wave 1
  git -C "$project" merge --quiet --squash feature/task-001-first
  commit_all
  git clone --quiet --no-local --single-branch "$project" "$home/elsewhere/clone"
  project=$home/elsewhere/clone
  git -C "$project" config user.name x
  git -C "$project" config user.email x@example.org
  use_project
  refuses --wave 2
  err_has 'ERROR: Branch not found: feature/task-001-first' '  It was completed, but its commit is not here: fetch the branch, or run the task again with --task and --force.'
  err_lacks "'git branch"
  agent task-001 <<<'git commit --quiet --allow-empty -m Again; finish'
  completes --wave 1
  completes --wave 2
}

# bats test_tags=one-shell
@test "a wave that never ran is told to be run first" {
  project chain
  refuses --wave 2
  err_has '  Wave 2 depends on it. Run the wave it belongs to first.'
  refuses --task task-002
  err_has '  task-002 depends on it. Run the wave it belongs to first.'
}

# --- what an agent leaves running

# bats test_tags=one-shell, awk, process
@test "what was stopped is told, in the progress line, in the log and in a record" {
  project one
  agent task-001 <<<'sleep 301 & sleep 302 & work; echo x >left; finish'
  completes
  task_ended task-001 'completed commits=1 uncommitted=1 stopped=2'
  has "$logs/task-001.log" '[run-parallel.sh: stopping what the agent of task-001 left running:]'
  same 2 "$(grep -c ' sleep 30[12]]$' "$logs/task-001.log")"
  same 2 "$(grep -c ' sleep 30[12]$' "$state/task-001.stopped")"
  all_dead
  agent task-001 <<<'finish'
  completes --force
  task_ended task-001 'completed commits=0'
  absent "$state/task-001.stopped"
}

# serves: the server that the agent has started outlives the run; end it
serves() {
  local server
  await [ -s "$TEST_NOTES/server" ]
  server=$(cat "$TEST_NOTES/server")
  kill -s 0 "$server" || { show; return 1; }
  kill -s KILL "$server"
}

# bats test_tags=one-shell, process
@test "a server that several tasks share is left alone when it is started as docs/usage.md says" {
  [ -n "$(PATH=$(script_path) type -P setsid)" ] || skip 'no setsid'
  project one
  printf '#!/bin/sh\necho $$ >"$TEST_NOTES/server"\nexec sleep 300\n' >"$home/server"
  chmod +x "$home/server"
  agent task-001 <<<'(PARALLEL_MARK= setsid "$TEST_NOTES/../server" >server.log 2>&1 </dev/null &); work; await [ -s "$TEST_NOTES/server" ]; [ -e "$TEST_NOTES/go" ] || sleep 30; finish'
  # Neither the end of an agent nor its time limit stops it.
  fails --timeout 5
  serves
  rm "$TEST_NOTES/server"
  : >"$TEST_NOTES/go"
  completes --force
  task_ended task-001 'completed commits=1'
  serves
}

@test "a server that several tasks share is left alone in a box that has perl in place of setsid" {
  [ -n "$(PATH=$(script_path) type -P perl)" ] || skip 'no perl'
  project one
  printf '#!/bin/sh\necho $$ >"$TEST_NOTES/server"\nexec sleep 300\n' >"$home/server"
  chmod +x "$home/server"
  poor_box perl
  agent task-001 <<<'(PARALLEL_MARK= perl -e "setpgrp; exec @ARGV" "$TEST_NOTES/../server" >server.log 2>&1 </dev/null &); work; await [ -s "$TEST_NOTES/server" ]; finish'
  on_poor_box completes
  task_ended task-001 'completed commits=1'
  serves
}

# --- what git needs in a worktree

# bats test_tags=one-shell
@test "a worktree of a git-crypt repository: git's own words, and the way out that docs/usage.md tells" {
  [ -n "$(PATH=$(script_path) type -P git-crypt)" ] || skip 'no git-crypt'
  project chain
  (cd "$project" && git-crypt init >/dev/null)
  echo 'secret filter=git-crypt diff=git-crypt' >"$project/.gitattributes"
  echo key >"$project/secret"
  commit_all
  agent task-001 <<<'note "$(cat secret)"; echo changed >secret; work; finish'
  agent task-002 <<<'note "$(cat secret)"; work; finish'
  fails
  task_ended task-001 'failed error=worktree'
  err_has '  fatal: secret: smudge filter git-crypt failed'
  grep -q '^  git-crypt: Error: Unable to open key file' "$err" || { show; return 1; }
  cd "$project"
  eval "$(sed -n "s/^    \(git config [a-z]*\.git-crypt\..*\)/\1/p" "$BATS_TEST_DIRNAME/../docs/usage.md")"
  completes --retry-failed
  noted key
  noted changed
  task_ended task-002 'completed commits=1'
  same '' "$(git -C "$spaces/task-002" status --porcelain)"
  git -C "$project" cat-file -p feature/task-002-second:secret | head -c 10 | grep -q GITCRYPT
}

@test "a worktree that git does not trust is told in git's words" {
  [ "$(id -u)" -eq 0 ] || skip 'only root can give a folder to somebody else'
  project one
  agent task-001 <<<'exit 3'
  fails
  chown -R 65534:65534 "$spaces/task-001"
  agent task-001 <<<'finish'
  run_script --retry-failed
  [ "$status" -ne 0 ]
  grep -q 'dubious ownership' "$err" || { show; return 1; }
  err_lacks 'not a worktree of this repository'
}

# --- what a review has found

@test "a worktree that git has forgotten does not share the new one's side of git when it is moved aside" {
  project one
  completes
  mv "$spaces/task-001" "$home/keep"
  git -C "$project" worktree prune
  mv "$home/keep" "$spaces/task-001"
  completes --force
  local aside tip
  aside=$(printf '%s\n' "$spaces"/task-001.*)
  tip=$(git -C "$project" rev-parse feature/task-001-only)
  ! git -C "$aside" commit --quiet --allow-empty -m 'Lost' 2>/dev/null
  same "$tip" "$(git -C "$project" rev-parse feature/task-001-only)"
  [ -e "$aside/task-001.txt" ]
}

@test "a clone that borrows from another one is moved aside with it" {
  project one
  agent task-001 <<<'git init -q n; git -C n -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m n; git clone -q -s n n2; exit 3'
  fails
  agent task-001 <<<'work; finish'
  completes --force
  git -C "$(printf '%s\n' "$spaces"/task-001.*)/n2" log -1 >/dev/null
}

# bats test_tags=process
@test "what a person has written after a crash, before any verdict, is moved aside and not removed" {
  project one
  hook post-checkout <<<'[ -e "$TEST_NOTES/once" ] || { : >"$TEST_NOTES/once"; exec sleep 300; }'
  launch
  await [ -e "$TEST_NOTES/once" ]
  kill_all
  wait "$pid" 2>/dev/null || :
  echo mine >"$spaces/task-001/mine.txt"
  echo mine >>"$spaces/task-001/README.md"
  completes --retry-failed
  same mine "$(cat "$spaces"/task-001.*/mine.txt)"
  grep -q mine "$spaces"/task-001.*/README.md
  same '' "$(git -C "$spaces/task-001" status --porcelain)"
}

# bats test_tags=process
@test "what cannot be moved aside is not removed" {
  project one
  hook post-checkout <<<'[ -e "$TEST_NOTES/once" ] || { : >"$TEST_NOTES/once"; exec sleep 300; }'
  launch
  await [ -e "$TEST_NOTES/once" ]
  kill_all
  wait "$pid" 2>/dev/null || :
  echo mine >"$spaces/task-001/mine.txt"
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase $* in */workspaces/task-001.*) exit 1 ;; esac\nexec "%s" "$@"\n' "$(type -P mv)" >"$home/bin/mv"
  chmod +x "$home/bin/mv"
  prefer "$home/bin"
  fails --retry-failed
  task_ended task-001 'failed error=worktree'
  same mine "$(cat "$spaces/task-001/mine.txt")"
}

# bats test_tags=one-shell, awk
@test "a directory that is on another branch of the project keeps what it has made" {
  twins chain
  completes --wave 1
  git -C "$project" checkout --quiet -b without
  git -C "$project" rm --quiet -r -f "$one"
  git -C "$project" commit --quiet -m 'Without'
  in_directory "$two"
  keeps_off "$one"
  keeps_off "$one" --force
  refuses --wave 2
}

# bats test_tags=one-shell, awk
@test "a directory that was renamed keeps what it has made" {
  project chain
  agent task-002 <<<'exit 3'
  fails
  mv "$dir" "$project/parallel/done"
  in_directory parallel/done
  commit_all
  agent task-002 <<<'work; finish'
  completes --retry-failed
}

# bats test_tags=awk
@test "in a clone the manifest of another directory tells what that has made" {
  twins chain
  completes --wave 1
  commit_all
  git clone --quiet "$project" "$home/clone"
  git -C "$home/clone" config user.name x
  git -C "$home/clone" config user.email x@example.org
  git -C "$home/clone" branch --quiet feature/task-001-first origin/feature/task-001-first
  project=$home/clone
  in_directory "$two"
  refuses --wave 2
  out_has '  feature/task-001-first: MISSING'
  refuses --force
  grep -q "^ERROR: Another parallel directory, '$one', has made the branch of task-001" "$err" || { show && return 1; }
}

# bats test_tags=one-shell, awk
@test "no advice is given on a worktree of another directory's" {
  twins one
  completes
  in_directory "$two"
  refuses --workspace-root ../others
  err_lacks 'Check out another branch'
}

@test "what cannot be written in git's folder is told" {
  project one
  mkdir -p "$project/.git/parallelgen"
  : >"$project/.git/parallelgen/owners"
  mkdir "$project/.git/info"
  mkdir "$project/.git/info/exclude"
  refuses
  grep -q '^ERROR: cannot write to .*/info/exclude' "$err" || { show && return 1; }
  rmdir "$project/.git/info/exclude"
  rm -r "$project/.git/parallelgen"
  : >"$project/.git/parallelgen"
  refuses
  grep -q '^ERROR: cannot make .*/parallelgen' "$err" || { show && return 1; }
  rm "$project/.git/parallelgen"
  mkdir -p "$project/.git/refs/heads/feature"
  : >"$project/.git/refs/heads/feature/task-001-only.lock"
  refuses
  grep -q '^ERROR: git has locked the branch' "$err" || { show && return 1; }
  absent "$logs" "$spaces"
}

# bats test_tags=one-shell
@test "a retry is refused when what a completed task has made is nowhere" {
  project chain
  agent task-002 <<<'exit 3'
  fails
  local tip
  tip=$(git -C "$project" rev-parse feature/task-001-first)
  git -C "$project" worktree remove --force "$spaces/task-001"
  git -C "$project" branch --quiet -D feature/task-001-first
  refuses --retry-failed
  err_has "  It was completed, but 'main' does not contain its commits as they were: 'git branch feature/task-001-first $tip'."
  git -C "$project" branch feature/task-001-first "$tip"
  agent task-002 <<<'work; finish'
  completes --retry-failed
}

# bats test_tags=awk
@test "worktrees of another directory's in the project are no uncommitted changes" {
  twins one
  completes --workspace-root ws1
  in_directory "$two"
  completes --workspace-root ../others --branch-prefix other/
}

# bats test_tags=one-shell, awk
@test "commits that have gone from the project's checkout are told" {
  project one
  git -C "$project" commit --quiet --allow-empty -m 'Mine'
  agent task-001 <<<'work; git -C "$TEST_NOTES/../project" reset --quiet --hard HEAD~1; finish'
  completes
  grep -q '^  < [0-9a-f]* Mine$' "$err" || { show && return 1; }
}

# bats test_tags=awk
@test "what is changed in the parallel directory itself during a run is told, and a task run by hand leaves it told" {
  project four
  agent task-001 <<<'echo more >>"$PARALLEL_DIR/prompts/task-004-d.txt"; touch "$PARALLEL_DIR/notes.txt"; work; finish'
  completes
  err_has 'WARNING: Files in the project'\''s own checkout have changed during the run:' "  ?? $directory/notes.txt"
  completes --task task-002 --retry-failed
  has "$logs/checkout.log" "  ?? $directory/notes.txt"
}

# bats test_tags=process
@test "TERM ends a run that looks at the project's checkout while a filter hangs there" {
  project one
  echo '*.hang filter=h' >"$project/.gitattributes"
  echo a >"$project/x.hang"
  commit_all
  git -C "$project" config filter.h.clean "case \$PWD in */project) read -r line; [ \$line != b ] || { echo up >>'$TEST_NOTES/notes'; exec sleep 300; }; echo \$line ;; *) cat ;; esac"
  agent task-001 <<<'sleep 1; echo b >"$TEST_NOTES/../project/x.hang"; work; finish'
  launch
  await noted up
  term_ends_it
  grep -q '^\[PROGRESS\] execution status=completed' "$out" || { show && return 1; }
}

# bats test_tags=one-shell
@test "a hook that fails and has taken a file away makes no worktree" {
  project one
  hook post-checkout <<<'rm README.md; echo taken >&2; exit 1'
  fails
  task_ended task-001 'failed error=worktree'
  err_has '  taken'
}

# bats test_tags=one-shell
@test "a filter that fails is not asked again and again" {
  project one
  echo '*.md filter=h' >"$project/.gitattributes"
  commit_all
  git -C "$project" config filter.h.smudge "echo up >>'$TEST_NOTES/notes'; echo no key >&2; exit 1"
  git -C "$project" config filter.h.required true
  fails
  task_ended task-001 'failed error=worktree'
  grep -q '^  .*no key\|^  .*filter' "$err" || { show && return 1; }
  same 1 "$(grep -c up "$TEST_NOTES/notes")"
}
