# The user's settings do not change the verdict: whatever git is configured to do, the same is said of the same work.

load helper

# The words of git's own settings; a hook and a signer that fail stand in $home.
settings() {
  printf '%s\n' "[status] showUntrackedFiles=no" relativePaths=true short=true branch=true showStash=true renames=false \
    submoduleSummary=true aheadBehind=true \
    "[diff] noprefix=true" mnemonicPrefix=true external=false ignoreSubmodules=all renames=false "orderFile=$home/order" \
    colorMoved=zebra submodule=log wordRegex=. relative=true interHunkContext=9 noindex=1 \
    "[core] quotePath=true" pager=false logAllRefUpdates=false "fsmonitor=$home/watcher" untrackedCache=true splitIndex=true \
    editor=false askPass=false abbrev=4 whitespace=fix \
    "[column] ui=always" "[color] ui=always" "[log] showSignature=true" decorate=full date=relative abbrevCommit=true follow=true \
    "[i18n] commitEncoding=ISO-8859-1" logOutputEncoding=ISO-8859-1 \
    "[init] defaultBranch=trunk" "[pager] status=false" diff=false log=false branch=false config=false \
    "[merge] ff=$1" conflictStyle=diff3 autoStash=true verifySignatures=true log=true renames=false stat=true branchdesc=true \
    "[branch] autoSetupMerge=always" autoSetupRebase=always sort=-committerdate \
    "[checkout] defaultRemote=nowhere" guess=true workers=4 "[submodule] recurse=true" "[worktree] guessRemote=true" \
    "[commit] gpgSign=true" verbose=2 status=true cleanup=scissors "template=$home/order" \
    "[gpg] program=false" "[tag] gpgSign=true" sort=-version:refname "[user] signingKey=nobody" "[index] version=4" threads=2 \
    "[gc] auto=1" autoDetach=true "[maintenance] auto=true" "[rerere] enabled=true" autoUpdate=true \
    "[clean] requireForce=true" "[sequence] editor=false" "[stash] showPatch=true" "[help] autoCorrect=1" \
    "[alias] status=!false" branch=!false worktree=!false merge=!false rev-parse=!false rev-list=!false |
    sed 's/] /]\n/'
  git help --config 2>/dev/null | sed -n 's/^advice\.\([A-Za-z]*\)$/\1/p' | { printf '[advice]\n' && sed 's/$/=true/'; }
}

# tell <argument>...: run the script under the configuration, and write down what it said and how it ended
tell() {
  if [ "$configuration" = /dev/null ]; then
    run_script "$@"
  else
    GIT_CONFIG_GLOBAL=$configuration GIT_TRACE=1 LC_ALL=de_DE.UTF-8 LANGUAGE=de run_script "$@"
  fi
  # Tasks that run side by side end in any order, and process ids, times and hashes differ.
  { printf '%s\n' "--- $* $status" && cat "$out" "$err" && git -C "$project" branch --format='%(refname)' --sort=refname; } |
    sed '/^[0-9:.]* [a-z-]*\.c:/d; s/[0-9]\{8\}T[0-9]\{6\}Z-*/TIME/g' >>"$home/told"
}

# whole <configuration>: take a plan through all that may happen to it, one task at a time; print what was said
whole() {
  configuration=$1
  # The settings are ours to bear; what the agent's git makes of them is not.
  export MAX_CONCURRENT=1 AGENT_COMMAND="GIT_CONFIG_GLOBAL=/dev/null $agent_command"
  rm -rf "$home/told" "$project" "$spaces"
  project five
  # Both make this file: what depends on both cannot be merged.
  agent task-001 task-002 <<<'work "gemeinsam Ärger.txt"; work b.md; finish'
  printf '%s\n' 'git mv README.md "lies mich.md"; git commit -q -m Move' >>"$TEST_AGENTS/task-001.sh"
  agent task-003 <<<'[ "$PARALLEL_ATTEMPT" -gt 1 ] || exit 3; work "ü ñ.txt"; echo new >"neu ß.txt"; finish'
  agent task-005 <<<'[ -f "ü ñ.txt" ]; git mv "ü ñ.txt" "ä ö.txt"; git commit -q -m Rename; git mv "ä ö.txt" "ö ä.txt"; finish'
  tell --dry-run
  tell
  tell --retry-failed
  git -C "$spaces/task-002" reset --quiet --hard HEAD~2
  # What one has renamed, the other changes.
  agent task-002 <<<'echo more >>README.md; work; finish'
  tell --dry-run --retry-failed
  tell --retry-failed
  tell --status
  tell --force
  git -C "$project" commit --quiet -a -m 'Go on'
  tell --wave 2 --force
  echo untracked >"$project/ein Ö"
  tell --preflight --wave 2 --force
  "$PYTHON" -I -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["execution"]["tasks"], indent=1))' \
    "$manifest" | sed '/_at"/s/".*"//' >>"$home/told"
  # Times of a line and of the records; whether an agent has said a word is git's affair there.
  sed 's/ answered=[^ ]*//; s/\(started\|finished\)\(_at\)*=[^ ]*//g; s/base_commit=[^ ]*//; s/pid=[^ ]*//; s/ tip=[^ ]*//; s/"tip": .*//; s/"\(started\|finished\)_at": "[^"]*"//g' \
    "$home/told"
}

# bats test_tags=one-shell
@test "the same is said of the same work under any configuration of git" {
  local usual found way agent_command=$AGENT_COMMAND
  printf '%s\n' '#!/bin/sh' 'exit 1' >"$home/watcher"
  chmod +x "$home/watcher"
  printf '%s\n' '*.txt' >"$home/order"
  mkdir "$home/locale"
  ! localedef -i de_DE -f UTF-8 "$home/locale/de_DE.UTF-8" 2>/dev/null || export LOCPATH=$home/locale
  project=$home/project spaces=$home/workspaces
  usual=$(whole /dev/null)
  grep -q 'task=task-003 status=completed commits=1 uncommitted=1' <<<"$usual" || { printf '%s\n' "$usual" && return 1; }
  grep -q 'task=task-005 status=completed commits=1 uncommitted=1' <<<"$usual" || { printf '%s\n' "$usual" && return 1; }
  grep -q 'conflict in b.md, gemeinsam Ärger.txt' <<<"$usual" || { printf '%s\n' "$usual" && return 1; }
  for way in only false; do
    settings "$way" >"$home/gitconfig"
    found=$(whole "$home/gitconfig")
    diff <(printf '%s\n' "$usual") <(printf '%s\n' "$found") || { printf '%s\n' "--- with merge.ff=$way" && return 1; }
  done
}
