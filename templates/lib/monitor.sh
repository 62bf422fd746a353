# --- monitor: the command line, and what is going on, from the plan, the records and the logs

# show_usage: print what the script accepts
show_usage() {
  cat <<EOF
Usage: ${0##*/} [--once] [--interval SECONDS]

Show waves and tasks, and the last line of each log, until q is pressed.

  --once              print one frame and end, as it does when the output is not a terminal
  --interval SECONDS  time between two frames (default 2); a key other than q draws one at once
  --help              print this text

NO_COLOR in the environment turns the colours off.
EOF
}

# parse_options <argument>...: set mode and interval
parse_options() {
  mode=watch interval=2
  while [ $# -gt 0 ]; do
    case $1 in
      --once) mode=once ;;
      --interval)
        [ $# -gt 1 ] || usage_error "option '$1' needs a value"
        interval=$2
        shift
        ;;
      --interval=*) interval=${1#*=} ;;
      -h | --help) mode=help ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
  is_whole "$interval" || usage_error "interval: expected a positive whole number of seconds, not '$interval'"
}

# load_tasks: read the plan into id_N, name_N and wave_N; tasks lists the numbers, line_count is what they need to be shown
load_tasks() {
  tasks='' line_count=4 number=0 last=
  while read -r id name wave rest; do
    number=$((number + 1))
    tasks="$tasks $number"
    line_count=$((line_count + 1))
    [ "$wave" = "$last" ] || line_count=$((line_count + 1))
    last=$wave
    eval "id_$number=\$id name_$number=\$name wave_$number=\$wave"
  done <<EOF
$(plan)
EOF
}

# find_branches: set branches to the folder in which git keeps the tips of the tasks' branches, or to nothing
find_branches() {
  branches=
  common=$(cd -- "$dir" && git rev-parse --git-common-dir 2>/dev/null) || return 0
  branches=$(cd -- "$dir" && cd -- "$common" && pwd -P)/refs/heads/$branch_prefix
}

# look_around: bring what is known of the run (run_facts) and of each task up to date
look_around() {
  record_wave=
  read_record run
  if [ "$record_status" = running ] && ! is_alive "$record_pid" "$record_identity"; then
    record_status=dead
  fi
  run_facts="run ${record_status:--} ${record_pid:--} ${record_started:--} ${record_finished:--}"
  run_facts="$run_facts ${record_max_concurrent:--} ${record_wave:--} ${record_base_branch:--}"
  if [ "$run" != "$record_pid:$record_started" ]; then
    run=$record_pid:$record_started
    for number in $tasks; do
      eval "outcome_$number=unknown pid_$number="
    done
  fi
  for number in $tasks; do
    look_at "$number"
  done
}

# look_at <number>: bring outcome_N, facts_N and commits_N up to date, reading only what can have changed
look_at() {
  eval "id=\$id_$1 name=\$name_$1 wave=\$wave_$1 outcome=\$outcome_$1 pid=\$pid_$1"
  case $outcome in
    unknown | lost) ;;
    pending) [ -f "$state/$id.start" ] || [ -f "$state/$id.result" ] || return 0 ;;
    running)
      if [ ! -f "$state/$id.result" ] && kill -s 0 "$pid" 2>/dev/null; then
        count_commits "$1"
        return 0
      fi
      ;;
    *) [ ! -f "$state/$id.result" ] || return 0 ;;
  esac
  read_outcome "$id"
  facts="$id $name $wave $outcome ${record_started:--} ${record_finished:--} ${record_attempt:-1}"
  facts="$facts ${record_uncommitted:-0} ${record_error:--} ${record_by:--}"
  eval "outcome_$1=\$outcome pid_$1=\$record_pid facts_$1=\$facts tip_$1= commits_$1=\${record_commits:--}"
  [ "$outcome" != running ] || count_commits "$1"
}

# count_commits <number>: set commits_N of a running task, when its branch has moved
count_commits() {
  { read -r tip <"$branches$name"; } 2>/dev/null || return 0
  eval "known=\$tip_$1"
  [ "$tip" != "$known" ] || return 0
  read_record "$id.agent"
  [ -n "$record_start_commit" ] || return 0
  commits=$(git --git-dir="$common" rev-list --count "$record_start_commit..$tip" 2>/dev/null)
  eval "tip_$1=\$tip commits_$1=\${commits:--}"
}

# print_facts: print what draw_frame reads: the title, the run, then the tasks, a line each
print_facts() {
  facts=
  for number in $tasks; do
    eval "facts=\"\$facts\${newline}task \$facts_$number \$commits_$number\""
  done
  # The letter tells awk whether it counts bytes.
  printf '\303\251 %s\n%s\n' "$title" "$run_facts$facts"
}

# print_logs: print the end of each log worth showing under a heading that tells whose it is, as tail does
print_logs() {
  cd -- "$logs" 2>/dev/null || return 0
  set --
  for number in $tasks; do
    eval "id=\$id_$number outcome=\$outcome_$number"
    case $outcome in
      pending | blocked | skipped) continue ;;
      completed) [ "$rows" -eq 0 ] || [ "$line_count" -le "$rows" ] || continue ;;
    esac
    [ ! -f "$id.log" ] || set -- "$@" ".//$id.log"
  done
  if [ "$tail_takes_many" -eq 1 ]; then
    tail -c 2048 -- /dev/null "$@" 2>/dev/null
    return 0
  fi
  for log in /dev/null "$@"; do
    printf '\n==> %s <==\n' "$log"
    tail -c 2048 -- "$log"
  done
}
