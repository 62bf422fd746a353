# Setup before the agent, verify after it, and the baseline before all.

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  unset SETUP_COMMAND VERIFY_COMMAND
  export NO_BASELINE=1
}

# crash: kill all of ours, but not what setup and verify run
crash() {
  local process
  for process in $(living | grep -v -e 'sleep 50' -e 'sh -c echo' -e 'sh -c test' | sed 's/ .*//'); do
    kill -s KILL "$process" 2>/dev/null || :
  done
  finish
}

# in_note <word>: print a command that notes the word with the task's id
in_note() {
  printf 'echo "%s-%s" >>"$TEST_NOTES/notes"' "$1" '${PARALLEL_TASK#task-00}'
}

# bats test_tags=portable
@test "setup, agent and verify in this order, in the worktree, each with its log" {
  project one
  export SETUP_COMMAND="$(in_note setup); pwd; env >\"\$TEST_NOTES/env\"; cat" VERIFY_COMMAND="$(in_note verify); echo it is fine; test -f task-001.txt"
  agent task-001 <<<'note agent; work; finish'
  completes
  same 'setup-1 agent verify-1' "$(notes)"
  same 'started setup running verifying completed' "$(lines_of task-001)"
  out_has '[PROGRESS] wave=1 task=task-001 status=completed commits=1'
  has "$logs/task-001.setup.log" "$spaces/task-001"
  has "$logs/task-001.verify.log" 'it is fine'
  has "$TEST_NOTES/env" PARALLEL_SLOT=1 PARALLEL_TASK=task-001 "PARALLEL_WORKTREE=$spaces/task-001"
  # The manifest says that it was verified.
  same '"verify"' "$(execution 'e["tasks"]["task-001"]["step"]')"
}

# bats test_tags=portable
@test "a plan without commands prints no other lines, and records no steps" {
  project one
  completes
  same 'started completed' "$(lines_of task-001)"
  absent "$state/task-001.steps" "$logs/task-001.setup.log" "$logs/task-001.verify.log"
}

# bats test_tags=one-shell
@test "running comes only after setup" {
  project one
  VERIFY_COMMAND=true completes
  same 'started verifying completed' "$(lines_of task-001)"
  SETUP_COMMAND=true completes --force
  same 'started setup running completed' "$(lines_of task-001)"
}

# bats test_tags=portable
@test "a task's own commands replace those of the run, or come after verify" {
  project four
  export SETUP_COMMAND="$(in_note setup)" VERIFY_COMMAND="$(in_note verify)"
  own_commands <<END
task-001 setup $(in_note own-setup)
task-002 verify $(in_note own-verify)
task-003 verify +$(in_note also)
4 validation never
END
  for task in 001 002 003 004; do agent "task-$task" <<<'work; finish'; done
  MAX_CONCURRENT=1 completes
  same 'own-setup-1 verify-1 setup-2 own-verify-2 setup-3 verify-3 also-3 setup-4 verify-4' "$(notes)"
}

# bats test_tags=awk
@test "the plan shows what will be run" {
  project four
  own_commands <<'END'
task-002 setup npm  ci && echo 'a "quoted" $word \n'
task-002 verify +pytest -q
1 validation pytest tests/
END
  SETUP_COMMAND='make deps' VERIFY_COMMAND='make test' completes --dry-run
  out_has 'Setup: make deps' 'Verify: make test' "      setup: npm  ci && echo 'a \"quoted\" \$word \\n'" '      verify: +pytest -q' \
    '      validation: pytest tests/'
}

# bats test_tags=portable
@test "a setup that fails, fails the task before its agent starts; it runs again until it has succeeded" {
  project one
  export SETUP_COMMAND="$(in_note setup); test -e \"$home/mended\" || { echo 'no such package'; exit 3; }"
  agent task-001 <<<'note agent; exit 1'
  fails
  task_ended task-001 'failed error=setup'
  same setup-1 "$(notes)"
  err_has 'task-001: setup failed with status 3:' '  no such package'
  absent "$state/task-001.agent"
  : >"$home/mended"
  fails --retry-failed
  same 'started setup running failed' "$(lines_of task-001)"
  # Now it has: the agent alone goes on.
  agent task-001 <<<'note again; work; finish'
  completes --retry-failed
  same 'started completed' "$(lines_of task-001)"
  same 'setup-1 setup-1 agent again' "$(notes)"
  # Another worktree has not seen it, nor has another command.
  completes --force
  same 'setup-1 setup-1 agent again setup-1 again' "$(notes)"
}

# bats test_tags=portable
@test "a setup has succeeded whatever its words are" {
  project one
  export SETUP_COMMAND="$(in_note setup); true A='  =  ' B="
  agent task-001 <<<'exit 1'
  fails
  fails --retry-failed
  same setup-1 "$(notes)"
}

# bats test_tags=one-shell
@test "a tracked file that setup has changed counts, for the agent may have changed it too" {
  project one
  export SETUP_COMMAND='echo setup >>README.md'
  agent task-001 <<<'echo agent >>README.md; finish'
  completes
  task_ended task-001 'completed commits=0 uncommitted=1'
  completes --force --commit-leftovers
  task_ended task-001 'completed commits=1'
  same agent "$(git -C "$project" show feature/task-001-only:README.md | tail -n 1)"
}

# bats test_tags=portable
@test "a verify that fails, fails the task, and the next attempt is told before its prompt" {
  project one
  export VERIFY_COMMAND='echo checking; test -f good.txt || { echo good.txt is not there; exit 4; }'
  agent task-001 <<'AGENT'
cat >"$TEST_NOTES/stdin-$PARALLEL_ATTEMPT"
[ -z "${PARALLEL_VERIFY_LOG-}" ] || cp "$PARALLEL_VERIFY_LOG" "$TEST_NOTES/log"
[ "$PARALLEL_ATTEMPT" -eq 1 ] || work good.txt
work "file-$PARALLEL_ATTEMPT"
finish
AGENT
  tune retry_delay 1
  commit_all
  RETRIES=1 completes
  out_has '[PROGRESS] wave=1 task=task-001 status=retrying error=verify in=1'
  same 'started verifying retrying started verifying completed' "$(lines_of task-001)"
  diff "$dir/prompts/task-001.txt" "$TEST_NOTES/stdin-1"
  grep -q "was verified by 'echo checking; .*', which ended with status 4" "$TEST_NOTES/stdin-2"
  has "$TEST_NOTES/stdin-2" '  good.txt is not there'
  diff "$dir/prompts/task-001.txt" <(tail -n "$(grep -c '' <"$dir/prompts/task-001.txt")" "$TEST_NOTES/stdin-2")
  has "$TEST_NOTES/log" 'good.txt is not there'
  has "$logs/task-001.verify.1.log" 'good.txt is not there'
  absent "$state/task-001.feedback"
}

@test "what failed is told in a later run as well, and no more than 200 lines of it" {
  project one
  export VERIFY_COMMAND='i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo line-$i; done; test -f good.txt'
  fails
  task_ended task-001 'failed error=verify commits=1'
  # An attempt in between that fails in another way does not make it forgotten.
  agent task-001 <<<'exit 7'
  fails --retry-failed
  agent task-001 <<<'cat >"$TEST_NOTES/stdin"; work good.txt; finish'
  completes --retry-failed
  has "$TEST_NOTES/stdin" '  line-302' '  line-500' '  [run-parallel.sh: ended with status 1]'
  lacks "$TEST_NOTES/stdin" line-301
}

@test "a runner that dies before it has said what failed: it is verified again, and no agent works without being told" {
  project one
  tune tick 1
  commit_all
  export VERIFY_COMMAND='test -f good.txt'
  agent task-001 <<<'note agent; if grep -q "was verified by"; then work good.txt; else work; fi; finish'
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase "$*" in *.feedback) kill -s KILL "$PPID" ;; esac\nexec %s "$@"\n' "$(PATH=$(script_path) type -P mv)" >"$home/bin/mv"
  chmod +x "$home/bin/mv"
  (
    prefer "$home/bin"
    fails
    task_ended task-001 'failed error=lost'
  )
  fails --retry-failed
  task_ended task-001 'failed error=verify commits=1'
  same agent "$(notes)"
  completes --retry-failed
  same 'agent agent' "$(notes)"
}

# bats test_tags=portable
@test "tracked files that are not committed are not verified" {
  project one
  export VERIFY_COMMAND="$(in_note verify)"
  agent task-001 <<<'work; echo more >>README.md; echo u >untracked; finish'
  fails
  task_ended task-001 'failed error=uncommitted commits=1 uncommitted=2'
  has "$logs/task-001.verify.log" "M$(printf '\t')README.md"
  [ ! -e "$TEST_NOTES/notes" ]
  agent task-001 <<<'cat >"$TEST_NOTES/stdin"; git commit --quiet -a -m More; finish'
  completes --retry-failed
  grep -q README.md "$TEST_NOTES/stdin"
  # What git does not track does not count.
  task_ended task-001 'completed commits=2 uncommitted=1'
}

# bats test_tags=one-shell
@test "files that are staged, removed, or on another commit are not committed either" {
  project one
  export VERIFY_COMMAND=true
  agent task-001 <<<'work; echo x >new; git add new; finish'
  fails
  task_ended task-001 'failed error=uncommitted commits=1 uncommitted=1'
  agent task-001 <<<'work; rm README.md; finish'
  fails --force
  task_ended task-001 'failed error=uncommitted commits=1 uncommitted=1'
  agent task-001 <<<'work; git update-index --assume-unchanged README.md; echo x >README.md; finish'
  fails --force
  task_ended task-001 'failed error=uncommitted commits=1'
  agent task-001 <<<'work; git checkout --quiet --detach HEAD^; finish'
  fails --force
  task_ended task-001 'failed error=uncommitted commits=1'
}

# bats test_tags=portable
@test "a verify that commits, moves the branch or changes what it verifies fails" {
  project one
  for VERIFY_COMMAND in 'git commit --quiet --allow-empty -m Sly' 'git reset --quiet --hard HEAD^' 'echo x >>README.md'; do
    export VERIFY_COMMAND
    fails --force
    task_ended task-001 'failed error=verify commits=1.*'
    has "$logs/task-001.verify.log" '[run-parallel.sh: verify has changed what it had to verify]'
  done
}

# bats test_tags=one-shell
@test "an agent that fails, or leaves no marker, is not verified" {
  project one
  export VERIFY_COMMAND="$(in_note verify)"
  agent task-001 <<<'exit 5'
  fails
  task_ended task-001 'failed error=exit_code_5 commits=0'
  agent task-001 <<<'work'
  fails --force
  task_ended task-001 'failed error=no_marker commits=1'
  absent "$TEST_NOTES/notes"
}

# bats test_tags=portable, awk
@test "what include and setup have left does not count as the agent's" {
  project one
  printf 'ignored\n.env\n' >"$project/.gitignore"
  printf '.env\n' >"$project/.worktreeinclude"
  echo SECRET >"$project/.env"
  commit_all
  export SETUP_COMMAND='mkdir -p "left over" ignored; echo x >"left over/a b"; echo x >left; echo x >ignored/y'
  # It lets git see all that it found.
  agent task-001 <<<'git rm --quiet .gitignore; git commit --quiet -m "Ignore nothing"; echo x >own; finish'
  completes
  task_ended task-001 'completed commits=1 uncommitted=1'
  COMMIT_LEFTOVERS=1 completes --force
  task_ended task-001 'completed commits=2'
  same own "$(git -C "$project" diff --name-only feature/task-001-only^ feature/task-001-only)"
}

# bats test_tags=portable
@test "with --commit-leftovers what the agent leaves is committed before it is verified" {
  project one
  echo ignored >"$project/.gitignore"
  echo gone >"$project/gone"
  seq 20 >"$project/old"
  commit_all
  export VERIFY_COMMAND='test -z "$(git status --porcelain)" && test -f "new
file" && test ! -e gone'
  VERIFY_COMMAND=$(printf '%s' "$VERIFY_COMMAND" | tr '\n' '?' | sed 's/"new?file"/new?file/')
  agent task-001 <<'AGENT'
work
echo more >>README.md
rm gone
mkdir deep
echo x >deep/file
echo x >ignored
echo x >'new
file'
echo x >'bl ank "quoted"'
echo staged >staged
git add staged
git mv old 'new name'
echo more >>'new name'
finish
AGENT
  completes --commit-leftovers
  task_ended task-001 'completed commits=2'
  same 'README.md
bl ank "quoted"
deep/file
gone
new
file
new name
old
staged' "$(git -C "$project" diff --no-renames --name-only -z feature/task-001-only^ feature/task-001-only | tr '\0' '\n')"
  same 'Commit what the agent of task-001-only has left' "$(git -C "$project" log -1 --format=%s feature/task-001-only)"
  # Where nothing is left there is no commit.
  agent task-001 <<<'work; finish'
  VERIFY_COMMAND=true completes --force --commit-leftovers
  task_ended task-001 'completed commits=1'
}

# bats test_tags=one-shell
@test "a merge that the agent has not concluded is not committed for it" {
  project one
  agent task-001 <<'AGENT'
git checkout --quiet -b other
echo one >README.md
git commit --quiet -a -m One
git checkout --quiet -
echo two >README.md
git commit --quiet -a -m Two
git merge --quiet other || :
finish
AGENT
  fails --commit-leftovers
  task_ended task-001 'failed error=uncommitted commits=1 uncommitted=1'
  grep -q '^<<<<<<<' "$spaces/task-001/README.md"
}

# bats test_tags=one-shell
@test "with --require-commits a task without a commit has failed, and is told" {
  project one
  agent task-001 <<<'finish'
  completes
  task_ended task-001 'completed commits=0'
  fails --force --require-commits
  task_ended task-001 'failed error=no_commits commits=0'
  agent task-001 <<<'cat >"$TEST_NOTES/stdin"; work; finish'
  completes --retry-failed --require-commits
  grep -q 'no commit on feature/task-001-only' "$TEST_NOTES/stdin"
}

# bats test_tags=portable
@test "setup and verify are stopped when their time is over, with all that they started" {
  project one
  export SETUP_COMMAND='sleep 50 & sleep 40'
  SECONDS=0
  fails --setup-timeout 1
  [ "$SECONDS" -lt 15 ]
  all_dead
  task_ended task-001 'failed error=setup'
  has "$logs/task-001.setup.log" '[run-parallel.sh: ended with status 143, stopped after 1 seconds]'
  export SETUP_COMMAND='' VERIFY_COMMAND='trap "" TERM; sleep 40; sleep 40'
  fails --force --verify-timeout 1
  all_dead
  task_ended task-001 'failed error=verify commits=1'
  grep -q 'ended with status 143' "$state/task-001.feedback"
}

@test "what setup and verify leave may take the grace period to stop: their time is that of the command" {
  project one
  export SETUP_COMMAND='sh -c "trap \"\" TERM; sleep 40; sleep 41" & sleep 0.3' GRACE=3
  VERIFY_COMMAND=$SETUP_COMMAND completes --setup-timeout 2 --verify-timeout 2
  all_dead
  lacks "$logs/task-001.setup.log" '[run-parallel.sh: stopped after 2 seconds]'
  same 'started setup running verifying completed' "$(lines_of task-001)"
}

# bats test_tags=portable
@test "the time of the task covers setup and verify" {
  project one
  SETUP_COMMAND='sleep 40' fails --timeout 1
  task_ended task-001 'failed error=timeout'
  all_dead
  VERIFY_COMMAND='sleep 40' fails --force --timeout 2
  task_ended task-001 'failed error=timeout commits=1'
  all_dead
  same '"verify"' "$(execution 'e["tasks"]["task-001"]["step"]')"
}

# bats test_tags=portable
@test "a run that is stopped in setup goes on there" {
  project one
  export SETUP_COMMAND="$(in_note setup); test -e \"$home/go\" || sleep 50"
  launch
  await noted setup-1
  term_ends_it
  task_ended task-001 interrupted
  : >"$home/go"
  completes --retry-failed
  same 'setup-1 setup-1' "$(notes)"
}

# bats test_tags=portable
@test "a run that is stopped in verify goes on there, and does not launch the agent again" {
  project one
  export VERIFY_COMMAND="$(in_note verify); test -e \"$home/go\" || sleep 50"
  agent task-001 <<<'note agent; work; finish'
  launch
  await noted verify-1
  term_ends_it
  task_ended task-001 'interrupted commits=1'
  : >"$home/go"
  completes --retry-failed
  same 'started verifying completed' "$(lines_of task-001)"
  same 'agent verify-1 verify-1' "$(notes)"
  task_ended task-001 'completed commits=1'
}

# bats test_tags=portable
@test "a crash in verify: what it left is stopped, and verify alone is done again" {
  project one
  export VERIFY_COMMAND="$(in_note verify); test -e \"$home/go\" || sleep 50"
  agent task-001 <<<'note agent; work; finish'
  launch
  await noted verify-1
  crash
  : >"$home/go"
  completes --retry-failed
  end_naps
  same 'agent verify-1 verify-1' "$(notes)"
}

@test "a crash in setup: what it left is stopped before it is done again" {
  project one
  export SETUP_COMMAND="test -e \"$home/go\" || { $(in_note setup); sleep 50; $(in_note late); }"
  launch
  await noted setup-1
  crash
  : >"$home/go"
  completes --retry-failed
  end_naps
  all_dead
  same 'setup-1' "$(notes)"
}

@test "a runner that dies in setup: the scheduler stops setup and says where" {
  project one
  tune tick 1
  commit_all
  export SETUP_COMMAND="$(in_note setup); sleep 50"
  launch
  await noted setup-1
  kill -s KILL "$(sed -n 's/^pid=//p' "$state/task-001.start")"
  finish
  ended_with 1
  task_ended task-001 'failed error=lost'
  has "$state/task-001.result" step=setup
  all_dead
}

@test "a second signal kills setup at once" {
  project one
  export SETUP_COMMAND="trap '' TERM; $(in_note setup); sleep 50; sleep 50" GRACE=30
  launch
  await noted setup-1
  SECONDS=0
  kill -s TERM "$pid"
  await grep -q '^Stopping' "$err"
  kill -s TERM "$pid"
  finish
  ended_with 143
  [ "$SECONDS" -lt 20 ]
  all_dead
}

@test "what setup leaves running does not reach the agent" {
  project one
  export SETUP_COMMAND='sleep 60 & echo $! >"$TEST_NOTES/left"'
  agent task-001 <<<'! grep -q . "/proc/$(cat "$TEST_NOTES/left")/cmdline" 2>/dev/null || note alive; work; finish'
  completes
  absent "$TEST_NOTES/notes"
  task_ended task-001 'completed commits=1'
  has "$logs/task-001.setup.log" '[run-parallel.sh: stopping what the setup of task-001 left running:]'
}

# bats test_tags=portable
@test "running tasks have the lowest slots that are free" {
  project four
  agent task-001 <<<'note "1:$PARALLEL_SLOT"; await ended task-003; work; finish'
  agent task-002 <<<'note "2:$PARALLEL_SLOT"; work; finish'
  agent task-003 <<<'note "3:$PARALLEL_SLOT"; work; finish'
  agent task-004 <<<'note "4:$PARALLEL_SLOT"; work; finish'
  MAX_CONCURRENT=2 completes
  same '1:1 2:2 3:2' "$(sort "$TEST_NOTES/notes" | head -n 3 | paste -s -d ' ' -)"
  grep -q -x '4:[12]' "$TEST_NOTES/notes"
}

# bats test_tags=awk
@test "status shows the step of a running task" {
  project one
  export SETUP_COMMAND="$(in_note setup); sleep 50"
  launch
  await noted setup-1
  "${shell[@]}" "$project/$script" --status >"$home/status"
  grep -q 'task=task-001 status=running .*step=setup' "$home/status"
  await eval 'execution "e[\"tasks\"][\"task-001\"]" | grep -q "\"status\": \"running\".*\"step\": \"setup\""'
  "${shell[@]}" "$dir/scripts/monitor-live.sh" --once >"$home/monitor"
  grep -q 'running .* setup' "$home/monitor"
  term_ends_it
}

# bats test_tags=portable
@test "the baseline tries setup and verify before the first agent, once for a tree and commands" {
  project one
  NO_BASELINE=0
  export SETUP_COMMAND="$(in_note setup)" VERIFY_COMMAND="$(in_note verify)"
  completes
  same 'setup-baseline verify-baseline setup-1 verify-1' "$(notes)"
  absent "$spaces/baseline-${directory##*/}"
  git -C "$project" worktree list | grep -q -v baseline
  [ -s "$logs/baseline.log" ]
  completes --force
  same 'setup-baseline verify-baseline setup-1 verify-1 setup-1 verify-1' "$(notes)"
  VERIFY_COMMAND=true completes --force
  same 'setup-baseline setup-1' "$(tail -n 2 "$TEST_NOTES/notes" | paste -s -d ' ' -)"
}

# bats test_tags=portable
@test "a baseline that fails stops the run before anything is launched or moved" {
  project one
  NO_BASELINE=0
  export VERIFY_COMMAND='echo no tests ran; exit 5'
  refuses
  grep -q '^ERROR: the baseline failed (verify)' "$err"
  err_has '  no tests ran'
  grep -q -e --no-baseline "$err"
  out_lacks PROGRESS
  absent "$spaces/task-001" "$state/run"
  [ -d "$spaces/baseline-${directory##*/}" ]
  # It is made anew the next time.
  refuses
  same 1 "$(find "$spaces" -name 'baseline*' -prune | grep -c '')"
  completes --no-baseline --verify ''
}

# bats test_tags=one-shell
@test "a baseline is neither for one task nor for a plan without commands" {
  project one
  NO_BASELINE=0
  completes
  absent "$logs/baseline.log"
  VERIFY_COMMAND="$(in_note verify)" completes --force --task task-001
  same verify-1 "$(notes)"
}

# bats test_tags=one-shell
@test "work in the worktree of a failed baseline is moved aside" {
  project one
  NO_BASELINE=0
  export VERIFY_COMMAND='test -e "$TEST_NOTES/mended"'
  refuses
  place=$spaces/baseline-${directory##*/}
  # Some find count in seconds.
  sleep 1
  echo idea >"$place/idea"
  : >"$TEST_NOTES/mended"
  completes
  absent "$place"
  same idea "$(cat "$place".*/idea)"
  # Nor is a commit lost.
  rm "$TEST_NOTES/mended"
  VERIFY_COMMAND="$VERIFY_COMMAND;" refuses --force
  git -C "$place" commit --quiet --allow-empty -m Idea
  kept=$(git -C "$place" rev-parse HEAD)
  : >"$TEST_NOTES/mended"
  completes --force
  git -C "$project" worktree list | grep -q "$(git -C "$project" rev-parse --short "$kept")"
}

@test "what a crash has left of the worktree of a baseline is removed, and is no work" {
  project one
  NO_BASELINE=0
  export VERIFY_COMMAND='test -e "$TEST_NOTES/mended"'
  place=$spaces/baseline-${directory##*/}
  side=$project/.git/worktrees/${place##*/}
  # What setup leaves is nobody's work.
  SETUP_COMMAND='echo x >left; echo x >>README.md' refuses
  refuses
  same "${place##*/}" "$(ls "$spaces")"
  # git was killed while it wrote the files, or removed them; or before it had tied the worktree to the repository.
  for crash in 'rm "$place/README.md"; : >"$side/index.lock"' 'rm "$place/README.md" "$side/index"; echo initializing >"$side/locked"' \
    'find "$place" -mindepth 1 ! -name .git -delete; rm -r "$side"' 'rm "$side/commondir" "$side/index"; rm -r "$side/logs"; find "$place" -mindepth 1 ! -name .git -delete'; do
    eval "$crash"
    rm "$state/.baseline.result"
    refuses
    grep -q '^ERROR: the baseline failed (verify)' "$err"
    same "${place##*/}" "$(ls "$spaces")"
  done
  : >"$TEST_NOTES/mended"
  completes
  same task-001 "$(ls "$spaces")"
}

# bats test_tags=portable
@test "a baseline that is stopped, or killed, leaves nothing running, and is tried again" {
  project one
  NO_BASELINE=0
  export VERIFY_COMMAND="$(in_note verify); test -e \"$home/go\" || sleep 50"
  launch
  await noted verify-baseline
  term_ends_it
  out_has '[PROGRESS] execution status=interrupted'
  launch
  await eval 'test "$(grep -c . "$TEST_NOTES/notes")" -eq 2'
  crash
  : >"$home/go"
  completes
  end_naps
  same 'verify-baseline verify-baseline verify-baseline verify-1' "$(notes)"
}

# bats test_tags=one-shell
@test "a run that is stopped when the baseline has just succeeded launches nothing" {
  project one
  NO_BASELINE=0
  export VERIFY_COMMAND=true
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase "$*" in *baseline*) : >"%s/removing"; sleep 1 ;; esac\nexec %s "$@"\n' "$home" "$(PATH=$(script_path) type -P rm)" >"$home/bin/rm"
  chmod +x "$home/bin/rm"
  (
    prefer "$home/bin"
    launch
    await test -e "$home/removing"
    term_ends_it
  )
  out_has '[PROGRESS] execution status=interrupted'
  absent "$spaces/task-001" "$state/task-001.start"
  completes
}

# bats test_tags=one-shell
@test "the baseline of another directory of the same name is left alone" {
  project one
  NO_BASELINE=0
  mkdir "$project/other"
  cp -Rp "$dir" "$project/other/${directory##*/}"
  commit_all
  export VERIFY_COMMAND='test "$PARALLEL_TASK" != baseline || { : >"$TEST_NOTES/begun"; sleep 50; }'
  launch
  await test -e "$TEST_NOTES/begun"
  first=$pid
  BRANCH_PREFIX=other/ sh "$project/other/${directory##*/}/scripts/run-parallel.sh" >"$home/out.other" 2>&1 && return 1
  grep -q '^ERROR: the baseline failed (worktree)' "$home/out.other"
  grep -q -e "belongs to the baseline of 'parallel/${directory##*/}'" "$home/out.other"
  kill -s 0 "$first"
  living | grep -q 'sleep 50'
  term_ends_it
}

# bats test_tags=one-shell
@test "what a baseline has left that was killed is stopped, also where there is to be none" {
  project one
  export NO_BASELINE=0 VERIFY_COMMAND='test "$PARALLEL_TASK" != baseline || { : >"$TEST_NOTES/begun"; sleep 50; }'
  launch
  await test -e "$TEST_NOTES/begun"
  crash
  completes --no-baseline
  end_naps
  all_dead
}

# bats test_tags=one-shell
@test "the baseline has the time of a task" {
  project one
  NO_BASELINE=0
  VERIFY_COMMAND='sleep 50' refuses --verify-timeout 1
  grep -q '^ERROR: the baseline failed (verify)' "$err"
  SETUP_COMMAND='sleep 50' refuses --timeout 1
  grep -q '^ERROR: the baseline failed (timeout)' "$err"
  all_dead
}

# bats test_tags=one-shell
@test "a setup that changes what git tracks is found by the baseline" {
  project one
  NO_BASELINE=0
  SETUP_COMMAND='echo x >>README.md' VERIFY_COMMAND=true refuses
  grep -q '^ERROR: the baseline failed (uncommitted)' "$err"
  grep -q README.md "$err"
}

@test "a task whose agent has finished is not worked on again when its runner is lost in verify" {
  project one
  tune tick 1
  commit_all
  export VERIFY_COMMAND="$(in_note verify); test -e \"$home/go\" || sleep 50"
  agent task-001 <<<'note agent; work; finish'
  launch --retries 1
  await noted verify-1
  : >"$home/go"
  kill -s KILL "$(sed -n 's/^pid=//p' "$state/task-001.start")"
  finish
  ended_with 0
  same 'agent verify-1 verify-1' "$(notes)"
}
