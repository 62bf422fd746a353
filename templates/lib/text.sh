# --- text: what the script says, and to whom

# say <line>...: print lines for the person or the program that reads us
say() {
  printf '%s\n' "$@"
}

# warn <line>...: print lines on standard error
warn() {
  printf '%s\n' "$@" >&2
}

# usage_error <message>: say what is wrong with the command line, and end with status 2
usage_error() {
  warn "${0##*/}: $1" "Try '${0##*/} --help'."
  exit 2
}

# fail <line>...: say why nothing was run, and end with status 2
fail() {
  warn "$@"
  exit 2
}

# need <command>...: end with status 2 unless each of the commands is on the PATH
need() {
  for utility in "$@"; do
    command -v "$utility" >/dev/null 2>&1 || fail "ERROR: $utility not found" "  The script cannot work without it."
  done
}

# end_line <file>: end the file's last line, if it has one without an end
end_line() {
  [ ! -f "$1" ] || [ -z "$(tail -c 1 -- "$1")" ] || printf '\n' >>"$1"
}

# is_there <path>: true when anything has this name, a dangling symbolic link included
is_there() {
  [ -e "$1" ] || [ -h "$1" ]
}

# is_whole <text>: true for a positive whole number, as counts and times in seconds have to be
is_whole() {
  case $1 in
    '' | *[!0-9]* | 0*) return 1 ;;
  esac
}

# read_clock: set now (seconds since 1970) and now_at (the same as UTC, ISO 8601)
read_clock() {
  clock=$(date -u '+%s %Y-%m-%dT%H:%M:%SZ')
  case $clock in
    [0-9]*' '*) now=${clock%% *} now_at=${clock#* } ;;
    # Better an old time than none.
    *) [ -n "${now-}" ] || fail "ERROR: 'date' does not tell the time" ;;
  esac
}
