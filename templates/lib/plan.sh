# --- plan: the tasks are numbered, and what the plan says of task N is one variable, task_N: no value is ever part of a
# command. A variable about a task that has nothing special to say is not set: dash and ash look for a variable in lists,
# which with many for each of thousands of tasks take longer than all else

# number_plan: print the plan with the numbers of dependencies in place of their ids, and `end`
number_plan() {
  { plan && say end; } | awk '
    $0 == "end" { print; next }
    {
      number[$1] = NR
      list = $4
      if (list != "-") {
        count = split($4, dep, ",")
        list = number[dep[1]]
        for (i = 2; i <= count; i++) list = list "," number[dep[i]]
      }
      line = $1 " " $2 " " $3 " " list " " $5
      # The prompt as it stands: it may hold blanks.
      sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, "")
      print line, $0
    }'
}

# load_plan: read the plan; tasks and waves list all numbers, tasks_in_W those of wave W
load_plan() {
  tasks='' waves='' plan_end='' ready_at_0=''
  number=0
  numbered=$(number_plan)
  while read -r id name wave rest; do
    if [ -z "$name" ]; then
      plan_end=$id
      continue
    fi
    number=$((number + 1))
    eval "task_$number=\"\$id \$name \$wave \$rest\""
    # The environment may have had one of these.
    unset "outcome_$number" "blocked_by_$number" "dependents_$number" "waits_$number" "rank_$number" "tried_$number" \
      "ready_at_$number"
    case " $waves " in
      *" $wave "*) ;;
      *) waves="$waves $wave" && eval "tasks_in_$wave=" ;;
    esac
    eval "tasks_in_$wave=\"\$tasks_in_$wave $number\""
    tasks="$tasks $number"
  done <<EOF
$numbered
EOF
  numbered=
  task_count=$number
  [ "$plan_end" = end ] && [ "$task_count" -gt 0 ] || fail "ERROR: cannot read the plan"
}

# use_task <number>: set id, name, wave, deps_of (numbers), limit (seconds, or - for TASK_TIMEOUT), prompt, tried (how
# often it was put off to be run again), branch, worktree and log to those of the task
use_task() {
  eval "prompt=\$task_$1 tried=\${tried_$1-0}"
  id=${prompt%% *} prompt=${prompt#* }
  name=${prompt%% *} prompt=${prompt#* }
  wave=${prompt%% *} prompt=${prompt#* }
  deps_of=${prompt%% *} prompt=${prompt#* }
  limit=${prompt%% *} prompt=${prompt#* }
  [ "$deps_of" != - ] || deps_of=
  while [ "$deps_of" != "${deps_of#*,}" ]; do
    deps_of="${deps_of%%,*} ${deps_of#*,}"
  done
  branch=$branch_prefix$name
  worktree=$workspaces/$id
  log=$logs/$id.log
}

# name_task <number>: set its_id and its_name to those of the task, and its_outcome to what this run makes of it: selected,
# skipped, adopted, completed, hopeless (it is to be blocked), or nothing when it is left alone
name_task() {
  eval "its_id=\$task_$1 its_outcome=\${outcome_$1-selected}"
  its_name=${its_id#* }
  its_name=${its_name%% *} its_id=${its_id%% *}
}

# number_of <id or name>: set number, id and name to those of the task, or fail
number_of() {
  # The variable of a loop in a function is the function's own in yash.
  for candidate in $tasks; do
    name_task "$candidate"
    if [ "$1" = "$its_id" ] || [ "$1" = "$its_name" ]; then
      number=$candidate id=$its_id name=$its_name
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
    name_task "$number"
    if [ "$its_outcome" = "$2" ]; then
      listed="$listed $number"
      count=$((count + 1))
    fi
  done
}
