# What lies in scripts/: a thin script, and a library that has to be whole.

load helper

# refuses_library: the script does nothing, and says what is wrong and how to mend it
refuses_library() {
  refuses "$@"
  out_is </dev/null
  err_is <<'END'
ERROR: 'parallel/TS-0042-inventory/scripts/lib' is not whole, or not of the version that made this script
  Restore the folder from git, or make it again with the command in the head of this script.
END
  absent "$logs" "$spaces"
}

# bats test_tags=portable
@test "a library of which a file is missing, torn, changed or too many is refused, by both scripts" {
  project one
  local lib=$dir/scripts/lib
  cp -R "$lib" "$home/lib"
  rm "$lib/decide.sh"
  refuses_library
  refuses_library --help
  "${shell[@]}" "$dir/scripts/monitor-live.sh" --once >"$out" 2>"$err" 3>&- && return 1
  grep -q "is not whole" "$err"
  head -n 20 "$home/lib/decide.sh" >"$lib/decide.sh"
  refuses_library
  cp "$home/lib/decide.sh" "$lib/decide.sh"
  sed 's/failed/failed!/' "$home/lib/task.sh" >"$lib/task.sh"
  refuses_library
  cp "$home/lib/task.sh" "$lib/task.sh"
  printf '%s\n' 'say mine' >"$lib/zz.sh"
  refuses_library
  rm -r "$lib"
  refuses_library
  cp -R "$home/lib" "$lib"
  completes
}

@test "the header's sha256 is that of the library, by the command that it names" {
  project one
  local command
  command=$(sed -n 's/^#  *\((LC_ALL=C; .*)\)$/\1/p' "$project/$script")
  same "$(sed -n 's/^# prints \([0-9a-f]*\)\.$/\1/p' "$project/$script")" "$(cd "$dir/scripts" && sh -c "$command" | cut -d ' ' -f 1)"
}

@test "the library is that of the templates, byte for byte, and a pull request shows the plan and nothing else" {
  project five
  diff -r -x agents "${BATS_TEST_DIRNAME%/*}/templates/lib" "$dir/scripts/lib"
  # Of the adapters those that may be used.
  for file in claude command; do
    cmp "${BATS_TEST_DIRNAME%/*}/templates/lib/agents/$file.sh" "$dir/scripts/lib/agents/$file.sh"
  done
  [ "$(find "$dir/scripts/lib/agents" -name '*.sh' | wc -l)" -eq 2 ]
  same 'generated: true' "$(git -C "$project" check-attr linguist-generated "$directory/scripts/lib/task.sh" | sed 's/.*linguist-//; s/: set/: true/')"
  # Header, settings and plan in some hundred lines, and two more a task.
  [ "$(wc -l <"$project/$script")" -le 110 ]
  [ "$(wc -l <"$dir/scripts/monitor-live.sh")" -le 30 ]
}

@test "what is replaced during a run does not affect that run" {
  project chain
  agent task-001 <<'AGENT'
for file in "$PARALLEL_DIR"/scripts/*.sh "$PARALLEL_DIR"/scripts/lib/*.sh; do
  printf 'echo replaced >&2\nexit 9\n' >"$file"
done
work
finish
AGENT
  completes
  err_is </dev/null
  out_has '[PROGRESS] wave=3 status=completed tasks=1/1' '[PROGRESS] execution status=completed'
}

@test "line ends stay as they are in a clone that would convert them" {
  project one
  git clone --quiet -c core.autocrlf=true "$project" "$home/clone"
  project=$home/clone
  git -C "$project" config user.name 'Test Person'
  git -C "$project" config user.email test@example.org
  use_project
  completes
}
