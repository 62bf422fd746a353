# --- include: what git ignores and a task needs all the same, copied from the project's own checkout

# A path is a line here; this stands for a newline in it.
line_end=$(printf '\001')

# find_included: find out what is copied into each worktree: what .worktreeinclude names and git ignores. Sets: included (paths;
# empty when there is nothing to copy) has_include included_kib (its size; empty: not known)
find_included() {
  included='' has_include=0 included_kib=0
  [ "$is_repository" -eq 1 ] && is_there "$root/.worktreeinclude" || return 0
  has_include=1
  # What is named may hold more than what git ignores: of that only what is ignored in it.
  named=$(list_ignored --exclude-from="$root/.worktreeinclude")
  listed=$named$newline$(list_ignored --exclude-standard)
  case $listed in
    *//"$newline"*//) ;;
    *) object "git cannot read '.worktreeinclude'" ;;
  esac
  listed=$({ say "$listed" | part sed '/^\/\/$/d' | part tr '\n\001' '\000\n' |
    { ask_git -C "$root" check-ignore -z --stdin || [ $? -eq 1 ] || say // >&3; } | part tr '\n\000' '\001\n'; } 3>&1)
  included=$({ say "$named" "$listed" | { LC_ALL=C awk '
    $0 == "//" { is_later = 1; next }
    !is_later { named[$0]; next }
    !($0 in seen) { seen[path = $0]; do if (path in named) { print; next } while (sub("[^/]+/?$", "", path) && path != "") }' || say // >&3; } |
    part each_path keep_path; } 3>&1)
  # With less than is named an agent would lack what it needs.
  case $listed$included in
    *//*) object "cannot list what '.worktreeinclude' names" "Try again." && included='' ;;
  esac
  # shellcheck disable=SC2086  # a path each
  [ -z "$included" ] || included_kib=$(IFS=$newline && set -f && cd -- "$root" && du -k -s -- $included 2>/dev/null |
    awk '{ sum += $1 } END { print sum }')
}

# part <command>...: do it as a part of a pipe; when it fails, 3 is told by what is no path
part() {
  LC_ALL=C
  export LC_ALL
  "$@" || say // >&3
}

# list_ignored <option>: print what git does not track and the patterns of the option match, with / behind a folder of which
# all is meant; and last, if git did not fail, what is no path
list_ignored() {
  { read_git -C "$root" ls-files -z --others --ignored --directory "$1" && printf '//\000'; } | tr '\n\000' '\001\n'
}

# each_path <command>: call the command with each path of stdin; false when one call fails
each_path() {
  while IFS= read -r path; do
    case $path in
      *"$line_end"*) path=$(say "$path." | tr '\001' '\n') && path=${path%.} ;;
    esac
    [ -z "$path" ] || "$1" "${path%/}" </dev/null || return
  done
}

# keep_path <path>: print it, or what of it may be copied: no repository or worktree, no logs of ours, not the marker
keep_path() {
  case $root/$1 in
    "$workspaces" | "$workspaces"/* | */"$marker") return 0 ;;
  esac
  folder='' rest=$1/
  while [ -n "$rest" ]; do
    [ "${rest%%/*}" != logs ] || [ ! -f "$root/${folder}scripts/run-parallel.sh" ] || return 0
    folder=$folder${rest%%/*}/ rest=${rest#*/}
  done
  holds=
  [ ! -d "$root/$1" ] || [ -h "$root/$1" ] ||
    holds=$(find "$root/$1/." -name .git -o -name pyvenv.cfg -o -name run-parallel.sh)$newline || return
  case $holds in
    */./.git"$newline"*) warn "WARNING: '$1' is a repository, and not copied." ;;
    */.git"$newline"* | */run-parallel.sh"$newline"*)
      for inside in "$root/$1"/* "$root/$1"/.[!.]* "$root/$1"/..?*; do
        ! is_there "$inside" || keep_path "${inside#"$root/"}" || return
      done
      ;;
    *)
      [ "${holds#*pyvenv.cfg}" = "$holds" ] ||
        warn "WARNING: '$1' holds a virtual environment: a copy of it still runs what is installed in '$root'." \
          "  Better make one in each worktree, with --setup."
      case $1 in
        *"$newline"*) printf '%s' "$1" | tr '\n' '\001' && say "" ;;
        *) say "$1" ;;
      esac
      ;;
  esac
}

# include_files: copy what is included into the worktree, once; false when that fails. Sets: error
include_files() {
  [ -n "$included" ] && [ -z "$has_included" ] || return 0
  enter_step include
  if [ -n "$cause" ] || ! run_step copy_included >>"$log" 2>&1; then
    error=include
    [ -n "$cause" ] || complain "cannot copy what .worktreeinclude names:"
    return 1
  fi
  has_included=1
}

# copy_included: copy all of it, by a copy on write where the box can
copy_included() {
  trap - TERM HUP USR1 USR2
  record_process
  PARALLEL_MARK=$worktree:
  export PARALLEL_MARK
  umask "$user_umask"
  round_size "$included_kib"
  say "[run-parallel.sh: include: $(say "$included" | grep -c .) paths, ~$size]"
  for copy_how in --reflink=auto -c -p; do
    ! cp -R -P -p "$copy_how" -- "$worktree/.git" "$state/.$id.copy" 2>/dev/null || break
  done
  rm -f -- "$state/.$id.copy"
  say "$included" | each_path copy_path
}

# copy_path <path>: copy it into the worktree, under another name first, so that what a crash leaves does not look whole. What
# is there stays, and no link leads elsewhere
copy_path() {
  folder=$worktree/$1
  folder=${folder%/*} place=$folder
  until is_there "$place"; do
    place=${place%/*}
  done
  if is_there "$worktree/$1" || [ "$(cd -P -- "$place" && pwd -P)" != "$place" ]; then
    say "  $1: not copied, for the branch has something there"
    return
  fi
  say "  $1"
  [ -d "$folder" ] || mkdir -p -- "$folder" || return
  [ ! -e "$worktree/$1.included" ] || rm -r -f -- "$worktree/$1.included"
  cp -R -P -p "$copy_how" -- "$root/$1" "$worktree/$1.included" && mv -f -- "$worktree/$1.included" "$worktree/$1"
}
