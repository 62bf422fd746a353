# --- main

# locate: set dir (the parallel directory, absolute), manifest, logs and state from the place of this script
locate() {
  case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
  esac
  unset CDPATH
  dir=$(cd -P -- "$here/.." && pwd -P) || exit 2
  manifest=$dir/manifest.json
  logs=$dir/logs
  state=$logs/state
}

# choose_group_tool: set job_control to 1 where only the shell itself can give an agent a process group
choose_group_tool() {
  job_control=0
  if ! command -v setsid >/dev/null 2>&1 && ! command -v perl >/dev/null 2>&1; then
    [ -z "${BASH_VERSION-}${KSH_VERSION-}" ] || job_control=1
  fi
}

# run_all: the main job
run_all() {
  select_tasks
  fresh=$((1 - retry))
  [ "$retry" -eq 0 ] || load_outcomes
  preflight
  open_state
  take_lock
  trap 'drop_lock' EXIT
  open_workspaces
  [ -z "$only_wave" ] || check_dependencies
  [ "$retry" -eq 0 ] || show_retries
  clear_the_way
  exclude_marker
  link_tasks
  run_plan
}

# clear_the_way: with --force move aside what is there; and when tasks start afresh, forget their old records
clear_the_way() {
  [ "$retry" -eq 0 ] || return 0
  for number in $in_way; do
    use_task "$number"
    set_aside || fail "ERROR: cannot move $worktree aside"
  done
  for this_wave in $waves; do
    selected_in "$this_wave"
    for number in $selected; do
      eval "id=\$id_$number"
      [ ! -e "$state/$id.start" ] && [ ! -e "$state/$id.result" ] ||
        rm -f -- "$state/$id.start" "$state/$id.agent" "$state/$id.result"
    done
  done
}

# run_one: run one task here and now, for a person or for another scheduler; exit 0 when it completed
run_one() {
  select_tasks
  fresh=$((1 - retry))
  preflight
  open_state
  number_of "$only_task"
  read_outcome "$id"
  [ "$outcome" != running ] || fail "ERROR: $id is running: process $record_pid, since $record_started_at"
  open_workspaces
  exclude_marker
  clear_the_way
  link_tasks
  use_task "$number"
  eval "blocker=\$blocked_by_$number"
  [ -z "$blocker" ] || fail "ERROR: $id depends on $blocker, which has no branch yet"
  read_clock
  begin_attempt
  progress "wave=$wave task=$id status=started"
  add_worktree >>"$log" 2>&1 || fail "ERROR: cannot create worktree $WORKSPACE_ROOT/$id" "  $(tail -n 1 -- "$log")"
  stopping='' run_outcome=completed
  trap 'stopping=INT; stop_agent interrupted' INT
  trap 'stopping=HUP; stop_agent interrupted' HUP
  run_task
  end_task "$number"
  end_run
}

main() {
  user_umask=$(umask)
  umask 077
  parse_options "$@"
  if [ "$mode" = help ]; then
    show_usage
    return 0
  fi
  need git awk sed grep ps sort tail head tr wc df cp mv ln rm mkdir date sleep id
  locate
  load_plan
  read_boot
  read_clock
  read_identity "$$"
  own_identity=$identity
  enter_repository
  choose_group_tool
  case $mode in
    status) show_status ;;
    *)
      resolve_base
      case $mode in
        dry_run)
          select_tasks
          preflight
          show_plan
          show_space
          say "" "Dry run complete. No files modified."
          ;;
        task) run_one ;;
        run) run_all ;;
      esac
      ;;
  esac
}
