# Agents and commands of the storm: sh agent.sh FOLDER is the agent, sh agent.sh FOLDER STEP WHOSE the command of a step
# (setup, verify, also), of the run or the task's own. It does what acts/TASK.ATTEMPT says, or acts/TASK.STEP.ATTEMPT (or
# .last), and notes all of it in the ledger, with task, attempt and a word:
#   agent: begin, commit and end                 setup: setup, set-up or setup-failed
#   verify: verify, verified or verify-failed    also:  also, also-verified or also-failed
#   check (of what was merged; WHOSE is the number of a wave, or `last`): check, and green or red, with the tree
# and what must not be: `overlap` when another agent or command, or anything that an earlier one has left, is still at work in
# this worktree; `unready` when the setup has not succeeded in it, `again` when it has, and is run once more; `torn` when what
# is included is not whole; `unclean` when what is to be verified is not what is committed.
set -u
folder=$1
step=${2-}
commits=0

note() {
  printf '%s %s %s %s\n' "$1" "$PARALLEL_TASK" "$PARALLEL_ATTEMPT" "$2" >>"$folder/ledger"
}

# head: print the commit, also when the storm kills who asks
head() {
  git rev-parse HEAD || git rev-parse HEAD || git rev-parse HEAD
}

# is_changed: true when tracked files are not as they are committed; also when the storm kills who asks
is_changed() {
  for turn in 1 2 3; do
    git diff --quiet HEAD
    case $? in
      0) return 1 ;;
      1) return 0 ;;
    esac
  done
  leave 97
}

pause() {
  sleep "$1"
}

work() {
  commits=$((commits + 1))
  echo "attempt $PARALLEL_ATTEMPT, commit $commits" >>"$PARALLEL_TASK.txt"
  git add -A -- . ':(exclude)left-by-*' &&
    git commit --quiet -m "$PARALLEL_TASK: attempt $PARALLEL_ATTEMPT, commit $commits" || leave 97
  note commit "$(head)"
}

# share: change a file that other tasks change as well
share() {
  echo "$PARALLEL_TASK" >shared.txt
}

# redden wave|last: be what turns the checks of waves red, or the last alone
redden() {
  : >"red-$1-$PARALLEL_TASK"
}

# pair: be one of those of which one alone is green
pair() {
  : >"pair-$PARALLEL_TASK"
}

# waver: be what turns a check red once
waver() {
  : >"waver-$PARALLEL_TASK"
}

# dirty: leave a tracked file, and another one, uncommitted
dirty() {
  echo "attempt $PARALLEL_ATTEMPT" >>"of-$PARALLEL_TASK.txt"
  echo "attempt $PARALLEL_ATTEMPT" >"$PARALLEL_TASK.untracked"
}

# What a command leaves gets the time to become another program: in that moment it shows no mark, and a command that ends just
# then is not seen to have left it.
show() {
  [ -z "$step" ] || sleep 0.1
}

stray_session() {
  setsid sleep 300 &
  show
}

stray_group() {
  (setsid sh -c 'sleep 300 & sleep 301' &)
  show
}

stray_deaf() {
  setsid sh -c 'trap "" TERM HUP INT; sleep 300; sleep 301' &
  show
}

finish() {
  : >.claude-task-complete
  if is_changed; then
    note end dirty
  else
    note end 0
  fi
  exit 0
}

leave() {
  case $step in
    '') note end "$1" ;;
    *) note "$step-failed" "$1" ;;
  esac
  exit "$1"
}

forget_marker() {
  note end no_marker
  exit 0
}

# --- of commands

litter() {
  : >"left-by-$step"
}

succeed() {
  case $step in
    setup)
      : >"$side/storm-set-up"
      note set-up -
      ;;
    verify) note verified "$(head)" ;;
    also) note also-verified "$(head)" ;;
  esac
  exit 0
}

fail() {
  leave "$1"
}

# judge: look at what was merged
judge() {
  mkdir "$folder/seen-${tree%:*}" 2>/dev/null
  is_new=$?
  colour=green
  for file in red-wave-* red-"$whose"-* waver-*; do
    case $file,$is_new in
      waver-*,1 | *'-*,'*) ;;
      *) colour=red ;;
    esac
  done
  set -- pair-*
  [ $# -lt 2 ] || colour=red
  note "$colour" "$tree"
  [ "$colour" = green ] && exit 0
  exit 1
}

# once <command>...: do it, the first time in all
once() {
  ! mkdir "$folder/once-$PARALLEL_TASK-$step" 2>/dev/null || "$@"
}

# A storm may kill who would stop us: in the end we fail by ourselves.
hang() {
  note "$step-failed" hang
  sleep 12
  exit 9
}

hang_deaf() {
  trap '' TERM HUP INT
  hang
}

commit_too() {
  note "$step-failed" sly
  git commit --quiet --allow-empty -m Sly
  exit 0
}

change_it() {
  note "$step-failed" sly
  echo sly >>"of-$PARALLEL_TASK.txt"
  exit 0
}

# is_whole: true when what is included is here as it is in the checkout
is_whole() {
  xargs cksum <"$folder/included.names" | cmp -s - "$folder/included"
}

# Whatever we start holds this descriptor, and with it the lock.
exec 9>"$folder/locks/$PARALLEL_TASK"
flock -n 9 || note overlap "$$"
# The worktree's own folder in the repository.
read -r word side <.git
name=$PARALLEL_TASK${step:+.$step}
act=$folder/acts/$name.$PARALLEL_ATTEMPT
[ -e "$act" ] || act=$folder/acts/$name.last
[ ! -e "$folder/included" ] || is_whole || is_whole || is_whole || note torn "${step:-agent}"
case $step in
  check)
    whose=$3
    tree=$(git rev-parse 'HEAD^{tree}') || tree=$(git rev-parse 'HEAD^{tree}') || tree=$(git rev-parse 'HEAD^{tree}') || leave 97
    tree=$tree:$whose
    ! is_changed || note unclean -
    note check "$tree"
    ;;
  '')
    [ ! -e "$folder/acts/$name.setup.last" ] || [ -e "$side/storm-set-up" ] || note unready -
    note begin "$(head)"
    ;;
  setup)
    [ ! -e "$side/storm-set-up" ] || note again -
    rm -f "$side/storm-set-up"
    note setup "$3"
    ;;
  *)
    [ "$step" = also ] || ! is_changed || note unclean -
    note "$step" "$3"
    ;;
esac
. "$act"
