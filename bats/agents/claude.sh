#!/bin/sh
# A claude that needs no service: it prints what Claude Code 2.1.330 prints, shortened, and does what fake.sh does. It knows a session
# as long as $TEST_NOTES/session-ID is there, which holds what it has cost.
set -eu

prices=''
while [ $# -gt 0 ]; do
  case $1 in
    --session-id) session=$2 launched=session-id ;;
    --resume) session=$2 launched=resume ;;
  esac
  shift
done
account=$TEST_NOTES/session-$session

# event <type> <members>: print a line
event() {
  printf '{"type":"%s",%s,"session_id":"%s"}\n' "$1" "$2" "$session"
}

# says <text>: it has an answer. The text stands in a string of JSON
says() {
  event assistant "\"message\":{\"model\":\"claude-sonnet-5-5\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}"
}

# uses <tool> <input>, hears <text>
uses() {
  event assistant "\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"$1\",\"input\":{$2}}]}"
}
hears() {
  event user "\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"toolu_1\",\"type\":\"tool_result\",\"content\":\"$1\",\"is_error\":false}]}"
}

# window <status> [<resets at>]: what it tells of the limit
window() {
  event rate_limit_event "\"rate_limit_info\":{\"status\":\"$1\",${2:+\"resetsAt\":$2,}\"rateLimitType\":\"five_hour\",\"isUsingOverage\":false}"
}

# costs <thousandths of USD>: from now on the session has cost so much more
costs() {
  prices=$(($(cat "$account") + $1))
  echo "$prices" >"$account"
}

# result <turns> <is_error> [<more>]: the last line; turns and tokens are those of this launch, the cost is that of the session
result() {
  event result "$(printf '"subtype":"success","is_error":%s,"num_turns":%s,"total_cost_usd":%d.%03d,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":%d}%s' \
    "$2" "$1" "$((prices / 1000))" "$((prices % 1000))" "$(($1 * 100))" "$(($1 * 20))" "${3:-}")"
}

# refused <status> <text>: the service has refused, and it gives up
refused() {
  event assistant "\"message\":{\"model\":\"<synthetic>\",\"content\":[{\"type\":\"text\",\"text\":\"$2\"}]},\"is_api_error_message\":true,\"api_error_status\":$1"
  result 1 true ",\"terminal_reason\":\"api_error\",\"api_error_status\":$1,\"result\":\"$2\""
  exit 1
}

# limited <until>: it has met the limit of the account
limited() {
  window rejected "$1"
  refused 429 "You've hit your 5-hour limit"
}

if [ "$launched" = resume ] && [ ! -e "$account" ]; then
  echo "No conversation found with session ID: $session"
  event result '"subtype":"error_during_execution","is_error":true,"num_turns":0,"total_cost_usd":0,"usage":{"input_tokens":0,"output_tokens":0},"errors":["No conversation found"]'
  exit 1
fi
[ -e "$account" ] || echo 0 >"$account"
costs 0
printf '%s %s\n' "$launched" "$session" >>"$TEST_NOTES/launches"
event system '"subtype":"init","tools":["Bash","Edit"],"model":"claude-sonnet-5-5","permissionMode":"bypassPermissions"'

# shellcheck source=bats/agents/fake.sh
. "$TEST_FAKE"
[ -e "$TEST_AGENTS/$PARALLEL_TASK.sh" ] || result 1 false
