# --- log: what an agent tells in its log, read by the awk program of its adapter

# What an adapter's program is made of. For each line of the log it is given text, and where that is a JSON object value, the
# members of it by path: value["message.content.0.text"]. It defines read_event(), for such a line, and read_text(), for any other,
# and calls
#   begin(session)            a launch begins, in the session of this name
#   say(text), hear(text)     the agent says this; this is what it is told. call(tool, command, object): it uses a tool
#   show(text)                the same as say, for what is not a string of JSON
#   answer()                  the model has answered
#   count(key, number)        turns, input_tokens, output_tokens or cost_usd stands at so much in this launch, or, for a key
#                             that BEGIN { in_session = " KEY " } names, in this session; add(key, number): so much more
#   fail(status, resets_at)   the service has refused: its HTTP status, if any, and when the limit ends, if it has told
# What it cannot learn from it leaves out with BEGIN { dull = "regular expression of such a line" }.
# Where an exit status tells more than the log: END { if (exit_code == N) fail(STATUS) }
# shellcheck disable=SC2016  # it is awk that expands it
log_words='
    # read_json <line>: false when it is not a JSON object, whole. Sets: value. Of a long string it keeps the beginning
    function read_json(line,   parts, piece, i, k, c, word, depth, kind, base, key, string) {
      split("", value)
      parts = split(line, piece, "\"")
      for (i = 1; i <= parts; i++) {
        # Odd pieces are outside of strings.
        for (k = 1; k <= length(piece[i]); k++) {
          c = substr(piece[i], k, 1)
          if (c !~ /[][{}:, \t\r]/) { word = word c; continue }
          if (word != "" && word != "null") value[base[depth] key[depth]] = word
          word = ""
          if (c ~ /[{[]/) {
            # Nobody asks for what lies deep.
            base[depth + 1] = depth ? (depth < 20 ? base[depth] key[depth] : "") "." : ""
            kind[++depth] = c
            key[depth] = c == "[" ? 0 : ""
          } else if (c ~ /[]}]/) depth--
          else if (c == ":") key[depth] = string
          else if (c == "," && kind[depth] == "[") key[depth]++
        }
        if (++i > parts) break
        string = piece[i]
        # A quote behind an odd number of backslashes is a part of its string.
        while (i < parts && match(piece[i], /\\+$/) && RLENGTH % 2) {
          i++
          if (length(string) < longest) string = string "\"" piece[i]
        }
        if (piece[i + 1] !~ /^[ \t\r]*:/) value[base[depth] key[depth]] = string
      }
      return parts > 1 && !depth
    }

    # plain <string of JSON>: what it stands for
    function plain(string,   out, at, c) {
      string = substr(string, 1, longest)
      while ((at = index(string, "\\")) > 0) {
        c = substr(string, at + 1, 1)
        out = out substr(string, 1, at - 1) (c == "n" ? "\n" : c ~ /[rbf]/ ? "" : c == "t" ? " " : \
          c == "u" ? sign(substr(string, at + 2, 4)) : c)
        string = substr(string, at + (c == "u" ? 6 : 2))
      }
      return clean(out string)
    }
    # Escape sequences are taken out whole.
    function sign(code) { return code ~ /^001[bB]/ ? "\033" : code == "0007" ? "\007" : " " }
    function begin(session,   key) {
      fact["session"] = session
      fact["begun"] = 1
      for (key in counted) if (!index(in_session, " " key " ")) counted[key] = 0
    }
    function say(string) { tell(plain(string), "") }
    function show(string) { tell(clean(string), "") }
    function hear(string) { if (readable) tell(plain(string), "    ") }
    function call(tool, command, object) { say(command != "" ? "$ " command : tool " " object) }
    # Its last word is the first line of what it has said last; who reads all reads all lines.
    function tell(string, margin,   lines, line, i) {
      lines = split(string, line, "\n")
      for (i = 1; i <= lines; i++) {
        if (readable) print margin line[i]
        if (readable || line[i] !~ /[^ ]/) continue
        sub(/^ +/, "", line[i])
        fact["said"] = substr(line[i], 1, 200)
        return
      }
    }
    function answer() { fact["answered"] = fact["launched"]; fact["outcome"] = "" }
    function count(key, number) {
      # They are texts, and as texts 0.03 comes before 0.030000.
      number += 0
      add(key, number < counted[key] + 0 ? number : number - counted[key])
      counted[key] = number
    }
    function add(key, number) {
      fact[key] += number
      if (key == "cost_usd") fact["total_usd"] += number
    }
    function fail(status, resets_at) {
      fact["outcome"] = status ~ /^(429|503|529)$/ ? "limited" : status ~ /^40[0-4]$/ ? "agent_config" : "agent_service"
      if (is_time(resets_at)) fact["resets_at"] = resets_at
    }
    function is_time(string) { return string ~ /^[0-9]+$/ && length(string) < 11 }

    BEGIN {
      if (!longest) longest = 2000
      keys = split("turns input_tokens output_tokens cost_usd total_usd", counter, " ")
      while (readable == "" && (getline line < ENVIRON["record"]) > 0) {
        key = substr(line, 1, index(line, "=") - 1)
        if (sub(/^counted_/, "", key)) counted[key] = substr(line, index(line, "=") + 1)
        else fact[key] = substr(line, index(line, "=") + 1)
      }
      fact["offset"] = offset
    }
    {
      if (readable && torn != "") {
        text = torn
        read_text()
      }
      text = $0
      torn = ""
      fact["offset"] += length(text) + 1
      if (dull != "" && !readable && text ~ dull && text ~ /\}$/) next
      is_object = text ~ /^[ \t]*\{/
      is_event = is_object && read_json(text)
      # The last line may not be whole yet.
      if (is_object && !is_event) torn = text
      if (cut && NR == 1) next
      if (is_event) read_event()
      else if (!is_object && (readable || text !~ /^\[run-parallel\.sh: /)) read_text()
    }
    END {
      if (torn != "") fact["offset"] -= length(torn) + 1
      if (exit_code == "0") answer()
      # What the agent itself has written, in place of a log that can be read.
      while (readable == "" && ENVIRON["told"] != "" && (getline line < ENVIRON["told"]) > 0) {
        key = substr(line, 1, index(line, "=") - 1)
        line = clean(substr(line, index(line, "=") + 1))
        if (key == "session") { fact[key] = line; if (line == "") fact["begun"] = "" }
        if (key == "said") show(line)
        if (key == "resets_at" && is_time(line)) fact[key] = line
        if (key ~ /^(turns|input_tokens|output_tokens|cost_usd)$/ && line ~ /^[0-9]+(\.[0-9]+)?$/ && length(line) < 16) count(key, line)
      }
      if (readable) { print fact["offset"] + 0 | "cat >&3"; exit }
      for (i = 1; i <= keys; i++) {
        form = counter[i] ~ /usd/ ? "%.6f" : "%.0f"
        if (counter[i] in fact) print counter[i] "=" sprintf(form, fact[counter[i]])
        if (counted[counter[i]]) print "counted_" counter[i] "=" sprintf(form, counted[counter[i]])
      }
      keys = split("agent session launched begun offset outcome resets_at answered said", counter, " ")
      for (i = 1; i <= keys; i++) if (fact[counter[i]] != "") print counter[i] "=" fact[counter[i]]
    }'

# The most that is read of a log at once, in bytes: of more only the end.
most_read=16777216

# read_log [<exit status>]: read what the log of the agent has more than last time, and what the agent has written to
# PARALLEL_RESULT, into the record of its session
read_log() {
  read_record "$id.session"
  size=$(wc -c <"$log")
  offset=${record_offset:-0} size=${size:-${record_offset:-0}}
  # It may have been emptied.
  [ "$offset" -le "$size" ] || offset=$size
  cut=
  [ $((size - offset)) -le "$most_read" ] || offset=$((size - most_read)) cut=1
  eval "reader=\$read_$agent"
  # What is no file may be without an end.
  told=$state/$id.told
  [ -f "$told" ] || told=
  # shellcheck disable=SC2154  # the adapter has set it
  tail -c "+$((offset + 1))" -- "$log" | LC_ALL=C record=$state/$id.session told=$told awk -v exit_code="${1-}" \
    -v offset="$offset" -v cut="$cut" "$awk_clean$reader$newline$log_words" >"$state/.$id.session.new" &&
    mv -f -- "$state/.$id.session.new" "$state/$id.session"
}

# show_log: print what the agent of the task logs_of has said and done, and, with --follow, what it does until the task has ended
show_log() {
  workspaces=
  find_task "$logs_of" || usage_error "unknown task '$logs_of'"
  find_commands
  eval "reader=\$read_$agent"
  [ -f "$log" ] || fail "ERROR: $id has no log"
  offset=0 is_over=0
  while [ "$is_over" -eq 0 ]; do
    if [ "$follow" -eq 0 ]; then
      is_over=1
    elif read_record "$id.result"; then
      [ "$record_status" = limited ] || is_over=1
    else
      read_record "$id.start" && is_alive "$record_pid" "$record_identity" || is_over=1
    fi
    # A new attempt has a new log.
    [ "$(wc -c <"$log")" -ge "$offset" ] || offset=0
    {
      offset=$((offset + $({
        tail -c "+$((offset + 1))" -- "$log" | LC_ALL=C awk -v readable=1 -v longest=100000 "$awk_clean$reader$newline$log_words" >&4
      } 3>&1)))
    } 4>&1
    [ "$is_over" -eq 1 ] || sleep 1
  done
}
