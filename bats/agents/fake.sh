# The agent of the tests: does what $TEST_AGENTS/<task>.sh says, or else its work, and says that it is done.
set -eu

# work [<file>]: commit one file
work() {
  printf 'by %s\n' "$PARALLEL_TASK" >"${1:-$PARALLEL_TASK.txt}"
  git add -A
  git commit --quiet -m "Write ${1:-$PARALLEL_TASK.txt}"
}

# finish: leave the marker
finish() {
  : >.claude-task-complete
}

# note <text>: tell the test something, in order
note() {
  printf '%s\n' "$*" >>"$TEST_NOTES/notes"
}

# await <command> [<argument>...]: wait until the command succeeds, but not for ever
await() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ] || exit 99
    sleep 0.02
  done
}

# ended <task>: true when the task's verdict is recorded
ended() {
  [ -s "$PARALLEL_DIR/logs/state/$1.result" ]
}

if [ -e "$TEST_AGENTS/$PARALLEL_TASK.sh" ]; then
  # shellcheck source=/dev/null
  . "$TEST_AGENTS/$PARALLEL_TASK.sh"
else
  work
  finish
fi
