# --- decide: what is to be done now: a pure function, so that each policy is a line or two, and a row in a table of tests

# decide: read facts from stdin, print decisions. The facts, a line each, in any order but for the last:
#   KEY=VALUE    now, slots (how many may run at a time), schedule, halt, retries, retry_delay, only_wave (empty: all),
#                stopping (empty: no); ids: running, to_adopt (running, and not reported yet), ended (until now they ran),
#                again (an earlier run has left them, to be run again), skip; names: branches (that there are); waves: opened, closed;
#                integrate (no, wave or end), integrated (waves, and end: tried in this run);
#                agent, agents (of all tasks, and ID:AGENT of single ones), paused (AGENT:UNTIL), refused (agents), max_cost, limit_wait,
#                began (when this run began)
#   wave=N task=ID status=S KEY=VALUE... as list_states prints it; and ID NAME WAVE DEPS TIMEOUT PROMPT, a task of the plan,
#   dependencies before dependents; and last: end
# The decisions, a line each, in the order in which to carry them out; TASK is a line of the plan:
#   adopt - TASK                             an earlier scheduler has started it
#   report STATUS TASK, retry SECONDS TASK   it has ended, for good, or to be tried again after so long
#   halt                                     a task has failed: stop, as the policy says
#   pause AGENT UNTIL, resume AGENT          a limit holds it back, or does so no longer
#   refuse AGENT TASK                        it refuses all work, as it has said in this task
#   cap USD                                  the run has cost so much: start no more
#   give_up AGENT TASK                       a limit that the task has met lasts longer than we may wait
#   integrate WAVE                           merge what has completed up to it; `end`: all of it
#   open WAVE, close WAVE STATUS DONE/SIZE   the first thing happens in it, the last has happened
#   skip - TASK, block BY TASK               it is not to be started
#   start TRIED TASK, probe TRIED TASK       it is; this run has tried it so many times before. A probe is the first after a limit
#   wait SECONDS                             nothing will change before, unless a task ends
#   done STATUS                              the run is over
decide() {
  LC_ALL=C awk '
    function list(key, set,   n, word) {
      n = split(given[key], word, " ")
      for (; n > 0; n--) { set[substr(word[n], 1, index(word[n] ":", ":") - 1)] = substr(word[n], index(word[n] ":", ":") + 1) }
    }
    function may_retry(n) {
      return status[n] == "failed" && tried[id[n]] + 0 < given["retries"] + 0 && !stopping && \
        error[id[n]] !~ /^(merge_conflict|prompt_missing|state|agent_config)$/
    }
    function pause(n,   seconds, i) {
      seconds = given["retry_delay"]
      for (i = tried[id[n]] + 0; i > 0 && seconds < 600; i--) seconds *= 2
      return seconds
    }
    function waits(n) { return status[n] ~ /^(pending|limited)$/ || may_retry(n) }
    function is_open(n) { return status[n] == "running" || waits(n) }
    # A dependency that this run leaves out is as good as its branch.
    function has_work(n) { return status[n] == "completed" || (status[n] ~ /^(left|skip|skipped)$/ && name[n] in branches) }
    function open_wave(w) { if (!(w in opened)) { opened[w]; print "open", w } }
    function close_wave(w, verdict) {
      if (!(w in opened) || w in closed) return
      closed[w]
      print "close", w, (done[w] == size[w] ? "completed" : verdict), done[w] + 0 "/" size[w] + 0
    }
    # look_at <task>: it waits, and its wave is open
    function look_at(n,   i, parts, dep, due) {
      parts = deps[n] == "-" ? 0 : split(deps[n], dep, ",")
      for (i = 1; i <= parts; i++)
        if (!has_work(number[dep[i]]) && !is_open(number[dep[i]])) {
          open_wave(wave[n])
          print "block", dep[i], line[n]
          status[n] = "blocked"
          return
        }
      for (i = 1; i <= parts; i++) if (!has_work(number[dep[i]])) return
      if (agent[n] in hopeless) return
      due = status[n] ~ /^(pending|limited)$/ ? 0 : finished[id[n]] + pause(n)
      if (agent[n] in limit && limit[agent[n]] > due) due = limit[agent[n]]
      if (due > given["now"] + 0) { if (!soonest || due < soonest) soonest = due }
      else if (!(agent[n] in probed)) ready[++ready_count] = n
    }
    # look_for_limits: a limit that a task has met holds back all tasks of its agent, then all but one until that has an answer
    function look_for_limits(   n, a, since) {
      for (n = 1; n <= count; n++) {
        a = agent[n]
        if (status[n] == "running" && fact[id[n], "probe"] && !fact[id[n], "answered"]) probed[a]
        if (fact[id[n], "answered"] > answered[a] + 0) answered[a] = fact[id[n], "answered"]
      }
      for (n = 1; n <= count; n++) {
        a = agent[n]
        # Who was launched after it and has an answer has shown that it is over.
        if (status[n] != "limited" || finished[id[n]] < answered[a] + 0) continue
        if (fact[id[n], "until"] > limit[a] + 0) limit[a] = fact[id[n], "until"]
        since = fact[id[n], "since"] > given["began"] + 0 ? fact[id[n], "since"] : given["began"]
        if (given["limit_wait"] + 0 && fact[id[n], "until"] - since > given["limit_wait"] + 0) hopeless[a] = "give_up"
      }
      for (a in limit) if (limit[a] > given["now"] + 0 && paused[a] != limit[a]) print "pause", a, limit[a]
      for (n = 1; n <= count; n++) {
        a = agent[n]
        if (status[n] == "failed" && error[id[n]] == "agent_config") hopeless[a] = "refuse"
        if (!(a in hopeless) || a in refused) continue
        refused[a]
        print hopeless[a], a, line[n]
      }
      for (a in paused) if (!(a in limit) && !(a in probed) && !(a in hopeless)) print "resume", a
    }

    $0 == "end" { is_whole = 1; next }
    $1 ~ /^wave=/ && $2 ~ /^task=/ {
      task = substr($2, 6)
      told[task] = substr($3, 8)
      for (i = 4; i <= NF; i++) {
        if ($i ~ /^error=/) error[task] = substr($i, 7)
        if ($i ~ /^tried=/) tried[task] = substr($i, 7)
        if ($i ~ /^finished=/) finished[task] = substr($i, 10) + 0
        if ($i ~ /^(until|since|answered|probe|total_usd)=/) fact[task, substr($i, 1, index($i, "=") - 1)] = substr($i, index($i, "=") + 1) + 0
      }
      next
    }
    $1 ~ /=/ { cut = index($0, "="); given[substr($0, 1, cut - 1)] = substr($0, cut + 1); next }
    { id[++count] = $1; name[count] = $2; number[$1] = count; wave[count] = $3; deps[count] = $4; line[count] = $0 }

    END {
      if (!is_whole) exit 1
      list("running", running); list("again", again); list("skip", skip); list("branches", branches)
      list("to_adopt", to_adopt); list("opened", opened); list("closed", closed)
      list("integrated", integrated); list("agents", own_agent); list("paused", paused); list("refused", refused)
      stopping = given["stopping"]
      for (n = 1; n <= count; n++) {
        status[n] = id[n] in running ? "running" : id[n] in told ? told[id[n]] : "pending"
        agent[n] = id[n] in own_agent ? own_agent[id[n]] : given["agent"]
        spent += fact[id[n], "total_usd"]
        if (status[n] ~ /^(running|completed)$/) continue
        if (id[n] in again || status[n] == "lost") { status[n] = "pending"; tried[id[n]] = 0 }
        if (id[n] in skip && status[n] != "skipped") status[n] = "skip"
        if (given["only_wave"] != "" && given["only_wave"] != wave[n]) status[n] = "left"
      }

      for (n = 1; n <= count; n++) if (id[n] in to_adopt) { open_wave(wave[n]); print "adopt", "-", line[n] }
      # The results that have come in.
      parts = split(given["ended"], ended, " ")
      for (i = 1; i <= parts; i++) {
        n = number[ended[i]]
        open_wave(wave[n])
        if (may_retry(n)) { print "retry", pause(n), line[n]; continue }
        print "report", status[n], line[n]
        if (status[n] !~ /^(completed|limited)$/ && given["halt"] != "never" && !stopping) { stopping = "halt"; print "halt" }
      }
      look_for_limits()
      for (n = 1; n <= count && !stopping; n++)
        if (given["max_cost"] != "" && spent >= given["max_cost"] + 0 && waits(n)) { stopping = "cost"; print "cap", spent }

      verdict = stopping && stopping !~ /^(halt|cost|integration)$/ ? "interrupted" : "failed"
      # The plan. A wave may start when all tasks before it have ended, or with the schedule deps at once.
      for (n = 1; n <= count; n++) {
        w = wave[n]
        if (w != wave[n - 1]) may_start = !stopping && (given["schedule"] == "deps" || !unfinished)
        if (may_start && status[n] == "skip") { open_wave(w); print "skip", "-", line[n]; status[n] = "skipped" }
        if (may_start && waits(n)) look_at(n)
        if (status[n] == "running") running_count++
        if (is_open(n)) { left[w]++; unfinished++ }
        if (status[n] == "completed") done[w]++
        if (status[n] !~ /^(left|skip|skipped)$/) { size[w]++; failed += status[n] != "completed" }
        if (w != wave[n + 1] && !left[w]) {
          close_wave(w, verdict)
          # The next wave starts from what this one has brought.
          if (given["integrate"] == "wave" && may_start && !(w in integrated) && (given["only_wave"] == "" || w + 0 <= given["only_wave"] + 0)) {
            print "integrate", w
            exit
          }
        }
      }

      # Of those that can start, those that a limit has stopped first, then, with the schedule deps, the one with the longest
      # chain behind it.
      for (n = count; n > 0 && given["schedule"] == "deps"; n--) {
        parts = deps[n] == "-" ? 0 : split(deps[n], dep, ",")
        for (i = 1; i <= parts; i++) if (rank[number[dep[i]]] < rank[n] + 1) rank[number[dep[i]]] = rank[n] + 1
      }
      for (i = 1; i <= ready_count; i++) if (status[ready[i]] == "limited") rank[ready[i]] += count
      for (slots = given["slots"] - running_count; slots > 0; slots--) {
        best = 0
        for (i = 1; i <= ready_count; i++)
          if (ready[i] && !(agent[ready[i]] in probed) && (!best || rank[ready[i]] > rank[ready[best]])) best = i
        if (!best) break
        n = ready[best]
        ready[best] = 0
        started++
        open_wave(wave[n])
        print (agent[n] in limit ? "probe" : "start"), tried[id[n]] + may_retry(n), line[n]
        if (agent[n] in limit) probed[agent[n]]
      }
      if (soonest) print "wait", soonest - given["now"]
      if (running_count || started || soonest) exit
      for (n = 1; n <= count; n++) close_wave(wave[n], verdict)
      for (n = 1; n <= count; n++) unfinished += waits(n)
      if (given["integrate"] == "end" && !stopping && !unfinished && !("end" in integrated)) { print "integrate end"; exit }
      print "done", (failed || stopping ? verdict : "completed")
    }'
}
