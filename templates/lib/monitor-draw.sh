# --- draw: a frame, made by one awk from facts and logs; nothing of theirs reaches the terminal unseen

# draw_frame: read what print_facts and print_logs print, and print a frame that fits in rows (0: any) and columns
draw_frame() {
  LC_ALL=C awk -v rows="$rows" -v columns="$columns" -v now="$now" -v color="$color" -v full_screen="$full_screen" '
    # Leave the text of a log line: no escape sequences, no other control characters, of a progress bar the last state.
    function clean(text) {
      gsub(/\033\[[0-?]*[ -\/]*[@-~]/, "", text)
      gsub(/\033[]PX^_][^\007\033]*(\007|\033\\)?/, "", text)
      gsub(/\033[ -\/]*[0-~]?/, "", text)
      sub(/\r+$/, "", text)
      sub(/.*\r/, "", text)
      gsub(/\t/, " ", text)
      gsub(/[\001-\037\177]/, "", text)
      sub(/^ +/, "", text)
      return text
    }
    # Cut to so many columns; what is neither printable ASCII nor good UTF-8 becomes a question mark.
    function fit(text, room,    out, size, width) {
      out = ""
      while (text != "" && room > 0) {
        if (match(text, /^[ -~]+/)) {
          size = width = RLENGTH < room ? RLENGTH : room
          out = out substr(text, 1, size)
        } else if (counts_bytes && match(text, utf8)) {
          size = RLENGTH
          width = match(text, wide) ? 2 : 1
          if (width <= room) out = out substr(text, 1, size)
        } else {
          size = width = 1
          out = out "?"
        }
        room -= width
        text = substr(text, size + 1)
      }
      return out
    }
    function pad(text, width) { return sprintf("%-" width "s", fit(text, width)) }
    function paint(style, text) { return color && style != "" ? "\033[" style "m" text "\033[0m" : text }
    function count(n, noun) { return n " " noun (n == 1 ? "" : "s") }
    function span(seconds,    minutes) {
      if (seconds < 0) seconds = 0
      minutes = int(seconds / 60)
      if (minutes >= 60) return sprintf("%dh %02dm", minutes / 60, minutes % 60)
      return minutes ? sprintf("%dm %02ds", minutes, seconds % 60) : seconds "s"
    }
    function emit(line) {
      if (rows && printed >= rows) return
      frame = frame (printed++ ? "\n" : "") line (full_screen ? "\033[K" : "")
    }
    function keep_log() {
      for (; line_total > 0; line_total--)
        if ((text = clean(lines[line_total])) != "") { last[owner] = text; break }
      line_total = 0
    }
    function header(    text, style) {
      emit(paint(1, fit(title, width)))
      if (run == "-") return (total == sum["pending"]) ? "No run has started." : "No orchestrator has run."
      text = run
      if (run == "dead") text = "dead: process " run_pid " is gone"
      if (run == "running") text = "running " sum["running"] + 0 "/" limit "  elapsed " span(now - run_started)
      else if (run_finished != "-") text = text " in " span(run_finished - run_started)
      return text (only_wave == "-" ? "" : "  wave " only_wave " only") "  base " base
    }
    # Where not all fits: first what runs, then what failed, what waits, and what is done.
    function choose(    room, rank, i, need) {
      room = rows - 3
      for (i = 1; i <= total; i++) need += 1 + (wave[i] != wave[i - 1])
      if (rows && need > room--)
        hidden = total
      for (rank = 1; rank <= 4; rank++)
        for (i = 1; i <= total; i++)
          if (rank_of(outcome[i]) == rank && (!hidden || room >= 1 + !(wave[i] in open))) {
            room -= 1 + !(wave[i] in open)
            open[wave[i]] = shown[i] = 1
            if (hidden) hidden--
          }
    }
    function rank_of(word) {
      if (word == "running") return 1
      if (word ~ /^(failed|lost|interrupted)$/) return 2
      return word ~ /^(completed|skipped)$/ ? 4 : 3
    }
    function row(i,    text, end) {
      end = finished[i] != "-" ? finished[i] : outcome[i] == "running" ? now : ""
      text = "  " pad(narrow ? id[i] : name[i], label_width) gap paint(style[outcome[i]], pad(outcome[i], state_width))
      text = text gap sprintf("%7s", started[i] == "-" || end == "" ? "" : span(end - started[i]))
      text = text gap pad(commits[i] == "-" ? "" : columns < 60 ? "+" commits[i] : count(commits[i], "commit"), commit_width)
      end = note[i] (note[i] != "" && last[i] != "" ? ": " : "") last[i]
      return text gap fit(end, width - 2 - label_width - state_width - 7 - commit_width - 4 * length(gap))
    }
    BEGIN {
      utf8 = "^([\303-\337][\200-\277]|\302[\240-\277]|\340[\240-\277][\200-\277]|[\341-\357][\200-\277][\200-\277]"
      utf8 = utf8 "|\360[\220-\277][\200-\277][\200-\277]|[\361-\363][\200-\277][\200-\277][\200-\277]|\364[\200-\217][\200-\277][\200-\277])"
      # East Asian letters and pictures take two columns; better one too many than one too few.
      wide = "^([\343-\355\357\360]|\342[\214\217\230-\237\254\255])"
      style["running"] = 36; style["completed"] = 32; style["failed"] = style["lost"] = style["dead"] = 31
      style["interrupted"] = style["blocked"] = 33; style["pending"] = style["skipped"] = 2
      state_width = 9
    }
    NR == 1 { counts_bytes = length($1) == 2; title = substr($0, length($1) + 2); next }
    $1 == "==>" && $2 in file && $3 == "<==" && NF == 3 { keep_log(); owner = file[$2]; delete file[$2]; logs = 1; next }
    logs { lines[++line_total] = $0; next }
    $1 == "run" { run = $2; run_pid = $3; run_started = $4; run_finished = $5; limit = $6; only_wave = $7; base = $8; file["/dev/null"] = 0 }
    $1 == "task" {
      id[++total] = $2; name[total] = $3; wave[total] = $4; outcome[total] = $5; started[total] = $6; finished[total] = $7
      note[total] = $10 != "-" ? $10 : $11 != "-" ? "by " $11 : $9 > 0 ? $9 " uncommitted" : $8 > 1 ? "attempt " $8 : ""
      commits[total] = $12
      file[".//" $2 ".log"] = total
      sum[$5]++
      in_wave[$4]++
      if ($5 == "completed") done[$4]++
      if (length($2) > id_width) id_width = length($2)
      if (length($3) > label_width) label_width = length($3)
      if (length($5) > state_width) state_width = length($5)
    }
    END {
      keep_log()
      width = columns - 1
      narrow = label_width > width / 3
      if (narrow) label_width = id_width < width / 3 ? id_width : int(width / 3)
      gap = columns < 60 ? " " : "  "
      commit_width = columns < 60 ? 3 : 10
      text = header()
      emit(paint(style[run], fit(text, width)))
      choose()
      for (i = 1; i <= total; i++) {
        if (wave[i] != wave[i - 1] && wave[i] in open)
          emit(paint(1, "Wave " wave[i] ": " done[wave[i]] + 0 "/" in_wave[wave[i]] " completed"))
        if (shown[i]) emit(row(i))
      }
      if (hidden) emit("  ... " hidden " more")
      text = count(total, "task") ":"
      words = split("completed running failed lost interrupted blocked skipped pending", word, " ")
      for (i = 1; i <= words; i++)
        if (sum[word[i]]) { text = text comma " " sum[word[i]] " " word[i]; comma = "," }
      if (full_screen) text = text "  (q quits)"
      emit(fit(text, width))
      printf "%s%s%s", (full_screen ? "\033[H" : ""), frame, (full_screen ? "\033[J" : "\n")
    }'
}
