# --- integrate: what has completed, merged into one branch that moves only to trees that were seen green

# integrate <wave>: merge the branches of the tasks that have completed up to this wave (empty: of all) into the integration
# branch, in plan order, and check them; true when all are in it, and green. Done as a task is, here and now. Sets: total (how
# many tasks that are) integrated (the tip of the branch) verdict (empty: it has not begun)
integrate() {
  last_wave=$1 left_out='' kept=0 history=0 verdict='' flaky='' culprit='' is_open='' is_tidy=''
  use_own integration
  # Each check has a limit of its own.
  limit=31536000
  find_start
  read_work || return
  [ -n "$work" ] || return 0
  total=$(say "$work" | grep -c '')
  # Who has amended a branch that is in does not want both.
  anew=0
  amended=$(say "$chain" "" "$work" | awk '
    !NF { is_work = 1; next }
    !is_work { merged[$2] = $1; next }
    $1 == "todo" && $2 in merged { print $6, merged[$2] "^2" }')
  while [ -z "$unseen" ] && read -r new old; do
    [ -z "$new" ] || contains "$new" "$old" || anew=1
  done <<EOF
$amended
EOF
  if [ "$anew" -eq 1 ]; then
    start=$base
    read_work || return
  fi
  may_begin || return
  read_clock
  integration_started=$now integration_started_at=$now_at
  keep_log "$logs/integration"
  printf '' >"$log"
  forget_verdict
  printf '' >"$state/integration.conflicts"
  say "$work" | awk '
    $1 == "in" && $7 == "0" { print $2 " has nothing to merge." }
    $1 != "gone" && $8 != $6 { print $2 " has changed since it completed: its branch is merged as it is now." }'
  progress "integration status=started branch=$integration tasks=$total"
  run_here do_integration
  leave_worktree
  # What was red may be green the next time.
  [ "$verdict" = interrupted ] || [ ! -f "$state/verified" ] ||
    { sed '/^green /!d' <"$state/verified" >"$state/.verified" && mv -f -- "$state/.verified" "$state/verified"; }
  # Who is left out, and why, is told of each.
  [ "$verdict,$error" != failed,left_out ] && [ "$verdict" = failed ] || error=
  record_integration "$verdict" "finished=$now" "finished_at=$now_at" "tidy=$is_tidy" "error=$error" "culprit=$culprit" || verdict=failed
  [ "$verdict" != failed ] || warn "In $integration: ${merged:-none}" \
    "Not in it: $(say "$work" | awk -v merged=" $merged" '!index(merged, " " $2 " ") { printf "%s ", $2 }')"
  # shellcheck disable=SC2086  # ids
  set -- $merged
  progress "integration status=$verdict merged=$#/$total branch=$integration${integrated:+ tip=$integrated}${error:+ error=$error}${culprit:+ by=$culprit}"
  [ "$verdict" = completed ]
}

# find_start: find out where the merges begin. Sets: integrated (empty without a branch) base (a commit) start was_cut_off (1: the
# latest integration did not come to its end) unseen (0: there are commits on the branch that were not made here)
find_start() {
  integrated=$(read_git -C "$root" rev-parse --quiet --verify "refs/heads/$integration^{commit}")
  base=$(read_git -C "$root" rev-parse --quiet --verify "refs/heads/$base_branch^{commit}") || base=$base_commit
  start=${integrated:-$base} was_cut_off=0
  read_record integration
  [ -z "$record_status" ] || [ -n "$record_tidy" ] || was_cut_off=1
  was_merged=$record_merged unseen=0
  ! are_ours --first-parent "$start" "^$base" ${record_base_commit:+"^$record_base_commit"} || unseen=
  # When the base has moved it begins anew from there, unless there is anything on the branch but merges that were made here.
  [ -n "$unseen" ] || contains "$start" "$base" || start=$base
}

# are_ours <argument>...: true when all commits that git lists for these are merges that were made here
are_ours() {
  { { [ ! -f "$state/merges" ] || cat -- "$state/merges"; } && say "" && read_git -C "$root" rev-list "$@" && say end; } | awk '
    !NF { is_list = 1; next }
    $1 == "end" { is_whole = 1; next }
    !is_list { is_known[$1]; next }
    !($1 in is_known) { found = 1 }
    END { exit found || !is_whole }'
}

# contains <commit> <commit>: true when the first contains the second
contains() {
  read_git -C "$root" merge-base --is-ancestor "$2" "$1" 2>/dev/null
}

# read_work: list what has completed, and what is merged. Sets: work (empty when that fails) chain
read_work() {
  { work=$(list_work) && chain=$(list_chain); } || { work='' && warn "ERROR: cannot list what has completed" && return 1; }
}

# list_work: print `WHAT ID NAME WAVE DEPS COMMIT COMMITS TIP` for each task that has completed up to last_wave, in plan order. WHAT is
# `in` when start contains its branch, `gone` when there is none and the commit is the one that was recorded, else `todo`
list_work() {
  {
    read_git -C "$root" for-each-ref --merged="$start" --format='in %(refname:lstrip=2)' refs/heads &&
      read_git -C "$root" for-each-ref --format='at %(refname:lstrip=2) %(objectname)' refs/heads &&
      list_states && say "$plan" end
  } | LC_ALL=C awk -v prefix="$BRANCH_PREFIX" -v taken="$taken" -v last="$last_wave" '
    $0 == "end" { is_whole = 1; next }
    $1 == "in" && NF == 2 { is_in[$2]; next }
    $1 == "at" && NF == 3 { commit[$2] = $3; next }
    $1 ~ /^wave=/ {
      id = substr($2, 6)
      if ($3 == "status=completed") tip[id] = match($0, / tip=[0-9a-f]+/) ? substr($0, RSTART + 5, RLENGTH - 5) : "-"
      if (match($0, / commits=[0-9]+/)) commits[id] = substr($0, RSTART + 9, RLENGTH - 9)
      next
    }
    !($1 in tip) || (last != "" && $3 + 0 > last + 0) { next }
    {
      branch = prefix $2
      what = index(taken, " " $2 " ") || !(branch in commit) ? "gone" : branch in is_in ? "in" : "todo"
      print what, $1, $2, $3, $4, (what == "gone" ? tip[$1] : commit[branch]), commits[$1] + 0, tip[$1]
    }
    END { exit !is_whole }'
}

# do_integration: the steps of it. Sets: error accepted, as those of a task do
do_integration() {
  [ -z "$stopping" ] || cause=interrupted
  # A check that hangs must not hold up a night.
  [ "$verify_limit" -gt 0 ] || verify_limit=$TASK_TIMEOUT
  if record_integration running && open_worktree; then
    error='' is_open=1 candidate=$start length=$(($(say "$chain" | grep -c '') - 1)) can_merge_trees=0
    kept=$length history=$length
    # What has come behind that was merged when there was nothing to check it with.
    green=$({ { cat -- "$state/verified" 2>/dev/null || :; } && say "" &&
      read_git -C "$root" log --no-show-signature --first-parent --reverse --format=%T "$start" "^$base"; } | awk '
        !NF { is_chain = 1; next }
        !is_chain { if ($1 == "green") is_green[$2]; next }
        { n++; if ($1 in is_green) last = n }
        END { print last + 0 }') || green=0
    # It takes attributes from the worktree: where a branch changes them, all are merged there.
    if run_git -C "$worktree" merge-tree --write-tree "$start" "$start" >/dev/null 2>&1 && attributes=$(say "$work" |
      awk '$1 != "in" { print $6 }' | ask_git -C "$root" rev-list -n 1 --stdin "^$start" -- ':(glob)**/.gitattributes' 2>/dev/null) &&
      [ -z "$attributes" ]; then
      can_merge_trees=1
    fi
    anew=1 in_chain=''
    while [ "$anew" -eq 1 ]; do
      anew=0
      ! merge_tasks || ! check_all || [ -n "$left_out" ] || accepted=1
    done
  fi
  [ -n "$accepted" ] || error=${error:-left_out}
}

# leave_worktree: leave it for the person who comes next, and remember what is there. Sets: is_tidy
leave_worktree() {
  [ -n "$is_open" ] || return 0
  leave=$integration
  [ -n "$integrated" ] || leave=$start
  run_git -C "$worktree" -c core.hooksPath=/dev/null checkout --quiet --force "$leave" 2>>"$log" &&
    read_changes --untracked-files=all && mv -f -- "$changes" "$state/$id.before" && is_tidy=1
}

# may_begin: false when somebody else has to do something first
may_begin() {
  if ! contains "$start" "$base"; then
    warn "ERROR: $integration has commits that were not made here, and $base_branch has moved: merge that there by hand."
    return 1
  elif is_there "$worktree" && read_worktree && ! is_unfinished && [ "$was_cut_off" -eq 0 ] && ! is_untouched; then
    [ -n "$cause" ] || warn "ERROR: somebody is at work in $WORKSPACE_ROOT/${worktree##*/}: commit what is there, or move it away."
    return 1
  fi
}

# list_chain: print the chain of merges as it is at the start, COMMIT ID each, after a line with what it begins with. Behind the ID
# stand those who were found to be in it without a merge of their own
list_chain() {
  { say "$work" "" &&
    read_git -C "$root" log --no-show-signature --first-parent --reverse --format='%H%x09%P%x09%s' "$start" "^$base" && say end; } |
    awk -v start="$start" -v merge="Merge $BRANCH_PREFIX" -v into=" into $integration" '
      !is_chain { if (NF) id[merge $3 into] = $2; else { is_chain = 1; FS = "\t" } next }
      $0 == "end" { is_whole = 1; next }
      { if (!n++) { split($2, parent, " "); print (parent[1] != "" ? parent[1] : start), "-" } print $1, ($3 in id ? id[$3] : "-") }
      END { if (!is_whole) exit 1; if (!n) print start, "-" }'
}

# nth <number>: look at the chain after so many merges. Sets: commit merged_task (- for a commit that is none of ours) error
nth() {
  read -r commit merged_task rest <<EOF
$(say "$chain" | sed "$(($1 + 1))!d")
EOF
  # Who had to find it was killed.
  [ -n "$commit" ] || error=${error:-state}
}

# record_integration <status> [<key=value>...]: record how far it has come. Sets: merged (the tasks that are in it, a blank behind each)
record_integration() {
  integration_status=$1
  shift
  merged=$(say "$work" "" "$chain" | awk -v kept="$kept" '
    !NF { is_chain = 1; next }
    is_chain { if (n++ <= kept) for (i = 2; i <= NF; i++) is_in[$i]; next }
    { id[++count] = $2; if ($1 == "in") is_in[$2] }
    END { for (i = 1; i <= count; i++) if (id[i] in is_in) printf "%s ", id[i] }') || return
  # Until the merges that are made anew are on the branch, those that were made before are.
  [ -z "$integrated" ] || [ "$start" = "$integrated" ] || [ "$kept" -gt "$history" ] || merged=$was_merged
  write_record integration "status=$integration_status" "branch=$integration" "base_branch=$base_branch" "base_commit=$base" \
    "tip=$integrated" "total=$total" "merged=$merged" "left_out=$left_out" "flaky=$flaky" "started=$integration_started" \
    "started_at=$integration_started_at" ${1+"$@"}
}

# open_worktree: have the worktree, at the start; false when it cannot be made
open_worktree() {
  at=
  if is_there "$worktree"; then
    if ! read_worktree || is_unfinished; then
      # What a git that was killed has left half made is nobody's work.
      used=0
      repair_worktree >>"$log" 2>&1 || { complain "cannot take the worktree $WORKSPACE_ROOT/${worktree##*/}:" && return 1; }
    elif ! is_untouched; then
      # A crash has left it; a person can tell that from work. The branch is needed here.
      run_git -C "$worktree" update-ref --no-deref HEAD "$(read_git -C "$worktree" rev-parse HEAD)"
      set_aside && forget_steps || return
    fi
  fi
  is_there "$worktree" || add_worktree --detach "$worktree" "$start" ||
    { [ -n "$cause" ] || complain "cannot make the worktree $WORKSPACE_ROOT/${worktree##*/}:" && return 1; }
  # Of submodules git has to know which commit contains which.
  go_to "$start" && add_submodules
}

# is_untouched: true when nothing is in the worktree alone but merges of ours, and what was there when the latest integration ended
is_untouched() {
  read_left --untracked-files=all
  set -- $?
  stop_signal=TERM
  [ "$1" -eq 0 ] && [ ! -s "$changes" ] && [ ! -e "$git_dir/MERGE_HEAD" ] && [ ! -e "$git_dir/index.lock" ] &&
    head=$(read_git -C "$worktree" rev-parse HEAD) && are_ours "$head" --not --branches --tags --remotes
}

# go_to <commit>: check it out in the worktree, without what a check may have changed there. Sets: at (what is there) error
go_to() {
  [ "$at" != "$1" ] || return 0
  at=$1
  git_step -C "$worktree" -c core.hooksPath=/dev/null checkout --quiet --force --detach "$1" && return
  at=
  [ -n "$cause" ] || complain "cannot check $1 out in $WORKSPACE_ROOT/${worktree##*/}:"
  error=${error:-worktree}
  return 1
}

# merge_tasks: merge what is to be merged, wave after wave, and validate each; false when it ends before the last
merge_tasks() {
  for wave in $waves; do
    tasks=$(say "$work" | awk -v wave="$wave" '$4 == wave') || return
    [ -z "$tasks" ] || merge_each "$tasks" || return
    # Where nothing of it is in there is nothing to validate.
    ! say "$chain" "" "$tasks" | awk '
      !NF { is_work = 1; next }
      !is_work { is_in[$2]; next }
      $1 == "in" || $2 in is_in { found = 1 }
      END { exit !found }' || check_wave || return
  done
}

# merge_each <lines of work>: merge these tasks; false when no more can be merged
merge_each() {
  while read -r what task task_name rest task_deps task_commit commits rest; do
    [ "$what" = in ] || merge_task || return
  done <<EOF
$1
EOF
}

# merge_task: merge a task, unless it is in already, or left out; false when no more can be merged
merge_task() {
  task_branch=$BRANCH_PREFIX$task_name
  case " $in_chain$left_out" in
    *" $task "* | *" $task:"*) return ;;
  esac
  if [ "$what" = gone ] || [ "$commits" = 0 ]; then
    # What it is made of may be in.
    contains "$candidate" "$task_commit" && chain="$chain $task" && return
    if [ $? -ne 1 ]; then
      warn "$task is left out of $integration: its branch is gone, and so is its commit."
      leave_out branch
      return
    fi
  fi
  for dep in ${left_out:+$(say "$task_deps" | tr ',' ' ')}; do
    case " $left_out" in
      *" $dep:"*)
        leave_out dependency "by=$dep"
        return
        ;;
    esac
  done
  ! merge || return 0
  [ -z "$cause$error" ] || return 1
  if [ -z "$conflict" ]; then
    complain "$task is left out of $integration: git cannot merge it:"
    leave_out merge
    return
  fi
  find_rival
  [ -z "$cause$error" ] || return 1
  warn "$task is left out of $integration: it conflicts with $rival in $conflict"
  say "$task $conflict" >>"$state/integration.conflicts"
  leave_out conflict "with=$rival"
}

# leave_out <error> [<key=value>]: leave the task out
leave_out() {
  left_out="$left_out$task:$1${2+:}${2-} "
  progress "integration status=left_out task=$task error=$1${2+ }${2-}"
}

# merge: merge task_commit into the candidate; false when that fails. Sets: candidate conflict
merge() {
  message="Merge $task_branch into $integration" product=$state/.product conflict=''
  # Trees are merged without a worktree; what cannot be merged so is tried there, where the merge drivers of the user apply.
  if [ "$can_merge_trees" -eq 1 ] && [ -z "$cause" ] &&
    run_step become_git -C "$worktree" merge-tree --write-tree "$candidate" "$task_commit" >"$product" 2>/dev/null &&
    read -r tree <"$product" &&
    run_step become_git -C "$worktree" commit-tree -p "$candidate" -p "$task_commit" -m "$message" "$tree" >"$product" 2>>"$log"; then
    read -r candidate <"$product"
  else
    merge_in_worktree || return
  fi
  say "$candidate" >>"$state/merges" || error=state
  chain=$chain$newline$candidate\ $task length=$((length + 1))
}

# merge_in_worktree: merge task_commit with `git merge`; false when that fails. Sets: candidate conflict
merge_in_worktree() {
  # What a check has left is in the way of a merge that brings the same file, but not of a checkout.
  go_to "$task_commit" && go_to "$candidate" || return
  # Half of a merge gets the grace period without a signal.
  stop_signal=0 at=''
  git_step -C "$worktree" -c core.hooksPath=/dev/null -c rerere.autoUpdate=true merge --quiet --no-ff --no-edit \
    --no-verify-signatures -m "$message" "$task_commit" || {
    find_conflict
    # What the user has resolved once is resolved again.
    [ -z "$conflict" ] && read_worktree && [ -e "$git_dir/MERGE_HEAD" ] &&
      git_step -C "$worktree" -c core.hooksPath=/dev/null commit --quiet --no-edit
  }
  set -- $?
  stop_signal=TERM
  [ "$1" -eq 0 ] || return
  at=$(read_git -C "$worktree" rev-parse HEAD) && candidate=$at || error=state
  [ -z "$error" ]
}

# bisect <test>: find the first place in the chain, behind low, where the test fails; it does at high. False when that cannot be told.
# Sets: low high
bisect() {
  while [ $((high - low)) -gt 1 ]; do
    middle=$(((low + high) / 2))
    if "$1" "$middle" 1; then
      low=$middle
    else
      [ -z "$cause$error" ] || return 1
      high=$middle
    fi
  done
}

# find_rival: find out with which merge of the chain the conflict begins. Sets: rival (a task, or the base branch)
find_rival() {
  low=-1 high=$length
  bisect agrees
  nth "$high"
  rival=${merged_task:--}
  [ "$rival" != - ] || rival=$base_branch
}

# agrees <number>: true when the task can be merged into the chain after so many merges
agrees() {
  nth "$1"
  if [ "$can_merge_trees" -eq 1 ]; then
    run_git -C "$worktree" merge-tree --write-tree "$commit" "$task_commit" >/dev/null 2>&1
  else
    (candidate=$commit && merge_in_worktree 2>/dev/null)
    set -- $?
    at=
    return "$1"
  fi
}

# check_wave: validate the wave, when anything was merged; false when integration ends here
check_wave() {
  [ "$length" -gt "$history" ] || [ -n "$unseen" ] || return 0
  check=$(say "$own_commands" | sed -n "s/^$wave validation //p") || return
  # What has come into an earlier wave may turn this one red.
  floor=$green
  [ "$length" -gt "$green" ] || floor=$history
  [ -z "$check" ] || settle "${unseen:-$floor}"
}

# check_all: check the whole after the last wave; false when it is red
check_all() {
  check=$VERIFY_INTEGRATION wave=''
  [ -z "$last_wave" ] || [ "$last_wave" = "${waves##* }" ] || check=
  if [ -n "$check" ]; then
    settle 0
  elif [ "$length" -gt "$kept" ]; then
    # There is nothing to check them with.
    keep "$length"
  fi
}

# settle <floor>: check the chain, and move the branch there when it is green; false when it is red, by a merge behind the floor. Sets:
# green (so many merges were checked)
settle() {
  floor=$1 is_flaky=''
  check_key=$(say "$SETUP_COMMAND" "$check" | ask_git hash-object --stdin) || return
  until is_green "$length" 1; do
    [ -z "$cause$error" ] && find_culprit || return 1
    # What is red once is believed only when it is red again.
    if ! is_green "$high" 2; then
      [ -n "$cause$error" ] || drop_culprit
      return 1
    fi
    is_flaky=1 flaky="$flaky${wave:-last} "
    warn "WARNING: '$check' has failed and then succeeded on the same tree: it is flaky."
  done
  green=$length
  keep "$length" && progress "integration status=verified${wave:+ wave=$wave}${is_flaky:+ flaky=1}"
}

# find_culprit: the chain is red at its end: find the first merge behind the floor with which it is. False when that cannot be told. Sets:
# high (its number) low (that before it) error
find_culprit() {
  low=$floor high=$length
  ! was_green "$kept" || low=$kept
  bisect is_green || return
  # A check that fails without any of them has no culprit.
  if [ "$low" -eq "$floor" ] && { [ "$high" -eq "$low" ] || ! is_green "$low" 1; }; then
    [ -z "$cause$error" ] || return 1
    error=validation
    warn "ERROR: '$check' fails before any of these merges as well: it cannot tell which of them to leave out. The end of the log:"
    indent <"$state/integration.red" >&2
  fi
  [ -z "$error" ]
}

# drop_culprit: name the culprit, cut the chain before it, and put that on the branch. Sets: anew (1: the others are to be merged
# anew) in_chain culprit error
drop_culprit() {
  nth "$high"
  [ -z "$error" ] || return
  task=$merged_task
  [ "$task" != - ] || task=$commit
  warn "$task turns $integration red. The end of the log with it:"
  indent <"$state/integration.red" >&2
  # The branch goes on, or back to where it was; not to what is between, of which not each tree was seen green.
  may_move=1
  [ "$low" -ge "$kept" ] || [ "$low" -eq "$history" ] || may_move=0
  if [ "$high" -le "$history" ] || [ "$may_move$SKIP_CULPRITS" = 00 ]; then
    # It stays on the branch.
    culprit=$task error=validation
  elif ! leave_out validation || { [ "$may_move" -eq 1 ] && ! keep "$low"; } || [ "$SKIP_CULPRITS" -eq 0 ]; then
    error=validation
  else
    [ "$kept" -le "$low" ] || kept=$low
    chain=$(say "$chain" | sed "$((low + 1))q") length=$low green=$floor anew=1
    in_chain=$(say "$chain" | awk '{ printf "%s ", $2 }')
    nth "$low"
    candidate=$commit
  fi
}

# was_green <number>: true when the check has succeeded on the chain after so many merges. Sets: proof (what is recorded of it)
was_green() {
  nth "$1"
  proof="$(read_git -C "$root" rev-parse "$commit^{tree}") $check_key"
  grep -q -x -F -e "green $proof" -- "$state/verified" 2>/dev/null
}

# is_green <number> <times>: check the chain after so many merges, unless it was green, or has been red so many times
is_green() {
  ! was_green "$1" || return 0
  [ -z "$error" ] || return
  reds=$(grep -c -x -F -e "red $proof" -- "$state/verified" 2>/dev/null)
  [ "${reds:-0}" -lt "$2" ] || return 1
  progress "integration status=verifying${wave:+ wave=$wave}"
  record_integration running "verifying=${wave:-last}"
  if ! go_to "$commit" || ! add_submodules || ! include_files || ! set_up || ! list_found || ! mark_ready; then
    error=${error:-worktree}
    return 1
  fi
  tip=$commit verify=$check colour=green
  lines=$(grep -c '' <"$log")
  say "[run-parallel.sh: $1 of $length merges, the last of them ${merged_task#-}]" >>"$log"
  verify_work || colour=red
  settled=
  [ -z "$stopping" ] || cause=${cause:-interrupted}
  [ -z "$cause" ] || return 1
  # It may have changed what it had to check.
  [ "$colour" = green ] || { at='' error='' && tail -n +"$((lines + 1))" -- "$log" | tail -n 20 >"$state/integration.red"; }
  end_line "$state/verified"
  say "$colour $proof" >>"$state/verified" || error=state
  [ "$colour" = green ]
}

# keep <number>: move the branch to the chain after so many merges. Sets: integrated kept error
keep() {
  nth "$1"
  if [ "$commit" != "$integrated" ]; then
    find_checkout
    if [ -n "$checkout" ] || ! own "$integration" ||
      ! run_git -C "$root" update-ref -m "integrate: $merged_task" "refs/heads/$integration" "$commit" "$integrated" 2>>"$log"; then
      complain "cannot move $integration, checked out in ${checkout:-no other place}:"
      error=branch
      return 1
    fi
    integrated=$commit
  fi
  for task in $(say "$chain" | awk -v from="$kept" -v to="$1" 'NR > from + 1 && NR <= to + 1 { print $2 }'); do
    progress "integration status=merged task=$task"
  done
  kept=$1
  record_integration running || error=state
  [ -z "$error" ]
}

# find_checkout: find out where the branch is checked out, but for its own worktree. Sets: checkout (empty: nowhere)
find_checkout() {
  checkout=$(read_git -C "$root" worktree list --porcelain 2>/dev/null | own=$worktree ref="branch refs/heads/$integration" awk '
    /^worktree / { place = substr($0, 10) }
    $0 == ENVIRON["ref"] && place != ENVIRON["own"] { print place }')
  [ -d "$checkout" ] || checkout=
}

# check_integration: report what stands in the way of it. Sets: integration (its branch)
check_integration() {
  # What no branch can be called.
  integration=integration/$(say "${dir##*/}" | sed 's/[][ ~^:?*\\]/-/g; s/\.\./--/g; s/@{/@-/g; s/^\./-/; s/\.$/-/; s/\.lock$/-lock/')
  [ "$INTEGRATE" != no ] || [ "$mode" = integrate ] || return 0
  [ "$is_repository" -eq 1 ] || return 0
  use_own integration
  for other in integration $(read_git -C "$root" for-each-ref --count=1 --format='%(refname:lstrip=2)' "refs/heads/$integration/"); do
    ! has_branch "$other" || object "git cannot have the branch '$integration' beside '$other'" "Rename that one."
  done
  find_owner "$integration"
  # In a clone the manifest knows.
  [ -n "$made_by" ] || ! { read_record integration || [ "${imported#*"${newline}integration "}" != "$imported" ]; } || made_by=$dir_name
  [ "$made_by" = "$dir_name" ] || ! has_branch "$integration" ||
    object "Branch already exists: $integration" "It was made by ${made_by:-nobody who is known}, not by '$parallel_dir'. Rename it, or the directory."
  find_checkout
  [ -z "$checkout" ] || object "$integration is checked out in '$checkout'" "Check out another branch there."
  ! is_there "$worktree" || is_ours ||
    object "'$WORKSPACE_ROOT/${worktree##*/}' is the worktree of '$made_by'" "Choose another folder with --workspace-root."
}

# integrate_now: merge what has completed, for a person, and end
integrate_now() {
  refuse_beside
  [ -s "$state/run" ] || [ ! -f "$manifest" ] || import_outcomes
  read_record run
  BASE_BRANCH=${BASE_BRANCH:-$record_base_branch}
  # Where that is gone, what the run started from.
  read_git -C "$root" rev-parse --quiet --verify "${BASE_BRANCH:-HEAD}^{commit}" >/dev/null || BASE_BRANCH=$record_base_commit
  resolve_base
  check_integration
  find_included
  [ "$problems" -eq 0 ] || exit 2
  open_records
  open_workspaces
  stopping='' again=' '
  integrate '' || [ -n "$verdict" ] || exit 2
  [ -n "$work" ] || fail "Nothing was done: no task of '$parallel_dir' has completed."
  outcome=$verdict
  if read_record run; then
    run_outcome=$record_status run_started_at=$record_started_at run_finished_at=$record_finished_at base_commit=$record_base_commit
    write_manifest
  fi
  run_outcome=$outcome
  exit_with_outcome
}
