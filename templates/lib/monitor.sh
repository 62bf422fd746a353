# --- monitor: one stateless frame after the other, from the records and the ends of the logs

# show_monitor_usage: print what monitor-live.sh accepts
show_monitor_usage() {
  cat <<EOF
Usage: ${0##*/} [--once] [--interval SECONDS]

Show waves and tasks, and the last line of each log, until q is pressed.

  --once              print one frame and end, as it does when the output is not a terminal
  --interval SECONDS  time between two frames (default 2); any key but q draws one at once
  --help              print this text

NO_COLOR in the environment turns the colours off.
EOF
}

# parse_monitor_options <argument>...: read the command line. Sets: mode interval
parse_monitor_options() {
  mode=watch interval=2
  while [ $# -gt 0 ]; do
    case $1 in
      --once) mode=once ;;
      --interval)
        [ $# -gt 1 ] || usage_error "option '$1' needs a value"
        interval=$2
        shift
        ;;
      --interval=*) interval=${1#*=} ;;
      -h | --help) mode=help ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
  is_whole "$interval" || usage_error "interval: expected a positive whole number of seconds, not '$interval'"
}

# print_sight: print what draw_frame reads: title, plan, processes where there is no /proc, then records and the ends
# of logs, each under the heading that tail gives it
print_sight() {
  # The letter tells awk whether it counts bytes or characters.
  printf '\303\251 %s\n' "$title"
  plan
  printf '\n'
  cd -- "$state" 2>/dev/null || return 0
  [ -r /proc/self/stat ] || LC_ALL=C TZ=UTC0 ps -A -o pid= -o stat= -o lstart=
  set -- run integration .integration.start *.start *.steps *.session *.result
  if [ "$crowded" -eq 0 ]; then
    set -- "$@" ..//*.log
  else
    # On a screen that cannot hold all tasks, those that have ended come last.
    for start in *.start; do
      [ -f "${start%.start}.result" ] || set -- "$@" "..//${start%start}"*log
    done
  fi
  if [ "$tail_takes_many" -eq 1 ]; then
    tail -c 1024 -- "$@"
  else
    for file in "$@"; do
      printf '\n==> %s <==\n' "$file"
      tail -c 1024 -- "$file"
    done
  fi 2>/dev/null
}

# ask_size: set size to what the terminal says of itself, rows and columns, or to nothing
ask_size() {
  size=
  [ ! -t 1 ] || size=$(stty size 2>/dev/null </dev/tty)
}

# show_frame: draw what there is to see now, in rows (0: as many as it takes) and columns; false when that fails
show_frame() {
  read_clock
  rows=0 crowded=0 columns=${size#* }
  is_whole "$columns" || columns=${COLUMNS-}
  is_whole "$columns" || columns=80
  if [ "$mode" = watch ]; then
    rows=${size%% *}
    is_whole "$rows" || rows=24
    [ "$rows" -ge "$line_count" ] || crowded=1
  fi
  draw_frame
}

# open_terminal: take over the screen, and let a key be read at once, or nothing after a second
open_terminal() {
  modes='' resized=
  trap 'close_terminal' EXIT
  trap 'quit 129' HUP
  trap 'quit 130' INT
  trap 'quit 131' QUIT
  trap 'quit 143' TERM
  trap 'resized=1' WINCH
  if (: </dev/tty) 2>/dev/null; then
    exec 3</dev/tty
    modes=$(stty -g <&3 2>/dev/null)
    # A suspended monitor would leave its screen and its modes to the shell.
    [ -z "$modes" ] || stty -icanon -echo min 0 time 10 susp undef <&3
  fi
  # The other screen, without a cursor and without wrapping.
  [ "$full_screen" -eq 0 ] || printf '\033[?1049h\033[?25l\033[?7l'
}

# close_terminal: give the terminal back as it was
close_terminal() {
  [ "$full_screen" -eq 0 ] || printf '\033[H\033[J\033[?7h\033[?25h\033[?1049l'
  [ -z "$modes" ] || stty "$modes" <&3
  full_screen=0 modes=
}

# quit <status>: a trap: end in order
quit() {
  # In mksh a trap of EXIT would replace the status.
  trap - EXIT
  close_terminal
  exit "$1"
}

# await_key: wait until the interval is over, the window has another size or a key is pressed; false when it is q
await_key() {
  left=$interval drawn=$size
  while [ "$left" -gt 0 ]; do
    key=
    if [ -n "$modes" ]; then
      key=$(dd bs=1 count=1 <&3 2>/dev/null) || return 1
    else
      sleep 1
    fi
    case $key in
      q | Q) return 1 ;;
      ?*) return 0 ;;
    esac
    left=$((left - 1))
    if [ -n "$resized" ]; then
      resized=
      ask_size
      # ksh93 sends itself the signal again and again.
      [ "$size" = "$drawn" ] || return 0
    fi
  done
}

# choose_look: set mode, full_screen and color to what the terminal can do
choose_look() {
  full_screen=0 color=0
  [ -t 1 ] || mode=once
  if [ -t 1 ] && [ -n "${TERM-}" ] && [ "$TERM" != dumb ]; then
    [ "$mode" = once ] || full_screen=1
    [ -n "${NO_COLOR-}" ] || color=1
  fi
}

# monitor <argument>...: the dashboard, from the command line to the last frame
monitor() {
  parse_monitor_options ${1+"$@"}
  if [ "$mode" = help ]; then
    show_monitor_usage
    return 0
  fi
  need awk cat date dd tail
  locate "$scripts/.."
  choose_look
  # Header, integration, totals and, for each task and wave, a line.
  line_count=$(plan | awk '{ lines += 1 + ($3 != wave); wave = $3 } END { print lines + 4 }')
  # POSIX has a tail of one file only.
  tail_takes_many=1
  tail -c 1 -- /dev/null /dev/null >/dev/null 2>&1 || tail_takes_many=0
  ask_size
  if [ "$mode" = once ]; then
    show_frame
    return
  fi
  open_terminal
  while show_frame && await_key; do
    :
  done
}
