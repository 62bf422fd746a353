# --- codex: OpenAI's Codex, as it was measured with 0.169
codex_program=codex
codex_can='activity resume limits'

launch_codex() {
  command="codex exec --json --dangerously-bypass-approvals-and-sandbox${model:+ -m '$model'}${AGENT_ARGS:+ $AGENT_ARGS} -"
}

resume_codex() {
  command="codex exec resume --json --dangerously-bypass-approvals-and-sandbox${model:+ -m '$model'}"
  command="$command${AGENT_ARGS:+ $AGENT_ARGS} \"\$PARALLEL_SESSION\" -"
}

# What it prints of a limit is prose; what it keeps of the session has it in figures. The last lines may be of an earlier launch:
# task_started then tells.
explain_codex() {
  case $session in
    '' | *[!A-Za-z0-9_-]*) return ;;
  esac
  find "${CODEX_HOME:-${HOME-}/.codex}/sessions" -name "rollout-*-$session.jsonl" -exec grep -h \
    -e '"payload":{"type":"task_started"' -e '"payload":{"type":"token_count"' -e '"payload":{"type":"task_complete"' {} + \
    2>/dev/null | tail -n 3
}

# shellcheck disable=SC2016  # it is awk that expands it
read_codex='
  # It adds up the tokens of a session, and tells no cost.
  BEGIN { in_session = " input_tokens output_tokens " }
  function read_event(   type, key) {
    type = value["type"] == "event_msg" ? value["payload.type"] : value["type"]
    if (type == "thread.started") begin(value["thread_id"])
    if (type ~ /^item\./) read_item(type, value["item.type"])
    # After an error it may have tried again.
    if (type == "error") say(value["message"])
    if (type == "turn.completed") {
      add("turns", 1)
      count_tokens("usage.")
    }
    if (type == "turn.failed") refuse()
    if (type == "task_started") fact["outcome"] = fact["resets_at"] = ""
    if (type == "token_count") {
      count_tokens("payload.info.total_token_usage.")
      limit_ends = later(later(0, "primary"), "secondary")
    }
    if (type != "task_complete") return
    if (value["payload.error.codex_error_info"] == "usage_limit_exceeded") fail(429, limit_ends)
    if (value["payload.error.codex_error_info"] == "model_not_found") fail(404)
    for (key in value) if (key ~ /^payload\.error\.codex_error_info\..*http_status_code$/) fail(value[key])
  }
  function read_text() { if (readable || text !~ /^(WARNING: |[0-9-]+T|Stack backtrace:| +[0-9]+: |$)/) show(text) }
  function read_item(event, type,   command) {
    if (type != "error") answer()
    if (event == "item.started" && type == "command_execution") {
      command = value["item.command"]
      if (sub(/^[^ ]*sh -l?c /, "", command) && command ~ /^\047.*\047$/) command = substr(command, 2, length(command) - 2)
      call(type, command)
    }
    if (event != "item.completed") return
    if (type == "file_change") call("edit", "", value["item.changes.0.path"])
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
    return value[window "used_percent"] >= 100 && value[window "resets_at"] > time ? value[window "resets_at"] : time
  }
  # What the service says to 400 stands here as it came, and nowhere else: JSON in a string.
  function refuse(   message) {
    fail("")
    message = value["error.message"]
    if (read_json(plain(message))) {
      if (value["error.type"] == "invalid_request_error") fail(400)
      message = value["error.message"]
    }
    say(message)
  }'
