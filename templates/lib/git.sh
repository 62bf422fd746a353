# --- git: the repository, the base of the run, and how we call git

# So that git starts no maintenance, signs nothing, and says the same under any settings of the user's.
git_settings='-c gc.auto=0 -c maintenance.auto=false -c core.pager=cat -c core.quotePath=false -c core.fsmonitor=false
  -c status.showUntrackedFiles=normal -c status.renames=true -c diff.renames=true -c diff.ignoreSubmodules=none
  -c diff.orderFile=/dev/null -c merge.renames=true -c merge.autoStash=false -c rerere.autoUpdate=false
  -c submodule.recurse=false -c commit.gpgSign=false'
# What the next git reads.
git_input=/dev/null

# read_git <argument>...: git that only reads: it takes no lock, and what a partial clone lacks stays where it is
read_git() {
  ask_git "$@" </dev/null
}

# ask_git <argument>...: the same, with our stdin
ask_git() {
  # shellcheck disable=SC2086  # words
  GIT_OPTIONAL_LOCKS=0 GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL=none LANGUAGE=C git $git_settings "$@"
}

# run_git <argument>...: git that never prompts, opens an editor, reads stdin or leaves a process behind
run_git() (
  become_git "$@"
)

# become_git <argument>...: the same, in place of this subshell
become_git() {
  # Ctrl-C in a terminal goes to us, and what git has begun it ends.
  trap '' INT
  umask "$user_umask"
  # A git whose runner was killed works on: who takes the task over finds it by the mark, before removing its locks.
  GIT_TERMINAL_PROMPT=0 GIT_EDITOR=: GIT_OPTIONAL_LOCKS=0 LANGUAGE=C PARALLEL_MARK=${worktree-}:
  export GIT_TERMINAL_PROMPT GIT_EDITOR GIT_OPTIONAL_LOCKS LANGUAGE PARALLEL_MARK
  # shellcheck disable=SC2086  # words
  exec git $git_settings "$@" <"$git_input"
}

# enter_repository: find the project. Sets: root (its top) git_common (its repository) parallel_dir (relative to root)
# workspaces (where worktrees go) owners dir_name workspaces_name (see own) is_repository (0 in a dry run outside of one)
enter_repository() {
  # A hook or another git that started us must not tell our git where to work; settings may say who commits.
  for variable in $(read_git rev-parse --local-env-vars 2>/dev/null); do
    case $variable in
      GIT_CONFIG_COUNT | GIT_CONFIG_PARAMETERS) ;;
      *) unset "$variable" ;;
    esac
  done
  is_repository=1
  if ! root=$(read_git -C "$dir" rev-parse --show-toplevel 2>/dev/null) ||
    ! git_common=$(read_git -C "$dir" rev-parse --git-common-dir 2>/dev/null) ||
    ! git_common=$(cd -- "$dir" && cd -P -- "$git_common" && pwd -P); then
    object "git finds no project: '$dir'" "$(read_git -C "$dir" rev-parse --show-toplevel 2>&1)" \
      "Run the script from a clone of the project."
    [ "$mode" = dry_run ] || exit 2
    is_repository=0 git_common='' root=$(pwd -P)
    [ "${dir#"$root"/}" != "$dir" ] || root=${dir%/*}
  fi
  parallel_dir=.
  [ "$dir" = "$root" ] || parallel_dir=${dir#"$root"/}
  workspaces=$root/$WORKSPACE_ROOT
  [ "${WORKSPACE_ROOT#/}" = "$WORKSPACE_ROOT" ] || workspaces=$WORKSPACE_ROOT
  # In a folder that may not be entered there is no such thing.
  if [ -d "$workspaces/." ]; then
    workspaces=$(cd -P -- "$workspaces" && pwd -P)
  elif [ -d "${workspaces%/*}/." ]; then
    workspaces=$(cd -P -- "${workspaces%/*}" && pwd -P)/${workspaces##*/}
  fi
  # Relative to the main checkout where that is near: a project may be moved, with its worktrees beside it.
  owners=$git_common/parallelgen/owners dir_name=${dir#"${git_common%/*}"/} workspaces_name=${workspaces#"${git_common%/*/*}"/}
  [ "$workspaces_name" = "$workspaces" ] || workspaces_name=../$workspaces_name
}

# resolve_base: find out what all new branches of this run start from. Sets: base_branch base_commit
resolve_base() {
  base_branch=$BASE_BRANCH base_commit=
  if [ -z "$base_branch" ] && ! base_branch=$(read_git -C "$root" symbolic-ref --quiet --short HEAD); then
    base_branch=-
    object "HEAD is detached" "Check out the base branch, or name it with --base or in BASE_BRANCH."
  # The branch comes before a tag of the same name.
  elif ! base_commit=$(read_git -C "$root" rev-parse --quiet --verify "refs/heads/$base_branch^{commit}") &&
    ! base_commit=$(read_git -C "$root" rev-parse --quiet --verify "$base_branch^{commit}"); then
    object "base branch not found: '$base_branch'" "Commit to it first, or name another with --base or in BASE_BRANCH."
  fi
}

# has_branch <name>: true when the local branch exists
has_branch() {
  read_git -C "$root" show-ref --verify --quiet "refs/heads/$1"
}

# exclude_marker: keep the marker out of `git add -A` in every worktree
exclude_marker() {
  if ! grep -q -x -F -e "/$marker" -- "$git_common/info/exclude" 2>/dev/null; then
    [ -d "$git_common/info" ] || mkdir -p -- "$git_common/info"
    end_line "$git_common/info/exclude"
    printf '/%s\n' "$marker" >>"$git_common/info/exclude"
  fi
}

# repair_repository: remove what a crash in the middle of `git worktree add` has left of git's side of a worktree in which
# nobody has worked, without the file that ties it to the repository: other git commands fail over it
repair_repository() {
  for side in "$git_common"/worktrees/*; do
    for look in 1 2; do
      [ -d "$side" ] && [ ! -s "$side/commondir" ] && [ ! -e "$side/index" ] && [ ! -e "$side/logs/HEAD" ] || continue 2
      # Somebody may be adding it just now.
      [ "$look" -eq 2 ] || sleep 1
    done
    warn "Removing '$side', which a crash left half made."
    rm -rf -- "$side"
  done
}
