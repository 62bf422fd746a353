# --- state: the records under logs/state/, small files of `key=value` lines, each whole or none. They are the state:
# progress lines, manifest, --status and the dashboard are views of them

# write_record <name> <key=value>...: replace the record by the lines that have a value
write_record() {
  record=$1 content=
  shift
  for line in "$@"; do
    [ -z "${line#*=}" ] || content=$content$line$newline
  done
  printf '%s' "$content" >"$state/.$record.new" && mv -f -- "$state/.$record.new" "$state/$record"
}

# read_record <name>: read the record; false when there is none. Sets: record_KEY for each key below, empty without a line
read_record() {
  for key in status attempt pid identity commits uncommitted error started started_at finished finished_at base_branch \
    base_commit start_commit max_concurrent wave used tried tip stopped slot step included setup worked proof agent session launched begun \
    offset outcome resets_at answered said turns input_tokens output_tokens cost_usd total_usd until limits since waited reason outside branch total merged left_out flaky tidy culprit verifying; do
    eval "record_$key="
  done
  [ -f "$state/$1" ] || return 1
  while IFS= read -r line; do
    key=${line%%=*} value=${line#*=}
    # So it was called before there was lib/.
    [ "$key" != kept ] || key=used
    [ -z "$key" ] || [ "${key#*[!a-z_]}" != "$key" ] || eval "record_$key=\$value"
  done <"$state/$1"
}

# write_result <key=value>...: record the verdict on an attempt, with what its agent has cost
write_result() {
  read_record "$id.session"
  write_record "$id.result" "$@" "turns=$record_turns" "input_tokens=$record_input_tokens" "output_tokens=$record_output_tokens" \
    "cost_usd=$record_cost_usd" "total_usd=$record_total_usd" "answered=$record_answered" "until=$limited_until" \
    "limits=${limits#0}" "since=$limited_since" "finished=$now" "finished_at=$now_at" "status=$verdict"
}

# write_run <status>: record this run
write_run() {
  write_record run "status=$1" "pid=$$" "identity=$own_identity" "base_branch=$base_branch" "base_commit=$base_commit" \
    "started=$run_started" "started_at=$run_started_at" "finished=$run_finished" "finished_at=$run_finished_at" \
    "max_concurrent=$MAX_CONCURRENT" "wave=$only_wave" "reason=$reason"
}

# list_states: print what became of each task, a line each in plan order, in the form of a progress line with the keys of
# its record, and after the tasks of a wave a line on the wave. Without a verdict a task is running when it is in the list
# `running`, and lost when it was started; without records it is what `imported` says of it
list_states() {
  say "$imported" plan "$plan" end | LC_ALL=C state=$state awk -v running=" $running" -v run="$run_outcome" \
    -v unrecorded=" $unrecorded" '
    # read_record <file>: Sets: status facts, both empty when there is none
    function read_record(file,   line) {
      facts = status = ""
      while ((getline line < file) > 0) {
        if (line ~ /^status=/) status = substr(line, 8)
        else if (line ~ /^[a-z_]+=[^ ]+$/ && line !~ /^(pid|identity|used|kept|slot|limits)=/) facts = facts " " line
      }
      close(file)
    }
    function add_facts(record, keys,   known, known_status, fact, n, i) {
      known = facts
      known_status = status
      read_record(ENVIRON["state"] "/" $1 record)
      n = split(facts, fact, " ")
      facts = known
      status = known_status
      for (i = 1; i <= n; i++) if (fact[i] ~ "^(" keys ")=") facts = facts " " fact[i]
    }
    function wave_status() {
      waiting = count["pending"] + count["limited"]
      if (count["running"] || (run == "running" && waiting && count["pending"] < size)) return "running"
      if (count["interrupted"] || (run == "interrupted" && count["limited"])) return "interrupted"
      if (count["failed"] || count["blocked"] || count["lost"] || count["limited"]) return "failed"
      if (!count["pending"]) return "completed"
      return count["completed"] ? "interrupted" : "pending"
    }
    function end_wave() {
      if (size) print "wave=" wave, "status=" wave_status(), "tasks=" count["completed"] + 0 "/" size - count["skipped"]
      size = 0
      for (status in count) delete count[status]
    }
    $0 == "plan" && !in_plan { in_plan = 1; next }
    !in_plan { id = $1; told_status[id] = $2; sub(/^[^ ]* *[^ ]*/, ""); told[id] = $0; next }
    $0 == "end" { is_whole = 1; next }
    $3 != wave { end_wave(); wave = $3 }
    {
      is_running = index(running, " " $1 ":")
      read_record(ENVIRON["state"] "/" $1 ".result")
      if (is_running || status == "") {
        read_record(ENVIRON["state"] "/" $1 ".start")
        status = is_running ? "running" : facts != "" ? "lost" : told_status[$1] != "" ? told_status[$1] : "pending"
        if (facts == "") facts = told[$1]
        else {
          add_facts(".steps", "step")
          add_facts(".session", "answered|turns|input_tokens|output_tokens|cost_usd|total_usd")
        }
      }
      # Whose verdict could not be recorded has failed all the same.
      if (index(unrecorded, " " $1 " ")) { status = "failed"; facts = " error=state" }
      count[status]++
      size++
      print "wave=" wave " task=" $1 " status=" status facts
    }
    # Who had to print the plan was not killed over it.
    END { if (!is_whole) exit 1; end_wave() }'
}

# find_running: find the tasks without a verdict whose runner is alive. Sets: running, an ID:sSLOT:PID:IDENTITY for each,
# with blanks between
find_running() {
  running=
  for record in "$state"/*.start; do
    id=${record##*/}
    id=${id%.start}
    [ -s "$state/$id.result" ] || ! read_record "$id.start" || ! is_alive "$record_pid" "$record_identity" ||
      running="$running$id:s$record_slot:$record_pid:$record_identity "
  done
}

# open_state: make the folders for logs and records, which nobody else may read
open_state() {
  if [ -h "$logs" ] || [ -h "$state" ] || ! mkdir -p -- "$state" || [ ! -w "$state" ]; then
    fail "ERROR: cannot write to '$state'" "  It has to be a folder of one's own, and no symbolic link."
  fi
  [ -s "$logs/.gitignore" ] || printf '*\n' >"$logs/.gitignore"
  # A crash may have torn the last line.
  end_line "$logs/orchestrator.log"
}

# take_lock: become the one orchestrator of this directory, or end with status 2. Each one announces itself in a record of
# its own before it looks for others: of two that start at once at least one sees the other, and a crash leaves no more
# than the record of a dead process
take_lock() {
  trap 'drop_lock' EXIT
  write_record "lock.$$" "pid=$$" "identity=$own_identity" "started_at=$now_at" ||
    fail "ERROR: cannot write to '$state'" "  Is the disk full?"
  refuse_beside
  for other in "$state"/lock.[0-9]*; do
    [ "${other##*/}" != "lock.$$" ] || continue
    read_record "${other##*/}"
    warn "Taking over from a run that died: process ${record_pid:-unknown}, started $record_started_at."
    # A runner of its scheduler that starts only now finds this gone, and leaves its task to us.
    rm -f -- "$other"
  done
  [ ! -e "$manifest.new" ] || rm -f -- "$manifest.new"
}

# find_other: find another orchestrator that is at work here. Sets: owner (its process id, or empty) owned_since
find_other() {
  owner=
  for other in "$state"/lock.[0-9]*; do
    [ "${other##*/}" = "lock.$$" ] || ! read_record "${other##*/}" || ! is_alive "$record_pid" "$record_identity" ||
      owner=$record_pid owned_since=$record_started_at
  done
}

# refuse_beside: end with status 2 when another orchestrator is at work here
refuse_beside() {
  find_other
  [ -z "$owner" ] ||
    fail "ERROR: another run of '$parallel_dir' is under way" "  Process $owner holds it since $owned_since."
}

# drop_lock: let the next run in
drop_lock() {
  trap - EXIT
  rm -f -- "$state/lock.$$"
}

# show_status: print run, waves and tasks as the records have them, else as manifest.json has them
show_status() {
  find_other
  read_record run || import_outcomes
  case $owner,$record_status in
    ?*,*) run_outcome=running alive=yes ;;
    ,running) run_outcome=lost alive=no ;;
    *) run_outcome=${record_status:-none} alive=no ;;
  esac
  line="execution status=$run_outcome alive=$alive pid=${owner:-$record_pid}"
  for key in base_branch base_commit started started_at finished finished_at max_concurrent wave reason; do
    eval "value=\$record_$key"
    line="$line${value:+ $key=$value}"
  done
  say "${line% pid=}"
  find_running
  list_states
  show_integration
}

# show_integration: print how far the latest integration has come, in the form of its progress lines
show_integration() {
  read_record integration && [ -n "$record_status" ] || return 0
  [ "$record_status$owner" != running ] || record_status=lost
  # shellcheck disable=SC2086  # ids
  set -- $record_merged
  line="integration status=$record_status merged=$#/$record_total branch=$record_branch"
  for key in tip base_commit started started_at finished finished_at error verifying; do
    eval "value=\$record_$key"
    line="$line${value:+ $key=$value}"
  done
  say "$line${record_culprit:+ by=$record_culprit}"
  for check in $record_flaky; do
    say "integration status=verified wave=$check flaky=1" | sed 's/ wave=last//'
  done
  for id in $record_merged; do
    say "integration status=merged task=$id"
  done
  for entry in $record_left_out; do
    say "integration status=left_out task=${entry%%:*} error=$(say "${entry#*:}" | tr ':' ' ')"
  done
}
