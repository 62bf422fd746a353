# --- preflight: what must be true before anything is changed

# object <line>...: report a problem; a dry run only warns of it
object() {
  problems=$((problems + 1))
  if [ "$mode" = dry_run ]; then
    printf 'WARNING: %s\n' "$1" >&2
  else
    printf 'ERROR: %s\n' "$1" >&2
  fi
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
}

# check_repository: report uncommitted changes, an operation under way, a missing identity, an odd base
check_repository() {
  set -- . ":(exclude,top,literal)$parallel_dir"
  [ "$parallel_dir" != . ] || set -- ":(exclude,top)*"
  case $workspaces in
    "$root"/*) set -- "$@" ":(exclude,top,literal)${workspaces#"$root"/}" ;;
  esac
  if [ -n "$(GIT_OPTIONAL_LOCKS=0 git -C "$root" status --porcelain -- "$@")" ]; then
    if [ "$mode" = dry_run ]; then
      warn "WARNING: Uncommitted changes detected. Consider committing or stashing."
    else
      object "Uncommitted changes in working directory" "Run 'git stash' or commit changes before parallel execution."
    fi
  fi
  for operation in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
    if [ -e "$own_git_dir/$operation" ]; then
      object "A git operation is under way ($operation)" "Finish or abort it first."
    fi
  done
  git -C "$root" var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
    object "git does not know who you are" "Set user.name and user.email with 'git config'."
  case $base_branch in
    main | master) ;;
    *) warn "WARNING: Base branch is '$base_branch', not main or master." ;;
  esac
  git -C "$root" cat-file -e "$base_commit:./$parallel_dir/manifest.json" 2>/dev/null ||
    warn "WARNING: '$parallel_dir' is not in the base commit; the worktrees will lack it. Consider committing it."
}

# check_agent: report an agent command whose first word is a plain name and is not found
check_agent() {
  program=${AGENT_COMMAND%%[!A-Za-z0-9_./+-]*}
  case $program in
    '' | case | for | if | until | while) return 0 ;;
  esac
  case ${AGENT_COMMAND#"$program"} in
    '' | ' '* | ';'* | '&'* | '|'* | '<'* | '>'* | "$newline"*) ;;
    *) return 0 ;;
  esac
  if command -v "$program" >/dev/null 2>&1; then
    case $AGENT_COMMAND in
      claude*--dangerously-skip-permissions*)
        [ "$(id -u)" -ne 0 ] || [ "${IS_SANDBOX-}" = 1 ] ||
          object "claude refuses --dangerously-skip-permissions as root" \
            "Set IS_SANDBOX=1 if this box is a sandbox, or run as another user."
        ;;
    esac
  elif [ "$program" = claude ]; then
    object "Claude CLI not found" "Install Claude Code CLI: https://claude.ai/code"
  else
    object "Agent command not found: '$program'" "Install it, or set AGENT_COMMAND."
  fi
}

# check_space: warn when the new worktrees will hardly fit; for a dry run set tree_kib to the size of one
check_space() {
  place=$workspaces
  [ -d "$place" ] || place=$root
  free_kib=$(df -P -k -- "$place" 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ { print $4 }')
  tree_kib=
  if [ "$mode" = dry_run ] || ! has_plenty; then
    read_tree_size
  fi
  [ -z "$tree_kib" ] || awk -v free="$free_kib" -v count="$new_worktrees" -v kib="$tree_kib" \
    'BEGIN { exit free != "" && free < count * kib }' ||
    warn "WARNING: Not enough disk space for $new_worktrees worktrees below '$WORKSPACE_ROOT'."
}

# has_plenty: true when there is room for worktrees that are each twenty times as large as the repository; to tell their
# true size, git opens each file's object, which takes half a second for 20,000 that are not packed
has_plenty() {
  git -C "$root" count-objects -v | awk -v free="$free_kib" -v count="$new_worktrees" '
    $1 ~ /^size(-pack)?:$/ { kib += $2 }
    # Objects that lie in another repository are not counted.
    $1 == "alternate:" { kib = 0; exit }
    END { exit !(kib > 0 && free != "" && free > count * kib * 20) }'
}

# read_tree_size: set tree_kib to the size of the files of the base
read_tree_size() {
  tree_kib=$(git -C "$root" ls-tree -r -l "$base_commit" | awk '{ sum += $4 } END { printf "%.0f", int((sum + 1023) / 1024) }')
}

# check_way: list in in_way the selected tasks whose worktree or branch exists, and report them unless that is as it
# should be (--retry-failed) or they will be moved aside (--force); count the worktrees to be made in new_worktrees
check_way() {
  in_way='' new_worktrees=0
  branches=$(git -C "$root" for-each-ref --format='%(refname)' "refs/heads/$branch_prefix") ||
    fail "ERROR: git cannot list the branches of '$root'"
  for number in $tasks; do
    name_task "$number"
    [ "$its_outcome" = selected ] || continue
    use_task "$number"
    found=
    if [ "$retry" -eq 0 ] && read_outcome "$id" && [ "$outcome" = running ]; then
      object "Task is still running: $id (process $record_pid, since $record_started_at)" \
        "Use '--retry-failed' to take over from a run that died."
    fi
    if read_worktree && ! owns_worktree; then
      object "'$WORKSPACE_ROOT/$id' is a worktree of another repository" "Choose another folder with WORKSPACE_ROOT."
    elif is_there "$worktree"; then
      found=1
      [ "$retry$force" != 00 ] || object_worktree
    else
      new_worktrees=$((new_worktrees + 1))
    fi
    case $newline$branches$newline in
      *"${newline}refs/heads/$branch$newline"*)
        found=1
        [ "$retry$force" != 00 ] ||
          object "Branch already exists: $branch" \
            "Previous execution was interrupted. Use '--retry-failed' to continue."
        ;;
    esac
    [ -z "$found" ] || in_way="$in_way $number"
  done
}

# object_worktree: report the task's worktree
object_worktree() {
  if [ "$mode" = dry_run ]; then
    warn "WARNING: Worktree '$WORKSPACE_ROOT/$id' already exists."
  else
    object "Worktree already exists: $WORKSPACE_ROOT/$id" \
      "Run 'git worktree remove $WORKSPACE_ROOT/$id' or use --force."
  fi
}

# preflight: check everything, report all problems, and end with status 2 when there is one
preflight() {
  problems=0
  [ -f "$manifest" ] ||
    object "manifest.json not found in '$parallel_dir'" "Run '/parallel-decompose' first to create task specifications."
  [ ! -h "$manifest" ] || object "manifest.json is a symbolic link" "Put the file itself into '$parallel_dir'."
  check_repository
  check_way
  check_agent
  check_space
  [ "$problems" -eq 0 ] || [ "$mode" = dry_run ] || exit 2
}
