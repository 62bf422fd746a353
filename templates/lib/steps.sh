# --- steps: what is run in a worktree before and after the agent, each step recorded

# find_commands: find out what is run for the task, and what it may touch. Sets: setup verify also_verify model subagent scope boundary
# (empty: nothing) agent verify_limit (seconds)
find_commands() {
  setup=$SETUP_COMMAND verify=$VERIFY_COMMAND also_verify='' agent=$default_agent model=$AGENT_MODEL subagent='' scope='' boundary=''
  verify_limit=$VERIFY_TIMEOUT
  while read -r owner kind text; do
    case $owner,$kind,$text in
      "$id,setup,"*) setup=$text ;;
      "$id,verify,+"*) also_verify=${text#+} ;;
      "$id,verify,"*) verify=$text ;;
      "$id,agent,"*) agent=$text ;;
      "$id,model,"*) model=$text ;;
      "$id,subagent,"*) subagent=$text ;;
      "$id,scope,"*) scope=$text ;;
      "$id,boundary,"*) boundary=$text ;;
    esac
  done <<EOF
$(say "$own_commands" | grep -e "^$id ")
EOF
}

# recall_steps: find out what has been done in the worktree. Sets: step_name has_included (1: yes) was_including (1: it was cut
# off) set_up_with (the setup that has succeeded) has_worked (1: the agent has done its part)
recall_steps() {
  step_name='' has_included='' was_including=0 set_up_with='' has_worked=''
  read_record "$id.steps" || return 0
  [ "$record_step" != include ] || was_including=1
  has_included=$record_included set_up_with=$record_setup has_worked=$record_worked
  record_steps
}

# record_steps [<pid> <identity>]: record what has been done in the worktree, and what goes on there, in which process
record_steps() {
  write_record "$id.steps" "step=$step_name" "included=$has_included" "setup=$set_up_with" "worked=$has_worked" \
    "identity=${2-}" "pid=${1-}"
}

# record_process: record who runs the step that goes on: the process that we are
record_process() {
  read_pid
  read_identity "$pid"
  case $step_name in
    include | setup | verify) record_steps "$pid" "$identity" ;;
    *) write_record "$id.agent" "start_commit=$start_commit" "identity=$identity" "pid=$pid" ;;
  esac
}

# forget_steps: what has been done in a worktree does not count for another; what it has cost does
forget_steps() {
  for record in steps before feedback; do
    [ ! -e "$state/$id.$record" ] || rm -f -- "$state/$id.$record"
  done
  replace_facts '' session
  has_included='' was_including=0 set_up_with='' has_worked=''
}

# enter_step <name> [<status>]: record that a step begins, and tell it. Sets: step_name
enter_step() {
  step_name=$1
  record_steps
  read_clock
  [ $# -eq 1 ] || [ -z "$branch" ] || progress "wave=$wave task=$id status=$2"
  tell_scheduler
}

# tell_scheduler: let it look for news. By now another process may have the number of one that died
tell_scheduler() {
  [ "$runner" = "$$" ] || ! is_alive "$$" "$own_identity" || kill -s USR1 "$$"
}

# run_command <command> <seconds> <log>: run a command of the user's in the worktree, for at most so many seconds (0: as long
# as the task may take), and stop what it leaves; return its status. Sets: step_status
run_command() {
  step_log=$3 keeper='' overdue=''
  say "[run-parallel.sh: $1]" >>"$step_log"
  if [ "$2" -gt 0 ]; then
    keep_time "$2" USR1 &
    keeper=$!
  fi
  [ -n "$cause" ] || run_group become_command "$1" /dev/null
  [ -z "$keeper" ] || { kill -s TERM "$keeper" 2>/dev/null && reap "$keeper"; }
  [ -z "$cause$overdue" ] || step_status=143
  say "[run-parallel.sh: ended with status $step_status${overdue:+, stopped after $2 seconds}]" >>"$step_log"
  return "$step_status"
}

# set_up: run setup, unless it has succeeded in this worktree; false when it fails. Sets: error
set_up() {
  [ -n "$setup" ] && [ "$set_up_with" != "$setup" ] || return 0
  [ "$setup_log" = "$log" ] || keep_log "${setup_log%.log}"
  enter_step setup setup
  if ! run_command "$setup" "$SETUP_TIMEOUT" "$setup_log"; then
    error=setup
    [ -n "$cause" ] || complain "setup failed with status $step_status:" "$setup_log"
    return 1
  fi
  set_up_with=$setup
  record_steps
}

# begin_work: record that setup is over and the agent begins, and what it finds that git does not track
begin_work() {
  [ -n "$included$setup$verify$also_verify" ] || return 0
  if [ -n "$included$setup" ] && [ ! -e "$state/$id.agent" ]; then
    if ! list_found || ! mark_ready || ! mv -f -- "$changes" "$state/$id.before"; then
      error=worktree
      return 1
    fi
  fi
  case $step_name in
    setup) enter_step agent running ;;
    *) enter_step agent ;;
  esac
}

# list_found: list what lies in the worktree and is not tracked. Sets: changes (a file)
list_found() {
  read_changes --untracked-files=all --ignored=matching
}

# mark_ready: record that setup is over in a worktree in which nobody has worked, and what was found there: what is new from now
# on may be somebody's work
mark_ready() {
  if [ "$used" -eq 0 ] && read_worktree && [ ! -e "$git_dir/parallelgen-ready" ]; then
    read_clock && { say "$now" && cat -- "$changes"; } >"$git_dir/parallelgen-ready"
  fi
}

# read_left [<option>]: find out what the agent has left uncommitted, without what it found. Sets: changes (a file)
read_left() {
  # What was stopped has the grace period for it.
  stop_signal=0
  if [ -s "$state/$id.before" ]; then
    read_changes --untracked-files=all && drop_found
  else
    read_changes "$@"
  fi
}

# drop_found: take out of changes what the agent found and git does not track
drop_found() {
  LC_ALL=C awk '
    # A name in quotes is one in which git has escaped something.
    { name = substr($0, 4); if (name ~ /^"/) name = substr(name, 2, length(name) - 2) }
    !phase { if (/^[?!]/) found[name]; next }
    /^\?\?/ { do if (name in found) next; while (sub("[^/]+/?$", "", name) && name != "") }
    { print }
  ' "$state/$id.before" phase=1 "$changes" >"$changes.left" && mv -f -- "$changes.left" "$changes"
}

# judge_agent: false unless the agent says that it is done, on the branch of the task. Sets: error
judge_agent() {
  if [ "$exit_code" -ne 0 ]; then
    error=exit_code_$exit_code
  elif [ ! -e "$worktree/$marker" ]; then
    error=no_marker
  elif ! is_on_branch && ! read_git -C "$worktree" merge-base --is-ancestor HEAD "refs/heads/$branch" 2>>"$log"; then
    # It has worked on a branch of its own making: who depends on this task would not see it.
    error=wrong_branch
    warn "$id: the commits in $WORKSPACE_ROOT/$id are not on $branch"
  fi
  [ -z "$error" ] || return 1
  [ -z "$verify$also_verify" ] || { has_worked=1 && record_steps; }
}

# commit_leftovers: with --commit-leftovers, commit what the agent has left; false when that fails. Sets: error
commit_leftovers() {
  [ "$COMMIT_LEFTOVERS" -eq 1 ] || return 0
  read_left --untracked-files=all && [ -s "$changes" ] || return 0
  # A conflict or an operation under way is not for us to conclude. A repository is no file.
  if is_on_branch && read_worktree && [ ! -e "$git_dir/MERGE_HEAD" ] && [ ! -e "$git_dir/CHERRY_PICK_HEAD" ] &&
    ! grep -q -e '^U' -e '^.U' -e '^AA' -e '^DD' <"$changes" &&
    sed '/\/"*$/d; s/^[RC]. .* -> /   /; s/^...//' <"$changes" >"$changes.paths" &&
    git_input=$changes.paths && git_step -C "$worktree" update-index --add --remove --stdin && git_input=/dev/null &&
    { read_git -C "$worktree" diff --cached --quiet ||
      git_step -C "$worktree" -c core.hooksPath=/dev/null commit --quiet -m "Commit what the agent of $name has left"; }; then
    return 0
  fi
  git_input=/dev/null
  [ -n "$cause" ] || complain "cannot commit what the agent has left:"
  reject uncommitted "has changes that are not committed"
}

# check_commits: count the commits; with --require-commits false when there is none. Sets: error
check_commits() {
  count_commits
  [ "$REQUIRE_COMMITS" -eq 0 ] || [ "${commits:-1}" -gt 0 ] || reject no_commits "has no commit on $branch"
}

# verify_work: verify what is committed, if there is anything to do it with; false when that fails. Sets: error
verify_work() {
  [ -n "$verify$also_verify" ] || return 0
  [ "$verify_log" = "$log" ] || keep_log "${verify_log%.log}"
  enter_step verify verifying
  is_committed || reject uncommitted "was not verified, for these files are not as they are committed" "$verify_log" || return
  for command in "$verify" "$also_verify"; do
    [ -z "$command" ] || run_command "$command" "$verify_limit" "$verify_log" ||
      reject verify "was verified by '$command', which ended with status $step_status" "$verify_log" || return
  done
  if ! is_committed; then
    say "[run-parallel.sh: verify has changed what it had to verify]" >>"$verify_log"
    reject verify "was verified by a command that changes it" "$verify_log"
    return
  fi
  settled=1
  [ ! -e "$state/$id.feedback" ] || rm -f -- "$state/$id.feedback"
}

# is_committed: true when branch and worktree are at the commit that was counted, and the tracked files as they are in it. The
# log names the others
is_committed() {
  stop_signal=0
  [ "$(read_git -C "$worktree" rev-parse "${branch:+refs/heads/}${branch:-HEAD}")" = "$tip" ] &&
    run_step become_git -C "$worktree" diff --no-ext-diff --ignore-submodules=untracked --name-status --exit-code "$tip" -- \
      >>"$verify_log" 2>&1 &&
    # Files whose changes git has been told not to see.
    ! read_git -C "$worktree" ls-files -v | sed -n 's/^[Sa-z] //p' | while IFS= read -r file; do
      ! is_there "$worktree/$file" || say "$file"
    done | grep . >>"$verify_log"
  set -- $?
  stop_signal=TERM
  return "$1"
}

# reject <error> <what became of the work> [<log>]: do not accept it: false. The agent has to work again, and will read why before
# its prompt
reject() {
  error=$1
  [ -z "$cause" ] && [ -n "$branch" ] || return 1
  {
    say "This task was attempted before, and the work is in this worktree. It $2." ""
    [ $# -eq 2 ] || { say "The end of $3:" "" && tail -n 200 -- "$3" | tail -c 65536 | indent && say ""; }
    say "Mend that first, commit, and end as the task tells."
  } >"$state/.$id.feedback" && mv -f -- "$state/.$id.feedback" "$state/$id.feedback"
  # Only now: after a crash before, the work is judged again.
  has_worked=
  record_steps
  return 1
}
