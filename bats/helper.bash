# shellcheck disable=SC2034,SC2016  # tests use the variables; perl has dollars of its own

# What the tests share: a project of their own, the script under test in the shell under test, and a look at what it
# left. Bash 3.2 will do. A test that leaves a process behind fails.

bats_require_minimum_version 1.5.0

read -r -a shell <<<"${PARALLELGEN_SHELL:-sh}"
if [ -n "${USERLAND-}" ]; then
  # Only the script, and what it starts, sees that userland.
  export PARALLELGEN_REAL_PATH=$PATH
  shell=(sh "${BASH_SOURCE[0]%/*}/userlands/enter" "$USERLAND" "$(type -P "${shell[0]}")" "${shell[@]:1}")
fi

# The person who runs the tests, a hook or a session may have set any of these.
# shellcheck disable=SC2046  # a list of names
unset $(git rev-parse --local-env-vars) CDPATH MAX_CONCURRENT TASK_TIMEOUT GRACE RETRIES HALT SCHEDULE MAX_LOG_SIZE WORKSPACE_ROOT \
  BASE_BRANCH BRANCH_PREFIX SKIP_TASKS SUBMODULES SETUP_COMMAND VERIFY_COMMAND SETUP_TIMEOUT VERIFY_TIMEOUT NO_BASELINE \
  INTEGRATE VERIFY_INTEGRATION SKIP_CULPRITS REQUIRE_COMMITS COMMIT_LEFTOVERS AGENT_NAME AGENT_MODEL AGENT_ARGS LIMIT_WAIT STALL_TIMEOUT MAX_COST
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
umask 022

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
}

teardown() {
  nothing_runs
}

# allow_retries: let the matrix, which runs thousands of tests on a busy box, try one that failed again, and tell it which.
# ksh93 takes a variable for unset, now and then, when a trap runs in the middle of an expansion
allow_retries() {
  BATS_TEST_RETRIES=${PARALLELGEN_RETRIES:-0}
  [ "${PARALLELGEN_SHELL-}" != ksh93 ] || BATS_TEST_RETRIES=2
  [ -z "${PARALLELGEN_RETRIED-}" ] || [ "${BATS_TEST_TRY_NUMBER:-1}" -eq 1 ] ||
    printf '%s\n' "${BATS_TEST_DESCRIPTION-}" >>"$PARALLELGEN_RETRIED"
}

# begin <folder> <id>: prepare a place for the projects, agents and notes of a test, or of a whole file
begin() {
  home=$1
  allow_retries
  export PARALLELGEN_TEST_ID=$$.$2 HOME=$home TEST_NOTES=$home/notes TEST_AGENTS=$home/agents
  export AGENT_COMMAND="sh '${BATS_TEST_DIRNAME//\'/\'\\\'\'}/agents/fake.sh'" GRACE=1
  mkdir -p "$TEST_NOTES" "$TEST_AGENTS"
  out=$home/out err=$home/err from=''
}

# project <plan> [<name> [<directory>]]: copy the project of that plan, and set the paths in it
project() {
  project=$home/${2:-project} directory=parallel/${3:-TS-0042-inventory}
  cp -Rp "$PROJECTS/$1" "$project"
  if [ $# -gt 2 ]; then
    mv -- "$project/parallel/TS-0042-inventory" "$project/$directory"
    commit_all
  fi
  use_project
}

# use_project: set the paths of the project
use_project() {
  dir=$project/$directory
  script=$directory/scripts/run-parallel.sh
  manifest=$dir/manifest.json logs=$dir/logs state=$dir/logs/state
  spaces=${project%/*}/workspaces
}

# commit_all: commit everything in the project
commit_all() {
  git -C "$project" add -A
  git -C "$project" commit --quiet -m 'Go on'
}

# agent <task>...: let the agent do what stdin says, for these tasks
agent() {
  local text
  text=$(cat)
  for task in "$@"; do
    printf '%s\n' "$text" >"$TEST_AGENTS/$task.sh"
  done
}

# tune <name> <value>: change one of the numbers that stand in the script
tune() {
  sed "s/^\(retry_delay=.*\)\{0,1\}$1=[0-9]*/\1$1=$2/" "$dir/scripts/run-parallel.sh" >"$home/tuned"
  cat "$home/tuned" >"$dir/scripts/run-parallel.sh"
}

# plan_of <plan> [<tick>]: a project in which the script looks often
plan_of() {
  project "$1"
  tune tick "${2:-1}"
  tune retry_delay 1
  commit_all
}

# launch <argument>...: start the script, as a person would who stands in the root of the project. Signals are as at a
# terminal, whatever started us, and an alarm ends a script that hangs.
launch() {
  cd "${from:-$project}" || return
  "$PERL" -e '$SIG{$_} = "DEFAULT" for qw(HUP INT QUIT PIPE TERM USR1 USR2); alarm 60; exec { $ARGV[0] } @ARGV' -- \
    "${shell[@]}" "$script" "$@" </dev/null >"$out" 2>"$err" 3>&- &
  pid=$!
}

# finish: wait for the end of the script, and set status
finish() {
  status=0
  wait "$pid" || status=$?
}

# run_script <argument>...: run the script to its end, and set status
run_script() {
  launch "$@"
  finish
}

# show: print what the script said; bats prints it when the test fails
show() {
  printf '%s\n' "--- status ${status-}" '--- stdout'
  # /dev/full has no end.
  [ ! -f "$out" ] || cat -- "$out"
  printf '%s\n' '--- stderr'
  cat -- "$err"
  local log
  for log in "$logs"/*.log; do
    [ ! -s "$log" ] || [ "${log##*/}" = orchestrator.log ] || { printf '%s\n' "--- ${log##*/}" && tail -n 20 -- "$log"; }
  done
}

# ended_with <status>
ended_with() {
  [ "$status" -eq "$1" ] || { show && printf '%s\n' "--- expected status $1" && return 1; }
}

# completes <argument>...: run the script, which must complete
completes() {
  run_script "$@"
  ended_with 0
}

# fails <argument>...: run the script, which must fail in order
fails() {
  run_script "$@"
  ended_with 1
}

# refuses <argument>...: run the script, which must do nothing and say why
refuses() {
  run_script "$@"
  ended_with 2
}

# same <expected> <found>
same() {
  [ "$1" = "$2" ] || { show && printf '%s\n' '--- expected' "$1" '--- found' "$2" && return 1; }
}

# out_is, err_is: the output is what stdin says
out_is() {
  diff -u --label expected - --label found "$out" || { show && return 1; }
}
err_is() {
  diff -u --label expected - --label found "$err" || { show && return 1; }
}

# has <file> <line>..., lacks <file> <text>...
has() {
  local file=$1 line
  shift
  for line in "$@"; do
    grep -q -x -F -e "$line" -- "$file" || { show && printf '%s\n' "--- no such line in $file: $line" && return 1; }
  done
}
lacks() {
  local file=$1 text
  shift
  for text in "$@"; do
    if grep -q -F -e "$text" -- "$file"; then
      show
      printf '%s\n' "--- should not be in $file: $text"
      return 1
    fi
  done
}

# out_has <line>..., err_has <line>..., out_lacks <text>..., err_lacks <text>...
out_has() {
  has "$out" "$@"
}
err_has() {
  has "$err" "$@"
}
out_lacks() {
  lacks "$out" "$@"
}
err_lacks() {
  lacks "$err" "$@"
}

# task_ended <task> <rest of its progress line>
task_ended() {
  grep -q -x -e "\[PROGRESS\] wave=[0-9]* task=$1 status=$2" -- "$out" ||
    { show && printf '%s\n' "--- expected of $1: status=$2" && return 1; }
}

# started: print the tasks that were started, in order
started() {
  sed -n 's/^\[PROGRESS\] wave=[0-9]* task=\([^ ]*\) status=started.*/\1/p' "$out" | paste -s -d ' ' -
}

# execution <expression>: print a Python expression on the `execution` member e of the manifest m
execution() {
  "$PYTHON" -I -c '
import json, sys
m = json.load(open(sys.argv[1], encoding="utf-8-sig"))
e = m.get("execution")
print(json.dumps(eval(sys.argv[2])))
' "$manifest" "$1"
}

# await <command> [<argument>...]: wait until the command succeeds, but not for ever
await() {
  local tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || { show && printf '%s\n' "--- waited in vain for: $*" && return 1; }
    sleep 0.02
  done
}

# noted <text>: true when an agent has noted this
noted() {
  grep -q -x -F -e "$1" -- "$TEST_NOTES/notes" 2>/dev/null
}

# branch_has <branch> <path>, branch_lacks <branch> <path>
branch_has() {
  git -C "$project" cat-file -e "$1:$2" || { show && printf '%s\n' "--- $1 lacks $2" && return 1; }
}
branch_lacks() {
  ! git -C "$project" cat-file -e "$1:$2" 2>/dev/null || { show && printf '%s\n' "--- $1 has $2" && return 1; }
}

# absent <path>...: none of these exists
absent() {
  local path
  for path in "$@"; do
    [ ! -e "$path" ] || { show && printf '%s\n' "--- should not exist: $path" && return 1; }
  done
}

# mode_of <path>: print its permissions
mode_of() {
  "$PERL" -e 'printf "%04o\n", (stat $ARGV[0])[2] & 07777' "$1"
}

# hides_proc: true when the script under test sees no /proc: it finds nobody who left his group and lost his parent
hides_proc() {
  [ -d "${USERLAND:-none}/proc" ]
}

# script_path: print the PATH of the script under test
script_path() {
  local rest=$PATH
  if [ -n "${USERLAND-}" ]; then
    rest=$(cat "$USERLAND/rest")
    rest=$USERLAND/bin${rest:+:$rest}
  fi
  printf '%s\n' "$rest"
}

# prefer <folder>: put the folder before all others in the PATH of the script under test
prefer() {
  export PARALLELGEN_BOX
  PARALLELGEN_BOX=$1:$(script_path)
  PATH=$1:$PATH
}

# use_claude: let the script find the claude of the tests; it is the agent of the plan `claude`, unless AGENT_COMMAND is set
use_claude() {
  mkdir -p "$home/bin"
  cp "$BATS_TEST_DIRNAME/agents/claude.sh" "$home/bin/claude"
  chmod +x "$home/bin/claude"
  prefer "$home/bin"
  export IS_SANDBOX=1 TEST_FAKE=$BATS_TEST_DIRNAME/agents/fake.sh
}

# wait_at <command> <pattern>: let the script wait for ever where it calls the command with arguments that match, for the first time
wait_at() {
  mkdir -p "$home/bin"
  cat >"$home/bin/$1" <<END
#!/bin/sh
case "\$*" in
  $2) ! mkdir "\$TEST_NOTES/waiting" 2>/dev/null || exec sleep 60 ;;
esac
exec $(PATH=$(script_path) type -P "$1") "\$@"
END
  chmod +x "$home/bin/$1"
  prefer "$home/bin"
}

# own_commands: the script has these commands of single tasks
own_commands() {
  cat >"$home/commands"
  sed -e "/^  cat <<'COMMANDS'\$/r $home/commands" "$dir/scripts/run-parallel.sh" >"$home/script"
  cat "$home/script" >"$dir/scripts/run-parallel.sh"
  commit_all
}

# notes: print what agents and commands have noted, in one line
notes() {
  paste -s -d ' ' "$TEST_NOTES/notes"
}

# lines_of <task>: print the status of each of its progress lines
lines_of() {
  sed -n "s/^\[PROGRESS\] wave=[0-9]* task=$1 status=\([a-z]*\).*/\1/p" "$out" | paste -s -d ' ' -
}

# fact <key> <record>: print what the record says of it
fact() {
  sed -n "s/^$1=//p" "$state/$2"
}

# poor_box <command>...: make a folder that holds git, the POSIX utilities and these commands, and nothing else
poor_box() {
  local box=$home/box utility place path
  path=$(script_path)
  mkdir "$box"
  for utility in sh git awk basename cat chmod cksum cmp comm cp cut date dd df diff dirname du env expr find fold grep \
    head id kill ln ls mkdir mkfifo mv od paste printf ps pwd rm rmdir sed sleep sort stty tail tee touch tr tty uname uniq wc xargs "$@"; do
    place=$(PATH=$path type -P "$utility") || :
    [ -z "$place" ] || ln -s "$place" "$box/$utility"
  done
  [ -e "$box/cksum" ] || ln -s "$(PATH=$path type -P sha256sum)" "$box/sha256sum"
  shell[0]=$(type -P "${shell[0]}")
  box_path=$box
}

# on_poor_box <command> [<argument>...]: run the command with the PATH of the poor box
on_poor_box() {
  local status_of=0 path=$PATH
  PATH=$box_path
  export PARALLELGEN_BOX=$box_path
  "$@" || status_of=$?
  PATH=$path
  unset PARALLELGEN_BOX
  return "$status_of"
}

# living: print `pid command` for each process that this test has started and that runs
living() (
  mark=PARALLELGEN_TEST_ID=$PARALLELGEN_TEST_ID
  # What looks must not find itself.
  unset PARALLELGEN_TEST_ID
  grep -l -a -F -e "$mark" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ number _; do
    if command=$({ tr '\0' ' ' <"/proc/$number/cmdline"; } 2>/dev/null); then
      printf '%s %s\n' "$number" "$command"
    fi
  done
)

# kill_all [<pattern>]: kill what this test has started and whose command line matches, as a crash would
kill_all() {
  living | while read -r number command; do
    # shellcheck disable=SC2254  # a pattern
    case $command in
      ${1-*}) kill -s KILL "$number" 2>/dev/null || : ;;
    esac
  done
}

# end_naps: a scheduler or runner that was killed leaves the sleep that it waits for, which does not take long; nor do we
end_naps() {
  local seconds
  for seconds in 1 2 4 8 10 16 32; do
    kill_all "sleep $seconds"
  done
  # ksh93 sleeps by itself.
  [ "${PARALLELGEN_SHELL-}" != ksh93 ] || living | while read -r number _; do
    ! grep -q nanosleep "/proc/$number/wchan" 2>/dev/null || kill -s KILL "$number" 2>/dev/null || :
  done
}

# nobody_lives: true when this test has no process left
nobody_lives() {
  [ -z "$(living)" ]
}

# all_dead: check at once, without grace, that no process is left
all_dead() {
  local left
  left=$(living)
  [ -z "$left" ] || { show && printf '%s\n' '--- still running' "$left" && return 1; }
}

# term_ends_it [<seconds>]: one TERM ends the run, within so many seconds, and no process is left
term_ends_it() {
  SECONDS=0
  kill -s TERM "$pid"
  finish
  ended_with 143 || return
  [ $# -eq 0 ] || [ "$SECONDS" -le "$1" ] || return
  all_dead
}

# nothing_runs: end what the test left running, by process id, and fail if there was something
nothing_runs() {
  local left number tries=0
  left=$(living)
  while [ -n "$left" ] && [ "$tries" -lt 20 ]; do
    sleep 0.05
    tries=$((tries + 1))
    left=$(living)
  done
  [ -n "$left" ] || return 0
  printf '%s\n' '--- the test left these processes behind' "$left"
  tries=0
  while [ -n "$left" ] && [ "$tries" -lt 50 ]; do
    kill_all
    tries=$((tries + 1))
    left=$(living)
  done
  return 1
}
