# What .worktreeinclude names is copied into each worktree, and nothing else.

load helper

# included: print what a run would copy, as the log of the first task has it
included() {
  sed -n '/^\[run-parallel.sh: include: /,$ s/^  //p' "$logs/task-001.log"
}

# include <line>...: let the project's .worktreeinclude say this
include() {
  printf '%s\n' "$@" >"$project/.worktreeinclude"
  git -C "$project" add -f .worktreeinclude
  git -C "$project" commit --quiet -m 'Say what is included'
}

# ignore <line>...: let git ignore this
ignore() {
  printf '%s\n' "$@" >"$project/.gitignore"
  git -C "$project" add -f .gitignore
  git -C "$project" commit --quiet -m 'Say what is ignored'
}

# bats test_tags=portable, awk
@test "files that are named and ignored are copied, folders whole, links as links, modes kept" {
  project one
  ignore '.env*' node_modules/ conf/ 'out' '*.link'
  include '.env*' '!.env.production' node_modules conf/local 'out' '*.link'
  cd "$project"
  mkdir -p node_modules/a/b node_modules/empty conf/local elsewhere
  echo one >node_modules/a/b/one
  ln -s a/b node_modules/inner
  echo secret >.env
  chmod 600 .env
  chmod 750 node_modules/a
  echo never >.env.production
  echo local >conf/local/x
  echo no >conf/other
  ln -s "$home/outside" out
  mkdir "$home/outside"
  echo outside >"$home/outside/file"
  ln -s nowhere dangling.link
  from=$project
  completes --dry-run
  grep -q '^Include: 5 paths, ~[1-9][0-9]*KB each$' "$out"
  agent task-001 <<<'ls -A >"$TEST_NOTES/ls"; work; finish'
  completes
  task_ended task-001 'completed commits=1'
  same '.env
conf/local
dangling.link
node_modules
out' "$(included | sort)"
  cd "$spaces/task-001"
  same one "$(cat node_modules/a/b/one)"
  [ -d node_modules/empty ]
  same a/b "$(readlink node_modules/inner)"
  same "$home/outside" "$(readlink out)"
  same nowhere "$(readlink dangling.link)"
  same 0600 "$(mode_of .env)"
  same 0750 "$(mode_of node_modules/a)"
  absent .env.production conf/other elsewhere
  # The agent found it, and has not committed it.
  has "$TEST_NOTES/ls" .env node_modules
  branch_lacks feature/task-001-only .env
}

# bats test_tags=portable
@test "without .worktreeinclude nothing is copied, nor said" {
  project one
  ignore .env
  echo x >"$project/.env"
  completes --dry-run
  out_lacks Include
  completes
  absent "$spaces/task-001/.env" "$logs/state/task-001.steps"
}

# bats test_tags=awk
@test "names with newlines, blanks, quotes and letters of all kinds" {
  project one
  ignore '*.inc' 'we*' '-x' 'ü'
  include '*.inc' 'we*' '-x' 'ü' 'a  b'
  cd "$project"
  mkdir 'we
ird' -- -x
  echo 1 >'we
ird/file'
  echo 2 >"quote'\".inc"
  echo 3 >' blank  .inc'
  echo 4 >'new
line.inc'
  echo 5 >-x/y
  echo 6 >'back\slash.inc'
  [ "${PARALLELGEN_SHELL-}" = yash ] || echo 7 >ü
  completes
  cd "$spaces/task-001"
  same 1 "$(cat 'we
ird/file')"
  same 2 "$(cat "quote'\".inc")"
  same 3 "$(cat ' blank  .inc')"
  same 4 "$(cat 'new
line.inc')"
  same 5 "$(cat ./-x/y)"
  same 6 "$(cat 'back\slash.inc')"
  [ "${PARALLELGEN_SHELL-}" = yash ] || same 7 "$(cat ü)"
}

# bats test_tags=one-shell
@test "of a folder that is named, only what git ignores; what git tracks stays as the branch has it" {
  project one
  ignore '*.o' mixed/keep
  mkdir "$project/mixed" "$project/build"
  echo tracked >"$project/mixed/keep"
  echo tracked >"$project/build/code"
  git -C "$project" add -f mixed/keep build/code
  git -C "$project" commit --quiet -m 'Track what is ignored'
  include mixed build
  cd "$project"
  echo object >mixed/a.o
  echo object >build/b.o
  git update-index --assume-unchanged mixed/keep
  echo changed >mixed/keep
  completes
  same 'build/b.o
mixed/a.o' "$(included | sort)"
  same tracked "$(cat "$spaces/task-001/mixed/keep")"
}

@test "repositories, worktrees and our own logs are left out, wherever they lie" {
  project one
  ignore '*'
  include '*'
  cd "$project"
  mkdir -p vendor/lib/deep .claude/logs
  git init --quiet vendor/lib/repository
  echo a >vendor/lib/repository/a
  echo b >vendor/lib/deep/b
  echo c >vendor/c
  git worktree add --quiet -b other vendor/worktree
  echo note >.claude/logs/note
  echo log >"$dir/logs.txt"
  mkdir -p "$logs"
  echo old >"$logs/old.log"
  : >.claude-task-complete
  agent task-001 <<<'echo x >own; git add -f own; git commit --quiet -m Own; finish'
  completes
  cd "$spaces/task-001"
  same b "$(cat vendor/lib/deep/b)"
  same c "$(cat vendor/c)"
  same note "$(cat .claude/logs/note)"
  absent vendor/lib/repository vendor/worktree "$directory/logs"
  err_has "WARNING: 'vendor/lib/repository' is a repository, and not copied." "WARNING: 'vendor/worktree' is a repository, and not copied."
  same 1 "$(git -C "$project" rev-list --count main..feature/task-001-only)"
}

# bats test_tags=one-shell
@test "worktrees that lie in the project are not copied into each other" {
  project four
  ignore /.worktrees/
  include '*'
  cd "$project"
  mkdir -p .worktrees/cache
  echo x >.worktrees/cache/x
  WORKSPACE_ROOT=.worktrees completes
  absent .worktrees/task-002/.worktrees .worktrees/task-001/.worktrees
}

# bats test_tags=one-shell
@test "a link in the branch leads no copy out of the worktree" {
  project one
  mkdir "$home/outside"
  ln -s "$home/outside" "$project/conf"
  ln -s "$home/outside" "$project/.env"
  ignore conf .env
  git -C "$project" add -f conf .env
  git -C "$project" commit --quiet -m 'Links'
  git -C "$project" branch base
  git -C "$project" rm --quiet -r conf .env
  git -C "$project" commit --quiet -m 'No links'
  include conf .env
  cd "$project"
  git branch -f base base
  mkdir -p conf/sub
  echo secret >conf/sub/x
  echo secret >.env
  completes --base base
  same '' "$(ls -A "$home/outside")"
  [ -h "$spaces/task-001/conf" ]
  grep -q '^  conf: not copied' "$logs/task-001.log"
}

# bats test_tags=one-shell
@test "a virtual environment is copied with a warning" {
  project one
  ignore .venv/
  include .venv
  mkdir -p "$project/.venv/lib"
  echo 'home = /usr/bin' >"$project/.venv/pyvenv.cfg"
  completes --dry-run
  err_has "WARNING: .worktreeinclude names a virtual environment: './.venv'."
  completes
  [ -e "$spaces/task-001/.venv/pyvenv.cfg" ]
}

@test "many files by themselves, beside what git tracks, in folders with modes of their own" {
  project one
  ignore '*.ign'
  include '*.ign'
  mkdir -p "$project/private/keys" "$project/many"
  chmod 700 "$project/private"
  chmod 750 "$project/private/keys"
  echo tracked >"$project/many/file"
  commit_all
  echo key >"$project/private/keys/a.ign"
  (cd "$project/many" && for n in $(seq 1200); do echo "$n" >"$n.ign"; done)
  completes
  cd "$spaces/task-001"
  same 1200 "$(find many -name '*.ign' | grep -c .)"
  same 777 "$(cat many/777.ign)"
  same 0700 "$(mode_of private)"
  same 0750 "$(mode_of private/keys)"
}

@test "a copy that fails, fails the task before its agent starts" {
  project one
  ignore secret
  include secret
  echo x >"$project/secret"
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase "$*" in *secret*) echo "no copies today" >&2; exit 1 ;; esac\nexec %s "$@"\n' "$(PATH=$(script_path) type -P cp)" >"$home/bin/cp"
  chmod +x "$home/bin/cp"
  (
    prefer "$home/bin"
    fails
  )
  task_ended task-001 'failed error=include'
  grep -q 'no copies today' "$err"
  absent "$logs/state/task-001.agent"
  # The next attempt copies it.
  completes --retry-failed
  same x "$(cat "$spaces/task-001/secret")"
}

# bats test_tags=one-shell
@test "git that cannot read .worktreeinclude stops the run" {
  project one
  mkdir "$project/.worktreeinclude"
  refuses
  grep -q "^ERROR: git cannot read '.worktreeinclude'" "$err"
}

# bats test_tags=portable
@test "a copy that is killed leaves nothing that looks whole, and is made again" {
  project one
  ignore big small
  include big small
  cd "$project"
  mkdir big
  echo x >big/x
  echo y >small
  mkdir "$home/bin"
  printf '#!/bin/sh\ncase "$*" in *small*) : >"%s/at-it"; sleep 30 ;; esac\nexec %s "$@"\n' "$home" "$(PATH=$(script_path) type -P cp)" >"$home/bin/cp"
  chmod +x "$home/bin/cp"
  (
    prefer "$home/bin"
    launch
    await test -e "$home/at-it"
    kill_all
    finish
  )
  absent "$spaces/task-001/small"
  end_naps
  completes --retry-failed
  same y "$(cat "$spaces/task-001/small")"
  same x "$(cat "$spaces/task-001/big/x")"
  same '' "$(git -C "$spaces/task-001" status --porcelain)"
}

# bats test_tags=portable
@test "when a part of the list of what is included gets lost, nothing runs without it" {
  project one
  ignore .env
  include .env
  echo SECRET >"$project/.env"
  agent task-001 <<<'test -e .env || note lost; work; finish'
  mkdir "$home/bin"
  # Each of the first calls fails, of which some make the list.
  for tool in tr sed awk; do
    rm -f "$home/bin"/*
    printf '#!/bin/sh\necho >>"%s/calls"\n[ "$(wc -l <"%s/calls")" -ne "$(cat "%s/call")" ] || exit 1\nexec %s "$@"\n' \
      "$home" "$home" "$home" "$(PATH=$(script_path) type -P "$tool")" >"$home/bin/$tool"
    chmod +x "$home/bin/$tool"
    for call in 1 2 3 4 5 6 7 8 9 10; do
      echo "$call" >"$home/call"
      rm -f "$home/calls"
      (
        prefer "$home/bin"
        run_script --dry-run
        # A run lists it in the same calls.
        grep -q '^Include: 1 paths' "$out" || { rm -f "$home/calls" && run_script --force; }
      )
      absent "$TEST_NOTES/notes"
    done
  done
}
