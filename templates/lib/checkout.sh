# --- checkout: the project's own checkout, in which no task should work

# list_changes: print what differs from the last commit in the project's own checkout, but for what we have written: this
# parallel directory, the worktrees, and manifest and scripts of other parallel directories
list_changes() {
  set -- . ":(exclude,top,literal)$parallel_dir"
  [ "$parallel_dir" != . ] || set -- ":(exclude,top)*"
  [ "${workspaces#"$root"/}" = "$workspaces" ] || set -- "$@" ":(exclude,top,literal)${workspaces#"$root"/}"
  read_git -C "$root" -c status.renames=false -c diff.renames=false status --porcelain -z -- "$@" | tr '\n\000' ' \n' | while IFS= read -r change; do
    place=${change#???}
    case $place in
      */manifest.json) place=${place%/manifest.json} ;;
      */scripts/*) place=${place%/scripts/*} ;;
      *) place= ;;
    esac
    [ -n "$place" ] && [ -f "$root/$place/scripts/run-parallel.sh" ] || say "$change"
  done
}

# watch_checkout: from now on tell_checkout says what happens to the project's own checkout, in which no task should work. Sets:
# tips (commits of HEAD and of the base branch, with their names) checked_out (the name of HEAD)
watch_checkout() {
  [ ! -e "$logs/checkout.log" ] || rm -f -- "$logs/checkout.log"
  tips=$(read_git -C "$root" show-ref --head "refs/heads/$base_branch")
  checked_out=$(read_git -C "$root" symbolic-ref --quiet HEAD || say "no branch")
}

# tell_checkout <when>: warn of new commits in the project's own checkout, and keep the warning in a log
tell_checkout() {
  earlier_tips=$tips
  tips=$(read_git -C "$root" show-ref --head "refs/heads/$base_branch") || tips=$earlier_tips
  [ "$tips" != "$earlier_tips" ] || return 0
  # Where both have moved, HEAD is on the base.
  moves=$(say "$earlier_tips" "" "$tips" | awk '
    !NF { is_later = 1; next }
    !is_later { tip[$2] = $1; next }
    tip[$2] != $1 { move = $2 " " tip[$2] " " $1 }
    { delete tip[$2] }
    END { for (name in tip) move = name " " tip[name]; print move }')
  read -r name old new <<EOF
$moves
EOF
  [ -n "$new" ] || { tell_warning "'${name#refs/heads/}' is gone. It was at $old." && return; }
  commits=$(read_git -C "$root" log --no-show-signature --encoding=UTF-8 --format='%h %s' -n 20 "$old..$new" | indent)
  files=$(read_git -C "$root" diff --name-status "$old" "$new" | indent)
  tell_warning "'${name#refs/heads/}' has moved in the project's own checkout, as seen when $1:$newline$commits$newline$files"
}

# end_checkout: warn of all that has changed in the project's own checkout since the run began with none
end_checkout() {
  tell_checkout "the run ended"
  head=$(read_git -C "$root" symbolic-ref --quiet HEAD || say "no branch")
  [ "$head" = "$checked_out" ] || tell_warning "HEAD was on '${checked_out#refs/heads/}' in the project's own checkout, and is on '${head#refs/heads/}'."
  changes=$(list_changes | indent)
  [ -z "$changes" ] || tell_warning "Files in the project's own checkout have changed during the run:$newline$changes"
}

# tell_warning <text>: warn, and keep the warning in a log
tell_warning() {
  warn "WARNING: $1"
  say "$1" >>"$logs/checkout.log"
}
