# --- git: the base, and a worktree and a branch for each task

# run_git <argument>...: git, that never prompts, signs, opens an editor, reads stdin or leaves a process behind;
# Ctrl-C in a terminal goes to us, and what git has begun it ends
run_git() (
  become_git "$@"
)

# become_git <argument>...: the same, in place of this subshell
become_git() {
  trap '' INT
  umask "$user_umask"
  GIT_TERMINAL_PROMPT=0 GIT_EDITOR=: GIT_OPTIONAL_LOCKS=0
  # A git whose runner was killed works on: who takes the task over must find it before it removes a lock.
  PARALLEL_MARK=${worktree-}:
  export GIT_TERMINAL_PROMPT GIT_EDITOR GIT_OPTIONAL_LOCKS PARALLEL_MARK
  exec git -c gc.auto=0 -c maintenance.auto=false -c commit.gpgSign=false -c core.pager=cat "$@" </dev/null
}

# enter_repository: set root (the project), git_common (its repository), own_git_dir (git's side of this checkout),
# parallel_dir (relative to root) and workspaces (where worktrees go)
enter_repository() {
  # A hook or another git that started us must not tell our git where to work.
  for variable in $(git rev-parse --local-env-vars 2>/dev/null); do
    case $variable in
      # Settings of the user's, which may say who commits.
      GIT_CONFIG_COUNT | GIT_CONFIG_PARAMETERS) ;;
      *) unset "$variable" ;;
    esac
  done
  places=$(git -C "$dir" rev-parse --show-toplevel --absolute-git-dir --git-common-dir 2>/dev/null) ||
    fail "ERROR: not a git repository: '$dir'" "  Run the script from a clone of the project."
  root=${places%%"$newline"*} git_common=${places##*"$newline"}
  own_git_dir=${places#*"$newline"}
  own_git_dir=${own_git_dir%%"$newline"*}
  git_common=$(cd -- "$dir" && cd -P -- "$git_common" && pwd -P) && [ -f "$git_common/HEAD" ] ||
    fail "ERROR: git does not say where the repository of '$dir' is"
  case $dir in
    "$root") parallel_dir=. ;;
    *) parallel_dir=${dir#"$root"/} ;;
  esac
  case $WORKSPACE_ROOT in
    /*) workspaces=$WORKSPACE_ROOT ;;
    *) workspaces=$root/$WORKSPACE_ROOT ;;
  esac
  [ ! -d "$workspaces" ] || workspaces=$(cd -P -- "$workspaces" && pwd -P)
}

# open_workspaces: make the folder for the worktrees, and know it by its physical path, as git does
open_workspaces() {
  (umask "$user_umask" && mkdir -p -- "$workspaces") ||
    fail "ERROR: cannot make '$WORKSPACE_ROOT'" "  Set WORKSPACE_ROOT to a folder that can be written."
  workspaces=$(cd -P -- "$workspaces" && pwd -P)
}

# resolve_base: set base_branch and base_commit, which all new branches of this run start from
resolve_base() {
  base_branch=$BASE_BRANCH
  if [ -z "$base_branch" ]; then
    base_branch=$(git -C "$root" symbolic-ref --quiet --short HEAD) ||
      fail "ERROR: HEAD is detached" "  Check out the base branch, or name it in BASE_BRANCH."
  fi
  # The branch comes before a tag of the same name.
  base_commit=$(git -C "$root" rev-parse --quiet --verify "refs/heads/$base_branch^{commit}") ||
    base_commit=$(git -C "$root" rev-parse --quiet --verify "$base_branch^{commit}") ||
    fail "ERROR: base branch not found: '$base_branch'" "  Commit to it first, or name another in BASE_BRANCH."
}

# read_format: set is_plain to 1, or to 0 when the repository has a setting that changes how a worktree is tied to it
read_format() {
  is_plain=0
  git -C "$root" config --get-regexp '^(extensions[.]|worktree[.]userelativepaths$|core[.]shared|core[.]sparse)' >/dev/null
  # There is none; any other status may mean that nothing is known.
  [ $? -ne 1 ] || is_plain=1
}

# has_branch <name>: true when the local branch exists
has_branch() {
  git -C "$root" show-ref --verify --quiet "refs/heads/$1"
}

# add_worktree: make the task's worktree, without files yet; on a retry take the one that is there
add_worktree() {
  if [ -e "$worktree/.git" ]; then
    [ "$again" -eq 1 ] || say "$worktree has come in the meantime"
    [ "$again" -eq 1 ]
    return
  fi
  if [ "$again" -eq 1 ]; then
    # A crash may have left the branch locked, on which no other git works, and an empty folder.
    rm -f -- "$git_common/refs/heads/$branch.lock"
    [ ! -d "$worktree" ] || rmdir -- "$worktree" 2>/dev/null
    [ "$tried" -eq 0 ] || forget_worktrees
    if has_branch "$branch"; then
      register_worktree
      return
    fi
  fi
  if [ "$is_plain" -eq 1 ]; then
    tie_worktree
  else
    run_git -C "$root" branch --no-track "$branch" "$base_commit" && register_worktree
  fi
}

# tie_worktree: tie a new folder to the repository, as gitrepository-layout(5) says, with HEAD at the base. `git worktree
# add` reads all other worktrees first: with a thousand of them it takes a hundred times as long as with ten, and it fails
# when it meets one that another git is adding. What this makes is in place when it is whole
tie_worktree() {
  umask "$user_umask"
  new=$git_common/parallelgen.$runner side=$git_common/worktrees/$id.$runner
  while is_there "$side"; do
    side=$side-
  done
  [ ! -e "$new" ] || rm -rf -- "$new"
  # Neither may be there: nothing that has come in the meantime is taken for ours.
  mkdir -- "$worktree" "$new" &&
    printf '%s\n' "$base_commit" >"$new/HEAD" &&
    printf '%s\n' ../.. >"$new/commondir" &&
    printf '%s\n' "$worktree/.git" >"$new/gitdir" &&
    printf 'gitdir: %s\n' "$side" >"$worktree/.git" &&
    { [ -d "$git_common/worktrees" ] || mkdir -p -- "$git_common/worktrees"; } &&
    mv -- "$new" "$side"
  tied=$?
  umask 077
  return "$tied"
}

# register_worktree: make the worktree with `git worktree add`, for a branch that exists (git refuses one that is checked
# out elsewhere) and for a repository with extensions. It may fail while another git is adding one; so try again, unless
# somebody has made a folder here
register_worktree() {
  tries=0
  until run_git -C "$root" worktree add --no-checkout "$worktree" "$branch"; do
    tries=$((tries + 1))
    [ "$tries" -lt 8 ] && [ -z "$cause" ] && ! is_there "$worktree" || return 1
    sleep 0.1 2>/dev/null || sleep 1
  done
  # What git had to say is of no interest to who reads the agent's log.
  printf '' >"$log"
}

# forget_worktrees: remove what git keeps of the worktrees of selected tasks whose folders are gone. git would take each for
# a duplicate of the new one, and remove one of the two when it cleans up next
forget_worktrees() {
  for side in "$git_common"/worktrees/*; do
    tied=
    [ ! -r "$side/gitdir" ] || { read -r tied <"$side/gitdir"; } 2>/dev/null
    gone=${tied%/.git}
    # In this order: whoever ties a folder makes it before git's side of it.
    [ "$gone" = "$workspaces/${gone##*/}" ] && ! is_there "$gone" && [ ! -e "$side/locked" ] || continue
    number_of "${gone##*/}" || continue
    name_task "$number"
    [ "$its_outcome" != selected ] || rm -rf -- "$side"
  done
}

# read_worktree: set git_dir to the folder in which git keeps the state of the task's worktree
read_worktree() {
  git_dir=
  [ -r "$worktree/.git" ] && { read -r git_dir <"$worktree/.git"; } 2>/dev/null || return 1
  git_dir=${git_dir#gitdir: }
  case $git_dir in
    /*) ;;
    # With worktree.useRelativePaths.
    *) git_dir=$(cd -P -- "$worktree/$git_dir" 2>/dev/null && pwd -P) ;;
  esac
  [ -d "$git_dir" ]
}

# owns_worktree: after read_worktree, true when the worktree is one of this repository
owns_worktree() {
  case $git_dir in
    "$git_common"/worktrees/*) ;;
    *) return 1 ;;
  esac
}

# is_on_branch: after read_worktree, true when the branch of the task is checked out in its worktree
is_on_branch() {
  head=
  [ ! -r "$git_dir/HEAD" ] || { read -r head <"$git_dir/HEAD"; } 2>/dev/null
  # Where refs are not files, this one says nothing.
  [ "$head" != 'ref: refs/heads/.invalid' ] || head=$(git -C "$worktree" symbolic-ref --quiet HEAD | awk '{ print "ref: " $0 }')
  [ "$head" = "ref: refs/heads/$branch" ]
}

# fill_worktree: write the files of a worktree that has none yet, and make the task's branch where there is none
fill_worktree() {
  if ! read_worktree || ! owns_worktree; then
    say "$worktree is not a worktree of this repository"
    return 1
  fi
  # git writes the index last: without one the files were never whole, unless somebody has removed it since.
  filled=0 used=0
  [ ! -e "$git_dir/index" ] || filled=1
  [ "$kept" -eq 0 ] || [ ! -e "$state/$id.agent" ] || used=1
  if is_on_branch; then
    case $filled$used in
      00) run_git -C "$worktree" checkout --quiet --force ;;
      01) run_git -C "$worktree" reset --quiet ;;
    esac
    return
  fi
  # Tied, and not on its branch yet.
  case $filled$used$head in
    ??ref:* | ?1*) ;;
    0*)
      make_branch --force
      return
      ;;
    *)
      make_branch
      return
      ;;
  esac
  say "$worktree is not on $branch, but on '${head#ref: refs/heads/}'"
  return 1
}

# make_branch [--force]: make the task's branch from the commit that its worktree is at, and write the files; go on with
# the branch that an earlier attempt has made
make_branch() {
  run_git -C "$worktree" checkout --quiet ${1+"$1"} --no-track -b "$branch" && return 0
  [ "$again" -eq 1 ] && has_branch "$branch" && run_git -C "$worktree" checkout --quiet ${1+"$1"} "$branch"
}

# repair_worktree: undo what a crash has left half done: locks of a git that is dead, a merge of ours, a worktree that
# git had not finished registering
repair_worktree() {
  broken=1
  if read_worktree; then
    owns_worktree || return 0
    git -C "$worktree" rev-parse --quiet --verify 'HEAD^{commit}' >/dev/null 2>&1
    case $? in
      0) broken=0 ;;
      1 | 128) ;;
      # A git that was killed has said nothing.
      *) return 0 ;;
    esac
  fi
  if [ "$broken" -eq 1 ]; then
    # Nothing was checked out yet: all there is is the link to git's side of it. Anything more is kept, and fails later.
    [ "$(ls -A -- "$worktree")" != .git ] || { rm -f -- "$worktree/.git" && rmdir -- "$worktree" && kept=0; }
    return 0
  fi
  rm -f -- "$git_dir"/*.lock "$git_common/refs/heads/$branch.lock"
  if [ ! -e "$state/$id.agent" ] && [ ! -e "$state/$id.earlier" ] && read_record "$id.start" && [ "$record_kept" = 0 ]; then
    # We made it, no agent was ever here, and no verdict has called a person here: what is not committed, a merge of ours
    # had written when it was killed.
    clean_worktree && kept=0
  elif [ -e "$git_dir/MERGE_HEAD" ] && grep -q "^Merge $branch_prefix.* into $branch\$" "$git_dir/MERGE_MSG"; then
    run_git -C "$worktree" merge --abort
  fi
}

# clean_worktree: leave in the worktree what is committed and nothing else; where no agent and no person has been
clean_worktree() {
  rm -f -- "$git_dir"/*.lock
  run_git -C "$worktree" reset --quiet --hard && run_git -C "$worktree" clean --quiet -f -d -x
}

# repair_repository: remove what a crash has left in the middle of making a worktree: what we had not put in place, and
# of `git worktree add` git's side of it without the file that ties it to the repository, which makes other git commands fail
repair_repository() {
  for new in "$git_common"/parallelgen.*; do
    ! is_whole "${new##*.}" || is_alive "${new##*.}" || { rm -f -- "$new/HEAD" "$new/commondir" "$new/gitdir" && rmdir -- "$new"; }
  done
  for side in "$git_common"/worktrees/*; do
    is_half_made || continue
    # Somebody may be adding it just now.
    sleep 1
    if is_half_made; then
      warn "Removing '$side', which a crash left half made."
      rm -rf -- "$side"
    fi
  done
}

# is_half_made: true when side, git's side of a worktree, lacks the file that ties it to the repository, and nobody has
# worked in the worktree
is_half_made() {
  [ -d "$side" ] && [ ! -s "$side/commondir" ] && [ ! -e "$side/index" ] && [ ! -e "$side/logs/HEAD" ]
}

# is_ours: true when an agent of this task has worked in the worktree, or may be about to: not when another run of the
# project has made it for a task of the same id
is_ours() {
  [ ! -e "$state/$id.agent" ] || return 0
  read_worktree || return 0
  ! is_on_branch || return 0
  case $head in
    ref:*) return 1 ;;
  esac
}

# merge_dependencies: merge the branches of the task's dependencies into its own, in plan order; false, with error set
# and the merge undone, when that fails
merge_dependencies() {
  for dep in $deps_of; do
    name_task "$dep"
    dep_branch=$branch_prefix$its_name
    # On a retry the agent may have left work in the tree: no merge that is not needed.
    if [ "$kept" -eq 1 ] && git -C "$worktree" merge-base --is-ancestor "refs/heads/$dep_branch" HEAD 2>/dev/null; then
      continue
    fi
    if [ -e "$git_dir/MERGE_HEAD" ]; then
      error=merge_failed
      warn "$id: an unfinished merge in $WORKSPACE_ROOT/$id: commit or abort it"
      return 1
    fi
    run_git -C "$worktree" -c core.hooksPath=/dev/null merge --quiet --no-edit --ff --no-verify-signatures \
      -m "Merge $dep_branch into $branch" "refs/heads/$dep_branch" >>"$log" 2>&1 && continue
    conflict=$(git -C "$worktree" -c core.quotePath=false diff --name-only --diff-filter=U |
      awk '{ printf "%s%s", separator, $0; separator = ", " }')
    error=merge_failed why="see logs/$id.log"
    if [ -n "$conflict" ]; then
      error=merge_conflict why="conflict in $conflict"
    elif ! has_branch "$dep_branch"; then
      why="there is no such branch"
    fi
    warn "$id: cannot merge $dep_branch: $why"
    [ ! -e "$git_dir/MERGE_HEAD" ] || run_git -C "$worktree" merge --abort >>"$log" 2>&1
    # A merge that was killed may have left files of which git knows nothing, and they would be in the way of the next.
    # Only here, where nobody has been: we made the worktree a moment ago.
    [ "$kept" -eq 1 ] || clean_worktree >>"$log" 2>&1
    return 1
  done
}

# exclude_marker: keep the marker out of `git add -A` in every worktree
exclude_marker() {
  if ! grep -q -x -F -e "/$marker" -- "$git_common/info/exclude" 2>/dev/null; then
    [ -d "$git_common/info" ] || mkdir -p -- "$git_common/info"
    end_line "$git_common/info/exclude"
    printf '/%s\n' "$marker" >>"$git_common/info/exclude"
  fi
}

# set_aside: move the task's worktree and branch out of the way, with all that they hold
set_aside() {
  suffix=$(date -u '+%Y%m%dT%H%M%SZ')
  while is_there "$worktree.$suffix" || has_branch "backup/$name-$suffix"; do
    suffix=$suffix-
  done
  if is_there "$worktree"; then
    aside=$worktree.$suffix
    if ! run_git -C "$root" worktree move "$worktree" "$aside" 2>/dev/null; then
      # git moves no worktree with submodules, and has to be told.
      is_tied=0
      ! read_worktree || ! owns_worktree || is_tied=1
      mv -- "$worktree" "$aside" || return 1
      [ "$is_tied" -eq 0 ] || printf '%s\n' "$aside/.git" >"$git_dir/gitdir"
    fi
    say "Moved aside: worktree $WORKSPACE_ROOT/$id -> $WORKSPACE_ROOT/${aside##*/}"
  fi
  if has_branch "$branch"; then
    run_git -C "$root" branch --quiet -m "$branch" "backup/$name-$suffix" || return 1
    say "Moved aside: branch $branch -> backup/$name-$suffix"
  fi
  return 0
}
