# --- manifest: the `execution` member of manifest.json, a view of the records that git can carry to other clones

# The one rule of JSON that both programs below need, for a text that comes split at its quotes: what is outside of strings,
# inside, outside, and so on; but a quote behind an odd number of backslashes is a part of its string.
# is_string: true when the record that was read belongs to a string. Sets: text, the string so far
# shellcheck disable=SC2016  # it is awk that expands it
json_strings='
    function is_string() {
      if (FNR > 1 && is_escaped) text = text "\"" $0
      else if (FNR > 1 && (in_string = !in_string)) text = $0
      is_escaped = in_string && match($0, /\\+$/) && RLENGTH % 2
      return in_string
    }'

# write_manifest: replace the member by what the records say, and not one other byte
write_manifest() {
  manifest_written=$now manifest_stale=0
  if cp -p -- "$manifest" "$manifest.new" && {
    say "status=$run_outcome" "workspace_root=$WORKSPACE_ROOT" "max_concurrent=$MAX_CONCURRENT" "base_branch=$base_branch" \
      "base_commit=$base_commit" "started_at=$run_started_at" "finished_at=$run_finished_at" && list_states && show_integration && say end
  } | LC_ALL=C state=$state awk "$json_strings"'
    function quoted(text) { gsub(/["\\]/, "\\\\&", text); return "\"" text "\"" }
    function add(items, separator, item) { return items (items == "" ? "" : separator) item }
    function member(name, value) { return "    " quoted(name) ": " value }
    function print_execution(   i) {
      # A run of one wave may be completed, and the plan not.
      print "{\n" member("status", quoted(run["status"] == "completed" && is_open ? "partial" : run["status"])) ","
      print member("script_path", "\"scripts/run-parallel.sh\"") ",\n" member("workspace_root", quoted(run["workspace_root"])) ","
      print member("options", "{\"max_concurrent\": " run["max_concurrent"] "}") ",\n" member("waves", "[\n" waves "\n    ]") ","
      print member("failed_tasks", "[" failed "]") ",\n" member("skipped_tasks", "[" skipped "]") ","
      for (i = 1; i <= times; i++) if (run[time[i]] != "") print member(time[i], quoted(run[time[i]])) ","
      if (integration != "") print member("integration", "{" integration ", \"merged\": [" merged "], \"left_out\": [" left_out "]}") ","
      printf "%s\n  }", member("tasks", "{\n" tasks "\n    }")
    }
    function list_outside(id,   path, list) {
      while ((getline path < (ENVIRON["state"] "/" id ".outside")) > 0) list = add(list, ", ", quoted(path))
      close(ENVIRON["state"] "/" id ".outside")
      return list
    }
    # facts <first>: write the fields from there as members, but for what the lists beside them tell
    function facts(i,   key, text) {
      for (; i <= NF; i++) {
        key = substr($i, 1, index($i, "=") - 1)
        if (key !~ /^(merged|started|finished|verifying)$/) text = add(text, ", ", quoted(key == "task" ? "id" : key) ": " quoted(substr($i, length(key) + 2)))
      }
      return text
    }
    BEGIN { times = split("base_branch base_commit started_at finished_at", time, " ") }
    !phase && $0 == "end" { is_whole = 1; next }
    !phase && $2 ~ /^task=/ {
      id = quoted(substr($2, 6))
      status = error = substr($3, 8)
      task = "\"status\": " quoted(status)
      for (i = 4; i <= NF; i++) {
        key = value = $i
        sub(/=.*/, "", key)
        sub(/^[^=]*=/, "", value)
        if (key == "error") error = value
        if (key == "attempt") task = task ", \"attempts\": " value
        if (key ~ /^(commits|exit_code|turns|input_tokens|output_tokens|cost_usd|total_usd|until)$/) task = task ", " quoted(key) ": " value
        if (key ~ /^(error|by|step|tip|started_at|finished_at)$/) task = task ", " quoted(key) ": " quoted(value)
        if (key == "outside") task = task ", \"outside\": [" list_outside(substr($2, 6)) "]"
      }
      tasks = add(tasks, ",\n", "      " id ": {" task "}")
      members = add(members, ", ", id)
      if (status ~ /^(failed|interrupted|limited)$/) failed = add(failed, ", ", "{\"id\": " id ", \"error\": " quoted(error) "}")
      if (status == "skipped") skipped = add(skipped, ", ", id)
      if (status !~ /^(completed|skipped)$/) is_open = 1
      next
    }
    !phase && $1 == "integration" {
      if ($2 == "status=merged") merged = add(merged, ", ", quoted(substr($3, 6)))
      else if ($2 == "status=left_out") left_out = add(left_out, ", ", "{" facts(3) "}")
      else if ($2 != "status=verified") integration = facts(2)
      next
    }
    !phase && /^wave=/ {
      waves = add(waves, ",\n", "      {\"wave\": " substr($1, 6) ", \"status\": " quoted(substr($2, 8)) ", \"tasks\": [" members "]}")
      members = ""
      next
    }
    !phase { cut = index($0, "="); run[substr($0, 1, cut - 1)] = substr($0, cut + 1); next }

    # The rest copies the manifest.
    # put <text>: copy it, with the white space before it, unless it belongs to the old value
    function put(text) { if (!skip) printf "%s%s", space, text; space = "" }
    function put_execution() { put(""); print_execution(); is_next = 0; is_done = skip = 1 }
    function scan(c) {
      if (c ~ /[ \t\r\n]/) { space = space c; return }
      if (depth == 1 && c ~ /[,}]/) skip = 0
      if (depth == 1 && c == "}" && !is_done) {
        if (space == "") space = "\n"
        printf "%s\n  \"execution\": ", (is_filled ? "," : "")
        print_execution()
      }
      if (is_next) put_execution()
      put(c)
      if (c ~ /[{[]/) depth++
      if (c ~ /[]}]/) depth--
      if (depth == 1 && c == ":") { is_filled = 1; is_next = (text == "execution") }
    }
    FNR > 1 { if (is_next) put_execution(); put("\"") }
    is_string() { put($0); next }
    { for (i = 1; i <= length($0); i++) scan(substr($0, i, 1)) }
    END { if (!is_whole) exit 1; printf "%s", space }
  ' - phase=2 RS='"' "$manifest" >"$manifest.new"; then
    mv -f -- "$manifest.new" "$manifest"
  else
    warn "WARNING: cannot write '$manifest'; the records under '$state' are kept."
    rm -f -- "$manifest.new"
  fi
}

# import_outcomes: where there are no records, as in a fresh clone, take what the member says of tasks. Sets: imported
# (an empty line, and a line `ID STATUS KEY=VALUE...` for each)
import_outcomes() {
  imported=$newline$(say "$branches" "$plan" end | LC_ALL=C awk "$json_strings"'
    function take(value) {
      if (key[1] != "execution") return
      if (depth == 3 && key[2] == "failed_tasks") { status[value] = "failed"; error[value] = "unknown" }
      if (depth == 3 && key[2] == "integration") fact[key[2], key[3]] = value
      if (depth == 4) fact[key[2], key[3], key[4]] = value
      if (depth == 5 && key[2] == "waves") wave_of[value] = key[3]
    }
    function scan(c) {
      if (c !~ /[][{}:, \t\r\n]/) { word = word c; return }
      if (word != "") take(word)
      word = ""
      if (c ~ /[{[]/) { kind[++depth] = c; key[depth] = 0 }
      if (c ~ /[]}]/) depth--
      if (c == "," && kind[depth] == "[") key[depth]++
      if (c == ":") key[depth] = text
    }
    NR == 1 { branches = $0; next }
    !phase && $0 == "end" { is_whole = 1; next }
    !phase { id[++count] = $1; name[count] = $2; next }
    is_string() { next }
    {
      # A string is a name when a colon follows.
      if (FNR > 1 && $0 !~ /^[ \t\r\n]*:/) take(text)
      for (i = 1; i <= length($0); i++) scan(substr($0, i, 1))
    }
    END {
      if (!is_whole) exit 1
      for (i = 0; ("failed_tasks", i, "id") in fact; i++) {
        status[fact["failed_tasks", i, "id"]] = "failed"
        error[fact["failed_tasks", i, "id"]] = fact["failed_tasks", i, "error"]
      }
      # What it was made of, git tells.
      if (("integration", "tip") in fact) print "integration - branch=" fact["integration", "branch"], "tip=" fact["integration", "tip"]
      for (n = 1; n <= count; n++) {
        t = (name[n] in status || name[n] in wave_of || ("tasks", name[n], "status") in fact) ? name[n] : id[n]
        told = (t in status) ? status[t] : fact["tasks", t, "status"]
        # In a wave that has ended, and not among the failed: completed, when it has a branch.
        if (told == "" && fact["waves", wave_of[t], "status"] ~ /^(completed|failed)$/ && index(branches, " " name[n] " "))
          told = "completed"
        # The session is not here.
        if (told == "limited") told = "interrupted"
        if (told !~ /^(completed|failed|interrupted|blocked|skipped)$/) continue
        line = id[n] " " told
        if (fact["tasks", t, "attempts"] != "") line = line " attempt=" fact["tasks", t, "attempts"]
        if (told == "failed") line = line " error=" (error[t] != "" ? error[t] : "unknown")
        parts = split("tip commits exit_code by started_at finished_at", list, " ")
        for (i = 1; i <= parts; i++) if (fact["tasks", t, list[i]] != "") line = line " " list[i] "=" fact["tasks", t, list[i]]
        print line
      }
    }
  ' - phase=2 RS='"' "$manifest") || fail "ERROR: cannot read '$manifest'"
}

# import_records: make records of what was imported
import_records() {
  while read -r id status facts; do
    [ "$id" = integration ] || id=${id:+$id.result}
    # shellcheck disable=SC2086  # key=value words
    [ -z "$id" ] || [ -s "$state/$id" ] || write_record "$id" $facts "status=${status#-}"
  done <<EOF
$imported
EOF
  imported=
}
