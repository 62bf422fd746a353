# monitor-live.sh: what a person sees of a run, and in which state the terminal is afterwards.

# bats file_tags=awk
load helper

setup_file() {
  # A plan that does not fit into 24 rows.
  local wave task
  for wave in 1 2 3 4; do
    for task in 0 1 2 3 4 5 6 7 8 9; do
      printf '%s\n' "task-$wave$task task-$wave$task-part-$wave-$task $wave - - prompts/task.txt"
    done
  done >"$BATS_FILE_TMPDIR/forty"
  PYTHONPATH=${BATS_TEST_DIRNAME%/*} "$PYTHON" "$BATS_TEST_DIRNAME/render.py" "$BATS_FILE_TMPDIR/projects" \
    "$BATS_FILE_TMPDIR/forty"
}

setup() {
  begin "$BATS_TEST_TMPDIR" "$BATS_TEST_NUMBER"
  unset NO_COLOR COLUMNS LINES
  project five
  screen=parallelgen.$$.$BATS_TEST_NUMBER
}

teardown() {
  tmux -L "$screen" kill-server 2>/dev/null || :
  rm -f "${TMUX_TMPDIR:-/tmp}/tmux-$(id -u)/$screen"
  nothing_runs
}

# monitor <argument>...: let the monitor print a frame, and set status
monitor() {
  status=0
  "${shell[@]}" "$dir/scripts/monitor-live.sh" "$@" </dev/null >"$out" 2>"$err" 3>&- || status=$?
}

# frame: print what the monitor printed, with T for times, N for processes and without spaces at line ends
frame() {
  sed -e 's/  [0-9]*-[0-9]*-[0-9]*T[0-9:]*Z$//' -e 's/ in [0-9]*s / in T /' -e 's/elapsed [0-9]*s /elapsed T /' \
    -e 's/ *[0-9][0-9]*s  /  T  /' -e 's/process [0-9]* is/process N is/' -e 's/ *$//' "$out"
}

# frame_is: the frame is what stdin says
frame_is() {
  frame >"$home/frame"
  diff -u --label expected - --label found "$home/frame" || { show && return 1; }
}

# record <name> <key=value>...: write a record as a run would
record() {
  mkdir -p "$state"
  local name=$1
  shift
  printf '%s\n' "$@" >"$state/$name"
}

# all_completed: write the records and logs of a run in which all went well
all_completed() {
  record run status=completed pid=1 identity=x base_branch=main started=1000 finished=1075 max_concurrent=3
  for task in 001 002 003 004 005; do
    record "task-$task.result" status=completed attempt=1 commits=2 started=1000 finished=1060
    printf 'working\nthe end of %s\n' "$task" >"$logs/task-$task.log"
  done
}

# open_screen <columns> <rows> <argument>...: start the monitor in a terminal of its own
open_screen() {
  command -v tmux >/dev/null || skip 'tmux is not installed'
  local size="-x $1 -y $2" command
  shift 2
  command="sh -c 'echo \$\$ >$home/pid; exec ${shell[*]} $dir/scripts/monitor-live.sh $* 2>$err'; echo \$? >$home/status"
  # shellcheck disable=SC2086  # two options with their values
  tmux -L "$screen" -f /dev/null new-session -d $size \
    "echo shell; stty -g >$home/before; $command; stty -g >$home/after; sleep 60" 3>&-
  await sees 'Wave 1'
}

# close_screen: end the terminal, and wait until its server has gone: a new one could take itself for the old
close_screen() {
  local server
  server=$(tmux -L "$screen" display-message -p '#{pid}')
  tmux -L "$screen" kill-server
  await eval "! kill -s 0 $server 2>/dev/null || grep -q '^State:.Z' /proc/$server/status"
  rm -f "${TMUX_TMPDIR:-/tmp}/tmux-$(id -u)/$screen"
}

# sees <text>, sees_no <text>: what is on the screen now
sees() {
  tmux -L "$screen" capture-pane -p | grep -q -F -e "$1"
}
sees_no() {
  ! sees "$1"
}

# press <key>: press a key
press() {
  tmux -L "$screen" send-keys "$1"
}

# gave_back <status>: the monitor has ended with this status, and the terminal is as it was
gave_back() {
  await [ -s "$home/after" ]
  same "$1" "$(cat "$home/status")"
  same "$(cat "$home/before")" "$(cat "$home/after")"
  same '0 1 1' "$(tmux -L "$screen" display-message -p '#{alternate_on} #{cursor_flag} #{wrap_flag}')"
  same shell "$(tmux -L "$screen" capture-pane -p | grep .)"
  same '' "$(cat "$err")"
}

# bats test_tags=portable
@test "the monitor says so when no run has started" {
  monitor --once
  frame_is <<'FRAME'
parallel/TS-0042-inventory
No run has started.
Wave 1: 0/3 completed
  task-001-users     pending
  task-002-products  pending
  task-003-shared    pending
Wave 2: 0/2 completed
  task-004-orders    pending
  task-005-api       pending
5 tasks: 5 pending
FRAME
  same '0 ' "$status $(cat "$err")"
}

# bats test_tags=portable
@test "the monitor shows what became of a run" {
  agent task-001 <<<'work; work more; finish'
  agent task-002 <<<'work; exit 3'
  agent task-003 <<<'work; echo x >left; finish'
  fails
  # The runner may have added a line of its own.
  echo 'all is well' >"$logs/task-001.log"
  echo 'something is wrong' >"$logs/task-002.log"
  echo 'bye' >"$logs/task-003.log"
  : >"$logs/task-005.log"
  COLUMNS=100 monitor
  frame_is <<'FRAME'
parallel/TS-0042-inventory
failed in T  base main
Wave 1: 2/3 completed
  task-001-users     completed  T  2 commits   all is well
  task-002-products  failed  T  1 commit    exit_code_3: something is wrong
  task-003-shared    completed  T  1 commit    1 uncommitted: bye
Wave 2: 1/2 completed
  task-004-orders    blocked                         by task-002
  task-005-api       completed  T  1 commit
5 tasks: 1 failed, 1 blocked, 3 completed
FRAME
}

# integration: print what the monitor says of the integration now
integration() {
  monitor
  grep '^Integration: ' "$out"
}

# bats test_tags=portable
@test "the monitor shows what the integration does, and that it is lost" {
  own_commands <<'END'
1 validation touch "$TEST_NOTES/up"; until test -e "$TEST_NOTES/go"; do sleep 0.1; done
END
  set -- --integrate end --verify-integration 'touch "$TEST_NOTES/last"; until test -e "$TEST_NOTES/go on"; do sleep 0.1; done'
  launch "$@"
  await test -e "$TEST_NOTES/up"
  same 'Integration: verifying wave 1, 0/5 tasks merged' "$(integration)"
  touch "$TEST_NOTES/go"
  await test -e "$TEST_NOTES/last"
  same 'Integration: verifying all of it, 3/5 tasks merged' "$(integration)"
  kill -s KILL "$pid"
  finish
  same 'Integration: lost, 3/5 tasks merged' "$(integration)"
  touch "$TEST_NOTES/go on"
  end_naps
  await nobody_lives
  completes --retry-failed "$@"
  same 'Integration: completed, 5/5 tasks merged' "$(integration)"
}

# bats test_tags=portable
@test "the monitor counts what is left out, and shows it as long as there is room" {
  all_completed
  record integration status=failed branch=integration/TS-0042-inventory total=5 started=1000 \
    'merged=task-001 task-002 task-003 ' 'left_out=task-004:conflict:with=task-003 task-005:dependency:by=task-004 '
  same 'Integration: failed, 3/5 tasks merged, 2 left out' "$(integration)"
  open_screen 80 10
  sees 'Integration: failed'
  sees '... 2 more'
  sees '5 tasks: 5 completed'
  tmux -L "$screen" resize-window -x 80 -y 11
  await sees_no more
  sees 'Integration: failed'
  tmux -L "$screen" resize-window -x 80 -y 3
  await sees_no Integration
  sees '5 tasks: 5 completed'
}

# bats test_tags=portable
@test "the monitor shows a run that goes on, a runner that died, and a dead run" {
  agent task-001 <<<'echo "step 1"; echo "step 2"; note up; await test -e "$TEST_NOTES/go"; exit 1'
  agent task-002 <<<'echo up; note up too; await test -e "$TEST_NOTES/go"; exit 1'
  launch --max-concurrent 2
  await noted up
  await noted 'up too'
  monitor
  frame >"$home/frame"
  has "$home/frame" 'running 2/2  elapsed T  base main' '  task-001-users     running  T              step 2' \
    '  task-003-shared    pending' '5 tasks: 2 running, 3 pending'

  kill -s KILL "$(sed -n 's/^pid=//p' "$state/task-001.start")"
  await eval 'monitor && frame | grep -q -x "  task-001-users     lost  *step 2"'

  kill -s KILL "$pid"
  finish
  monitor
  frame >"$home/frame"
  has "$home/frame" 'dead: process N is gone  base main'
  touch "$TEST_NOTES/go"
  end_naps
  await nobody_lives
  monitor
  frame >"$home/frame"
  has "$home/frame" '5 tasks: 1 failed, 1 lost, 3 pending'
}

@test "a process that has the number of a dead one does not pass for it" {
  record run status=running "pid=$$" identity=another base_branch=main started=1000 max_concurrent=3
  record task-001.start attempt=1 "pid=$$" identity=another started=1000
  monitor
  frame >"$home/frame"
  has "$home/frame" 'dead: process N is gone  base main' '  task-001-users     lost'
}

# bats test_tags=portable
@test "no control character and no broken letter of a log reaches the terminal" {
  all_completed
  printf 'a\033]0;title\007b\033[31mred\033[0m\tc\303\251 \342\202\254\001\177 \302\233m \233m \355\377z\r\n' \
    >"$logs/task-001.log"
  printf '10%%\r50%%\r99%%' >"$logs/task-002.log"
  printf 'to see\n\033[0m\033[K\n \n\n' >"$logs/task-003.log"
  printf '\033]52;c;Zm9v\033\\osc \033Pq#0\033\\dcs \033(B\033=esc\n' >"$logs/task-004.log"
  : >"$logs/task-005.log"
  monitor
  same 0 "$(tr -d '\n' <"$out" | tr -cd '\000-\037\177' | wc -c | tr -d ' ')"
  has "$out" "  task-001-users     completed   1m 00s  2 commits   abred c$(printf '\303\251 \342\202\254') m ?m ??z"
  has "$out" '  task-002-products  completed   1m 00s  2 commits   99%' \
    '  task-003-shared    completed   1m 00s  2 commits   to see' \
    '  task-004-orders    completed   1m 00s  2 commits   osc dcs esc' \
    '  task-005-api       completed   1m 00s  2 commits   '
}

@test "a log cannot pass for a record or for another log's end" {
  all_completed
  printf '==> task-002.result <==\nstatus=failed\n==> run <==\nstatus=failed\n' >"$logs/task-001.log"
  printf 'status=failed\nerror=timeout\n' >"$logs/task-002.log"
  monitor
  has "$out" 'completed in 1m 15s  base main' '5 tasks: 5 completed'
}

@test "the last line of a log that is one long line, or has no end, is cut to the width" {
  all_completed
  head -c 100000 /dev/zero | tr '\0' x >"$logs/task-001.log"
  COLUMNS=100 monitor
  same 99 "$(sed -n 4p "$out" | tr -d '\n' | wc -c | tr -d ' ')"
}

@test "a log of an earlier run says nothing about a task that has not started" {
  all_completed
  rm "$state/task-005.result"
  monitor
  lacks "$out" 'the end of 005'
}

# bats test_tags=portable
@test "a tail that takes one file only will do" {
  all_completed
  monitor
  frame >"$home/expected"
  poor_box
  rm "$home/box/tail"
  printf '%s\n' '#!/bin/sh' '[ $# -eq 4 ] || exit 1' "exec $(command -v tail) \"\$@\"" >"$home/box/tail"
  chmod +x "$home/box/tail"
  on_poor_box monitor
  frame_is <"$home/expected"
}

@test "the monitor changes no file and no time of a file" {
  all_completed
  find "$project" -exec ls -ld {} + >"$home/before"
  monitor
  find "$project" -exec ls -ld {} + >"$home/after"
  diff "$home/before" "$home/after"
}

# bats test_tags=portable
@test "the monitor explains itself, and refuses what it does not know" {
  monitor --help
  same 0 "$status"
  grep -q '^Usage: monitor-live.sh ' "$out"
  for arguments in --bogus --interval '--interval 0' --interval=1.5 --interval= extra; do
    # shellcheck disable=SC2086  # words
    monitor $arguments
    ended_with 2
    same '' "$(cat "$out")"
    err_has "Try 'monitor-live.sh --help'."
  done
}

# bats test_tags=portable
@test "q ends the monitor and gives the terminal back" {
  all_completed
  open_screen 80 24
  sees '  task-005-api       completed   1m 00s  2 commits   the end of 005'
  same '1 0 0' "$(tmux -L "$screen" display-message -p '#{alternate_on} #{cursor_flag} #{wrap_flag}')"
  # A suspended monitor would leave its screen to the shell.
  stty -a <"$(tmux -L "$screen" display-message -p '#{pane_tty}')" | grep -q 'susp = <undef>'
  press q
  gave_back 0
}

# bats test_tags=portable
@test "Ctrl-C ends the monitor and gives the terminal back" {
  all_completed
  open_screen 80 24
  press C-c
  gave_back 130
}

# bats test_tags=portable
@test "TERM and HUP end the monitor and give the terminal back" {
  all_completed
  open_screen 80 24
  kill -s TERM "$(cat "$home/pid")"
  gave_back 143
  close_screen
  rm "$home/after"
  open_screen 80 24
  kill -s HUP "$(cat "$home/pid")"
  gave_back 129
}

# bats test_tags=portable
@test "the monitor follows the run and the size of the window" {
  all_completed
  open_screen 80 24 --interval 1
  sees '5 tasks: 5 completed  (q quits)'
  record task-004.result status=failed error=timeout attempt=1 started=1000 finished=8500
  echo 'news' >>"$logs/task-005.log"
  await sees '5 tasks: 1 failed, 4 completed'
  sees '  task-004-orders    failed      2h 05m              timeout: the end of 004'
  sees '  task-005-api       completed   1m 00s  2 commits   news'
  # Six rows: header, totals, and what needs a look most.
  tmux -L "$screen" resize-window -x 40 -y 6
  await sees '... 4 more'
  sees 'Wave 2: 1/2 completed'
  sees '  task-004 failed     2h 05m     timeou'
  sees '1 failed, 4 completed  (q quits)'
  tmux -L "$screen" resize-window -x 200 -y 50
  await sees '  task-005-api       completed   1m 00s  2 commits   news'
  sees_no more
  press q
  gave_back 0
}

@test "what runs and what failed comes first where the rows are few" {
  all_completed
  rm "$state"/task-00[25].result
  record task-003.result status=failed error=no_marker attempt=1 started=1000 finished=1060
  record task-002.start attempt=1 pid=1 identity=none started=1000
  open_screen 80 8
  sees '  task-001-users     completed   1m 00s  2 commits'
  # The logs of what has ended are not read for a screen that cannot hold all tasks.
  sees_no 'the end of 001'
  tmux -L "$screen" resize-window -x 80 -y 7
  await sees '... 3 more'
  same 'Wave 1: 1/3 completed|  task-002-products  lost|  task-003-shared    failed|  ... 3 more|' \
    "$(tmux -L "$screen" capture-pane -p | sed -n '3,6p' | cut -c1-30 | sed 's/ *$//' | tr '\n' '|')"
}

# many_tasks: the plan of forty tasks, of which one was lost, one has failed, eleven have completed
many_tasks() {
  cp -R "$BATS_FILE_TMPDIR/projects/forty/$directory/scripts/." "$dir/scripts"
  record run status=failed pid=1 identity=x base_branch=main started=1000 finished=8075 max_concurrent=3
  local task
  for task in 10 11 12 13 14 15 16 17 18 20 21; do
    record "task-$task.result" status=completed attempt=1 commits=2 started=1000 finished=1060
    printf 'working\nthe end of %s: a line that is as long as it takes to fill a window of two hundred columns, %s\n' \
      "$task" 'and then some more, since it has to be cut there, too, without a letter beyond the edge of the window' \
      >"$logs/task-$task.log"
  done
  record task-19.result status=failed error=timeout attempt=1 commits=0 started=1000 finished=8200
  record task-22.start attempt=1 pid=1 identity=none started=1000
}

# completed_lines <number>..., pending_lines <number>...: print the lines of these tasks for 200 columns
completed_lines() {
  local number
  for number in "$@"; do
    printf '  task-%s-part-%s-%s  completed   1m 00s  2 commits   %s\n' "$number" "${number%?}" "${number#?}" \
      "$(tail -n 1 "$logs/task-$number.log")" | cut -c 1-199
  done
}
pending_lines() {
  local number
  for number in "$@"; do
    printf '  task-%s-part-%s-%s  pending\n' "$number" "${number%?}" "${number#?}"
  done
}

# screen_is: the screen is what stdin says, but for the time and for blanks at the ends of lines
screen_is() {
  tmux -L "$screen" capture-pane -p | sed -e 's/20[0-9]*-[0-9]*-[0-9]*T[0-9:]*Z*$/TIME/' -e 's/ *$//' >"$home/screen"
  diff -u --label expected - --label found "$home/screen" || { show && return 1; }
}

# shows <columns> <rows> <last line>: the frame for a window of this size is there, whole and as of one piece
shows() {
  await sees "$3"
  same "$1 $2" "$(tmux -L "$screen" display-message -p '#{pane_width} #{pane_height}')"
  # A line that had wrapped would push the header out of the window.
  tmux -L "$screen" capture-pane -p | head -n 1 | grep -q '^parallel/TS-0042-inventory' || { show && return 1; }
}

# bats test_tags=portable
@test "a window of 80x24, of 40x12 and of 200x50, and back, is filled and nothing wraps" {
  many_tasks
  open_screen 80 24 --interval 1
  shows 80 24 '40 tasks: 1 failed, 1 lost, 27 pending, 11 completed  (q quits)'
  screen_is <<'SCREEN'
parallel/TS-0042-inventory  TIME
failed in 1h 57m  base main
Wave 1: 9/10 completed
  task-19-part-1-9  failed      2h 00m  0 commits   timeout
Wave 2: 2/10 completed
  task-22-part-2-2  lost
  task-23-part-2-3  pending
  task-24-part-2-4  pending
  task-25-part-2-5  pending
  task-26-part-2-6  pending
  task-27-part-2-7  pending
  task-28-part-2-8  pending
  task-29-part-2-9  pending
Wave 3: 0/10 completed
  task-30-part-3-0  pending
  task-31-part-3-1  pending
  task-32-part-3-2  pending
  task-33-part-3-3  pending
  task-34-part-3-4  pending
  task-35-part-3-5  pending
  task-36-part-3-6  pending
  task-37-part-3-7  pending
  ... 23 more
40 tasks: 1 failed, 1 lost, 27 pending, 11 completed  (q quits)
SCREEN
  tmux -L "$screen" resize-window -x 40 -y 12
  shows 40 12 '1 failed, 1 lost, 27 pending, 11 comple'
  screen_is <<'SCREEN'
parallel/TS-0042-inventory  TIME
failed in 1h 57m  base main
Wave 1: 9/10 completed
  task-19 failed     2h 00m +0  timeout
Wave 2: 2/10 completed
  task-22 lost
  task-23 pending
  task-24 pending
  task-25 pending
  task-26 pending
  ... 34 more
1 failed, 1 lost, 27 pending, 11 comple
SCREEN
  tmux -L "$screen" resize-window -x 200 -y 50
  shows 200 50 'task-49-part-4-9'
  # All of them, each line cut a column before the edge; three rows are left.
  screen_is <<SCREEN
parallel/TS-0042-inventory  TIME
failed in 1h 57m  base main
Wave 1: 9/10 completed
$(completed_lines 10 11 12 13 14 15 16 17 18)
  task-19-part-1-9  failed      2h 00m  0 commits   timeout
Wave 2: 2/10 completed
$(completed_lines 20 21)
  task-22-part-2-2  lost
$(pending_lines 23 24 25 26 27 28 29)
Wave 3: 0/10 completed
$(pending_lines 30 31 32 33 34 35 36 37 38 39)
Wave 4: 0/10 completed
$(pending_lines 40 41 42 43 44 45 46 47 48 49)
40 tasks: 1 failed, 1 lost, 27 pending, 11 completed  (q quits)



SCREEN
  tmux -L "$screen" resize-window -x 80 -y 24
  shows 80 24 '... 23 more'
  press q
  gave_back 0
}

# bats test_tags=portable
@test "output into a pipe is one frame without a control character, of as many rows as it takes" {
  many_tasks
  "${shell[@]}" "$dir/scripts/monitor-live.sh" 2>"$err" 3>&- </dev/null | cat >"$out"
  same 47 "$(grep -c '' "$out")"
  same 0 "$(tr -d '\n' <"$out" | tr -cd '\000-\037\177' | wc -c | tr -d ' ')"
  same '' "$(awk 'length($0) > 79' "$out")"
  same '' "$(cat "$err")"
}

# bats test_tags=portable
@test "colours are shown on a terminal, and not with NO_COLOR or on a dumb one" {
  all_completed
  open_screen 80 24
  tmux -L "$screen" capture-pane -p -e | grep -q "$(printf '\033\[32m')completed"
  press q
  gave_back 0
  close_screen
  rm "$home/after"
  NO_COLOR=1 open_screen 80 24
  same '' "$(tmux -L "$screen" capture-pane -p -e | tr -cd '\033')"
  press q
  gave_back 0
}

@test "a dumb terminal gets one frame below the other" {
  all_completed
  command -v tmux >/dev/null || skip 'tmux is not installed'
  tmux -L "$screen" -f /dev/null new-session -d -x 80 -y 30 \
    "TERM=dumb ${shell[*]} '$dir/scripts/monitor-live.sh' --interval 1 | cat; \
     TERM=dumb ${shell[*]} '$dir/scripts/monitor-live.sh' --interval 1; sleep 60" 3>&-
  await eval '[ "$(tmux -L "$screen" capture-pane -p | grep -c "5 tasks")" -ge 3 ]'
  same '' "$(tmux -L "$screen" capture-pane -p -e | tr -cd '\033')"
  press q
}
