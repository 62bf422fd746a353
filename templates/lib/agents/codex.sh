# --- codex: OpenAI's Codex, as it was measured with 0.169
codex_program=codex
codex_can='activity resume limits'

launch_codex() {
  command="codex exec --json --dangerously-bypass-approvals-and-sandbox${model:+ -m \"$model\"}${AGENT_ARGS:+ $AGENT_ARGS} -"
}

resume_codex() {
  command="codex exec resume --json --dangerously-bypass-approvals-and-sandbox${model:+ -m \"$model\"}"
  command="$command${AGENT_ARGS:+ $AGENT_ARGS} \"\$PARALLEL_SESSION\" -"
}

# What it prints of a limit is prose; what it keeps of the session has it in figures. The last lines of that may be of an earlier
# launch, unless this one has begun; what it then writes first tells.
explain_codex() {
  case ${record_begun:+$session} in
    '' | *[!A-Za-z0-9_-]*) return ;;
  esac
  find "${CODEX_HOME:-${HOME-}/.codex}/sessions" -name "rollout-*-$session.jsonl" -exec cat {} + 2>/dev/null |
    grep -E '"payload":\{"type":"(thread_settings_applied|task_started|token_count|task_complete)"' | tail -n 3
}

# shellcheck disable=SC2016  # it is awk that expands it
read_codex='
  # It adds up the tokens of a session, and tells no cost.
  BEGIN { in_session = " input_tokens output_tokens " }
  function read_event(   type) {
    type = value["type"] == "event_msg" ? value["payload.type"] : value["type"]
    if (type == "thread.started") begin(value["thread_id"])
    if (type ~ /^item\./) read_item(type, value["item.type"])
    # Not the end: it tries again.
    if (type == "error" && value["message"] !~ /^[{]/) say(value["message"])
    if (type == "turn.completed") count_tokens("usage.")
    if (type == "turn.failed") refuse(value["error.message"])
    if (type ~ /^(thread_settings_applied|task_started)$/) refused = ""
    if (type == "token_count") {
      count_tokens("payload.info.total_token_usage.")
      limit_ends = later(later("", "primary"), "secondary")
    }
    if (type == "task_complete") explain("payload.error.codex_error_info")
  }
  function read_text() { if (readable || text !~ /^(WARNING: |[0-9-]+T|Stack backtrace:| +[0-9]+: |$)/) show(text) }
  function read_item(event, type,   command) {
    if (type != "error") answer()
    if (type == "command_execution" && event == "item.started") {
      command = value["item.command"]
      if (sub(/^[^ ]*sh -l?c (\047|\\")/, "", command)) sub(/(\047|\\")$/, "", command)
      call(type, command)
    }
    if (event != "item.completed") return
    if (type == "command_execution") hear(value["item.aggregated_output"])
    else say(value["item.text"] value["item.message"])
  }
  function count_tokens(at) {
    if (!((at "input_tokens") in value)) return
    count("input_tokens", value[at "input_tokens"])
    count("output_tokens", value[at "output_tokens"])
  }
  # Of its two windows that which is used up, and of both the later.
  function later(time, window) {
    window = "payload.rate_limits." window "."
    return value[window "used_percent"] + 0 >= 100 && value[window "resets_at"] + 0 > time + 0 ? value[window "resets_at"] : time
  }
  # What the service says to 400 stands here as it came, and nowhere else: JSON in a string.
  function refuse(message) {
    fail("")
    if (read_json(plain(message))) {
      if (value["error.type"] == "invalid_request_error") fail(400)
      message = value["error.message"]
    }
    say(message)
  }
  function explain(at,   key) {
    if (value[at] ~ /^(usage_limit_exceeded|server_overloaded)$/) refused = 429
    if (value[at] == "model_not_found") refused = 404
    for (key in value) if (index(key, at ".") == 1 && key ~ /\.http_status_code$/) refused = value[key]
  }
  END { if (refused != "") fail(refused, limit_ends) }'
