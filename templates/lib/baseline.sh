# --- baseline: setup and verify where nobody has worked, before the first agent starts: what fails there is no agent's fault

# try_baseline: try them at the base commit, unless they have succeeded there before; end with status 2 when they fail. It is
# done as a task is, here and now, under an id that no task can have
try_baseline() {
  use_own baseline
  [ "$NO_BASELINE" -eq 0 ] && [ -n "$SETUP_COMMAND$VERIFY_COMMAND" ] && [ -n "$selected" ] || return 0
  proof=$(read_git -C "$root" rev-parse "$base_commit^{tree}") || fail "ERROR: cannot read the base commit $base_commit"
  proof=$proof$tab$SETUP_COMMAND$tab$VERIFY_COMMAND
  ! read_record baseline || [ "$record_proof" != "$proof" ] || return 0
  say "Baseline: setup and verify at $base_branch, before the first agent (log: $parallel_dir/logs/baseline.log)"
  printf '' >"$log"
  forget_verdict
  stopping=''
  run_here do_baseline
  trap - INT HUP TERM USR1 USR2
  if [ -n "$stopping" ]; then
    progress "execution status=interrupted"
    exit_with_outcome
  elif [ "$verdict" = failed ]; then
    warn "ERROR: the baseline failed (${error:-state}): no task could succeed. The end of its log:"
    tail -n 20 -- "$log" | indent >&2
    fail "  Its worktree is $WORKSPACE_ROOT/${worktree##*/}. Mend setup, verify or $base_branch, or use --no-baseline where" \
      "  there is nothing yet that could succeed."
  fi
}

# do_baseline: the steps of the baseline
do_baseline() {
  tip=$base_commit
  if ! clear_baseline || ! add_worktree --detach "$worktree" "$base_commit" || ! add_submodules; then
    error=worktree
  elif include_files && set_up && verify_work; then
    # The record last: who finds it does not look for what is left of the worktree.
    remove_baseline && write_record baseline "proof=$proof" && accepted=1
  fi
}

# clear_baseline: remove the worktree of an earlier baseline, or move it aside when somebody may have worked there: since a
# verdict has called a person
clear_baseline() {
  is_there "$worktree" || return 0
  is_ours || { say "$worktree belongs to the baseline of '$made_by'; --workspace-root gives this one another" >>"$log" && return 1; }
  # What a git that was killed has left half made is nobody's work.
  if ! read_worktree || is_unfinished; then
    used=0
    repair_worktree >>"$log" 2>&1
    return
  fi
  if is_on_branch || [ -n "$head" ]; then
    say "$worktree is no worktree of a baseline" >>"$log"
    return 1
  fi
  rm -f -- "$git_dir"/*.lock
  if [ -n "$(read_git -C "$worktree" for-each-ref --count=1 --contains HEAD)" ] && {
    [ ! -e "$state/.baseline.earlier" ] ||
      { found=$(find "$worktree/." -newer "$state/.baseline.earlier" 2>>"$log") && [ -z "$found" ]; }
  }; then
    remove_baseline
  else
    set_aside >>"$log"
  fi && rm -f -- "$state/.baseline.earlier"
}

# remove_baseline: remove the worktree of the baseline
remove_baseline() {
  # Under another name: what a crash leaves of it must not look like somebody's work.
  move_aside && rm -r -f -- "$worktree.$runner"
  run_git -C "$root" worktree remove --force --force "$worktree" 2>>"$log"
}
