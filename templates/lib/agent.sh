# --- agent: start an agent, and end it with all that it has started

# What a step is told first when it is stopped; 0 tells it nothing.
stop_signal=TERM

# choose_tools: find out what the box can do. Sets: group_by (what gives an agent a process group: setsid, perl, the shell,
# or nothing) kill_is_builtin (1 where the shell can signal one: some /bin/kill take a group for every process there is)
choose_tools() {
  kill_is_builtin=1 group_by=
  case $(command -v kill) in
    */*) kill_is_builtin=0 ;;
  esac
  if command -v setsid >/dev/null 2>&1; then
    group_by=setsid
  elif command -v perl >/dev/null 2>&1; then
    group_by=perl
  elif [ -n "${BASH_VERSION-}${KSH_VERSION-}" ]; then
    group_by=shell
  fi
}

# run_group <command>...: run a step that becomes a command of the user's, and stop what that has left. Sets: step_status (128+N
# for a death by signal N) left_count left_running (of what was stopped, number and `PID COMMAND` lines)
run_group() {
  [ "$group_by" != shell ] || set -m
  run_step "$@"
  step_status=$?
  [ "$group_by" != shell ] || set +m
  # Death by signal N is 128+N in most shells, 256+N in ksh93 and 384+N in yash.
  [ "$step_status" -le 255 ] || step_status=$((128 + step_status % 128))
  processes='' left_count=0
  [ -z "$cause" ] || return 0
  # Whoever has left its group by now can be found by the mark. To ask ps each time would cost more.
  if is_group "$last_step" || [ -n "$(list_marked || say unknown)" ]; then
    add_processes "$last_step"
  fi
  keep_living || return 0
  # shellcheck disable=SC2086  # numbers
  set -- $processes
  left_count=$#
  left_running=$({ ps -A -o pid= -o args= 2>/dev/null || ps -o pid= -o args=; } |
    awk -v list="$processes " 'index(list, " " $1 " ")')
  say "stopping what the ${step_name:-agent} of ${id#.} left running:" "$left_running" | sed 's/^/[run-parallel.sh: /; s/$/]/' >>"$step_log"
  stop_processes "$last_step"
}

# run_agent: launch the agent, wait until it has ended or was stopped, and stop what it has left. Sets: exit_code
run_agent() {
  # Where the agent's own commits begin: at its first launch in this worktree.
  read_record "$id.agent"
  # What came before its first launch is nothing to tell it.
  [ -n "$record_start_commit" ] || ended_by=
  start_commit=${record_start_commit:-$(read_git -C "$worktree" rev-parse --quiet --verify HEAD)}
  exit_code=0
  if [ -n "$has_worked" ] && [ -e "$worktree/$marker" ]; then
    say "[run-parallel.sh: the agent had done its part before; what is left is to verify it]" >>"$log"
    return
  fi
  begin_work || return 0
  # Who goes on after a limit may have been done before.
  [ "$ended_by" = limited ] || ! is_there "$worktree/$marker" || rm -f -- "$worktree/$marker"
  step_log=$log
  launch_agent
  # Where its session is gone, the agent begins a new one.
  if [ "$exit_code" -ne 0 ] && [ -n "$resumed" ] && [ -z "$cause$overdue$record_begun$record_outcome" ]; then
    replace_facts '' session
    launch_agent
  fi
  if [ -n "$cause$overdue$error" ]; then
    exit_code=''
    [ -z "$overdue" ] || error=stalled
    return
  fi
  judge_launch
  # Unless something is to come, what happens now does not change the verdict.
  [ -n "$verify$also_verify" ] || settled=1
  if [ "$left_count" -gt 0 ]; then
    stopped=$left_count
    say "$left_running" >"$state/$id.stopped"
  fi
}

# become_command <command> <file>: take the place of this subshell, as a command of the user's: in the worktree, the file on
# stdin, output to the log of the step, nothing else inherited
become_command() {
  trap - TERM HUP PIPE USR1 USR2
  exec <"$2" >>"$step_log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
  # The record is of this process, which becomes the command: there is no moment at which it runs unrecorded.
  record_process || exit 125
  cd -- "$worktree" || exit 125
  umask "$user_umask"
  # These mark a Claude Code session; an agent that inherits them believes that it is nested, and misbehaves.
  unset CLAUDECODE CLAUDE_CODE_CHILD_SESSION CLAUDE_CODE_SESSION_ID CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_EXECPATH \
    CLAUDE_CODE_SSE_PORT CLAUDE_EFFORT CLAUDE_JOB_DIR AI_AGENT TRACEPARENT PARALLEL_VERIFY_LOG
  PARALLEL_TASK=${id#.} PARALLEL_WAVE=$wave PARALLEL_BRANCH=$branch PARALLEL_DIR=$dir PARALLEL_WORKTREE=$worktree
  PARALLEL_ATTEMPT=$attempt PARALLEL_SLOT=$slot PARALLEL_MARK=$worktree:
  PARALLEL_SESSION=${session-} PARALLEL_RESULT=$state/$id.told
  [ "$step_name" = verify ] || [ ! -e "$state/$id.feedback" ] || [ ! -e "$verify_log" ] || export PARALLEL_VERIFY_LOG="$verify_log"
  # As `git -c` hands settings down. A gc in the background would outlive its agent, be killed half-way, and work on what all
  # worktrees share.
  # shellcheck disable=SC2089  # git takes the quotes away
  GIT_CONFIG_PARAMETERS="${GIT_CONFIG_PARAMETERS:+$GIT_CONFIG_PARAMETERS }'gc.auto=0' 'maintenance.auto=false'"
  # shellcheck disable=SC2090
  export PARALLEL_TASK PARALLEL_WAVE PARALLEL_BRANCH PARALLEL_DIR PARALLEL_WORKTREE PARALLEL_ATTEMPT PARALLEL_SLOT \
    PARALLEL_MARK PARALLEL_SESSION PARALLEL_RESULT GIT_CONFIG_PARAMETERS
  case $group_by in
    setsid) exec setsid sh -c "$1" ;;
    perl) exec perl -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV or exit 127' sh -c "$1" ;;
    *) exec sh -c "$1" ;;
  esac
}

# is_group <pid>: true when a process group of this number exists, and the shell itself can signal it as a whole
is_group() {
  [ "$kill_is_builtin" -eq 1 ] && is_whole "$1" && [ "$1" -gt 1 ] && kill -s 0 -- "-$1" 2>/dev/null
}

# list_marked: print the environment files of the processes that carry the mark of the task, where the box shows them
list_marked() {
  pattern=$(printf '%s\n' "$worktree" | sed 's/[].[*^$\\]/\\&/g') || return 1
  grep -l -e "PARALLEL_MARK=$pattern:" /proc/[0-9]*/environ 2>/dev/null || [ $? -le 128 ]
}

# list_processes <pid>: print the ids of the process, its descendants, its group and all that carry the mark of the task; of
# the mark alone when the pid is 0, which means that it is not known
list_processes() {
  {
    list_marked || exit 1
    ps -A -o pid= -o ppid= -o pgid= 2>/dev/null || { [ $? -le 128 ] && ps -o pid= -o ppid= -o pgid=; } || exit 1
    say end
  } | awk -v first="$1" '
    /^\/proc/ { gsub(/[^0-9]/, ""); found[$0]; next }
    # Who had to print this list was not killed over it.
    $1 == "end" { is_whole = 1; next }
    { parent[$1] = $2; if (first > 1 && ($1 == first || $3 == first)) found[$1] }
    END {
      if (!is_whole) exit 1
      do {
        more = 0
        for (p in parent) if (!(p in found) && parent[p] in found) { found[p]; more = 1 }
      } while (more)
      for (p in found) if (p in parent && p > 1) print p
    }'
}

# add_processes <pid>: add to processes what list_processes finds; ask again when it is killed
add_processes() {
  listed=$(list_processes "$1") || listed=$(list_processes "$1") || listed=$(list_processes "$1")
  processes="$processes $listed"
}

# keep_living: reduce processes to those that run; false when none is left
keep_living() {
  living=
  for process in $processes; do
    ! is_alive "$process" || living="$living $process"
  done
  processes=$living
  [ -n "$processes" ]
}

# signal_all <signal> <pid>: signal the process's group, where it has one, and each of processes
signal_all() {
  ! is_group "$2" || kill -s "$1" -- "-$2" 2>/dev/null
  for process in $processes; do
    kill -s "$1" "$process" 2>/dev/null
  done
}

# stop_processes <pid>: TERM the process and all that it started, KILL what is left after the grace period; the log names
# what is left then
stop_processes() {
  processes=
  add_processes "$1"
  signal_all "$stop_signal" "$1"
  tenths=$((GRACE * 10))
  while [ "$tenths" -gt 0 ] && keep_living; do
    sleep 0.1 2>/dev/null || { sleep 1 && tenths=$((tenths - 9)); }
    tenths=$((tenths - 1))
  done
  # What was started since the first look is found by the second, and what still appeared meanwhile by the third.
  for turn in 1 2 3; do
    add_processes "$1"
    keep_living || return 0
    [ "$turn" -eq 1 ] || sleep 1
    signal_all KILL "$1"
  done
  ! keep_living || warn "$id: these processes survived KILL:$processes" 2>>"$log"
}

# recall_process <record>: find the process that wrote the record. Sets: recalled (its process id, which is also its group, or 0
# when that number may be another's by now: while a group lives its number is not given to a new process, but a reboot ends that)
recall_process() {
  read_record "$1"
  recalled=${record_pid:-0}
  if is_alive "$recalled"; then
    [ "$identity" = "$record_identity" ] || recalled=0
  elif [ "${record_identity#"${boot:-none}":}" = "$record_identity" ]; then
    recalled=0
  fi
}

# stop_remains: stop what is left of a task whose runner died: what it ran, known by its records, and all with its mark
stop_remains() {
  recall_process "$id.agent"
  stop_processes "$recalled"
  [ -e "$state/$id.steps" ] || return 0
  recall_process "$id.steps"
  [ "$recalled" = 0 ] || stop_processes "$recalled"
}
