# What only shows something is free of charge: it downloads nothing, writes nothing, waits for no lock, starts nothing that
# stays, and does not read the history. The script's own options, and the commands of parallelgen that stand before it.

load helper

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  parallelgen=${PYTHON%/*}/parallelgen
  [ -x "$parallelgen" ] || skip 'parallelgen is not installed'
  project=$home/project directory=parallel/TS-0042-inventory-system
  cp -Rp "${BATS_TEST_DIRNAME%/*}/examples/inventory" "$project"
  use_project
  cd "$project"
  git init --quiet --template= -b main
  git config user.name 'Test Person'
  git config user.email test@example.org
  git config maintenance.auto false
  commit_all
  "$parallelgen" run "$directory" --generate-only --agent-command "$AGENT_COMMAND" >"$out"
  commit_all
}

# looks [<command whose output must not change>]: show all that can be shown; each ends with 0, and within ten seconds
looks() {
  local look
  for look in '--dry-run' '--dry-run --retry-failed' '--dry-run --wave 2 --force' --status --preflight '--monitor --once' \
    plan 'plan --format json' status 'status --json' check validate 'run --dry-run'; do
    cd "$project"
    status=0
    # shellcheck disable=SC2086  # words
    case $look in
      --*) "$PERL" -e 'alarm 10; exec @ARGV' "${shell[@]}" "$script" $look >"$out" 2>"$err" </dev/null 3>&- || status=$? ;;
      *) "$PERL" -e 'alarm 10; exec @ARGV' "$parallelgen" $look "$directory" >"$out" 2>"$err" </dev/null 3>&- || status=$? ;;
    esac
    ended_with 0 || { printf '%s\n' "--- $look" && return 1; }
    [ $# -eq 0 ] || same "$before" "$("$@")" || { printf '%s\n' "--- $look" && return 1; }
  done
}

# everything: print what there is below the project, with size, mode and time of each
everything() {
  "$PYTHON" -I -c '
import os, sys
for folder, folders, files in os.walk(sys.argv[1]):
    folders.sort()
    for name in [".", *sorted(files)]:
        facts = os.lstat(os.path.join(folder, name))
        print(folder, name, facts.st_size, facts.st_mode, facts.st_mtime_ns, facts.st_ino)
' "$project"
}

# missing: print which objects are not there
missing() {
  git -C "$project" rev-list --objects --all --missing=print | grep '^?' | sort
}

# clone_part <filter>: go on in a partial clone that has only the files of the parallel directory, on a base that is elsewhere
clone_part() {
  git -C "$project" config uploadpack.allowFilter true
  git -C "$project" config uploadpack.allowAnySHA1InWant true
  mv "$project" "$home/upstream"
  git clone --quiet --no-checkout "--filter=$1" "file://$home/upstream" "$project"
  git -C "$project" config user.name 'Test Person'
  git -C "$project" config user.email test@example.org
  git -C "$project" sparse-checkout set "$directory"
  git -C "$project" checkout --quiet main
}

# bats test_tags=one-shell
@test "it writes nothing, not even the times in the index" {
  touch README.md
  local before
  before=$(everything)
  looks everything
}

# bats test_tags=one-shell
@test "it writes nothing after a run either" {
  completes --wave 1
  git commit --quiet -a -m 'Go on'
  touch README.md
  local before look
  before=$(everything)
  for look in '--dry-run --retry-failed' --status '--monitor --once' '--preflight --wave 2'; do
    completes $look
    same "$before" "$(everything)"
  done
}

# bats test_tags=one-shell
@test "it waits for no lock" {
  local lock
  for lock in index HEAD config packed-refs refs/heads/main; do
    : >".git/$lock.lock"
  done
  looks
  [ -e .git/index.lock ]
}

@test "it shows a run that is under way, and does not wait for it" {
  agent task-001 <<<'await [ -e "$TEST_NOTES/go" ]; work; finish'
  launch --wave 1
  await [ -s "$state/task-001.agent" ]
  local first=$pid look
  for look in --dry-run '--dry-run --retry-failed' --status '--monitor --once'; do
    "${shell[@]}" "$script" $look >"$home/shown" 2>"$home/said" </dev/null 3>&-
  done
  for look in plan status check validate 'run --dry-run'; do
    "$parallelgen" $look "$directory" >"$home/shown" 2>"$home/said" 3>&-
  done
  : >"$TEST_NOTES/go"
  pid=$first
  finish
  ended_with 0
}

# bats test_tags=one-shell
@test "in a clone without blobs it downloads none" {
  clone_part blob:none
  local before
  before=$(missing)
  [ -n "$before" ]
  looks missing
}

# bats test_tags=one-shell
@test "in a clone without trees it downloads none" {
  clone_part tree:0
  local before
  before=$(missing)
  [ -n "$before" ]
  looks missing
}

# bats test_tags=one-shell
@test "it asks no watcher of files, and starts none" {
  printf '%s\n' '#!/bin/sh' "echo asked >>'$TEST_NOTES/watcher'" >"$home/watcher"
  chmod +x "$home/watcher"
  git config core.fsmonitor "$home/watcher"
  git config core.untrackedCache true
  looks all_dead
  absent "$TEST_NOTES/watcher"
}

# bats test_tags=one-shell
@test "it does not read the history" {
  echo more >>README.md
  commit_all
  local first
  first=$(git rev-parse HEAD~1)
  rm -f ".git/objects/${first%"${first#??}"}/${first#??}"
  ! git log --quiet 2>/dev/null
  looks
}
