# --- options: the settings and the command line

# What setting has been told, a line each.
settings='
'

# setting <variable> <default> <option> <metavar> <kind> <help>: give the variable its default, unless the environment has
# set it, and remember which option sets it and what it may hold: whole (a number from 1), count (a number from 0), text,
# flag (0 or 1; its option takes no value, and its metavar is -), or one of several words with bars between them
setting() {
  eval "[ -n \"\${$1-}\" ] || $1=\$2"
  settings="$settings$3 $1 $4 $5 $6$newline"
}

# show_usage: print what run-parallel.sh accepts
show_usage() {
  cat <<EOF
Usage: ${0##*/} [options]

Run the tasks of the plan, each by an agent in its own git worktree and branch, wave after wave.

  --wave N               run only wave N; the branches that it depends on must exist
  --task ID              run one task, from worktree to verdict, and leave manifest.json alone
  --retry-failed         run failed and interrupted tasks again in their worktrees, then whatever is left
  --fresh                with --retry-failed: begin new sessions of the agents, whatever limits they have met
  --force                move branches and worktrees that are in the way aside, and start afresh
  --dry-run              print the execution plan and what would stop a run, and stop
  --preflight            the same, but end with status 2 when something would stop a run
  --status               print what became of run, waves and tasks, and stop
  --integrate-now        merge what has completed into one branch, check it, and stop
  --logs ID [--follow]   print what the agent of a task has said and done, as text; --follow waits for more until the task ends
  --monitor [--help]     show in the terminal how the run gets on, as monitor-live.sh does
  --directory DIR        work on this parallel directory (default: the one in which the script lies)
  --help                 print this text

Settings, with the environment variable of each and the value that it has now:

EOF
  printf '%s' "$settings" | while read -r option variable metavar kind help; do
    [ -n "$option" ] || continue
    eval "value=\$$variable"
    printf '  %-22s %s (%s, now %s)\n' "$option ${metavar#-}" "$help" "$variable" "'${value%%"$newline"*}'"
  done
  cat <<EOF

Exit status: 0 all tasks completed (and were merged), 1 some did not, 2 nothing was run, 128+N stopped by signal N.
EOF
}

# parse_options <argument>...: read the command line. Sets: mode only_wave only_task logs_of retry force fresh follow directory, and
# the settings
parse_options() {
  mode=run only_wave='' only_task='' logs_of='' retry=0 force=0 fresh=0 follow=0 directory=''
  while [ $# -gt 0 ]; do
    case $1 in
      --retry-failed) retry=1 ;;
      --force) force=1 ;;
      --fresh) fresh=1 ;;
      --follow) follow=1 ;;
      --dry-run) mode=dry_run ;;
      --preflight) mode=preflight ;;
      --status) mode=status ;;
      --integrate-now) mode=integrate ;;
      -h | --help) mode=help ;;
      --*=*)
        set_option "${1%%=*}" "${1#*=}"
        [ "$takes" != flag ] || usage_error "option '${1%%=*}' takes no value"
        ;;
      --*)
        set_option "$@"
        [ "$takes" = flag ] || shift
        ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
  [ -z "$only_wave" ] || [ -z "$only_task" ] || usage_error "--wave and --task exclude each other"
  [ "$retry$force" != 11 ] || usage_error "--retry-failed and --force exclude each other"
  [ "$mode" != integrate ] || [ "$retry$force$only_wave$only_task" = 00 ] || usage_error "--integrate-now takes what has completed, of all waves"
  [ "$retry$fresh" != 01 ] || usage_error "--fresh needs --retry-failed"
  [ "$follow" -eq 0 ] || [ "$mode" = logs ] || usage_error "--follow needs --logs"
  [ -z "$only_task" ] || [ "$mode" != run ] || mode=task
  check_settings
}

# set_option <option> [<value>]: set the variable that belongs to the option. Sets: takes (what it may hold)
set_option() {
  takes=text
  case $1 in
    --wave | --task) variable=only_${1#--} ;;
    --logs) variable=logs_of mode=logs ;;
    --directory) variable=directory ;;
    *)
      rest=${settings#*"$newline$1 "}
      [ "$rest" != "$settings" ] || usage_error "unknown option '$1'"
      read -r variable metavar takes help <<EOF
$rest
EOF
      ;;
  esac
  [ "$takes" != flag ] || set -- "$1" 1
  may_be_empty=' --skip --setup --verify --verify-integration --model --agent-args --max-cost '
  [ -n "${2-}" ] || { [ $# -gt 1 ] && [ "${may_be_empty#* "$1" }" != "$may_be_empty" ]; } || usage_error "option '$1' needs a value"
  eval "$variable=\$2"
}

# check_settings: end with a usage error unless each setting holds what it may hold
check_settings() {
  while read -r option variable metavar kind help; do
    [ -n "$option" ] || continue
    eval "value=\$$variable"
    case $kind in
      text) ;;
      amount)
        case 0$value in
          *[!0-9.]* | *.*.* | *.) usage_error "${option#--}: expected an amount such as 20 or 7.50, not '$value'" ;;
        esac
        ;;
      whole | count)
        [ "$kind$value" = count0 ] || is_whole "$value" ||
          usage_error "${option#--}: expected a positive whole number, not '$value' (at most 9 digits)"
        ;;
      *)
        [ "$kind" != flag ] || kind='0|1'
        words="|$kind|"
        { [ "${value#*"|"}" = "$value" ] && [ "${words#*"|$value|"}" != "$words" ]; } ||
          usage_error "${option#--}: expected $kind, not '$value'"
        ;;
    esac
  done <<EOF
$settings
EOF
  [ "$INTEGRATE$SCHEDULE" != wavedeps ] || usage_error "integrate: 'wave' needs the schedule 'waves'"
  case $AGENT_MODEL in
    -* | *[!][A-Za-z0-9._:/@+~-]*) usage_error "model: '$AGENT_MODEL' is no name of a model" ;;
  esac
  [ "${BASE_BRANCH#-}" = "$BASE_BRANCH" ] || usage_error "base branch: '$BASE_BRANCH' begins with a dash"
  case /$BRANCH_PREFIX in
    *[!A-Za-z0-9._/-]* | *//* | */.* | *..* | /-* | *.lock/*) usage_error "branch prefix: '$BRANCH_PREFIX' cannot begin a branch" ;;
  esac
  [ "${WORKSPACE_ROOT#*"$newline"}" = "$WORKSPACE_ROOT" ] || usage_error "workspace root: it holds a line end"
}
