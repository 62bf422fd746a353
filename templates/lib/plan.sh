# --- plan: the tasks as numbered variables, so that no value is ever part of a command

# load_plan: read the plan; task N has id_N, name_N, wave_N, deps_of_N (the numbers of its dependencies), limit_N
# (seconds, or - for TASK_TIMEOUT) and prompt_N; tasks and waves list all numbers, tasks_in_W those of wave W
load_plan() {
  tasks='' waves='' plan_end=''
  number=0
  while read -r deps_of id name wave _ limit prompt; do
    if [ -z "$id" ]; then
      plan_end=$deps_of
      continue
    fi
    number=$((number + 1))
    [ "$deps_of" != - ] || deps_of=
    while [ "$deps_of" != "${deps_of#*,}" ]; do
      deps_of="${deps_of%%,*} ${deps_of#*,}"
    done
    eval "id_$number=\$id name_$number=\$name wave_$number=\$wave deps_of_$number=\$deps_of limit_$number=\$limit" \
      "prompt_$number=\$prompt outcome_$number= blocked_by_$number= dependents_$number= waits_$number=0 rank_$number=0 tried_$number=0"
    case " $waves " in
      *" $wave "*) ;;
      *) waves="$waves $wave" && eval "tasks_in_$wave=" ;;
    esac
    eval "tasks_in_$wave=\"\$tasks_in_$wave $number\""
    tasks="$tasks $number"
  done <<EOF
$({ plan && say end; } | awk '
  $0 == "end" { print; next }
  {
    number[$1] = NR
    list = "-"
    if ($4 != "-") {
      count = split($4, dep, ",")
      list = number[dep[1]]
      for (i = 2; i <= count; i++) list = list "," number[dep[i]]
    }
    print list, $0
  }')
EOF
  task_count=$number
  [ "$plan_end" = end ] && [ "$task_count" -gt 0 ] || fail "ERROR: cannot read the plan"
}

# use_task <number>: set id, name, wave, limit, prompt, deps_of, tried, branch, worktree and log to those of the task
use_task() {
  eval "id=\$id_$1 name=\$name_$1 wave=\$wave_$1 limit=\$limit_$1 prompt=\$prompt_$1" \
    "deps_of=\$deps_of_$1 tried=\$tried_$1"
  branch=$branch_prefix$name
  worktree=$workspaces/$id
  log=$logs/$id.log
}

# number_of <id or name>: set number to that of the task, or fail
number_of() {
  # The variable of a loop in a function is the function's own in yash.
  for candidate in $tasks; do
    eval "id=\$id_$candidate name=\$name_$candidate"
    if [ "$1" = "$id" ] || [ "$1" = "$name" ]; then
      number=$candidate
      return 0
    fi
  done
  return 1
}

# list_tasks <wave> <outcome>: set listed to the numbers of the wave's tasks with this outcome, and count to how many
list_tasks() {
  listed='' count=0
  eval "candidates=\$tasks_in_$1"
  for number in $candidates; do
    eval "outcome=\$outcome_$number"
    if [ "$outcome" = "$2" ]; then
      listed="$listed $number"
      count=$((count + 1))
    fi
  done
}
