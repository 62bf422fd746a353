# --- plan: the tasks of this run, and how they are shown

# use_task: say where everything of a task is, for the words of a line of the plan (id name ...). Sets: branch worktree log
# setup_log verify_log
use_task() {
  branch=$BRANCH_PREFIX$name worktree=$workspaces/$id log=$logs/$id.log setup_log=$logs/$id.setup.log verify_log=$logs/$id.verify.log
  # What is ours has no branch of a task, and one log.
  case $id in
    .*) branch='' worktree=$workspaces/$name-${dir##*/} log=$logs/$name.log setup_log=$log verify_log=$log ;;
  esac
}

# use_own <name>: let something of ours be done as a task is, under an id that no task can have
use_own() {
  id=.$1 name=$1 wave=0 deps=- limit=- prompt='' attempt=1 tried=0 slot=1 resuming=1 probe='' ended_by='' waited=0 limits=0
  limited_since='' first_started='' cause='' step='' stopped_step='' settled=''
  use_task
}

# find_task <id or name>: look a task up, or fail. Sets: id name wave deps limit prompt, and what use_task sets
find_task() {
  read -r id name wave deps limit prompt <<EOF
$(say "$plan" | awk -v word="$1" '$1 "" == word "" || $2 "" == word "" { print; exit }')
EOF
  use_task
  [ -n "$id" ]
}

# resolve_words: turn what the command line says of tasks and waves into ids, or end with a usage error. Sets: only_id skip
# (ids with blanks between)
resolve_words() {
  waves=$(say "$plan" | awk '!($3 in seen) { seen[$3]; printf " %s", $3 }') || fail "ERROR: cannot read the plan"
  case "$waves " in
    *" ${only_wave:-${waves##* }} "*) ;;
    *) usage_error "no wave $only_wave: the plan has waves$waves" ;;
  esac
  [ -z "$only_task" ] || find_task "$only_task" || usage_error "unknown task '$only_task'"
  only_id=${only_task:+$id} skip=
  set -f
  for word in $(say "$SKIP_TASKS" | tr ',' ' '); do
    find_task "$word" || usage_error "skip: unknown task '$word'"
    skip="$skip$id "
  done
  set +f
}

# find_landed: find out which completed tasks need no branch any more. Sets: landed (names of those that have none, and whose
# commits the base contains, with blanks between and around)
find_landed() {
  landed=' '
  # Only here something else than the selected tasks counts.
  [ -n "$only_wave$only_task$skip" ] || [ "$retry" -eq 1 ] || return 0
  for entry in $(say "$branches" "$states" "" "$plan" | awk '
    NR == 1 { branches = $0; next }
    !NF { in_plan = 1; next }
    !in_plan && $3 == "status=completed" && match($0, / tip=[0-9a-f]+/) { tip[substr($2, 6)] = substr($0, RSTART + 5, RLENGTH - 5) }
    in_plan && ($1 in tip) && !index(branches, " " $2 " ") { print $2 ":" tip[$1] }'); do
    ! read_git -C "$root" merge-base --is-ancestor "${entry#*:}" "${base_commit:-HEAD}" 2>/dev/null ||
      landed="$landed${entry%%:*} "
  done
}

# select_tasks: find out what this run is about. Sets: states (what became of each task) known (the same, but nothing without
# --retry-failed) selected (lines of the plan: of this wave or task, not skipped, in a retry neither completed nor running)
# again (ids of those that an earlier run has left, but for limits, with blanks between and around) failed_before (a line on each that failed
# there)
select_tasks() {
  states=$(list_states) known=
  find_landed
  # Without --retry-failed what earlier runs have left counts for nothing: it is in the way, or forced aside.
  [ "$retry" -eq 0 ] || known=$states
  chosen=$(say "$known" "$plan" | awk -v only_wave="$only_wave" -v only_id="$only_id" -v skip=" $skip" -v fresh="$fresh" '
    $1 ~ /^wave=/ {
      id = substr($2, 6)
      status[id] = substr($3, 8)
      if (match($0, / error=[^ ]*/)) error[id] = substr($0, RSTART + 7, RLENGTH - 7)
      next
    }
    !NF || (only_wave != "" && $3 != only_wave) || (only_id != "" && $1 != only_id) || status[$1] ~ /^(completed|running)$/ { next }
    status[$1] ~ /^(failed|interrupted|lost|blocked|skipped)$/ || (fresh && status[$1] == "limited") { print "again", $1 }
    index(skip, " " $1 " ") { next }
    { print "select", $0 }
    status[$1] ~ /^(failed|interrupted|lost|limited)$/ { print "failed   - " $2 " (error: " ($1 in error ? error[$1] : status[$1]) ")" }
    ') || fail "ERROR: cannot read the plan"
  selected=$(say "$chosen" | sed -n 's/^select //p') || fail "ERROR: cannot read the plan"
  again=" $(say "$chosen" | sed -n 's/^again //p' | tr '\n' ' ') "
  failed_before=$(say "$chosen" | sed -n 's/^failed //p')
}

# show_plan: print what would be done, in the words of the execution plan
show_plan() {
  say "=== Parallel Execution Plan ===" "" "Parallel Dir: $parallel_dir" "Tech Spec: $tech_spec" \
    "Base Branch: $base_branch" "Max Concurrent: $MAX_CONCURRENT"
  if [ "$has_include" -eq 1 ]; then
    round_size "$included_kib"
    say "Include: $(say "$included" | grep -c .) paths, ~$size each"
  fi
  id=
  describe_command
  say "Agent: $command"
  [ -z "$SETUP_COMMAND" ] || say "Setup: $SETUP_COMMAND"
  [ -z "$VERIFY_COMMAND" ] || say "Verify: $VERIFY_COMMAND"
  case $INTEGRATE in
    wave) say "Integrate: after each wave, into $integration" ;;
    end) say "Integrate: after the last wave, into $integration" ;;
  esac
  [ -z "$VERIFY_INTEGRATION" ] || say "Verify Integration: $VERIFY_INTEGRATION"
  round_size "$tree_kib"
  say "$own_commands" "$(describe_commands)" plan "$plan" selected "$selected" | root=${WORKSPACE_ROOT%/} awk -v prefix="$BRANCH_PREFIX" -v size="$size" '
    NF < 2 { phase += NF; next }
    !phase {
      owner = $1
      kind = $2
      sub(/^[^ ]+ +[^ ]+ /, "")
      if ((owner, kind) in told) told[owner, kind] = told[owner, kind] "\n        " $0
      else told[owner, kind] = $0
      next
    }
    phase == 1 { if (length($2) > width) width = length($2); next }
    { line[++count] = $0; tasks[$3]++ }
    function tell(owner, kind) { if ((owner, kind) in told) printf "      %s: %s\n", kind, told[owner, kind] }
    END {
      for (i = 1; i <= count; i++) {
        split(line[i], word, " ")
        if (word[3] != wave)
          printf "\nWave %s (%s):\n", word[3], (tasks[word[3]] == 1 ? "1 task" : tasks[word[3]] " tasks, parallel")
        wave = word[3]
        printf "  - %-" (width + 2) "s -> %s/%s (%s)\n", word[2], ENVIRON["root"], word[1], prefix word[2]
        tell(word[1], "setup")
        tell(word[1], "agent")
        tell(word[1], "verify")
        split(line[i + 1], after, " ")
        if (after[3] != wave) tell(wave, "validation")
      }
      printf "\nTotal Tasks: %d\nEstimated Worktree Space: ", count
      worktrees = count + 0 (count == 1 ? " worktree" : " worktrees")
      if (size == "unknown") { print "unknown (" worktrees ")"; exit }
      print "~" size * count substr(size, length(size) - 1) " (" worktrees " x ~" size ")"
    }'
}

# describe_command: say how the agent of a task is launched. Sets: command (its first line)
describe_command() {
  find_commands
  "launch_$agent"
  command=${command%%"$newline"*}
}

# describe_commands: print `ID agent COMMAND` for each task that has an agent or a model of its own
describe_commands() {
  for id in $(say "$own_commands" | awk '$2 ~ /^(agent|model|subagent)$/ && !($1 in seen) { seen[$1]; print $1 }'); do
    describe_command
    say "$id agent $command"
  done
}

# round_size <KiB>: Sets: size (such as 180MB, rounded up; `unknown` for nothing)
round_size() {
  size=${1:-unknown}
  [ -n "$1" ] || return 0
  [ "$size" != 0 ] || size=1
  for unit in KB MB GB; do
    [ "$size" -ge 1024 ] && [ "$unit" != GB ] || break
    size=$(((size + 1023) / 1024))
  done
  size=$size$unit
}

# show_retries: print the tasks that failed, with their errors
show_retries() {
  say "=== Retrying Failed Tasks ===" ""
  if [ -z "$failed_before" ]; then
    say "No failed tasks from previous run." ""
  else
    say "Failed tasks from previous run:" "$failed_before" "" "Creating worktree for retry..." "Launching agent..." ""
  fi
}

# list_dependencies: print NAME, WAVE, what there is of it (EXISTS, MERGED or MISSING) and, if it has completed, its tip, for
# each task that the one wave or task needs, or in a retry those that have completed
list_dependencies() {
  say "$branches" "$landed" "$states" "" "$selected" "" "$plan" | awk -v needs_all="$only_wave$only_task" -v retry="$retry" '
    NR == 1 { branches = $0; next }
    NR == 2 { landed = $0; next }
    !NF { phase++; next }
    !phase && $3 == "status=completed" {
      tip[substr($2, 6)] = match($0, / tip=[0-9a-f]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : "-"
    }
    phase == 1 { needed = needed "," $4; is_selected[$1] }
    phase == 2 && index(needed ",", "," $1 ",") && !($1 in is_selected) && (needs_all != "" || (retry && $1 in tip)) {
      print $2, $3, (index(branches, " " $2 " ") ? "EXISTS" : index(landed, " " $2 " ") ? "MERGED" : "MISSING"), tip[$1]
    }'
}

# show_dependencies: print whether the branches exist that the one wave depends on
show_dependencies() {
  say "=== Running Wave $only_wave Only ===" ""
  say "$dependencies" | awk -v only="$only_wave" -v problems="$problems" -v prefix="$BRANCH_PREFIX" '
    !NF { next }
    $2 != wave { print "Checking Wave " $2 " dependencies..."; wave = $2 }
    { print "  " prefix $1 ": " $3 }
    END {
      if (wave != "") print ""
      if (!problems) print "All dependencies satisfied. Proceeding with Wave " only ".\n"
    }'
}
