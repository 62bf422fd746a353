# --- preflight: what must be true before anything is changed

# object <line>...: report a problem; a dry run only warns of it. Sets: problems (how many there are)
object() {
  problems=$((problems + 1)) word=ERROR
  [ "$mode" != dry_run ] || word=WARNING
  warn "$word: $1"
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
}

# preflight: check everything, and report all problems
preflight() {
  [ -f "$manifest" ] ||
    object "manifest.json not found in '$parallel_dir'" "Run '/parallel-decompose' first to create task specifications."
  [ ! -h "$manifest" ] || object "manifest.json is a symbolic link" "Put the file itself into '$parallel_dir'."
  [ "$is_repository" -eq 0 ] || check_repository
  check_way
  dependencies=$(list_dependencies)
  for missing in $(say "$dependencies" | awk '$3 == "MISSING" { print $1 }'); do
    object "Branch not found: $BRANCH_PREFIX$missing" \
      "${only_task:-Wave }$only_wave depends on it. Run the wave it belongs to first."
  done
  check_agent
  check_space
}

# check_repository: report uncommitted changes, an operation under way, a missing identity, an odd base
check_repository() {
  set -- . ":(exclude,top,literal)$parallel_dir"
  [ "$parallel_dir" != . ] || set -- ":(exclude,top)*"
  [ "${workspaces#"$root"/}" = "$workspaces" ] || set -- "$@" ":(exclude,top,literal)${workspaces#"$root"/}"
  if [ -n "$(GIT_OPTIONAL_LOCKS=0 git -C "$root" status --porcelain -- "$@")" ]; then
    if [ "$mode" = dry_run ]; then
      warn "WARNING: Uncommitted changes detected. Consider committing or stashing."
    else
      object "Uncommitted changes in working directory" "Run 'git stash' or commit changes before parallel execution."
    fi
  fi
  git_dir=$(git -C "$root" rev-parse --absolute-git-dir)
  for operation in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
    [ ! -e "$git_dir/$operation" ] || object "A git operation is under way ($operation)" "Finish or abort it first."
  done
  git -C "$root" var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
    object "git does not know who you are" "Set user.name and user.email with 'git config'."
  case $base_branch in
    main | master | -) ;;
    *) warn "WARNING: Base branch is '$base_branch', not main or master." ;;
  esac
  [ -z "$base_commit" ] || git -C "$root" cat-file -e "$base_commit:./$parallel_dir/manifest.json" 2>/dev/null ||
    warn "WARNING: '$parallel_dir' is not in the base commit; the worktrees will lack it. Consider committing it."
}

# check_way: report the selected tasks whose worktree or branch exists, unless that is as it should be (--retry-failed) or
# they will be moved aside (--force). Sets: in_way (their ids, with blanks between and around) new_worktrees (how many are to
# be made)
check_way() {
  in_way=' ' new_worktrees=0
  while read -r id name wave deps limit prompt; do
    [ -n "$id" ] || continue
    use_task
    [ "$retry" -eq 1 ] || [ -s "$state/$id.result" ] || ! read_record "$id.start" || ! is_alive "$record_pid" "$record_identity" ||
      object "Task is still running: $id (process $record_pid, since $record_started_at)" \
        "Use '--retry-failed' to take over from a run that died."
    if ! is_there "$worktree"; then
      new_worktrees=$((new_worktrees + 1))
    elif [ -e "$worktree/.git" ] && ! read_worktree && [ -n "$stranger" ]; then
      object "'$WORKSPACE_ROOT/$id' is a worktree of another repository" \
        "Choose another folder with --workspace-root or WORKSPACE_ROOT."
    else
      in_way="$in_way$id "
      case $retry$force$mode in
        00dry_run) warn "WARNING: Worktree '$WORKSPACE_ROOT/$id' already exists." ;;
        00*) object "Worktree already exists: $WORKSPACE_ROOT/$id" \
          "Run 'git worktree remove $WORKSPACE_ROOT/$id' or use --force." ;;
      esac
    fi
    [ "${branches#* "$name" }" != "$branches" ] || continue
    in_way="$in_way$id "
    [ "$retry$force" != 00 ] || object "Branch already exists: $branch" \
      "Previous execution was interrupted. Use '--retry-failed' to continue."
  done <<EOF
$selected
EOF
}

# check_agent: report an agent command whose first word is a plain name and is not found
check_agent() {
  program=${AGENT_COMMAND%%[!A-Za-z0-9_./+-]*}
  case $program,${AGENT_COMMAND#"$program"} in
    ,* | case,* | for,* | if,* | until,* | while,*) return 0 ;;
    *, | *,[\ \;\&\|\<]* | *,"$newline"*) ;;
    # Only a shell can tell what this is.
    *) return 0 ;;
  esac
  if [ "$program" = claude ] && ! command -v claude >/dev/null 2>&1; then
    object "Claude CLI not found" "Install Claude Code CLI: https://claude.ai/code"
  elif ! command -v "$program" >/dev/null 2>&1; then
    object "Agent command not found: '$program'" "Install it, or name another with --agent-command or in AGENT_COMMAND."
  elif [ "$program" = claude ] && [ "$(id -u)" -eq 0 ] && [ "${IS_SANDBOX-}" != 1 ] &&
    [ "${AGENT_COMMAND#*--dangerously-skip-permissions}" != "$AGENT_COMMAND" ]; then
    object "claude refuses --dangerously-skip-permissions as root" \
      "Set IS_SANDBOX=1 if this box is a sandbox, or run as another user."
  fi
}

# check_space: warn when the new worktrees will hardly fit. Sets: tree_kib (the size of one, empty when it is not known)
check_space() {
  tree_kib=
  [ -n "$base_commit" ] || return 0
  tree_kib=$(git -C "$root" ls-tree -r -l "$base_commit" | awk '{ sum += $4 } END { printf "%.0f", int((sum + 1023) / 1024) }')
  place=$workspaces
  [ -d "$place" ] || place=$root
  df -P -k -- "$place" 2>/dev/null | awk -v count="$new_worktrees" -v kib="$tree_kib" '
    NR == 2 && $4 ~ /^[0-9]+$/ && $4 < count * kib { exit 1 }' ||
    warn "WARNING: Not enough disk space for $new_worktrees worktrees below '$WORKSPACE_ROOT'."
}
