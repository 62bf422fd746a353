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
  [ ! -h "$logs" ] && [ ! -h "$state" ] || object "cannot write to '$state'" "It has to be no symbolic link."
  check_folder "$state"
  [ "$is_repository" -eq 0 ] || check_repository
  check_way
  check_obstacles
  check_integration
  dependencies=$(list_dependencies)
  check_dependencies
  check_agents
  find_included
  check_space
}

# check_folder <path>: report a folder that cannot be made, or written
check_folder() {
  place=$1
  set -- "$1"
  until is_there "${place:=/}"; do
    set -- "$@" "/${place##*/}"
    place=${place%/*}
  done
  [ $# -eq 1 ] || case $(LC_ALL=C ls -d -- "$@" 2>&1) in
    *'too long'*) object "the name is too long: '$1'" && return ;;
  esac
  if [ ! -d "$place" ]; then
    object "cannot make '$1': '$place' is no folder"
  elif [ ! -w "$place" ] || [ ! -x "$place" ]; then
    object "cannot write to '$place'"
  fi
}

# check_repository: report uncommitted changes, an operation under way, a missing identity, an odd base
check_repository() {
  set -- ":(exclude,top,literal)$parallel_dir"
  [ "$parallel_dir" != . ] || set -- ":(exclude,top)*"
  if [ -n "$(list_changes "$@")" ]; then
    if [ "$mode" = dry_run ]; then
      warn "WARNING: Uncommitted changes detected. Consider committing or stashing."
    else
      object "Uncommitted changes in working directory" "Run 'git stash' or commit changes before parallel execution."
    fi
  fi
  git_dir=$(read_git -C "$root" rev-parse --absolute-git-dir)
  for operation in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
    [ ! -e "$git_dir/$operation" ] || object "A git operation is under way ($operation)" "Finish or abort it first."
  done
  said=$(read_git -C "$root" var GIT_COMMITTER_IDENT 2>&1 >/dev/null) ||
    object "git does not know who you are" "Set user.name and user.email with 'git config'." "${said##*"$newline"}"
  case $base_branch in
    main | master | -) ;;
    *) warn "WARNING: Base branch is '$base_branch', not main or master." ;;
  esac
  # A partial clone may lack the tree in which to look.
  [ -z "$base_commit" ] || ! found=$(read_git -C "$root" ls-tree "$base_commit" "$parallel_dir/manifest.json" 2>/dev/null) ||
    [ -n "$found" ] ||
    warn "WARNING: '$parallel_dir' is not in the base commit; the worktrees will lack it. Consider committing it."
  [ "$SUBMODULES" -eq 1 ] || [ -z "$base_commit" ] ||
    [ -z "$(read_git -C "$root" ls-tree "$base_commit" .gitmodules 2>/dev/null)" ] ||
    warn "WARNING: The worktrees will lack the submodules. '--submodules' initialises them."
  for place in objects worktrees parallelgen info logs/refs/heads; do
    check_folder "$git_common/$place"
  done
  for file in "$owners" "$git_common/info/exclude"; do
    [ ! -e "$file" ] || { [ -f "$file" ] && [ -w "$file" ]; } || object "cannot write to '$file'"
  done
}

# check_way: report what stands where the branches and worktrees of the selected tasks are to be, unless that is as it should
# be (--retry-failed) or will be moved aside (--force). Sets: new_worktrees (how many are to be made)
check_way() {
  new_worktrees=0 place=$workspaces ref=$git_common/refs/heads
  while read -r id name wave deps limit prompt; do
    [ -n "$id" ] || continue
    use_task
    [ "$retry" -eq 1 ] || [ -s "$state/$id.result" ] || ! read_record "$id.start" || ! is_alive "$record_pid" "$record_identity" ||
      object "Task is still running: $id (process $record_pid, since $record_started_at)" \
        "Use '--retry-failed' to take over from a run that died."
    is_new=$((1 - retry - force)) way="Previous execution was interrupted. Use '--retry-failed' to continue."
    # What no run of this directory has made is nothing to be continued.
    [ "$retry" -eq 0 ] || [ -e "$state/$id.start" ] || [ -e "$state/$id.result" ] ||
      [ "${imported#*"$newline$id "}" != "$imported" ] ||
      is_new=1 way="No run of '$parallel_dir' has made it. Rename it, or choose other names with --branch-prefix."
    [ "$retry" -eq 1 ] || [ ! -e "$git_common/refs/heads/$branch.lock" ] ||
      object "git has locked the branch: '$git_common/refs/heads/$branch.lock'" "Remove that file when no git is at work."
    if ! is_there "$worktree"; then
      new_worktrees=$((new_worktrees + 1)) place=$worktree ref=$git_common/refs/heads/$branch.lock-
    elif [ -e "$worktree/.git" ] && ! read_worktree && [ -n "$stranger" ]; then
      object "'$WORKSPACE_ROOT/$id' is a worktree of another repository" \
        "Choose another folder with --workspace-root or WORKSPACE_ROOT."
    else
      case $is_new$mode,$taken in
        *" $name "* | 0*) ;;
        1dry_run,*) warn "WARNING: Worktree '$WORKSPACE_ROOT/$id' already exists." ;;
        *) object "Worktree already exists: $WORKSPACE_ROOT/$id" \
          "Run 'git worktree remove $WORKSPACE_ROOT/$id' or use --force." ;;
      esac
    fi
    [ "$is_new" -eq 0 ] || [ "${branches#* "$name" }" = "$branches" ] || object "Branch already exists: $branch" "$way"
  done <<EOF
$selected
EOF
  check_folder "$place"
  case $is_repository$obstacles in
    0 | *ref"$tab"*) ;;
    *) check_folder "$ref" ;;
  esac
}

# check_dependencies: report the branches that are needed and not there
check_dependencies() {
  while read -r name wave what tip; do
    [ "$what" = MISSING ] || continue
    branch=$BRANCH_PREFIX$name
    if [ "${taken#* "$name" }" != "$taken" ]; then
      set -- "Another parallel directory has one of this name. Choose names of your own, with --branch-prefix PREFIX."
    elif [ -z "$tip" ]; then
      set -- "${only_task:-Wave }$only_wave depends on it. Run the wave it belongs to first."
    elif read_git -C "$root" cat-file -e "$tip^{commit}" 2>/dev/null; then
      set -- "It was completed, but '$base_branch' does not contain its commits as they were: 'git branch $branch $tip'."
    else
      set -- "It was completed, but its commit is not here: fetch the branch, or run the task again with --task and --force."
    fi
    object "Branch not found: $branch" "$@"
  done <<EOF
$dependencies
EOF
}

# check_agents: report agents whose program is not found, as far as a plain first word of the command names one
check_agents() {
  model='' subagent=''
  for agent in $(say "$default_agent $own_agents" | tr ' ' '\n' | sed 's/.*://' | sort -u); do
    "launch_$agent"
    program=${command%%[!A-Za-z0-9_./+-]*}
    case $program,${command#"$program"} in
      ,* | case,* | for,* | if,* | until,* | while,*) continue ;;
      *, | *,[\ \;\&\|\<]* | *,"$newline"*) ;;
      # Only a shell can tell what this is.
      *) continue ;;
    esac
    if [ "$program" = claude ] && ! command -v claude >/dev/null 2>&1; then
      object "Claude CLI not found" "Install Claude Code CLI: https://claude.ai/code"
    elif ! command -v "$program" >/dev/null 2>&1; then
      object "Agent command not found: '$program'" "Install it, or name another agent with --agent or --agent-command."
    elif [ "$program" = claude ] && [ "$(id -u)" -eq 0 ] && [ "${IS_SANDBOX-}" != 1 ] &&
      [ "${command#*--dangerously-skip-permissions}" != "$command" ]; then
      object "claude refuses --dangerously-skip-permissions as root" \
        "Set IS_SANDBOX=1 if this box is a sandbox, or run as another user."
    fi
  done
}

# check_space: warn when the new worktrees will hardly fit. Sets: tree_kib (the size of one, empty when it is not known)
check_space() {
  tree_kib=
  [ -n "$base_commit" ] || return 0
  # A partial clone may lack what it would have to measure.
  tree_kib=$({ read_git -C "$root" ls-tree -r -l "$base_commit" 2>/dev/null && say end; } |
    awk '{ sum += $4 } END { if ($0 == "end") printf "%.0f", int((sum + 1023) / 1024) }')
  place=$workspaces
  [ -d "$place" ] || place=$root
  df -P -k -- "$place" 2>/dev/null | awk -v count="$new_worktrees" -v kib="$((${tree_kib:-0} + ${included_kib:-0}))" '
    NR == 2 && $4 ~ /^[0-9]+$/ && $4 < count * kib { exit 1 }' ||
    warn "WARNING: Not enough disk space for $new_worktrees worktrees below '$WORKSPACE_ROOT'."
}
