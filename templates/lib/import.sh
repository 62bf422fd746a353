# --- import: in a clone that has no records, manifest.json tells what became of the tasks

# list_outcomes: print `id status error` for each task on which the `execution` member of the manifest has a word
list_outcomes() {
  LC_ALL=C awk '
    function path(   i, text) {
      for (i = 1; i <= depth; i++) text = text "/" key[i]
      return text
    }
    function take(value,   where) {
      where = path()
      if (where ~ "^/execution/failed_tasks/[0-9]+$") failed[value] = "unknown"
      if (where ~ "^/execution/failed_tasks/[0-9]+/id$") failed_id[key[3]] = value
      if (where ~ "^/execution/failed_tasks/[0-9]+/error$") failed_error[key[3]] = value
      if (where ~ "^/execution/waves/[0-9]+/status$") wave_status[key[3]] = value
      if (where ~ "^/execution/waves/[0-9]+/tasks/[0-9]+$") wave[value] = key[3]
      if (where ~ "^/execution/tasks/[^/]+/status$") told[key[3]] = value
    }
    function token(t) {
      if (t == "{" || t == "[") { kind[++depth] = t; key[depth] = 0; at_key = (t == "{") }
      else if (t == "}" || t == "]") depth--
      else if (t == ",") { at_key = (kind[depth] == "{"); if (!at_key) key[depth]++ }
      else if (t == ":") at_key = 0
      else {
        gsub(/^"|"$/, "", t)
        if (at_key) key[depth] = t
        else take(t)
      }
    }
    {
      while (match($0, /"([^"\\]|\\.)*"|[{}:,]|\[|\]|[^] \t\r{}:,"[]+/)) {
        token(substr($0, RSTART, RLENGTH))
        $0 = substr($0, RSTART + RLENGTH)
      }
    }
    END {
      for (id in wave) if (wave_status[wave[id]] ~ /^(completed|failed)$/) known[id] = "ended -"
      for (id in told) known[id] = told[id] " -"
      for (id in failed) known[id] = "failed " failed[id]
      for (n in failed_id) known[failed_id[n]] = "failed " (n in failed_error ? failed_error[n] : "unknown")
      for (id in known) print id, known[id]
    }
  ' "$manifest"
}

# import_manifest: make records of what the manifest says
import_manifest() {
  outcomes=$(list_outcomes) || fail "ERROR: cannot read '$manifest'"
  printf '%s\n' "$outcomes" | while read -r known_id known_outcome known_error; do
    [ "$known_error" != - ] || known_error=
    number_of "$known_id" || continue
    case $known_outcome in
      # Its wave has ended, and it is not among the failed: completed, if it has a branch.
      ended)
        has_branch "$branch_prefix$name" || continue
        known_outcome=completed
        ;;
      completed | failed | interrupted) ;;
      *) continue ;;
    esac
    write_record "$id.result" "status=$known_outcome" "error=$known_error"
  done
}
