# The function decide, by the table of cases in bats/decisions.

# bats file_tags=awk
load helper

# facts: read the words of a case, and print what decide reads. TASK=STATUS[,ERROR[,TRIED,FINISHED]][,KEY=VALUE...] is the state of
# a task
facts() {
  local word key value facts
  printf '%s\n' now=100 slots=3 schedule=waves halt=never retries=0 retry_delay=5 only_wave= stopping= running= to_adopt= \
    ended= again= skip= branches= opened= closed= integrate=no integrated= agent=claude agents= paused= refused= max_cost= limit_wait=0 began=0
  while read -r -a words; do
    for word in "${words[@]}"; do
      key=${word%%=*} value=${word#*=}
      case $key in
        [a-e])
          facts=$(tr ',' '\n' <<<"$value" | grep = | paste -s -d ' ' -)
          [ -z "$facts" ] || value=${value%%"${facts%% *}"*}
          IFS=, read -r status error tried finished <<<"$value"
          printf 'wave=0 task=%s status=%s%s%s%s\n' "$key" "$status" "${error:+ error=$error}" "${tried:+ tried=$tried}" \
            "${finished:+ finished=$finished}${facts:+ $facts}"
          ;;
        *) printf '%s=%s\n' "$key" "${value//,/ }" ;;
      esac
    done
  done
  printf '%s\n' 'a A 1 - - p.txt' 'b B 1 - - p.txt' 'c C 2 a - p.txt' 'd D 2 a,b - p.txt' 'e E 3 c - p.txt' end
}

# decide_in_shell: what decide says in the shell under test, without the rest of the lines of the plan
decide_in_shell() {
  "${shell[@]}" -c '. "$1"; decide' decide "${BATS_TEST_DIRNAME%/*}/templates/lib/decide.sh" |
    awk '$1 ~ /^(adopt|report|retry|skip|block|start|probe|refuse|give_up)$/ { print $1, $2, $3; next } { print }'
}

# bats test_tags=portable
@test "each case of the table is decided as it says" {
  local title count=0
  while IFS= read -r title; do
    [ "${title#== }" != "$title" ] || continue
    : >"$home/facts" >"$home/expected"
    part=$home/facts
    while IFS= read -r line && [ -n "$line" ]; do
      if [ "$line" = -- ]; then
        part=$home/expected
      else
        printf '%s\n' "$line" >>"$part"
      fi
    done
    facts <"$home/facts" | decide_in_shell >"$home/found"
    diff -u --label "expected: ${title#== }" --label found "$home/expected" "$home/found"
    count=$((count + 1))
  done <"$BATS_TEST_DIRNAME/decisions"
  [ "$count" -ge 60 ]
}

@test "half of the facts are no facts" {
  facts </dev/null | sed '$d' | decide_in_shell >"$home/found" || :
  same '' "$(cat "$home/found")"
}
