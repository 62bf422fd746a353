# --- manifest: the `execution` member of manifest.json, written by the orchestrator alone

# print_execution: print what write_manifest turns into JSON, a fact a line
print_execution() {
  printf 'run status %s\n' "$run_outcome"
  printf 'run workspace_root %s\n' "$WORKSPACE_ROOT"
  printf 'run max_concurrent %s\n' "$MAX_CONCURRENT"
  printf 'run base_branch %s\n' "$base_branch"
  printf 'run base_commit %s\n' "$base_commit"
  printf 'run started_at %s\n' "$run_started_at"
  printf 'run finished_at %s\n' "$run_finished_at"
  number=1
  while [ "$number" -le "$task_count" ]; do
    eval "printf 'task %s %s %s\n' \"\$wave_$number\" \"\$id_$number\" \"\$facts_$number\""
    number=$((number + 1))
  done
}

# keep_facts <number> <outcome>: remember what the task's record says, for the manifest
keep_facts() {
  kept="status=$2"
  for fact in "attempts=$record_attempt" "commits=$record_commits" "error=$record_error" "by=$record_by" \
    "exit_code=$record_exit_code" "started_at=$record_started_at" "finished_at=$record_finished_at"; do
    case $fact in
      *=) ;;
      *) kept="$kept $fact" ;;
    esac
  done
  eval "facts_$1=\$kept"
}

# write_manifest: replace the `execution` member of manifest.json, and not one other byte
write_manifest() {
  manifest_written=$now
  manifest_stale=0
  # awk ends every line that it prints; a file whose last line has no end keeps it so.
  open_end=0
  [ -z "$(tail -c 1 -- "$manifest")" ] || open_end=1
  if cp -p -- "$manifest" "$manifest.new" &&
    print_execution | LC_ALL=C awk -v open_end="$open_end" '
      function quoted(text) {
        gsub(/\\/, "\\\\", text)
        gsub(/"/, "\\\"", text)
        return "\"" text "\""
      }
      function member(name, text) { return "    " quoted(name) ": " text }
      function rest_of(line) { sub(/^[^ ]+ [^ ]+ /, "", line); return line }
      function wave_status(w) {
        if (count[w, "running"]) return "running"
        if (count[w, "interrupted"]) return "interrupted"
        if (count[w, "failed"] + count[w, "lost"] + count[w, "blocked"]) return "failed"
        if (count[w, "completed"] + count[w, "skipped"] == total[w]) return "completed"
        return count[w, "completed"] ? "running" : "pending"
      }
      function print_block(   i, text) {
        print "{"
        print member("status", quoted(run["status"])) ","
        print member("script_path", quoted("scripts/run-parallel.sh")) ","
        print member("workspace_root", quoted(run["workspace_root"])) ","
        print member("options", "{\"max_concurrent\": " run["max_concurrent"] "}") ","
        print "    \"waves\": ["
        for (i = 1; i <= waves; i++) {
          print "      {\"wave\": " wave[i] ", \"status\": " quoted(wave_status(wave[i])) ","
          print "       \"tasks\": [" members[wave[i]] "]}" (i < waves ? "," : "")
        }
        print "    ],"
        print member("failed_tasks", "[" failed "]") ","
        print member("skipped_tasks", "[" skipped "]") ","
        print member("base_branch", quoted(run["base_branch"])) ","
        print member("base_commit", quoted(run["base_commit"])) ","
        print member("started_at", quoted(run["started_at"])) ","
        if (run["finished_at"] != "") print member("finished_at", quoted(run["finished_at"])) ","
        print "    \"tasks\": {"
        for (i = 1; i <= tasks; i++) print "      " quoted(id[i]) ": {" facts[i] "}" (i < tasks ? "," : "")
        print "    }"
        printf "  }"
      }
      function comma(list) { return list == "" ? "" : ", " }
      FNR == NR && $1 == "run" { run[$2] = rest_of($0); next }
      FNR == NR {
        if (!($2 in total)) wave[++waves] = $2
        total[$2]++
        id[++tasks] = $3
        members[$2] = members[$2] comma(members[$2]) quoted($3)
        error = ""
        for (i = 4; i <= NF; i++) {
          key = value = $i
          sub(/=.*/, "", key)
          sub(/^[^=]*=/, "", value)
          if (key == "status") count[$2, status = value]++
          if (key == "error") error = value
          if (key !~ /^(attempts|commits|exit_code)$/) value = quoted(value)
          facts[tasks] = facts[tasks] comma(facts[tasks]) quoted(key) ": " value
        }
        if (status == "lost") error = "lost"
        if (status == "failed" || status == "lost" || status == "interrupted")
          failed = failed comma(failed) "{\"id\": " quoted($3) ", \"error\": " quoted(error == "" ? status : error) "}"
        if (status == "skipped") skipped = skipped comma(skipped) quoted($3)
        next
      }
      # The rest copies the file, one character at a time, but for the old value.
      function put(c) { if (!skip) printf "%s", c }
      function scan(c) {
        if (in_string) {
          put(c)
          if (escaped) escaped = 0
          else if (c == "\\") escaped = 1
          else if (c == "\"") { in_string = 0; if (depth == 1) skip = 0 }
          else if (depth == 1 && at_key) key = key c
          return
        }
        if (depth == 1 && c ~ /[ \t\r\n,}]/) skip = 0
        if (c ~ /[ \t\r\n]/) { if (!skip) space = space c; return }
        if (c == "}" && depth == 1 && !done) {
          printf "%s", (filled ? ",\n  " : "\n  ") quoted("execution") ": "
          print_block()
          if (space == "") space = "\n"
        }
        put(space)
        space = ""
        if (value_next) { print_block(); value_next = 0; done = skip = 1 }
        put(c)
        if (c == "\"") { in_string = 1; if (at_key) key = "" }
        else if (c == "{" || c == "[") { if (++depth == 1) at_key = 1 }
        else if (c == "}" || c == "]") { if (--depth == 1) skip = 0 }
        else if (depth == 1 && c == ",") at_key = 1
        else if (depth == 1 && c == ":") { at_key = 0; filled = 1; value_next = (key == "execution") }
      }
      {
        if (FNR > 1) scan("\n")
        size = length($0)
        for (i = 1; i <= size; i++) scan(substr($0, i, 1))
      }
      END { if (!open_end) scan("\n"); printf "%s", space }
    ' - "$manifest" >"$manifest.new"; then
    mv -f -- "$manifest.new" "$manifest"
  else
    warn "WARNING: cannot write '$manifest'; the records under '$state' are kept."
    rm -f -- "$manifest.new"
  fi
}
