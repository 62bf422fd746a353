# --- checkout: the project's own checkout, in which no task should work

# list_changes [<pathspec>...]: print what differs from the last commit in the project's own checkout, but for what the
# pathspecs exclude and what we have written: worktrees, and manifest and scripts of parallel directories
list_changes() {
  [ "${workspaces#"$root"/}" = "$workspaces" ] || set -- "$@" ":(exclude,top,literal)${workspaces#"$root"/}"
  read_git -C "$root" -c status.renames=false -c diff.renames=false status --porcelain -z -- . "$@" | tr '\n\000' ' \n' |
    while IFS= read -r change; do
      place=./${change#???}
      set -- "$root/$place"*/.git
      case $place in
        */manifest.json | */manifest.json.new) place=${place%/*} ;;
        */scripts/*) place=${place%/scripts/*} ;;
        # Another directory may have its worktrees here.
        */)
          [ ! -f "$1" ] || continue
          place=
          ;;
        *) place= ;;
      esac
      [ -n "$place" ] && [ -f "$root/$place/scripts/run-parallel.sh" ] || say "$change"
    done
}

# read_tips: Sets: tips (commits of HEAD and of the base branch, with their names)
read_tips() {
  tips=$(read_git -C "$root" show-ref --head "refs/heads/$base_branch")
}

# watch_checkout: from now on tell_checkout and end_checkout say what has happened in the checkout. Sets: tips checked_out (the
# name of HEAD) changes_before
watch_checkout() {
  read_tips
  checked_out=$(read_git -C "$root" symbolic-ref --quiet HEAD || say "no branch")
  changes_before=$(list_changes)
}

# tell_checkout <when>: warn of commits that have come to the checkout, or gone
tell_checkout() {
  tips_before=$tips
  read_tips || tips=$tips_before
  [ "$tips" != "$tips_before" ] || return 0
  moves=$(say "$tips_before" "" "$tips" | awk '
    !NF { is_later = 1; next }
    !is_later { tip[$2] = $1; next }
    tip[$2] != $1 { move[$2] = tip[$2] " " $1 }
    { delete tip[$2] }
    END {
      for (name in tip) print name, tip[name], "-"
      for (name in move) if (name != "HEAD") { print name, move[name]; if (move[name] == move["HEAD"]) delete move["HEAD"] }
      if (move["HEAD"] != "") print "HEAD", move["HEAD"]
    }')
  while read -r name old new; do
    name=${name#refs/heads/}
    if [ "$new" = - ]; then
      tell_warning "'$name' is gone, as seen when $1. It was at $old."
      continue
    fi
    # With the sign > commits that have come, with < those that have gone.
    commits=$(read_git -C "$root" log --no-show-signature --encoding=UTF-8 --left-right --format='%m %h %s' -n 20 \
      "$old...$new" | indent)
    files=$(read_git -C "$root" diff --name-status "$old" "$new" | indent)
    tell_warning "'$name' has moved in the project's own checkout, as seen when $1:$newline$commits$newline$files"
  done <<EOF
$moves
EOF
}

# end_checkout: warn of all that has changed in the checkout since watch_checkout; a step, since a filter may hang
end_checkout() {
  tell_checkout "the run ended"
  head=$(read_git -C "$root" symbolic-ref --quiet HEAD || say "no branch")
  [ "$head" = "$checked_out" ] ||
    tell_warning "HEAD was on '${checked_out#refs/heads/}' in the project's own checkout, and is on '${head#refs/heads/}'."
  changes=$(say "$changes_before" "" "$(list_changes)" |
    awk '!NF { is_later = 1; next } !is_later { was[$0]; next } !($0 in was)' | indent)
  [ -z "$changes" ] || tell_warning "Files in the project's own checkout have changed during the run:$newline$changes"
}

# tell_warning <text>: warn, and keep the warning in a log
tell_warning() {
  warn "WARNING: $1"
  say "$1" >>"$logs/checkout.log"
}
