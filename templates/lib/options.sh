# --- options: the command line

# show_usage: print what the script accepts
show_usage() {
  cat <<EOF
Usage: ${0##*/} [options]

Run the tasks of the plan, each by an agent in its own git worktree and branch, wave after wave.

  --wave N             run only wave N; the branches that it depends on must exist
  --task ID            run one task, from worktree to verdict, and leave manifest.json alone
  --skip IDS           leave out these tasks (comma-separated)
  --retry-failed       run failed and interrupted tasks again in their worktrees, then whatever is left
  --max-concurrent N   run at most N agents at a time (now $MAX_CONCURRENT)
  --timeout SECONDS    stop a task after so long (now $TASK_TIMEOUT)
  --grace SECONDS      time between TERM and KILL when an agent is stopped (now $GRACE)
  --force              move branches and worktrees that are in the way aside, and start afresh
  --dry-run            print the execution plan and stop
  --status             print what became of each task and stop
  --help               print this text

Environment: MAX_CONCURRENT TASK_TIMEOUT GRACE WORKSPACE_ROOT BASE_BRANCH AGENT_COMMAND SKIP_TASKS
Exit status: 0 all tasks completed, 1 some did not, 2 nothing was run, 128+N stopped by signal N.
EOF
}

# parse_options <argument>...: set mode and the settings that the command line changes
parse_options() {
  mode=run only_wave='' only_task='' retry=0 force=0
  while [ $# -gt 0 ]; do
    case $1 in
      --wave | --task | --skip | --max-concurrent | --timeout | --grace)
        [ $# -gt 1 ] || usage_error "option '$1' needs a value"
        set_option "$1" "$2"
        shift
        ;;
      --*=*) set_option "${1%%=*}" "${1#*=}" ;;
      --retry-failed) retry=1 ;;
      --force) force=1 ;;
      --dry-run) mode=dry_run ;;
      --status) mode=status ;;
      -h | --help) mode=help ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
  is_whole "$MAX_CONCURRENT" || usage_error "max-concurrent: expected a positive whole number, not '$MAX_CONCURRENT'"
  is_whole "$TASK_TIMEOUT" || usage_error "timeout: expected a positive whole number of seconds, not '$TASK_TIMEOUT'"
  [ "$GRACE" = 0 ] || is_whole "$GRACE" || usage_error "grace: expected a whole number of seconds, not '$GRACE'"
  case $BASE_BRANCH in
    -*) usage_error "base branch: '$BASE_BRANCH' begins with a dash" ;;
  esac
  [ -z "$only_wave" ] || is_whole "$only_wave" || usage_error "wave: expected a positive whole number, not '$only_wave'"
  [ -z "$only_wave" ] || [ -z "$only_task" ] || usage_error "--wave and --task exclude each other"
}

# set_option <option> <value>: take over one option that has a value
set_option() {
  case $1 in
    --wave) only_wave=$2 ;;
    --task) only_task=$2 mode=task ;;
    --skip) SKIP_TASKS=$2 ;;
    --max-concurrent) MAX_CONCURRENT=$2 ;;
    --timeout) TASK_TIMEOUT=$2 ;;
    --grace) GRACE=$2 ;;
    *) usage_error "unknown option '$1'" ;;
  esac
}
