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
  if [ -n "$(GIT_OPTIONAL_LOCKS=0 git -C "$root" status --porcelain -- "$@" | head -n 1)" ]; then
    if [ "$mode" = dry_run ]; then
      warn "WARNING: Uncommitted changes detected. Consider committing or stashing."
    else
      object "Uncommitted changes in working directory" "Run 'git stash' or commit changes before parallel execution."
    fi
  fi
  own_git_dir=$(git -C "$root" rev-parse --absolute-git-dir)
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

# check_agent: report a missing agent command; words that set variables or start with a symbol are not looked up
check_agent() {
  set -f
  # shellcheck disable=SC2086  # words
  set -- $AGENT_COMMAND
  set +f
  while [ $# -gt 0 ]; do
    case $1 in
      *=* | exec | env) shift ;;
      *) break ;;
    esac
  done
  case ${1-} in
    claude)
      if ! command -v claude >/dev/null 2>&1; then
        object "Claude CLI not found" "Install Claude Code CLI: https://claude.ai/code"
      elif [ "$(id -u)" -eq 0 ] && [ "${IS_SANDBOX-}" != 1 ]; then
        case $AGENT_COMMAND in
          *--dangerously-skip-permissions*)
            object "claude refuses --dangerously-skip-permissions as root" \
              "Set IS_SANDBOX=1 if this box is a sandbox, or run as another user."
            ;;
        esac
      fi
      ;;
    '' | *[!A-Za-z0-9_./+-]*) ;;
    *) command -v "$1" >/dev/null 2>&1 || object "Agent command not found: '$1'" "Install it, or set AGENT_COMMAND." ;;
  esac
}

# check_space: set tree_kib to the size of one worktree, and warn when the new ones will hardly fit
check_space() {
  tree_kib=$(git -C "$root" ls-tree -r -l "$base_commit" | awk '{ sum += $4 } END { printf "%.0f", sum / 1024 }')
  place=$workspaces
  [ -d "$place" ] || place=$root
  df -P -k -- "$place" 2>/dev/null | awk -v count="$new_worktrees" -v kib="$tree_kib" \
    'NR == 2 && $4 + 0 < count * kib { exit 1 }' ||
    warn "WARNING: Not enough disk space for $new_worktrees worktrees below '$WORKSPACE_ROOT'."
}

# show_space: print the estimate for all worktrees of the plan
show_space() {
  awk -v count="$planned" -v kib="$tree_kib" '
    function size(k) {
      if (k < 1024) return sprintf("~%.0fKB", k < 1 ? 1 : k)
      if (k < 1024 * 1024) return sprintf("~%.0fMB", k / 1024)
      return sprintf("~%.1fGB", k / 1024 / 1024)
    }
    BEGIN { printf "Estimated Worktree Space: %s (%d worktrees x %s)\n", size(count * kib), count, size(kib) }'
}

# in_the_way: report worktrees and branches of selected tasks that exist; with --force they are moved aside later
in_the_way() {
  in_way='' new_worktrees=0
  branches=$(git -C "$root" for-each-ref --format='%(refname)' "refs/heads/$branch_prefix")
  number=1
  while [ "$number" -le "$task_count" ]; do
    use_task "$number"
    eval "chosen=\$outcome_$number"
    if [ "$chosen" = selected ]; then
      blocking=0
      [ -e "$worktree" ] && blocking=1
      case $newline$branches$newline in
        *"${newline}refs/heads/$branch$newline"*) blocking=$((blocking + 2)) ;;
      esac
      [ "$retry" -eq 1 ] && [ -e "$worktree" ] || new_worktrees=$((new_worktrees + 1))
      [ "$blocking" -eq 0 ] || in_way="$in_way $number"
      [ "$retry" -eq 1 ] || [ "$force" -eq 1 ] || report_in_the_way
    fi
    number=$((number + 1))
  done
}

# report_in_the_way: say what blocks the task: its worktree (1), its branch (2) or both (3)
report_in_the_way() {
  case $blocking,$mode in
    1,dry_run | 3,dry_run) warn "WARNING: Worktree '$WORKSPACE_ROOT/$id' already exists." ;;
    1,* | 3,*)
      object "Worktree already exists: $WORKSPACE_ROOT/$id" \
        "Run 'git worktree remove $WORKSPACE_ROOT/$id' or use --force."
      ;;
  esac
  case $blocking in
    2 | 3)
      object "Branch already exists: $branch" \
        "Previous execution was interrupted. Use '--retry-failed' to continue."
      ;;
  esac
}

# preflight: check everything, report all problems, and end with status 2 when there is one
preflight() {
  problems=0
  [ -f "$manifest" ] ||
    object "manifest.json not found in '$parallel_dir'" "Run '/parallel-decompose' first to create task specifications."
  check_repository
  in_the_way
  check_agent
  check_space
  [ "$problems" -eq 0 ] || [ "$mode" = dry_run ] || exit 2
}
