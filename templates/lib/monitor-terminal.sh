# --- terminal: its size, its modes and its keys

# read_size: set rows and columns to those of the terminal, rows to 0 where a frame may have any number
read_size() {
  rows=0 columns=
  if [ -t 1 ]; then
    size=$(stty size <&1 2>/dev/null) || size=
    columns=${size#* }
    [ "$mode" = once ] || rows=${size%% *}
    is_whole "$rows" || rows=24
  fi
  is_whole "$columns" || columns=${COLUMNS-}
  is_whole "$columns" || columns=80
}

# show_frame: look around and draw; false when it cannot be drawn
show_frame() {
  read_clock
  read_size
  look_around
  { print_facts && print_logs; } | draw_frame
}

# open_terminal: take over the screen, and have keys read one by one with a wait of at most a second
open_terminal() {
  saved=
  trap 'close_terminal' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 131' QUIT
  trap 'exit 143' TERM
  trap 'resized=1' WINCH
  if (: </dev/tty) 2>/dev/null; then
    exec 3</dev/tty
    saved=$(stty -g <&3 2>/dev/null)
    # A stop would leave the shell that comes back with a strange screen.
    [ -z "$saved" ] || stty -icanon -echo min 0 time 10 susp undef <&3
  fi
  # The other screen, no cursor, no wrapping of lines.
  [ "$full_screen" -eq 0 ] || printf '\033[?1049h\033[?25l\033[?7l'
}

# close_terminal: give the terminal back as it was
close_terminal() {
  [ "$full_screen" -eq 0 ] || printf '\033[?7h\033[?25h\033[?1049l'
  [ -z "$saved" ] || stty "$saved" <&3
  full_screen=0 saved=
}

# await_key: wait until the interval is over, the window has another size or a key is pressed; false when it is q
await_key() {
  left=$interval
  while [ "$left" -gt 0 ] && [ -z "$resized" ]; do
    key=
    if [ -z "$saved" ]; then
      sleep 1
    else
      key=$(dd bs=1 count=1 <&3 2>/dev/null) || return 1
    fi
    case $key in
      q | Q) return 1 ;;
      ?*) return 0 ;;
    esac
    left=$((left - 1))
  done
}

# watch: draw frame after frame until somebody has seen enough
watch() {
  open_terminal
  resized=
  while show_frame && await_key; do
    resized=
  done
}

# locate: set dir (the parallel directory, absolute), logs and state from the place of this script
locate() {
  case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
  esac
  unset CDPATH
  dir=$(cd -P -- "$here/.." && pwd -P) || exit 2
  logs=$dir/logs
  state=$logs/state
}

main() {
  parse_options "$@"
  if [ "$mode" = help ]; then
    show_usage
    return 0
  fi
  need awk cat date dd tail
  locate
  load_tasks
  find_branches
  read_boot
  tail_takes_many=0 full_screen=0 color=0 run=none
  ! tail -c 1 -- /dev/null /dev/null >/dev/null 2>&1 || tail_takes_many=1
  [ -t 1 ] || mode=once
  if [ -t 1 ] && [ -n "${TERM-}" ] && [ "$TERM" != dumb ]; then
    [ "$mode" = once ] || full_screen=1
    [ -n "${NO_COLOR-}" ] || color=1
  fi
  if [ "$mode" = once ]; then
    show_frame
  else
    watch
  fi
}
