# --- worktree: a worktree and a branch for each task

# git_step <argument>...: git as a step of a task that has not been stopped, with its words in the log
git_step() {
  [ -z "$cause" ] && run_step become_git "$@" >>"$log" 2>&1
}

# complain <line> [<log>]: say what went wrong with the task, and below it the last words of the log
complain() {
  warn "${id#.}: $1"
  tail -n 5 -- "${2:-$log}" | indent >&2
}

# read_worktree: false unless the task's worktree is one of this repository. Sets: git_dir (git's side of it) stranger (that of
# another repository, if it belongs to one)
read_worktree() {
  git_dir='' stranger=$(read_git -C "$worktree" rev-parse --absolute-git-dir 2>/dev/null) || return 1
  [ "${stranger#"$git_common"/worktrees/}" != "$stranger" ] || return 1
  git_dir=$stranger stranger=
}

# is_on_branch: true when the branch of the task is checked out in its worktree. Sets: head
is_on_branch() {
  head=$(read_git -C "$worktree" symbolic-ref --quiet HEAD 2>/dev/null)
  [ "$head" = "refs/heads/$branch" ]
}

# is_unfinished: true when `git worktree add` was killed before it had written all files: until then it keeps a lock
is_unfinished() {
  grep -q -x initializing "$git_dir/locked" 2>/dev/null
}

# make_worktree: make the task's branch and worktree; in a later attempt take what there is. False when that fails
make_worktree() {
  if [ "$resuming" -eq 1 ]; then
    ! is_there "$worktree" || repair_worktree >>"$log" 2>&1 || return 1
    if [ -e "$worktree/.git" ]; then
      read_worktree
      return
    fi
    # A crash may have left the branch locked, on which no git works then.
    rm -f -- "$git_common/refs/heads/$branch.lock"
  fi
  # The branch first, since git refuses one that has come in the meantime; the rest can then simply be tried again.
  if [ "$resuming" -eq 0 ] || ! has_branch "$branch"; then
    git_step -C "$root" branch --no-track "$branch" "${branch_from:-$base_commit}" && own "$branch" || return 1
  fi
  add_worktree "$worktree" "$branch"
}

# add_worktree <argument>...: make the task's worktree, by `git worktree add` with these arguments; false when that fails
add_worktree() {
  forget_steps
  tries=0 was_there=0
  ! is_there "$worktree" || was_there=1
  until git_step -C "$root" worktree add --quiet "$@"; do
    if [ -z "$cause" ] && read_worktree && { [ -z "$branch" ] || is_on_branch; } && ! is_unfinished &&
      read_changes --untracked-files=no && [ ! -s "$changes" ]; then
      # It has done its work, and failed over something else, such as a hook.
      complain "'git worktree add' has made $WORKSPACE_ROOT/${worktree##*/}, but failed:"
      break
    fi
    tries=$((tries + 1))
    # What a filter has failed over it will fail over again.
    [ "$tries" -lt 8 ] && [ -z "$cause" ] && [ "$was_there" -eq 0 ] && ! grep -q 'filter .* failed' "$log" || return 1
    ! is_there "$worktree" || leave_aside || return 1
    # It has met another worktree in the making, of which nobody has to read; or git still knows of one that is gone.
    sleep 0.1 2>/dev/null || sleep 1
    [ "$tries" -eq 7 ] || printf '' >"$log"
    forget_worktree
  done
  own "$workspaces_name/${worktree##*/}"
}

# add_submodules: with --submodules, give the worktree its submodules, with what the main checkout has of them
add_submodules() {
  [ "$SUBMODULES" -eq 1 ] && [ -e "$worktree/.gitmodules" ] || return 0
  read_worktree
  modules=$git_dir/modules
  # Where an agent has worked, its submodules are left alone.
  [ ! -e "$state/$id.agent" ] || [ ! -e "$modules" ] || return 0
  if [ ! -e "$modules" ] && [ -d "$git_common/modules" ]; then
    rm -rf -- "$modules.new"
    run_step cp -R -- "$git_common/modules" "$modules.new" >>"$log" 2>&1 && mv -- "$modules.new" "$modules"
  fi
  tries=0
  # Beside another one it may find the repository's configuration locked.
  until git_step -C "$worktree" submodule --quiet update --init --recursive; do
    tries=$((tries + 1))
    [ "$tries" -lt 4 ] && [ -z "$cause" ] || return 1
    sleep 1
  done
}

# read_changes [<option>]...: ask git status about the worktree, as a step, since a filter may hang. Sets: changes (a file)
read_changes() {
  changes=$state/.$id.changes
  run_step become_git -C "$worktree" status --porcelain "$@" -- . ":(exclude)$marker" >"$changes" 2>>"$log"
}

# leave_aside: move aside what a git that was killed has written of a worktree of which it knows nothing; false when it does
leave_aside() {
  ! read_worktree && [ -z "$stranger" ] && move_aside && tell_aside
}

# move_aside: move the files of the worktree aside, without what ties them to the repository
move_aside() {
  mv -- "$worktree" "$worktree.$runner" && { [ ! -f "$worktree.$runner/.git" ] || rm -f -- "$worktree.$runner/.git"; }
}

# tell_aside: say where move_aside has left them
tell_aside() {
  warn "$id: moved aside what was left: $WORKSPACE_ROOT/${worktree##*/} -> $WORKSPACE_ROOT/${worktree##*/}.$runner"
}

# forget_worktree: let git forget a worktree whose folder is gone, unless a person has locked it: git itself has, when it was
# killed before it had written all files
forget_worktree() {
  read_git -C "$root" worktree list --porcelain | own="worktree $worktree" awk '
    /^worktree / { is_own = $0 == ENVIRON["own"] }
    is_own && $0 == "locked initializing" { found = 1 }
    END { exit !found }' && run_git -C "$root" worktree unlock "$worktree"
  # It fails where there was nothing to forget.
  run_git -C "$root" worktree remove --force "$worktree" 2>/dev/null
}

# repair_worktree: undo what a crash has left half done; false when the folder is not the task's worktree. Where there is
# nothing but what our own git commands have written it is removed, to be made again
repair_worktree() {
  content=$(ls -A -- "$worktree" 2>/dev/null)
  if ! read_worktree; then
    case $content in
      '' | .git) rm -f -- "$worktree/.git" ;;
      *)
        [ "$used" -eq 0 ] && leave_aside && return
        # Either git says why it does not work there, or whose it is.
        [ -n "$stranger" ] || read_git -C "$worktree" rev-parse --git-dir
        [ -z "$stranger" ] || say "$worktree is not a worktree of this repository: git finds '$stranger' there"
        return 1
        ;;
    esac
    rmdir -- "$worktree"
    return
  fi
  is_on_branch
  case $head,$used,$content in
    # Where git was killed early there is no branch yet.
    "refs/heads/$branch",* | ,0,* | ,1,.git) ;;
    *)
      say "$worktree is not on $branch, but on '${head#refs/heads/}'"
      return 1
      ;;
  esac
  rm -f -- "$git_dir"/*.lock "$git_common/refs/heads/$branch.lock"
  # Before the first agent only a person, or a merge that was killed, can have changed anything. Where nothing has, hooks and
  # filters get another chance.
  is_changed=1
  if [ ! -e "$state/$id.agent" ] && [ ! -e "$state/$id.steps" ] && [ -n "$head" ] &&
    { [ -e "$git_dir/index" ] || [ "$used" -eq 0 ] || git_step -C "$worktree" reset --quiet; } && read_changes --ignored; then
    grep -q -e '^[^ ]' -e '^ [^D]' -- "$changes" || is_changed=0 used=0
  fi
  if [ "$used" -eq 0 ] || [ -z "$head" ]; then
    # Under another name: what a crash leaves of it must not look like somebody's work.
    move_aside || return 1
    if [ "$is_changed" -eq 1 ] && [ -e "$git_dir/index" ]; then
      tell_aside
    else
      rm -r -f -- "$worktree.$runner"
    fi
    run_git -C "$root" worktree remove --force --force "$worktree"
  elif [ -e "$git_dir/MERGE_HEAD" ] && grep -q "^Merge .* into $branch\$" "$git_dir/MERGE_MSG"; then
    git_step -C "$worktree" merge --abort
  elif is_unfinished; then
    git_step -C "$worktree" checkout-index --quiet --all
    run_git -C "$root" worktree unlock "$worktree"
  elif [ ! -e "$git_dir/index" ]; then
    # The files may be all that is left of somebody's work.
    git_step -C "$worktree" reset --quiet
  fi
  return 0
}

# merge_dependencies: merge the branches of the dependencies in plan order; false, with the merge undone, when that fails.
# Sets: error
merge_dependencies() {
  [ "$deps" != - ] || return 0
  read_worktree
  dep_names=$(say "$plan" | awk -v deps=",$deps," 'index(deps, "," $1 ",") { print $2 }') && [ -n "$dep_names" ] ||
    { error=merge_failed && return 1; }
  error=merge_failed
  for dep_name in $dep_names; do
    dep_branch=$BRANCH_PREFIX$dep_name
    case $landed,$taken in
      # Its work is in the base.
      *" $dep_name "*,*) continue ;;
      *,*" $dep_name "*) warn "$id: cannot merge $dep_branch: another parallel directory has made it" && return 1 ;;
    esac
    # Where somebody has worked there may be something that is not committed: no merge that is not needed.
    [ "$used" -eq 0 ] || ! read_git -C "$worktree" merge-base --is-ancestor "refs/heads/$dep_branch" HEAD 2>/dev/null || continue
    if [ -e "$git_dir/MERGE_HEAD" ]; then
      warn "$id: an unfinished merge in $WORKSPACE_ROOT/$id: commit or abort it"
      return 1
    fi
    # Half of a merge would be in the way of the next attempt: a merge gets the grace period without a signal.
    stop_signal=0
    git_step -C "$worktree" -c core.hooksPath=/dev/null merge --quiet --no-edit --ff --no-verify-signatures \
      -m "Merge $dep_branch into $branch" "refs/heads/$dep_branch" && stop_signal=TERM && continue
    stop_signal=TERM
    find_conflict
    if [ -n "$conflict" ]; then
      error=merge_conflict
      warn "$id: cannot merge $dep_branch: conflict in $conflict"
    elif [ -z "$cause" ]; then
      complain "cannot merge $dep_branch:"
    fi
    # Nothing of this is done once the task has been stopped, and the next attempt makes good for it.
    [ ! -e "$git_dir/MERGE_HEAD" ] || git_step -C "$worktree" merge --abort
    # A merge that was killed may have left files of which git knows nothing, and they would be in the way of the next.
    [ "$used" -eq 1 ] || { rm -f -- "$git_dir"/*.lock && git_step -C "$worktree" reset --quiet --hard &&
      git_step -C "$worktree" clean --quiet -f -d -x; }
    return 1
  done
  error=
}

# find_conflict: find out which files of the worktree are in conflict. Sets: conflict (with commas between)
find_conflict() {
  # A file that is in the way of a folder has the name of its side behind its own.
  conflict=$(read_git -C "$worktree" diff --name-only --diff-filter=U | sed 's/~HEAD$//; s/~[0-9a-f]\{40,64\}$//' |
    awk '!seen[$0]++ { printf "%s%s", separator, $0; separator = ", " }')
}

# set_aside: move the task's worktree and branch out of the way, if it has any, with all that they hold
set_aside() {
  is_there "$worktree" || [ "${branches#* "$name" }" != "$branches" ] || return 0
  suffix=$(date -u '+%Y%m%dT%H%M%SZ')
  while is_there "$worktree.$suffix" || has_branch "backup/$name-$suffix"; do
    suffix=$suffix-
  done
  if is_there "$worktree"; then
    move_worktree "$worktree.$suffix" || return 1
    own "$workspaces_name/${worktree##*/}.$suffix"
    say "Moved aside: worktree $WORKSPACE_ROOT/${worktree##*/} -> $WORKSPACE_ROOT/${worktree##*/}.$suffix"
  fi
  if has_branch "$branch"; then
    run_git -C "$root" branch --quiet -m "$branch" "backup/$name-$suffix" || return 1
    own "backup/$name-$suffix"
    say "Moved aside: branch $branch -> backup/$name-$suffix"
  fi
  return 0
}

# move_worktree <path>: move the task's worktree there, so that every repository in it goes on to work
move_worktree() {
  # Not by `git worktree move`, which moves no worktree with submodules, and tells no other repository in it. git learns of it
  # first, so that a crash in between does not make it forget the worktree. One that git has forgotten gets no new side.
  if read_worktree; then
    printf '%s\n' "$1/.git" >"$git_dir/gitdir"
  elif [ -f "$worktree/.git" ]; then
    printf 'gitdir: %s\n' "$git_common/worktrees/${1##*/}" >"$worktree/.git"
  fi
  mv -- "$worktree" "$1" || return 1
  # `.git` of a worktree or submodule names git's side of it, and in that of a worktree `gitdir` names its `.git`.
  find "$1" -type f -name .git -o -type f -name gitdir -o -type f -name alternates | while IFS= read -r file; do
    case $file in
      */objects/info/alternates) rename_in "$file" "$1" ;;
      */worktrees/*/gitdir)
        rename_in "$file" "$1"
        # The worktree of a clone may be elsewhere.
        [ ! -f "$tie" ] || rename_in "$tie" "$1"
        ;;
      */.git)
        rename_in "$file" "$1"
        side=$(cd -- "${file%/.git}" && cd -P -- "${tie#gitdir: }" && pwd -P) || continue
        [ ! -f "$side/gitdir" ] || rename_in "$side/gitdir" "$1"
        # A submodule is where its folder is, unless its settings name another.
        for file in "$side/config" "$side/config.worktree"; do
          [ ! -f "$file" ] || run_git config --file "$file" --unset core.worktree
        done
        ;;
    esac
  done
  return 0
}

# rename_in <file> <path>: let a file of one line name what it names in the worktree as it will be there. Sets: tie (the line)
rename_in() {
  tie=$(cat -- "$1")
  case $tie in
    # A file that only has such a name.
    *"$newline"*) ;;
    *"$worktree/"*)
      tie=${tie%%"$worktree/"*}$2/${tie#*"$worktree/"}
      printf '%s\n' "$tie" >"$1"
      ;;
  esac
}
