# --- include: what git ignores and a task needs all the same, copied from the project's own checkout

# A path is a line here; this stands for a newline in it.
line_end=$(printf '\001')

# find_included: find out what is copied into each worktree: what .worktreeinclude names and git ignores. Sets: included (paths;
# empty when there is nothing to copy) has_include included_kib (its size; empty: not known)
find_included() {
  included='' has_include=0 included_kib=0
  [ "$is_repository" -eq 1 ] && is_there "$root/.worktreeinclude" || return 0
  has_include=1
  # A folder that is named may hold what git does not ignore, so what git ignores is listed, too.
  named=$(list_ignored --exclude-from="$root/.worktreeinclude")
  ignorable=$(list_ignored --exclude-standard)
  listed=$named$newline$ignorable
  case $listed in
    *//"$newline"*//) ;;
    *) object "git cannot read '.worktreeinclude'" ;;
  esac
  listed=$({ say "$listed" | part sed '/^\/\/$/d' | part tr '\n\001' '\000\n' |
    { ask_git -C "$root" check-ignore -z --stdin || [ "$?$ignorable" = 1// ] || say // >&3; } | part tr '\n\000' '\001\n'; } 3>&1)
  # Ignored, and named itself or below a folder that is.
  # shellcheck disable=SC2016  # it is awk that expands it
  paths=$({ say "$named" "$listed" | part awk '
    $0 == "//" { is_later = 1; next }
    !is_later { named[$0]; next }
    !($0 in seen) { seen[path = $0]; do if (path in named) { print; next } while (sub("[^/]+/?$", "", path) && path != "") }'; } 3>&1)
  seams=$newline$(look_into "$paths" find -name .git -o -name run-parallel.sh || [ $? -le 128 ] || say //)$newline
  included=$({ say "$paths" | part each_path keep_path; } 3>&1)
  # With less than is named an agent would lack what it needs.
  case $listed$paths$seams$included in
    *//*) object "cannot list what '.worktreeinclude' names" "Try again." && included='' ;;
  esac
  [ -n "$included" ] || return 0
  included_kib=$(look_into "$included" du | awk '{ sum += $1 } END { print sum }')
  environments=$(look_into "$included" find -name pyvenv.cfg)
  [ -z "$environments" ] || warn "WARNING: .worktreeinclude names a virtual environment: '${environments%%/pyvenv.cfg*}'." \
    "  In a copy pip and all scripts still work on the one in this checkout. Leave it out, and make one with --setup."
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

# look_into <paths> du | find <option>...: ask one of these about paths
look_into() (
  [ -n "$1" ] || return 0
  paths=$(say "$1" | sed 's/^/.\//') action=$2
  shift 2
  cd -- "$root" || return
  IFS=$newline
  set -f
  # shellcheck disable=SC2086  # a path each
  case $action in
    du) du -k -s $paths ;;
    *) find $paths "$@" ;;
  esac 2>/dev/null
)

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
  case /$1/ in
    */"$marker"/) return 0 ;;
    */logs/*)
      beside=/$1/
      [ ! -f "$root${beside%%/logs/*}/scripts/run-parallel.sh" ] && [ ! -f "$root${beside%/logs/*}/scripts/run-parallel.sh" ] || return 0
      ;;
  esac
  case $root/$1/,$seams in
    "$workspaces"/*) ;;
    *,*"$newline./$1/.git$newline"*) warn "WARNING: '$1' is a repository, and not copied." ;;
    *,*"$newline./$1/"*)
      for inside in "$root/$1"/* "$root/$1"/.[!.]* "$root/$1"/..?*; do
        ! is_there "$inside" || keep_path "${inside#"$root/"}"
      done
      ;;
    *"$newline"*,*) printf '%s' "$1" | tr '\n' '\001' && say "" ;;
    *) say "$1" ;;
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
  folder=. is_free=1 sources='' waiting=0
  say "$included" | { each_path copy_path && copy_sources; }
}

# copy_path <path>: copy it into the worktree, together with those that follow in its folder. What is there stays, but for what an
# attempt that was cut off may have copied by half
copy_path() {
  beside=./$1
  beside=${beside%/*}
  if [ "$beside" != "$folder" ] || [ "$waiting" -eq 500 ]; then
    copy_sources || return
    folder=$beside is_free=1
    make_folder "$folder" || { [ $? -eq 2 ] && is_free=0; } || return
  fi
  [ "$was_including" -eq 0 ] || [ -n "$(read_git -C "$worktree" ls-files -- ":(literal)$1")" ] || rm -r -f -- "${worktree:?}/$1"
  if [ "$is_free" -eq 0 ] || is_there "$worktree/$1"; then
    say "  $1: not copied, for something is there"
    return 0
  fi
  say "  $1"
  case $1 in
    *"$newline"*) cp -R -P -p "$copy_how" -- "$root/$1" "$worktree/$1" ;;
    *) sources=$sources$root/$1$newline waiting=$((waiting + 1)) ;;
  esac
}

# copy_sources: copy those that wait
copy_sources() {
  [ -n "$sources" ] || return 0
  # shellcheck disable=SC2086  # a path each
  (IFS=$newline && set -f && exec cp -R -P -p "$copy_how" -- $sources "$worktree/$folder/") && sources='' waiting=0
}

# make_folder <path>: make a folder in the worktree, with the mode that it has in the checkout; 2 when something else is there
make_folder() {
  [ "$1" != . ] || return 0
  make_folder "${1%/*}" || return
  [ ! -d "$worktree/$1" ] || [ -h "$worktree/$1" ] || return 0
  ! is_there "$worktree/$1" || return 2
  # shellcheck disable=SC2012  # of a folder's line only the mode is read
  mkdir -- "$worktree/$1" && chmod "$(LC_ALL=C ls -l -d -- "$root/$1" |
    sed 's/^.\(...\)\(...\)\(...\).*/u=\1,g=\2,o=\3/; 1!d; s/[st]/x/g; s/[-ST]//g')" "$worktree/$1" || return 1
}
