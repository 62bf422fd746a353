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

# choose_tools: set job_control to 1 where only the shell itself can give an agent a process group, kill_is_builtin to 1
# where it can signal one, and grep_takes_nul to 1 where grep -F (not that of busybox) looks behind a NUL
choose_tools() {
  kill_is_builtin=1
  case $(command -v kill) in
    */*) kill_is_builtin=0 ;;
  esac
  grep_takes_nul=0
  ! printf 'a\000b\n' | grep -q -F -e b || grep_takes_nul=1
  job_control=0
  if ! command -v setsid >/dev/null 2>&1 && ! command -v perl >/dev/null 2>&1; then
    [ -z "${BASH_VERSION-}${KSH_VERSION-}" ] || job_control=1
  fi
}

# prepare: check everything, take what this run needs, and clear its way
prepare() {
  if [ "$retry" -eq 1 ]; then
    open_state
    [ "$mode" = task ] || take_lock
    [ -s "$state/run" ] || import_manifest
    resume_tasks
    preflight
  else
    # A refusal leaves nothing behind: not even the lock.
    [ "$mode" = task ] || refuse_beside
    preflight
    open_state
    [ "$mode" = task ] || take_lock
    running='' running_count=0
  fi
  # Who reads our output may go away; what is begun does not end for that.
  trap '' PIPE
  [ -z "$only_wave" ] || check_dependencies
  [ "$retry" -eq 0 ] || show_retries
  open_workspaces
  exclude_marker
  read_format
  repair_repository
  forget_worktrees
  [ "$retry" -eq 1 ] || start_afresh
  link_tasks
}

# start_afresh: move aside what is in the way, with --force, and forget the records of an earlier run
start_afresh() {
  for number in $in_way; do
    use_task "$number"
    set_aside || fail "ERROR: cannot move $WORKSPACE_ROOT/$id aside"
  done
  for number in $tasks; do
    name_task "$number"
    if [ -n "$its_outcome" ] && { [ -e "$state/$its_id.start" ] || [ -e "$state/$its_id.result" ]; }; then
      rm -f -- "$state/$its_id.start" "$state/$its_id.agent" "$state/$its_id.result" "$state/$its_id.earlier"
    fi
  done
}

# run_one: run one task here and now, for a person or for another scheduler
run_one() {
  number_of "$only_task"
  use_task "$number"
  eval "outcome=\${outcome_$number-selected} blocker=\${blocked_by_$number-}"
  if [ "$outcome" = completed ]; then
    say "$id is completed."
    exit 0
  fi
  [ "$outcome" = selected ] || fail "ERROR: $id is $outcome"
  [ -z "$blocker" ] || fail "ERROR: $id depends on $blocker, which has no branch"
  stopping='' run_outcome=completed
  trap 'stopping=INT; stop_agent interrupted' INT
  trap 'stopping=HUP; stop_agent interrupted' HUP
  trap 'stopping=TERM; stop_agent interrupted' TERM
  announce_wave
  begin_attempt
  run_task
  read_record "$id.result"
  report_task
  [ "$record_status" = completed ] || run_outcome=failed
  exit_with_outcome
}

main() {
  user_umask=$(umask)
  umask 077
  # With set -u, posh takes a plain "$@" without arguments for an error.
  parse_options ${1+"$@"}
  if [ "$mode" = help ]; then
    show_usage
    return 0
  fi
  need printf kill cat git awk sed grep ls ps sort tail tr wc df dd cp mv rm rmdir mkdir date sleep id
  locate
  load_plan
  read_boot
  read_clock
  read_identity "$$"
  own_identity=$identity
  enter_repository
  choose_tools
  if [ "$mode" != status ]; then
    resolve_base
    select_tasks
  fi
  case $mode in
    status) show_status ;;
    dry_run)
      [ "$retry" -eq 0 ] || resume_tasks
      preflight
      show_plan
      ;;
    task)
      prepare
      run_one
      ;;
    run)
      prepare
      run_plan
      ;;
  esac
}
