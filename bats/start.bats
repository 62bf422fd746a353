# Nothing about the start is taken for granted: descriptors, variables, options, functions, masks and folders.

load helper

# runs <text of a command>: in a fresh project, the command runs the plan to its end; each agent reads its prompt, and no file
# gets what is said
runs() {
  local place
  place=$(mktemp -d "$home/XXXXXX")
  project chain "${place##*/}/project"
  export AGENT_COMMAND='cat >"$PARALLEL_TASK.txt"; git add .; git commit --quiet -m work; : >.claude-task-complete'
  status=0
  (cd "$project" && eval "$1" 3>&-) || status=$?
  [ "$status" -eq 0 ] || { show && printf '%s\n' "--- started by: $1" && return 1; }
  same 'Do task-001. Do task-002.' \
    "$(echo $(git -C "$project" show feature/task-002-second:task-001.txt feature/task-002-second:task-002.txt))"
  same " M $directory/manifest.json" "$(git -C "$project" status --porcelain)"
  same '' "$(grep -v '^[^ ]* \[PROGRESS\] ' "$logs/orchestrator.log")"
  same '' "$(grep -v -h '^[a-z_]*=' "$state"/*)"
}

run_it='"${shell[@]}" "$script" </dev/null >"$out" 2>"$err"'

# bats test_tags=portable
@test "standard descriptors may be closed, each and all" {
  local closed
  for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    runs "$run_it $closed"
  done
}

# bats test_tags=portable
@test "standard descriptors may be full" {
  [ -c /dev/full ] || skip 'there is no /dev/full'
  runs "$run_it >/dev/full"
  runs "$run_it >/dev/full 2>&1"
}

# bats test_tags=portable
@test "the environment may be empty but for PATH" {
  runs 'env -i PATH="$PATH" AGENT_COMMAND="$AGENT_COMMAND" PARALLELGEN_TEST_ID="$PARALLELGEN_TEST_ID" \
    ${PARALLELGEN_REAL_PATH+PARALLELGEN_REAL_PATH="$PARALLELGEN_REAL_PATH"} '"$run_it"
}

# bats test_tags=portable
@test "variables that other programs obey may say anything" {
  runs 'CDPATH=/ GREP_OPTIONS="-v --color=always" GREP_COLOR=1 POSIXLY_CORRECT=1 QUOTING_STYLE=shell-always IFS=a TERM= HOME= \
    TMPDIR=/nowhere TMPPREFIX=/nowhere/x GLOBIGNORE="*" FIGNORE="*" PATH=":bin:$PATH:" '"$run_it"
  : >"$project/new"
  export GIT_LITERAL_PATHSPECS=1
  refuses --preflight --retry-failed
  unset GIT_LITERAL_PATHSPECS
  runs "LC_ALL=xx_XX.UTF-8 LANGUAGE=tr $run_it"
}

# bats test_tags=portable
@test "the shell may be told to stop at errors, keep files, match nothing and export all" {
  runs '"${shell[@]}" -aefC "$script" </dev/null >"$out" 2>"$err"'
}

# bats test_tags=portable
@test "the current folder may be gone, or closed to us" {
  runs 'mkdir gone; cd gone; rmdir ../gone; script=$project/$script; '"$run_it"
  runs 'mkdir ../closed; chmod 0 ../closed; cd ../closed; script=$project/$script; '"$run_it"
}

# bats test_tags=portable
@test "the umask may forbid everything, also to us" {
  command -v setpriv >/dev/null && [ "$(id -u)" -eq 0 ] || skip 'it takes root and setpriv to become another user'
  local mask
  chmod a+x "$BATS_RUN_TMPDIR" "$home"
  for mask in 0 077 0177 0777; do
    runs "chown -R 65534:65534 '$home'; umask $mask; setpriv --reuid 65534 --regid 65534 --clear-groups $run_it"'
      status=$?; chown -R 0:0 "$home"; exit "$status"'
  done
}

# A sh may be bash, which takes functions and options from the environment; this file is bash, and makes them.

# bats test_tags=portable
@test "exported functions do not stand in for what the script calls" {
  local name text='' names special='unset set eval exec exit trap shift'
  # A bash in POSIX mode ends by itself, before it reads any script, when the environment has such a function.
  bash -c 'shift() { :; }; export -f shift; exec "$@"' - "${shell[@]}" -c : 2>/dev/null || special=
  names=$(sed -n "s/^utilities='\(.*\)'\$/\1/p; s/^ *unset -f \$utilities \(.*\) 2>.*/\1/p" "$PROJECTS/one/$directory"*/*/scripts/run-parallel.sh)
  [ -n "$names" ]
  for name in $names $special; do
    text="$text$name() { builtin printf %s 'not $name'; }; export -f $name; "
  done
  printf '%s\n' "$text" 'builtin exec "$@"' >"$home/functions"
  runs 'bash "$home/functions" '"$run_it"
}

# bats test_tags=portable
@test "options in the environment do not change how the script is read" {
  runs "env SHELLOPTS=allexport:errexit:keyword:monitor:noclobber:noglob:pipefail $run_it"
  runs "env BASHOPTS=dotglob:failglob:lastpipe:nocaseglob:nocasematch:nullglob $run_it"
  runs "env SHELLOPTS=xtrace $run_it"
  printf '%s\n' 'set -efC; alias cd=false; printf() { :; }' >"$home/rc"
  runs "ENV=$home/rc BASH_ENV=$home/rc $run_it"
}
