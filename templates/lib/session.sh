# --- session: the launches of a task's agent, in one session as far as that goes

# choose_session: begin a session under a name of our own: a UUID. Sets: session
choose_session() {
  session=$(od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n' |
    sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)/\1-\2-4\3-a\4-/')
}

# replace_facts <lines> <key>...: take these keys out of the record of the session, and add the lines
replace_facts() {
  added=$1
  shift
  # shellcheck disable=SC2046  # words
  set -- $(printf ' -e /^%s=/d' "$@")
  [ -e "$state/$id.session" ] || [ -n "$added" ] || return 0
  {
    [ ! -e "$state/$id.session" ] || sed "$@" <"$state/$id.session"
    printf '%s' "$added"
  } >"$state/.$id.session.new" && mv -f -- "$state/.$id.session.new" "$state/$id.session"
}

# choose_command: choose how the agent is launched: in its session, if it has one. Sets: command, session (empty where it cannot
# be chosen and is not known yet) resumed (1: the agent knows the task)
choose_command() {
  session='' resumed=
  if read_record "$id.session" && [ "$record_agent" = "$agent" ]; then
    session=$record_session
  fi
  read_clock
  if [ -n "$session" ]; then
    resumed=1
    "resume_$agent"
    replace_facts "launched=$now$newline" launched begun outcome resets_at answered
  else
    "launch_$agent"
    # A command that names its session gets one.
    [ "${command#*PARALLEL_SESSION}" = "$command" ] || choose_session
    # What this session has cost counts from the beginning; what the task has cost stays.
    replace_facts "agent=$agent${newline}session=$session${newline}launched=$now$newline" agent session launched begun outcome \
      resets_at answered counted_turns counted_input_tokens counted_output_tokens counted_cost_usd
  fi
}

# write_input: write what the agent is told: its prompt; where the task was attempted before a message, and the prompt only to one
# that does not know it. Sets: input (a file)
write_input() {
  input=$state/.$id.prompt
  {
    has_message=1
    if [ -e "$state/$id.feedback" ]; then
      cat -- "$state/$id.feedback"
    elif [ -n "$ended_by" ]; then
      describe_end
      say "This task was attempted before, and the work is in this worktree. $ended_by"
      say "Go on from there, commit, and end as the task tells."
    else
      has_message=
    fi
    [ -n "$resumed" ] && [ -n "$has_message" ] || {
      [ -z "$has_message" ] || say "" "---" ""
      cat -- "$dir/$prompt"
    }
  } >"$input"
}

# describe_end: turn the error of the last attempt into a sentence. Sets: ended_by
describe_end() {
  case $ended_by in
    limited) ended_by="It was stopped by a usage limit, which is over now." ;;
    timeout) ended_by="It was stopped because its time was over." ;;
    stalled) ended_by="It was stopped because nothing was heard of it any more." ;;
    interrupted | lost) ended_by="It was cut off." ;;
    exit_code_*) ended_by="The agent ended with status ${ended_by#exit_code_}." ;;
    no_marker) ended_by="The agent ended without $marker." ;;
    *[!a-z_]*) ;;
    *) ended_by="It failed: $ended_by." ;;
  esac
}

# launch_agent: launch the agent in its session, wait until it has ended or was stopped, and read what it has told. Sets: exit_code
# overdue (1: it has stalled)
launch_agent() {
  overdue=
  choose_command
  ! command -v "prepare_$agent" >/dev/null || "prepare_$agent"
  write_input || { error=state && return; }
  [ ! -e "$state/$id.told" ] || rm -rf -- "$state/$id.told"
  watch_agent &
  watcher=$!
  run_group become_command "$command" "$input"
  exit_code=$step_status
  # bash may lose a trap: this ends the watch as well.
  rm -f -- "$input" "$state/.$id.seen"
  kill -s TERM "$watcher" 2>/dev/null
  reap "$watcher"
  read_log "$exit_code"
  read_record "$id.session"
  if [ "$exit_code" -ne 0 ] && command -v "explain_$agent" >/dev/null; then
    session=$record_session
    "explain_$agent" >>"$log"
    read_log "$exit_code"
    read_record "$id.session"
  fi
}

# judge_launch: find out what a launch that has failed was ended by, in the words of the service. Sets: error, or limited_until
# (seconds since 1970) limited_since limits (how often a limit was met since the agent had its last answer)
judge_launch() {
  [ "$exit_code" -ne 0 ] || return 0
  [ "$exit_code" -ne 75 ] || record_outcome=limited
  case $record_outcome in
    limited) ;;
    ?*) error=$record_outcome && return ;;
    *) return ;;
  esac
  read_clock
  # Of a command that tells no time, nobody knows whether its words were an answer.
  [ -z "$record_answered" ] || [ "$exit_code,$record_resets_at" = 75, ] || limits=0
  [ "$limits" -gt 0 ] || limited_since=$now
  limits=$((limits + 1))
  limited_until=$((now + limit_delay * (limits > 5 ? 30 : 1 << (limits - 1))))
  if [ "${record_resets_at:-0}" -gt "$now" ]; then
    # A service that tells the next second again and again is not asked each second.
    limited_until=$((limits > 2 ? now + limit_delay : now))
    [ "$record_resets_at" -le "$limited_until" ] || limited_until=$record_resets_at
  elif [ "$LIMIT_WAIT" -gt 0 ] && [ "$limited_until" -gt $((limited_since + LIMIT_WAIT)) ] && [ "$now" -lt $((limited_since + LIMIT_WAIT)) ]; then
    # What we only guess is no reason to give up: a last try when the time is over.
    limited_until=$((limited_since + LIMIT_WAIT))
  fi
}

# find_limit: where a limit has stopped the agent of a task whose runner died, that is the verdict. Sets: verdict error
# limited_until limited_since limits
find_limit() {
  limited_until='' limits=0 limited_since=''
  [ -s "$state/$id.session" ] || return 0
  find_commands
  read_log
  read_record "$id.session"
  # The exit status may be lost; that the service has told a time is not.
  [ "$record_outcome" = limited ] || [ -z "$record_outcome" ] && [ "$step_name" != verify ] &&
    [ -n "$record_outcome$record_resets_at" ] || return 0
  # Who goes on finds out whether it still lasts.
  verdict=limited error='' limits=1 limited_since=$now limited_until=${record_resets_at:-$now}
}

# find_limited: give the tasks whose runner and scheduler died after a limit had stopped them their verdict
find_limited() {
  while read -r id name wave deps limit prompt; do
    case " $running" in
      *" $id:"*) continue ;;
    esac
    [ -e "$state/$id.start" ] && [ ! -s "$state/$id.result" ] || continue
    use_task
    read_record "$id.steps"
    verdict='' step_name=$record_step
    find_limit
    [ -z "$verdict" ] || record_end
  done <<EOF
$plan
EOF
}

# watch_agent: in the background, as long as the agent runs: read its log and cut it where it is too long, and tell the runner
# when the agent has stalled
watch_agent() {
  trap 'runner=; wake' TERM
  trap '' INT HUP USR1 USR2
  quiet=0 used='' look=1 seen=$state/.$id.seen
  printf '' >"$seen"
  while :; do
    nap "$look"
    [ -e "$input" ] && is_alive "$runner" "$runner_identity" || return 0
    # Naps, not the clock: the box may have been suspended.
    quiet=$((quiet + look))
    # shellcheck disable=SC3013  # where there is no -nt nobody stalls
    if ! [ "$seen" -nt "$log" ] 2>/dev/null; then
      quiet=0 used=''
      printf '' >"$seen"
      read_log
      [ "$size" -le "$MAX_LOG_SIZE" ] || cut_log "$log"
      # The other tasks of this agent wait for its first answer.
      if [ -n "$probe" ] && read_record "$id.session" && [ -n "$record_answered" ]; then
        probe=
        tell_scheduler
      fi
    elif [ "$STALL_TIMEOUT" -gt 0 ]; then
      earlier_used=$used
      [ -n "$used" ] && [ "$quiet" -lt "$STALL_TIMEOUT" ] || read_used
      if [ "$quiet" -ge "$STALL_TIMEOUT" ]; then
        # A processor has a hundred ticks a second, and a program that waits uses a few of them.
        [ -z "$runner" ] || { [ -n "$used" ] && [ $((used - ${earlier_used:-0})) -gt $((10 * quiet)) ]; } || kill -s USR1 "$runner"
        quiet=0
      fi
    fi
    [ -n "$probe" ] || look=$((look < tick ? look * 2 : tick * 2))
    [ "$STALL_TIMEOUT" -eq 0 ] || [ "$look" -le "$STALL_TIMEOUT" ] || look=$STALL_TIMEOUT
  done
}

# read_used: find out how much of a processor the agent has used, and all that it started. Sets: used (ticks, empty where there is
# no /proc)
read_used() {
  used='' processes=''
  [ -r /proc/self/stat ] || return 0
  recall_process "$id.agent"
  add_processes "$recalled"
  used=0
  for process in $processes; do
    { read -r stat <"/proc/$process/stat"; } 2>/dev/null || continue
    # shellcheck disable=SC2086  # fields 3 and on of proc(5); 14 to 17 are times, those of children that have ended included
    set -- ${stat##*\) }
    [ $# -lt 15 ] || used=$((used + ${12} + ${13} + ${14} + ${15}))
  done
}
