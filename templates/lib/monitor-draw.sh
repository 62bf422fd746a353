# --- draw: a frame, made by one awk; nothing from records and logs reaches the terminal unexamined

# draw_frame: turn what print_sight prints into a frame of so many rows (0: any) and columns
draw_frame() {
  print_sight | LC_ALL=C awk -v rows="$rows" -v columns="$columns" -v now="$now" -v at="$now_at" \
    -v color="$color" -v full_screen="$full_screen" "$awk_clean"'
    # Cut to so many columns; what is neither printable ASCII nor good UTF-8 becomes a question mark.
    function fit(text, room,    out, size, width) {
      for (out = ""; text != "" && room > 0; room -= width) {
        width = 1
        if (match(text, /^[ -~]+/)) {
          size = width = RLENGTH < room ? RLENGTH : room
          out = out substr(text, 1, size)
        } else if (counts_bytes && match(text, utf8)) {
          size = RLENGTH
          if (match(text, wide)) width = 2
          if (width <= room) out = out substr(text, 1, size)
        } else {
          size = 1
          out = out "?"
        }
        text = substr(text, size + 1)
      }
      return out
    }

    function pad(text, width) { return sprintf("%-" width "s", fit(text, width)) }
    function paint(style, text) { return color && style != "" ? "\033[" style "m" text "\033[0m" : text }
    function money(usd) { return sprintf(usd < 0.1 ? "$%.4f" : "$%.2f", usd) }
    function count(n, noun) { return n " " noun (n == 1 ? "" : "s") }

    function span(seconds,    minutes) {
      if (seconds < 0) seconds = 0
      minutes = int(seconds / 60)
      if (minutes >= 60) return sprintf("%dh %02dm", minutes / 60, minutes % 60)
      return minutes ? sprintf("%dm %02ds", minutes, seconds % 60) : seconds "s"
    }

    function emit(line) {
      if (!rows || printed < rows)
        frame = frame (printed++ ? "\n" : "") line (full_screen ? "\033[K" : "")
    }

    # True when this process is the one that wrote the record; the identity is made as run-parallel.sh makes it.
    function is_alive(record,    pid) {
      pid = value[record ":pid"]
      if (!has_proc) return pid in identity && identity[pid] == value[record ":identity"]
      if (pid !~ /^[0-9]+$/ || !read_stat(pid)) return 0
      return field[1] !~ /[ZX]/ && boot ":" field[20] == value[record ":identity"]
    }

    # Split what proc(5) calls stat, from the third field on, into field; false when there is no such process.
    function read_stat(pid,    file, stat) {
      file = "/proc/" pid "/stat"
      if ((getline stat <file) <= 0) return 0
      close(file)
      sub(/.*\) /, "", stat)
      split(stat, field, " ")
      return 1
    }

    # Keep the last line of the log that was read which has something to see.
    function keep_log(    text) {
      while (line_total > 0 && text == "") {
        text = clean(line[line_total--])
        sub(/^ +/, "", text)
      }
      last[owner] = text
      line_total = 0
    }

    function look_at(i,    record, start) {
      record = id[i] ".result"
      start = id[i] ".start"
      outcome[i] = fit(value[record ":status"], 11)
      if (outcome[i] == "") {
        record = start
        outcome[i] = !((start ":pid") in value) ? "pending" : is_alive(start) ? "running" : "lost"
      }
      if (!(outcome[i] in rank)) rank[outcome[i]] = 3
      if (length(outcome[i]) > outcome_width) outcome_width = length(outcome[i])
      began[i] = value[record ":started"] + value[record ":waited"]
      ended[i] = outcome[i] == "running" ? now : value[record ":finished"]
      said[i] = clean(value[id[i] ".session:said"])
      cost[i] = value[id[i] ".session:total_usd"]
      spent += cost[i]
      commits[i] = value[record ":commits"]
      if (value[record ":error"] != "") note[i] = value[record ":error"]
      else if (outcome[i] == "limited") note[i] = value["run:status"] == "running" ? "goes on in " span(value[record ":until"] - now) : "waits for --retry-failed"
      else if (value[record ":by"] != "") note[i] = "by " value[record ":by"]
      else if (value[record ":uncommitted"] + 0 > 0) note[i] = value[record ":uncommitted"] " uncommitted"
      else if (value[record ":attempt"] + 0 > 1) note[i] = "attempt " value[record ":attempt"]
      else if (cost[i] > 0 && outcome[i] != "running") note[i] = money(cost[i])
      step[i] = value[(record == start ? id[i] ".steps" : record) ":step"]
      if (outcome[i] == "running" && step[i] ~ /^(include|setup|verify)$/) note[i] = step[i]
      sum[outcome[i]]++
      in_wave[wave[i]]++
      if (outcome[i] == "completed") done[wave[i]]++
      if (outcome[i] == "skipped") in_wave[wave[i]]--
    }

    function describe_run(    text, limit, elapsed) {
      run = value["run:status"]
      if (run == "") return "No run has started" (sum["pending"] == total ? "." : "; tasks were run by hand.")
      limit = value["run:max_concurrent"]
      elapsed = value["run:finished"] - value["run:started"]
      text = run " in " span(elapsed)
      if (run == "running" && is_alive("run"))
        text = "running " sum["running"] + 0 "/" limit "  elapsed " span(now - value["run:started"])
      else if (run == "running") {
        run = "dead"
        text = "dead: process " value["run:pid"] " is gone"
      }
      if (value["run:wave"] != "") text = text "  wave " value["run:wave"] " only"
      return text "  base " value["run:base_branch"]
    }

    # Sets: integration, its status; empty where there is none, or no room for it.
    function describe_integration(    text, check, id) {
      integration = rows && rows < 4 ? "" : value["integration:status"]
      if (integration == "running" && !is_alive(".integration.start")) integration = "lost"
      check = value["integration:verifying"]
      text = integration
      if (integration == "running") text = check == "" ? "merging" : "verifying " (check == "last" ? "all of it" : "wave " check)
      text = text ", " split(value["integration:merged"], id, " ") "/" value["integration:total"] " tasks merged"
      if (value["integration:left_out"] != "") text = text ", " split(value["integration:left_out"], id, " ") " left out"
      return "Integration: " text
    }

    # Where there is no room for all: first what runs, then what failed, what waits, and what is done.
    function choose(    room, turn, i, need) {
      for (i = 1; i <= total; i++) need += 1 + (wave[i] != wave[i - 1])
      room = rows ? rows - 3 - (integration != "") : need
      if (need > room) room--
      hidden = total
      for (turn = 1; turn <= 4; turn++)
        for (i = 1; i <= total; i++) {
          need = 1 + !(wave[i] in open)
          if (rank[outcome[i]] != turn || need > room) continue
          room -= need
          hidden--
          open[wave[i]] = shown[i] = 1
        }
    }

    function describe_task(i,    cell, text) {
      text = "  " pad(name[i], name_width) gap paint(style[outcome[i]], pad(outcome[i], outcome_width))
      cell = !began[i] || ended[i] == "" ? "" : span(ended[i] - began[i])
      text = text gap sprintf("%7s", cell)
      cell = commits[i] == "" ? "" : small ? "+" commits[i] : count(commits[i], "commit")
      text = text gap pad(cell, small ? 3 : 10)
      # A log without a record of its task is of an earlier run.
      if (!began[i]) cell = ""
      else if (outcome[i] != "completed" && step[i] ~ /^(setup|verify)$/) cell = last["..//" id[i] "." step[i] ".log"]
      else cell = said[i] != "" ? said[i] : last["..//" id[i] ".log"]
      if (note[i] != "") cell = note[i] (cell == "" ? "" : ": " cell)
      return text gap fit(cell, width - name_width - outcome_width - (small ? 16 : 27))
    }

    function describe_totals(    text, i) {
      for (i = 1; i in word; i++)
        if (sum[word[i]]) text = text (text == "" ? "" : ", ") sum[word[i]] " " word[i]
      if (spent > 0) text = text ", " money(spent)
      return (small ? "" : count(total, "task") ": ") text (full_screen ? "  (q quits)" : "")
    }

    BEGIN {
      has_proc = read_stat("self")
      if ((getline boot <"/proc/sys/kernel/random/boot_id") > 0 && read_stat(1)) boot = boot "-" field[20]
      else boot = ""
      # Without the control characters of ISO 6429 that UTF-8 has, too.
      utf8 = "[\200-\277]"
      utf8 = "^(\302[\240-\277]|[\303-\337]" utf8 "|\340[\240-\277]" utf8 "|[\341-\357]" utf8 utf8 \
        "|\360[\220-\277]" utf8 utf8 "|[\361-\363]" utf8 utf8 utf8 "|\364[\200-\217]" utf8 utf8 ")"
      # East Asian letters and pictographs take two columns; a column too many does no harm.
      wide = "^([\343-\355\357\360]|\342[\214\217\230-\237\254\255])"
      split("running limited failed lost interrupted blocked pending completed skipped dead", word, " ")
      split("36 33 31 31 33 33 2 32 2 31", color_of, " ")
      split("1 2 2 2 2 3 3 4 4", turn_of, " ")
      for (i = 1; i in word; i++) {
        style[word[i]] = color_of[i]
        rank[word[i]] = turn_of[i]
      }
      outcome_width = 9
      small = columns < 60
      gap = small ? " " : "  "
      width = columns - 1
    }

    # The title, the plan, an empty line, processes, records and logs. No log can pass for a record: those come first.
    NR == 1 {
      counts_bytes = length($1) == 2
      title = substr($0, length($1) + 2)
      next
    }
    !part && NF {
      id[++total] = $1
      name[total] = $2
      wave[total] = $3
      if (length($1) > id_width) id_width = length($1)
      if (length($2) > name_width) name_width = length($2)
      next
    }
    !part { part = "processes"; next }
    /^==> .* <==$/ && part != "logs" && $2 !~ /\// { part = "records"; record = $2; next }
    /^==> \.\.\/\/.* <==$/ {
      part = "logs"
      keep_log()
      owner = $2
      next
    }
    part == "logs" { line[++line_total] = $0; next }
    part == "records" {
      cut = index($0, "=")
      value[record ":" substr($0, 1, cut - 1)] = substr($0, cut + 1)
      next
    }
    $2 !~ /Z/ {
      pid = $1
      sub(/^ *[^ ]+ +[^ ]+ +/, "")
      # Some pad the last column, too.
      sub(/ +$/, "")
      gsub(/ +/, "_")
      identity[pid] = "since_" $0
    }

    END {
      keep_log()
      for (i = 1; i <= total; i++) look_at(i)
      if (name_width > width / 3) {
        name_width = id_width < width / 3 ? id_width : int(width / 3)
        for (i = 1; i <= total; i++) name[i] = id[i]
      }
      emit(paint(1, fit(title "  " at, width)))
      text = describe_run()
      emit(paint(style[run], fit(text, width)))
      text = describe_integration()
      choose()
      for (i = 1; i <= total; i++) {
        if (wave[i] != wave[i - 1] && wave[i] in open)
          emit(paint(1, "Wave " wave[i] ": " done[wave[i]] + 0 "/" in_wave[wave[i]] " completed"))
        if (shown[i]) emit(describe_task(i))
      }
      if (hidden && (!rows || printed < rows - 1 - (integration != ""))) emit("  ... " hidden " more")
      if (integration != "") emit(paint(style[integration], fit(text, width)))
      emit(fit(describe_totals(), width))
      printf "%s%s%s", (full_screen ? "\033[H" : ""), frame, (full_screen ? "\033[J" : "\n")
    }
  '
}
