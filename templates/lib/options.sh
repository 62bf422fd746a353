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
  --retries N          run a task that failed up to N times again, after a pause (now $RETRIES)
  --schedule HOW       waves (one after the other) or deps (each task when its dependencies are done) (now $SCHEDULE)
  --halt WHEN          after a failure: never (others go on), soon (start no more), now (stop all) (now $HALT)
  --max-log-size BYTES cut the log of an agent that writes more (now $MAX_LOG_SIZE)
  --force              move branches and worktrees that are in the way aside, and start afresh
  --dry-run            print the execution plan and stop
  --status             print what became of each task and stop
  --help               print this text

Environment: MAX_CONCURRENT TASK_TIMEOUT GRACE RETRIES HALT SCHEDULE MAX_LOG_SIZE WORKSPACE_ROOT BASE_BRANCH
  AGENT_COMMAND SKIP_TASKS
Exit status: 0 all tasks completed, 1 some did not, 2 nothing was run, 128+N stopped by signal N.
EOF
}

# parse_options <argument>...: set mode and the settings that the command line changes
parse_options() {
  mode=run only_wave='' only_task='' retry=0 force=0
  while [ $# -gt 0 ]; do
    case $1 in
      --wave | --task | --skip | --max-concurrent | --timeout | --grace | --retries | --halt | --schedule | --max-log-size)
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
  expect_whole max-concurrent "$MAX_CONCURRENT"
  expect_whole timeout "$TASK_TIMEOUT"
  expect_whole max-log-size "$MAX_LOG_SIZE"
  [ "$GRACE" = 0 ] || expect_whole grace "$GRACE"
  [ "$RETRIES" = 0 ] || expect_whole retries "$RETRIES"
  [ -z "$only_wave" ] || expect_whole wave "$only_wave"
  case $HALT in
    never | soon | now) ;;
    *) usage_error "halt: expected never, soon or now, not '$HALT'" ;;
  esac
  case $SCHEDULE in
    waves | deps) ;;
    *) usage_error "schedule: expected waves or deps, not '$SCHEDULE'" ;;
  esac
  case $BASE_BRANCH in
    -*) usage_error "base branch: '$BASE_BRANCH' begins with a dash" ;;
  esac
  case $WORKSPACE_ROOT in
    *"$newline"*) usage_error "workspace root: it holds a line end" ;;
  esac
  [ -z "$only_wave" ] || [ -z "$only_task" ] || usage_error "--wave and --task exclude each other"
}

# expect_whole <name> <value>: end with a usage error unless the value is a positive whole number
expect_whole() {
  is_whole "$2" || usage_error "$1: expected a positive whole number, not '$2' (at most 9 digits)"
}

# set_option <option> <value>: take over one option that has a value
set_option() {
  [ -n "$2" ] || [ "$1" = --skip ] || usage_error "option '$1' needs a value"
  case $1 in
    --wave) only_wave=$2 ;;
    --task) only_task=$2 mode=task ;;
    --skip) SKIP_TASKS=$2 ;;
    --max-concurrent) MAX_CONCURRENT=$2 ;;
    --timeout) TASK_TIMEOUT=$2 ;;
    --grace) GRACE=$2 ;;
    --retries) RETRIES=$2 ;;
    --halt) HALT=$2 ;;
    --schedule) SCHEDULE=$2 ;;
    --max-log-size) MAX_LOG_SIZE=$2 ;;
    *) usage_error "unknown option '$1'" ;;
  esac
}
