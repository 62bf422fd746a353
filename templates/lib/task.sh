# --- task: one task from its worktree to its verdict

# begin_attempt: give the next attempt a log of its own, and report that it starts; or go on with one that a limit has stopped.
# Sets: attempt (1 for the first) resuming (1 when an earlier one may have left anything) ended_by (the error of that, if any)
# waited (seconds that are not the task's) limits limited_since
begin_attempt() {
  resuming=$retry ended_by='' waited=0 limits=0 limited_since=''
  [ "$tried" -eq 0 ] || resuming=1
  if read_record "$id.result"; then
    ended_by=${record_error:-$record_status}
    case $ended_by in
      skipped | blocked) ended_by= ;;
    esac
  elif [ "$resuming" -eq 1 ] && [ -e "$state/$id.start" ]; then
    ended_by=lost
  fi
  if [ "$ended_by" = limited ] && [ "${again#*" $id "}" = "$again" ]; then
    resuming=1 attempt=$record_attempt waited=$((${record_waited:-0} + now - ${record_finished:-$now}))
    limits=$record_limits limited_since=$record_since first_started=$record_started first_started_at=$record_started_at
    replace_facts '' launched begun answered said
    forget_verdict
    say "[run-parallel.sh: the limit is over]" >>"$log"
    progress "wave=$wave task=$id status=resumed"
    return
  fi
  [ "$fresh" -eq 0 ] || [ "${again#*" $id "}" = "$again" ] || replace_facts '' session
  first_started=
  replace_facts '' offset turns input_tokens output_tokens cost_usd outcome resets_at said
  keep_log "$logs/$id"
  attempt=$turn
  printf '' >"$log"
  forget_verdict
  nth=
  [ "$attempt" -eq 1 ] || nth=" attempt=$attempt"
  progress "wave=$wave task=$id status=started$nth"
}

# keep_log <path>: if there is PATH.log, move it to PATH.N.log. Sets: turn (the number of the next one)
keep_log() {
  turn=1
  while is_there "$1.$turn.log"; do
    turn=$((turn + 1))
  done
  if is_there "$1.log"; then
    mv -f -- "$1.log" "$1.$turn.log"
    turn=$((turn + 1))
  fi
}

# run_task <steps>: take the task through its steps to its verdict, and record that before anybody is told
run_task() {
  # This may be a subshell: it inherits the variables of the scheduler, not its traps.
  awake='' sleeper='' step='' last_step='' stopped_step='' cause='' settled='' error='' exit_code='' start_commit=''
  commits='' uncommitted='' stopped='' outside='' tip='' accepted='' limited_until=''
  read_pid
  runner=$pid
  [ "$runner" = "$$" ] || trap 'stop_task interrupted' TERM
  trap 'stop_task timeout' USR2
  # Only what runs can be overdue: to stop what it has left takes the grace period.
  trap '[ -z "$step" ] || { overdue=1 && stop_step; }' USR1
  read_identity "$runner"
  runner_identity=$identity
  find_use
  started=${first_started:-$now} started_at=${first_started:+$first_started_at}
  started_at=${started_at:-$now_at}
  write_record "$id.start" "attempt=$attempt" "tried=${tried#0}" "used=$used" "slot=$slot" "probe=$probe" \
    "waited=${waited#0}" "started=$started" "started_at=$started_at" "identity=$runner_identity" "pid=$runner" || return 1
  # Either a new scheduler sees this record, or we see that it has taken over from ours, and leave the task to it.
  [ "$runner" = "$$" ] || [ -e "$state/lock.$$" ] || return 1
  [ "$resuming" -eq 0 ] || ! is_ours || stop_remains 2>>"$log"
  [ "$limit" != - ] || limit=$TASK_TIMEOUT
  keep_time "$((limit - (now - started - waited)))" USR2 &
  timekeeper=$!
  find_commands
  recall_steps
  "$1"

  decide_verdict
  [ "$verdict" = limited ] || limits=0 limited_since=
  # What comes now cannot change the verdict.
  trap '' USR1 USR2
  [ -z "$branch" ] || trap '' TERM
  read_clock
  write_result "attempt=$attempt" "tried=${tried#0}" "tip=$tip" "commits=$commits" "uncommitted=$uncommitted" "stopped=$stopped" \
    "outside=$outside" "exit_code=$exit_code" "error=$error" "step=$step_name" "waited=${waited#0}" "started=$started" "started_at=$started_at"
  kill -s TERM "$timekeeper" 2>/dev/null
  reap "$timekeeper"
}

# do_task: the steps of a task, each if the one before it has succeeded
do_task() {
  if ! make_worktree; then
    error=worktree
    [ -n "$cause" ] || complain "cannot create worktree $WORKSPACE_ROOT/$id:"
  elif ! merge_dependencies; then
    : # It has set error, as those below do.
  elif ! add_submodules; then
    error=worktree
    [ -n "$cause" ] || complain "cannot initialise the submodules of $WORKSPACE_ROOT/$id:"
  elif [ ! -f "$dir/$prompt" ] || [ ! -r "$dir/$prompt" ]; then
    error=prompt_missing
  elif include_files && set_up && [ -z "$cause" ]; then
    run_agent
    [ -n "$cause$error$limited_until" ] || { judge_agent && commit_leftovers && check_commits && verify_work && accepted=1; }
  fi
}

# find_use: find out whether an agent or a person may have worked in the worktree. Sets: used (0: it holds only what our git
# commands have written, if there is one)
find_use() {
  used=0
  [ "$resuming" -eq 1 ] && is_there "$worktree" || return 0
  # A verdict may have called a person here.
  if [ -e "$state/$id.agent" ] || [ -e "$state/$id.steps" ] || [ -e "$state/$id.earlier" ] || ! read_record "$id.start" || [ "$record_used" != 0 ]; then
    used=1
  fi
}

# is_ours: true unless the worktree holds something of another run that has a task of the same id
is_ours() {
  if [ -z "$branch" ]; then
    # Two directories may have the same name.
    find_owner "$workspaces_name/${worktree##*/}"
    [ "${made_by:-$dir_name}" = "$dir_name" ]
    return
  fi
  [ -e "$state/$id.agent" ] || ! read_worktree || is_on_branch || [ -z "$head" ]
}

# keep_time <seconds> <signal>: in the background, whether or not the scheduler lives: send the runner the signal when the time
# is over; and, for the whole task, cut the logs of its steps that have grown too long
keep_time() {
  trap 'runner=; wake' TERM
  trap '' INT HUP USR1 USR2
  due=$((now + $1)) left=$1
  while :; do
    nap "$((left < 1 ? 1 : left < tick ? left : tick))"
    # bash may lose a trap: the verdict ends us as well, and the runner is told until it has heard.
    is_alive "$runner" "$runner_identity" && [ ! -s "$state/$id.result" ] || return 0
    for file in "$setup_log" "$verify_log"; do
      [ "$2" != USR2 ] || [ ! -f "$file" ] || ! size=$(wc -c <"$file") || [ "$size" -le "$MAX_LOG_SIZE" ] || cut_log "$file"
    done
    read_clock
    left=$((due - now))
    [ "$left" -gt 0 ] || [ -z "$runner" ] || kill -s "$2" "$runner"
  done
}

# cut_log <file>: cut a log that has grown too long
cut_log() {
  # dd without input truncates its output at the offset.
  dd if=/dev/null of="$1" bs=1 seek="$MAX_LOG_SIZE" 2>/dev/null
  printf '\n[run-parallel.sh: log cut at %s bytes]\n' "$MAX_LOG_SIZE" >>"$1"
}

# run_step <command>...: run one step of the task in the background, where a signal to the runner can stop it, and wait for
# its end; return its status. Sets: step (its process, as long as it runs) last_step
run_step() {
  earlier_cause=$cause
  "$@" &
  step=$! last_step=$!
  # A signal that came before this line has only left its cause.
  [ "$cause" = "$earlier_cause" ] || stop_processes "$step" 2>/dev/null
  wait "$step" 2>/dev/null
  step_status=$?
  # A signal ends a wait early: when its trap has stopped the step, or when it went to the scheduler, in a subshell of bash.
  while [ "$step_status" -gt 128 ] && kill -s 0 "$step" 2>/dev/null; do
    wait "$step" 2>/dev/null
    step_status=$?
  done
  step=
  return "$step_status"
}

# stop_task <cause>: called by traps: record why before any signal is sent, then stop the step that goes on. Once the verdict
# is settled it stands
stop_task() {
  [ -n "$settled" ] || cause=${cause:-$1}
  stop_step
}

# stop_step: called by traps: stop the step that goes on
stop_step() {
  [ -n "$step" ] && [ "$step" != "$stopped_step" ] || return 0
  stopped_step=$step
  stop_processes "$step" 2>/dev/null
}

# count_commits: count what the agent has committed on the task's branch. Sets: commits tip
count_commits() {
  if [ -z "$tip" ] && made=$(read_git -C "$root" rev-list "$start_commit..refs/heads/$branch" 2>>"$log"); then
    # shellcheck disable=SC2086  # a commit each
    set -- $made
    commits=$# tip=${1-$start_commit}
  fi
}

# find_outside: list the paths that the task's commits have touched outside of its scope, or inside its boundary. Sets: outside
# (how many, empty for none)
find_outside() {
  [ -n "$scope$boundary" ] && [ "${commits:-0}" -gt 0 ] || return 0
  read_git -C "$root" log --no-show-signature --first-parent --no-merges --no-renames --format= --name-only -z "$start_commit..$tip" |
    tr '\n\000' ' \n' |
    LC_ALL=C sort -u | LC_ALL=C awk '
      # Some shells do not read what is not UTF-8, and a manifest must not hold it.
      function is_text(path) {
        gsub(/[\302-\337][\200-\277]|[\340-\357][\200-\277][\200-\277]|[\360-\364][\200-\277][\200-\277][\200-\277]/, "", path)
        return path !~ /[^\040-\176]/
      }
      !is_text($0) { gsub(/[^\040-\176]/, "?") }
      NF' |
    while IFS= read -r path; do
      { { [ -z "$scope" ] || matches "$path" "$scope"; } && ! matches "$path" "$boundary"; } || say "$path"
    done >"$state/$id.outside"
  outside=$(grep -c '' <"$state/$id.outside")
  outside=${outside#0}
}

# matches <path> <patterns>: true when one of the patterns means the path, or a folder above it
matches() {
  set -f
  for pattern in $2; do
    # shellcheck disable=SC2254  # they are patterns
    case $1 in
      $pattern | ${pattern%/}/*) set +f && return ;;
    esac
  done
  set +f
  return 1
}

# decide_verdict: the first that applies. Sets: verdict error tip commits uncommitted outside
decide_verdict() {
  if [ -n "$start_commit" ]; then
    count_commits
    find_outside
    ! read_left || uncommitted=$(grep -c '' <"$changes")
    uncommitted=${uncommitted#0}
  fi
  verdict=failed
  if [ "$cause" = interrupted ]; then
    verdict=interrupted error=
  elif [ -n "$cause" ]; then
    error=$cause
  elif [ -n "$limited_until" ]; then
    verdict=limited
  elif [ -n "$accepted" ]; then
    verdict=completed
  else
    # Where no step has a word for it, a record could not be written.
    error=${error:-state}
  fi
}
