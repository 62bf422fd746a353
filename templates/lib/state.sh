# --- state: what is written under logs/state/, and the lock

# write_record <name> <key=value>...: replace the record by the lines that have a value
write_record() {
  record=$1
  shift
  join_lines "$@"
  printf '%s' "$content" >"$state/.$record.new" && mv -f -- "$state/.$record.new" "$state/$record"
}

# add_record <name> <key=value>...: the same for a record of which there is mostly none yet: that is written where it
# belongs, with the line last without which it counts as none, so that a crash in between does no harm
add_record() {
  if [ -e "$state/$1" ]; then
    write_record "$@"
    return
  fi
  record=$1
  shift
  join_lines "$@"
  printf '%s' "$content" >"$state/$record" && return 0
  rm -f -- "$state/$record"
  return 1
}

# join_lines <key=value>...: set content to the lines that have a value
join_lines() {
  content=
  for line in "$@"; do
    case $line in
      *=) ;;
      *) content=$content$line$newline ;;
    esac
  done
}

# fail_to_write: say that no record can be written, and end with status 2
fail_to_write() {
  fail "ERROR: cannot write to '$state'" "  Is the disk full?"
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
