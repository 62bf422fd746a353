# --- task: one task from worktree to verdict

# begin_attempt: set attempt, 1 for the first, give it a log of its own, and report that it starts; set kept to 1 when
# an earlier attempt left its worktree, and again to 1 when it may have left anything at all
begin_attempt() {
  attempt=1
  while is_there "$logs/$id.$attempt.log"; do
    attempt=$((attempt + 1))
  done
  if is_there "$log"; then
    mv -f -- "$log" "$logs/$id.$attempt.log"
    attempt=$((attempt + 1))
  fi
  printf '' >"$log"
  # The result of an earlier attempt must not pass for that of this one; but that there was one, tells that since then
  # somebody may have worked in the worktree.
  [ ! -e "$state/$id.result" ] || mv -f -- "$state/$id.result" "$state/$id.earlier"
  again=$retry kept=0
  [ "$tried" -eq 0 ] || again=1
  if [ "$again" -eq 1 ] && [ -e "$worktree/.git" ]; then
    kept=1
  fi
  if [ "$kept" -eq 1 ] && is_ours; then
    stop_remains 2>>"$log"
    repair_worktree >>"$log" 2>&1
  fi
  if [ "$attempt" -gt 1 ]; then
    progress "wave=$wave task=$id status=started attempt=$attempt"
  else
    progress "wave=$wave task=$id status=started"
  fi
}

# run_task: take the task from its worktree to its verdict, and record that before anybody is told
run_task() {
  # This may be a subshell: it inherits the variables of the scheduler, not its traps.
  awake='' sleeper='' agent='' watcher='' cause='' error='' exit_code='' commits='' uncommitted=''
  read_pid
  runner=$pid
  [ "$mode" = task ] || trap 'stop_agent interrupted' TERM
  trap 'stop_agent timeout' USR2
  read_identity "$runner"
  started=$now started_at=$now_at
  add_record "$id.start" "attempt=$attempt" "identity=$identity" "kept=$kept" "started=$started" \
    "started_at=$started_at" "pid=$runner" || return 1
  # Either a new scheduler sees this record, or we see that it has taken over from ours, and leave the task to it.
  [ "$mode" = task ] || [ -e "$state/lock.$$" ] || return 1

  if ! { add_worktree && fill_worktree; } >>"$log" 2>&1; then
    error=worktree
    why=$(tail -n 1 -- "$log")
    warn "$id: cannot create worktree $WORKSPACE_ROOT/$id: ${why:-git does not say why; a hook may have failed}"
  elif ! merge_dependencies; then
    # It has set error.
    :
  elif [ ! -f "$dir/$prompt" ] || [ ! -r "$dir/$prompt" ]; then
    error=prompt_missing
  elif [ -z "$cause" ]; then
    run_agent
  fi
  decide_verdict
  read_clock
  add_record "$id.result" "attempt=$attempt" "commits=$commits" "uncommitted=$uncommitted" "error=$error" \
    "exit_code=$exit_code" "started=$started" "started_at=$started_at" "finished=$now" "finished_at=$now_at" \
    "status=$verdict"
}

# run_agent: launch the agent and wait until it has ended or was stopped, with all that it started
run_agent() {
  read_start_commit
  ! is_there "$worktree/$marker" || rm -f -- "$worktree/$marker"
  launch_agent
  # A signal that came while there was no agent to stop has only left its cause.
  [ -z "$cause" ] || stop_processes "$agent" "$GRACE" 2>/dev/null
  watch_agent &
  watcher=$!
  # What bash has to say of one that was killed, the verdict says.
  wait "$agent" 2>/dev/null
  exit_code=$?
  # A signal that the scheduler got just before may end the wait in a subshell of bash, too.
  while [ -z "$cause" ] && [ "$exit_code" -gt 128 ] && kill -s 0 "$agent" 2>/dev/null; do
    wait "$agent" 2>/dev/null
    exit_code=$?
  done
  # A signal ends a wait early, after its trap has stopped the agent.
  if [ -n "$cause" ]; then
    wait "$agent" 2>/dev/null
    exit_code=
  else
    # The agent has ended by itself: what comes now cannot change the verdict.
    trap '' TERM USR2
  fi
  # Death by signal N is 128+N in most shells, 256+N in ksh93 and 384+N in yash.
  [ "${exit_code:-0}" -le 255 ] || exit_code=$((128 + exit_code % 128))
  kill -s TERM "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
  [ -n "$cause" ] || stop_leftovers "$agent" 2>>"$log"
}

# read_start_commit: set start_commit to where the agent's own commits begin: at its first launch in this worktree
read_start_commit() {
  read_record "$id.agent"
  start_commit=$record_start_commit
  if [ -z "$start_commit" ]; then
    start_commit=$base_commit
    [ "$kept" -eq 0 ] && [ -z "$deps_of" ] || start_commit=$(git -C "$worktree" rev-parse --quiet --verify HEAD)
  fi
}

# launch_agent: start the agent command in the worktree: prompt on stdin, output to the log, nothing else inherited
launch_agent() {
  [ "$job_control" -eq 0 ] || set -m
  (
    trap - TERM HUP PIPE USR1 USR2
    # The record is of this process, which becomes the agent: there is no moment at which an agent runs unrecorded.
    read_pid
    read_identity "$pid"
    add_record "$id.agent" "start_commit=$start_commit" "identity=$identity" "pid=$pid" || exit 125
    cd -- "$worktree" || exit 125
    umask "$user_umask"
    # These mark a Claude Code session; an agent that inherits them believes that it is nested, and misbehaves.
    unset CLAUDECODE CLAUDE_CODE_CHILD_SESSION CLAUDE_CODE_SESSION_ID CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_EXECPATH \
      CLAUDE_CODE_SSE_PORT CLAUDE_EFFORT CLAUDE_JOB_DIR AI_AGENT TRACEPARENT
    PARALLEL_TASK=$id PARALLEL_WAVE=$wave PARALLEL_BRANCH=$branch PARALLEL_DIR=$dir PARALLEL_WORKTREE=$worktree
    PARALLEL_ATTEMPT=$attempt PARALLEL_MARK=${worktree}:
    export PARALLEL_TASK PARALLEL_WAVE PARALLEL_BRANCH PARALLEL_DIR PARALLEL_WORKTREE PARALLEL_ATTEMPT PARALLEL_MARK
    disable_git_maintenance
    in_new_group sh -c "$AGENT_COMMAND"
  ) <"$dir/$prompt" >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  agent=$!
  [ "$job_control" -eq 0 ] || set +m
}

# disable_git_maintenance: let no git of the agent start a gc in the background: it would outlive its agent, be killed
# half-way, and work on what all worktrees share
disable_git_maintenance() {
  is_whole "${GIT_CONFIG_COUNT-}" || GIT_CONFIG_COUNT=0
  for setting in gc.auto=0 maintenance.auto=false; do
    eval "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=\${setting%=*} GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT=\${setting#*=}"
    eval "export GIT_CONFIG_KEY_$GIT_CONFIG_COUNT GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT"
    GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
  done
  export GIT_CONFIG_COUNT
}

# watch_agent: in the background, tell the runner when the time of the task is over
watch_agent() {
  awake='' sleeper=''
  trap 'wake' TERM
  trap '' INT HUP USR1 USR2
  # Its sleep carries the mark: when the runner is killed, whoever clears up finds it, and the watcher ends with it.
  PARALLEL_MARK=${worktree}:
  export PARALLEL_MARK
  # A TERM that came before the trap is lost; but it comes when the agent has ended.
  is_alive "$agent" || return 0
  left=$limit step=1
  [ "$left" != - ] || left=$TASK_TIMEOUT
  while [ "$left" -gt 0 ]; do
    [ "$left" -gt "$step" ] || step=$left
    nap "$step"
    [ -z "$awake" ] && is_alive "$runner" || return 0
    cut_log
    left=$((left - step))
    # Who floods the log does so early; and an agent that works for hours must not pay for being watched.
    [ "$step" -ge 30 ] || step=$((step * 2))
  done
  kill -s USR2 "$runner"
}

# cut_log: cut the log when it has grown beyond its limit, and say so in it; what is written from now on follows
cut_log() {
  if [ "$(wc -c <"$log")" -gt "$MAX_LOG_SIZE" ]; then
    # dd without input truncates its output at the offset.
    dd if=/dev/null of="$log" bs=1 seek="$MAX_LOG_SIZE" 2>/dev/null
    printf '\n[run-parallel.sh: log cut at %s bytes]\n' "$MAX_LOG_SIZE" >>"$log"
  fi
}

# stop_agent <cause>: record why before any signal is sent, then stop the agent; called by traps
stop_agent() {
  [ -z "$cause" ] || return 0
  cause=$1
  [ -z "$watcher" ] || kill -s TERM "$watcher" 2>/dev/null
  [ -z "$agent" ] || stop_processes "$agent" "$GRACE" 2>/dev/null
}

# decide_verdict: set verdict, error, commits and uncommitted from what was found; the first that applies
decide_verdict() {
  if [ -n "$agent" ]; then
    commits=$(git -C "$root" rev-list --count "$start_commit..refs/heads/$branch" 2>/dev/null)
    changes=$(become_git -C "$worktree" status --porcelain -- . ":(exclude)$marker" 2>/dev/null)
    [ -z "$changes" ] || uncommitted=$(printf '%s\n' "$changes" | wc -l | tr -d ' ')
  fi
  verdict=failed
  if [ "$cause" = interrupted ]; then
    verdict=interrupted error=
  elif [ -n "$cause" ]; then
    error=$cause
  elif [ -n "$error" ]; then
    :
  elif [ "$exit_code" -ne 0 ]; then
    error=exit_code_$exit_code
  elif [ ! -e "$worktree/$marker" ]; then
    error=no_marker
  elif ! is_on_branch && ! git -C "$worktree" merge-base --is-ancestor HEAD "refs/heads/$branch" 2>/dev/null; then
    # It has worked on a branch of its own making: who depends on this task would not see it.
    error=wrong_branch
    warn "$id: the commits in $WORKSPACE_ROOT/$id are not on $branch"
  else
    verdict=completed
  fi
}
