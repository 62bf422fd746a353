# --- owners: whose the branches and worktrees are, and what else stands where ours are to be

# own <branch or worktree>: tell the other parallel directories of this repository that we have made it: the last line about
# a thing says whose it is
own() (
  umask "$user_umask"
  { [ -d "${owners%/*}" ] || mkdir -p -- "${owners%/*}"; } && printf '%s\t%s\n' "$dir_name" "$1" >>"$owners"
)

# find_owner <branch or worktree>: find out whose it is. Sets: made_by (empty: nobody has said so)
find_owner() {
  made_by=$(thing=$1 awk 'BEGIN { FS = "\t" } $2 == ENVIRON["thing"] { owner = $1 } END { print owner }' "$owners" 2>/dev/null)
}

# find_branches: find out which branches the tasks have, and what stands where branch or worktree is to be. Sets: branches
# (names without the prefix) taken (names of which another parallel directory has made branch or worktree; both with blanks
# between and around) obstacles (a line `KIND THING IDS` each, with tabs between)
find_branches() {
  branches=' ' taken=' ' obstacles=
  [ "$is_repository" -eq 1 ] || return 0
  found=$({
    read_git -C "$root" for-each-ref --format='ref %(objectname) %(refname:lstrip=2)' refs/heads &&
      # It fails over a worktree that is half made; this is no reason to stop.
      { read_git -C "$root" worktree list --porcelain 2>/dev/null || :; } &&
      say plan "$plan" owners && { [ ! -s "$owners" ] || cat -- "$owners"; } && say manifests "${dir%/*}"/*/manifest.json end
  } | dir=$dir dir_name=$dir_name top=${git_common%/*} prefix=$BRANCH_PREFIX workspaces=$workspaces workspaces_name=$workspaces_name \
    LC_ALL=C awk -v force="$force" '
    function is_file(path,   line, found) { found = (getline line < path) >= 0; close(path); return found }
    # is_foreign <thing>: another directory has made it, and not this one under an earlier name. Sets: other
    function is_foreign(thing) {
      if (!(thing in owner)) {
        other = told[id[n], commit[thing]]
        return other != ""
      }
      other = (owner[thing] ~ /^\// ? "" : ENVIRON["top"] "/") owner[thing]
      if (owner[thing] == ENVIRON["dir_name"]) return 0
      return is_file(other "/manifest.json") || !is_file(ENVIRON["dir"] "/logs/state/" id[n] ".start")
    }
    # In a clone there are no owners, but other manifests tell the tips of their branches.
    function read_tips(directory,   line, word, i) {
      while (directory != ENVIRON["dir"] && (getline line < (directory "/manifest.json")) > 0)
        for (i = split(line, word, "\""); i > 2; i--) if (word[i] == "tip") told[word[2], word[i + 2]] = directory
      close(directory "/manifest.json")
    }
    function obstruct(kind, thing) {
      thing = kind "\t" thing "\t"
      if (!(thing in ids)) order[++count] = thing
      ids[thing] = ids[thing] " " id[n]
    }
    $0 == "end" { is_whole = 1; next }
    $0 == "plan" && !phase || $0 == "owners" && phase == 1 || $0 == "manifests" && phase == 2 { phase++; next }
    !phase && $1 == "ref" {
      ref = name_of_ref = substr($0, length($2) + 6)
      commit[ref] = $2
      while (sub("/[^/]*$", "", ref)) below[ref] = name_of_ref
      next
    }
    !phase && $1 == "worktree" { place = substr($0, 10); next }
    !phase && /^locked/ && $2 != "initializing" { is_locked[place]; next }
    !phase && $1 == "branch" { checkout[substr($0, 19)] = place; next }
    phase == 1 { id[++tasks] = $1; name[tasks] = $2; next }
    phase == 3 { sub("/[^/]*$", ""); read_tips($0); next }
    phase == 2 { tab = index($0, "\t"); owner[substr($0, tab + 1)] = substr($0, 1, tab - 1) }
    END {
      if (!is_whole) exit 1
      for (n = 1; n <= tasks; n++) {
        branch = ENVIRON["prefix"] name[n]
        place = ENVIRON["workspaces"] "/" id[n]
        others = (branch in commit) && is_foreign(branch)
        if (others) obstruct("branch", other)
        else if (branch in commit) branches = branches " " name[n]
        if (!others && (branch in checkout) && checkout[branch] != place) obstruct("checkout", checkout[branch])
        if ((place in is_locked) && !is_file(place "/.git")) obstruct("locked", place)
        if (is_foreign(ENVIRON["workspaces_name"] "/" id[n]) && is_file(place "/.git")) { obstruct("worktree", other); others = 1 }
        if (others) taken = taken " " name[n]
        if (force && (branch in commit) && ("backup" in commit)) obstruct("ref", "backup")
        if (branch in below) obstruct("ref", below[branch])
        while (sub("/[^/]*$", "", branch)) if (branch in commit) obstruct("ref", branch)
      }
      print branches " \n" taken " "
      for (n = 1; n <= count; n++) print order[n] substr(ids[order[n]], 2)
    }') || fail "ERROR: git cannot list the branches of '$root'"
  branches=${found%%"$newline"*} found=${found#*"$newline"}
  taken=${found%%"$newline"*} obstacles=${found#*"$newline"}
}

# check_obstacles: report what stands in the way of the selected tasks that only a person can clear
check_obstacles() {
  killed_clean="If a 'parallelgen clean' was killed over it, 'parallelgen clean --yes' goes on."
  while IFS=$tab read -r kind thing ids; do
    tasks='' lines=$newline$selected
    for id in $ids; do
      [ "${lines#*"$newline$id "}" = "$lines" ] || tasks="${tasks:+$tasks }$id"
    done
    case ${tasks:+$kind} in
      branch | worktree) object "Another parallel directory, '${thing#"$root"/}', has made the $kind of $tasks" \
        "Choose names of your own, with --branch-prefix PREFIX and --workspace-root FOLDER." ;;
      ref) object "git cannot have the branch '$thing' beside that of $tasks" "Rename it, or choose another --branch-prefix." ;;
      checkout) object "The branch of $tasks is checked out in '$thing'" \
        "Check out another branch there. If you have moved that worktree, run 'git worktree repair' with its path." \
        "$killed_clean" ;;
      locked) object "The worktree '$thing' is locked, and not there" "Bring it back, or run 'git worktree unlock'." "$killed_clean" ;;
    esac
  done <<EOF
$obstacles
EOF
}
