# --- claude: Claude Code, as it was measured with 2.1.330
claude_program=claude
claude_can='activity resume limits cost'

launch_claude() {
  resume_claude --session-id
}

resume_claude() {
  command="claude -p --output-format stream-json --verbose --dangerously-skip-permissions ${1:---resume} \"\$PARALLEL_SESSION\""
  command="$command${model:+ --model \"$model\"}${subagent:+ --agent \"$subagent\"}${AGENT_ARGS:+ $AGENT_ARGS}"
}

# shellcheck disable=SC2016  # it is awk that expands it
read_claude='
  # It adds up what a session has cost, and turns and tokens anew with each launch.
  BEGIN { in_session = " cost_usd "; dull = "^[{]\"type\":\"user\"" }
  function read_event(   i, at) {
    if (value["type"] == "system" && value["subtype"] == "init") begin(value["session_id"])
    if (value["type"] == "assistant" && value["is_api_error_message"] != "true") answer()
    # Without a login there is no status.
    if (value["error"] == "authentication_failed") unknown = 401
    for (i = 0; (at = "message.content." i ".") "type" in value; i++) {
      if (value[at "type"] == "text") say(value[at "text"])
      if (value[at "type"] == "tool_use") use(value[at "name"], at "input.")
      if (value[at "type"] == "tool_result") hear(value[at "content"] value[at "content.0.text"])
    }
    # One that is allowed, or only a warning, is no limit.
    if (value["type"] == "rate_limit_event")
      fact["resets_at"] = value["rate_limit_info.status"] == "rejected" ? value["rate_limit_info.resetsAt"] : ""
    if (value["type"] != "result") return
    count("turns", value["num_turns"])
    count("input_tokens", value["usage.input_tokens"] + value["usage.cache_creation_input_tokens"] + \
      value["usage.cache_read_input_tokens"])
    count("output_tokens", value["usage.output_tokens"])
    count("cost_usd", value["total_cost_usd"])
    if (value["is_error"] == "true" && value["terminal_reason"] == "api_error")
      fail(value["api_error_status"] != "" ? value["api_error_status"] : unknown, fact["resets_at"])
  }
  function read_text() { show(text) }
  function use(tool, at,   i, keys, key) {
    keys = split("file_path path pattern url query description", key, " ")
    for (i = 1; i < keys && !((at key[i]) in value); i++);
    call(tool, tool == "Bash" ? value[at "command"] : "", value[at key[i]])
  }'
