# The agent of the storm: sh agent.sh FOLDER. It does what acts/TASK.ATTEMPT (or TASK.last) says, and notes all of it
# in the ledger: `begin`, `commit` and `end` with task, attempt and a word; `overlap` when another agent, or anything
# that an earlier one has left, is still at work in this worktree.
set -u
folder=$1
commits=0

note() {
  printf '%s %s %s %s\n' "$1" "$PARALLEL_TASK" "$PARALLEL_ATTEMPT" "$2" >>"$folder/ledger"
}

# head: print the commit, also when the storm kills who asks
head() {
  git rev-parse HEAD || git rev-parse HEAD || git rev-parse HEAD
}

pause() {
  sleep "$1"
}

work() {
  commits=$((commits + 1))
  echo "attempt $PARALLEL_ATTEMPT, commit $commits" >>"$PARALLEL_TASK.txt"
  git add -A && git commit --quiet -m "$PARALLEL_TASK: attempt $PARALLEL_ATTEMPT, commit $commits" || leave 97
  note commit "$(head)"
}

stray_session() {
  setsid sleep 300 &
}

stray_group() {
  (setsid sh -c 'sleep 300 & sleep 301' &)
}

stray_deaf() {
  setsid sh -c 'trap "" TERM HUP INT; sleep 300; sleep 301' &
}

finish() {
  : >.claude-task-complete
  note end 0
  exit 0
}

leave() {
  note end "$1"
  exit "$1"
}

forget_marker() {
  note end no_marker
  exit 0
}

# Whatever we start holds this descriptor, and with it the lock.
exec 9>"$folder/locks/$PARALLEL_TASK"
flock -n 9 || note overlap "$$"
note begin "$(head)"
act=$folder/acts/$PARALLEL_TASK.$PARALLEL_ATTEMPT
[ -e "$act" ] || act=$folder/acts/$PARALLEL_TASK.last
. "$act"
