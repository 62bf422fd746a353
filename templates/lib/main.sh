# --- main

# start_afresh: move aside what is in the way, with --force, and forget the records that earlier runs have left
start_afresh() {
  while read -r id name wave deps limit prompt; do
    [ -n "$id" ] || continue
    use_task
    # Where a scheduler was killed its agent may still be at work.
    [ ! -e "$state/$id.agent" ] || stop_remains
    [ "$force" -eq 0 ] || set_aside || fail "ERROR: cannot move worktree and branch of $id aside"
    for record in start agent result earlier stopped steps before feedback session told; do
      [ ! -e "$state/$id.$record" ] || rm -r -f -- "$state/$id.$record"
    done
  done <<EOF
$selected
EOF
  # What was merged are branches that are no more.
  if [ "$force" -eq 1 ] && find_owner "$integration" && [ "$made_by" = "$dir_name" ]; then
    use_own integration
    branch=$integration branches="$branches$name "
    set_aside || fail "ERROR: cannot move worktree and branch of $integration aside"
    for record in integration verified .integration.result .integration.steps; do
      [ ! -e "$state/$record" ] || rm -f -- "$state/$record"
    done
  fi
}

# prepare: check everything, take what this run needs, and clear its way. A refusal leaves nothing behind, not even the lock
prepare() {
  case $mode$retry in
    run1) [ ! -d "$state" ] || { open_state && take_lock; } ;;
    run0 | preflight?) refuse_beside ;;
  esac
  [ -s "$state/run" ] || [ ! -f "$manifest" ] || import_outcomes
  [ "$retry" -eq 0 ] || find_running
  [ "$mode$retry" != run1 ] || find_limited
  select_tasks
  preflight
}

# run_one: run one task here and now, for a person or for another scheduler
run_one() {
  find_task "$only_task"
  outcome=$(say "$known" | awk -v task="task=$id" '$2 == task { print substr($3, 8) }')
  if [ "$outcome" = completed ]; then
    say "$id is completed."
    exit 0
  fi
  [ -n "$selected" ] || fail "ERROR: $id is ${outcome:-skipped}"
  run_outcome=completed tried=0 slot=1 probe='' stopping=''
  progress "wave=$wave status=started"
  watch_checkout
  begin_attempt
  run_here do_task
  report_task
  run_step end_checkout
  [ "$record_status" = completed ] || run_outcome=failed
  exit_with_outcome
}

# run_here <steps>: run the task in this process, which signals may stop
run_here() {
  verdict=failed
  trap 'stopping=INT && stop_task interrupted' INT
  trap 'stopping=HUP && stop_task interrupted' HUP
  trap 'stopping=TERM && stop_task interrupted' TERM
  run_task "$1"
}

# main <argument>...: what both scripts call
main() {
  # What others may do is the user's affair; the owner has to work.
  umask u+rwx
  user_umask=$(umask)
  umask 077
  # With set -u, posh takes a plain "$@" without arguments for an error.
  if [ "${1-}" = --monitor ]; then
    shift
    monitor ${1+"$@"}
    return
  fi
  parse_options ${1+"$@"}
  if [ "$mode" = help ]; then
    show_usage
    return
  fi
  # shellcheck disable=SC2086  # names
  need $utilities
  plan=$(plan) || fail "ERROR: cannot read the plan"
  own_commands=$(commands) || fail "ERROR: cannot read the plan"
  default_agent=${AGENT_COMMAND:+command}
  default_agent=${default_agent:-$AGENT_NAME}
  own_agents=$(say "$own_commands" | awk '$2 == "agent" { printf "%s:%s ", $1, $3 }')
  locate "${directory:-$scripts/..}"
  read_boot
  read_clock
  read_identity "$$"
  if [ "$mode" = logs ]; then
    show_log
    return
  fi
  own_identity=$identity problems=0 imported='' running='' unrecorded='' run_outcome=''
  enter_repository
  choose_tools
  find_branches
  if [ "$mode" = status ]; then
    show_status
    return
  fi
  resolve_words
  if [ "$mode" = integrate ]; then
    integrate_now
  fi
  resolve_base
  prepare
  case $mode in
    dry_run)
      show_plan
      say "" "Dry run complete. No files modified."
      return
      ;;
    preflight) show_plan ;;
  esac
  [ -z "$only_wave" ] || [ "$mode$problems" = preflight0 ] || show_dependencies
  [ "$problems" -eq 0 ] || exit 2
  [ "$mode" != preflight ] || return 0

  open_records
  [ "$retry" -eq 0 ] || show_retries
  open_workspaces
  [ "$mode" = task ] || try_baseline
  [ "$retry" -eq 1 ] || start_afresh
  if [ "$mode" = task ]; then
    run_one
  else
    run_plan
  fi
}

# open_records: become the one that writes the records, and make them of what the manifest says where there are none
open_records() {
  # Who reads our output may go away; what is begun does not end for that.
  trap '' PIPE
  open_state
  [ "$mode" = task ] || take_lock
  import_records
}

# open_workspaces: have the folder of the worktrees, and mend what a crash has left in the repository
open_workspaces() {
  (umask "$user_umask" && mkdir -p -- "$workspaces") ||
    fail "ERROR: cannot make '$WORKSPACE_ROOT'" "  Choose a folder that can be written, with --workspace-root or WORKSPACE_ROOT."
  workspaces=$(cd -P -- "$workspaces" && pwd -P)
  exclude_marker
  # A crash may have torn the last line.
  end_line "$owners"
  repair_repository
  # What a crash has left of what is no task.
  [ "$mode" = task ] || for own in baseline integration; do
    use_own "$own"
    [ -s "$state/$id.result" ] || [ ! -e "$state/$id.start" ] || ! is_ours || stop_remains
  done
}

# locate <parallel directory>: Sets: dir manifest logs state
locate() {
  dir=$(cd -P -- "$1" && pwd -P) || exit 2
  manifest=$dir/manifest.json logs=$dir/logs state=$dir/logs/state
}
