# --- manifest: the `execution` member of manifest.json, written by the orchestrator alone

# print_run: print what only the orchestrator knows of the run, a fact a line, which tasks run, then the line of each task
print_run() {
  printf '%s\n' "status $run_outcome" "workspace_root $WORKSPACE_ROOT" "max_concurrent $MAX_CONCURRENT" \
    "base_branch $base_branch" "base_commit $base_commit" "started_at $run_started_at" "finished_at $run_finished_at"
  for number in $running; do
    name_task "$number"
    say "running $its_id"
  done
  for number in $tasks; do
    eval "printf 'task %s\n' \"\$task_$number\""
  done
  # Who reads this can tell that it is whole.
  say end
}

# write_manifest: replace the `execution` member of manifest.json by what the records say, and not one other byte
write_manifest() {
  manifest_written=$now manifest_stale=0
  # awk ends every line that it prints; a last line without an end keeps none.
  open_end=$(tail -c 1 -- "$manifest")
  if cp -p -- "$manifest" "$manifest.new" &&
    print_run | LC_ALL=C state=$state open_end=$open_end awk '
      function quoted(text,   i, c, escaped_text) {
        if (text !~ /["\\]/) return "\"" text "\""
        for (i = 1; i <= length(text); i++) {
          c = substr(text, i, 1)
          escaped_text = escaped_text (c ~ /["\\]/ ? "\\" : "") c
        }
        return "\"" escaped_text "\""
      }
      function comma(list) { return list == "" ? "" : ", " }
      # read_task <id>: the members of the task as JSON; sets status and error
      function read_task(id,   file, line, key, value, fact) {
        status = "pending"; error = ""; delete fact
        if ((getline line < (file = ENVIRON["state"] "/" id ".result")) <= 0) {
          close(file)
          # A runner may be slow to record that it has started.
          if ((getline line < (file = ENVIRON["state"] "/" id ".start")) > 0 || id in running) status = "running"
        }
        if (line != "") do {
          key = value = line
          sub(/=.*/, "", key)
          sub(/^[^=]*=/, "", value)
          fact[key] = value
        } while ((getline line < file) > 0)
        close(file)
        if ("status" in fact) status = fact["status"]
        error = fact["error"]
        line = "\"status\": " quoted(status)
        for (key = 1; key <= facts; key++) {
          value = fact[name[key]]
          if (value != "") line = line ", " quoted(key == 1 ? "attempts" : name[key]) ": " (key <= 3 ? value : quoted(value))
        }
        return line
      }
      function wave_status(w) {
        if (seen[w, "running"]) return "running"
        if (seen[w, "interrupted"]) return "interrupted"
        if (seen[w, "failed"] + seen[w, "blocked"]) return "failed"
        if (seen[w, "completed"] + seen[w, "skipped"] == size[w]) return "completed"
        return seen[w, "completed"] ? "running" : "pending"
      }
      function member(key, text) { printf "    %s: %s", quoted(key), text }
      function print_execution(   i) {
        print "{"
        # A run of one wave may be completed, and the plan not.
        member("status", quoted(run["status"] == "completed" && open_tasks ? "partial" : run["status"])); print ","
        member("script_path", quoted("scripts/run-parallel.sh")); print ","
        member("workspace_root", quoted(run["workspace_root"])); print ","
        member("options", "{\"max_concurrent\": " run["max_concurrent"] "}"); print ","
        member("waves", "[\n")
        for (i = 1; i <= waves; i++)
          print "      {\"wave\": " wave[i] ", \"status\": " quoted(wave_status(wave[i])) ", \"tasks\": [" \
            members[wave[i]] "]}" (i < waves ? "," : "")
        print "    ],"
        member("failed_tasks", "[" failed "]"); print ","
        member("skipped_tasks", "[" skipped "]"); print ","
        for (i = 1; i <= times; i++) if (run[time[i]] != "") { member(time[i], quoted(run[time[i]])); print "," }
        member("tasks", "{\n")
        for (i = 1; i <= tasks; i++) print "      " quoted(id[i]) ": {" told[i] "}" (i < tasks ? "," : "")
        printf "    }\n  }"
      }
      BEGIN {
        facts = split("attempt commits exit_code error by started_at finished_at", name)
        times = split("base_branch base_commit started_at finished_at", time)
      }
      FNR == NR && $0 == "end" { is_whole = 1; next }
      FNR == NR && $1 == "running" { running[$2]; next }
      FNR == NR && $1 != "task" { key = $1; sub(/^[^ ]* /, ""); run[key] = $0; next }
      FNR == NR {
        if (!($4 in size)) wave[++waves] = $4
        size[$4]++
        members[$4] = members[$4] comma(members[$4]) quoted($2)
        id[++tasks] = $2
        told[tasks] = read_task($2)
        seen[$4, status]++
        if (status != "completed" && status != "skipped") open_tasks++
        if (status == "failed" || status == "interrupted")
          failed = failed comma(failed) "{\"id\": " quoted($2) ", \"error\": " quoted(error == "" ? status : error) "}"
        if (status == "skipped") skipped = skipped comma(skipped) quoted($2)
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
          print_execution()
          if (space == "") space = "\n"
        }
        put(space)
        space = ""
        if (value_next) { print_execution(); value_next = 0; done = skip = 1 }
        put(c)
        if (c == "\"") { in_string = 1; if (at_key) key = "" }
        else if (c == "{" || c == "[") { if (++depth == 1) at_key = 1 }
        else if (c == "}" || c == "]") { if (--depth == 1) skip = 0 }
        else if (depth == 1 && c == ",") at_key = 1
        else if (depth == 1 && c == ":") { at_key = 0; filled = 1; value_next = (key == "execution") }
      }
      {
        if (FNR > 1) scan("\n")
        last = length($0)
        for (i = 1; i <= last; i++) scan(substr($0, i, 1))
      }
      END {
        if (!is_whole) exit 1
        if (ENVIRON["open_end"] == "") scan("\n")
        printf "%s", space
      }
    ' - "$manifest" >"$manifest.new"; then
    mv -f -- "$manifest.new" "$manifest"
  else
    warn "WARNING: cannot write '$manifest'; the records under '$state' are kept."
    rm -f -- "$manifest.new"
  fi
}

# refresh_manifest: write the manifest when it is stale, but so seldom that a large plan does not pay for it
refresh_manifest() {
  if [ "$manifest_stale" -eq 1 ] && [ $((now - manifest_written)) -gt $((task_count / 100)) ]; then
    write_manifest
  fi
}
