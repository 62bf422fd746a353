# --- opencode: OpenCode, as it was measured with 1.18
opencode_program=opencode
opencode_can='activity resume limits cost'

launch_opencode() {
  command="opencode run --format json --auto${model:+ -m \"$model\"}${AGENT_ARGS:+ $AGENT_ARGS}"
}

resume_opencode() {
  launch_opencode
  command="$command --session \"\$PARALLEL_SESSION\""
}

# shellcheck disable=SC2016  # it is awk that expands it
read_opencode='
  function read_event() {
    # Each line names the session.
    if (fact["begun"] == "" && value["sessionID"] != "") begin(value["sessionID"])
    if (value["type"] ~ /^(step_start|text|tool_use|step_finish)$/) answer()
    if (value["type"] == "text") say(value["part.text"])
    if (value["type"] == "tool_use") {
      call(value["part.tool"], value["part.tool"] == "bash" ? value["part.state.input.command"] : "", value["part.state.title"])
      hear(value["part.state.output"] value["part.state.error"])
    }
    # Each is of its own step.
    if (value["type"] == "step_finish") {
      add("turns", 1)
      add("input_tokens", value["part.tokens.input"] + value["part.tokens.cache.read"] + value["part.tokens.cache.write"])
      add("output_tokens", value["part.tokens.output"] + value["part.tokens.reasoning"])
      add("cost_usd", value["part.cost"])
    }
    if (value["type"] == "error") refuse(value["error.data.statusCode"])
  }
  function read_text() { show(text) }
  # What the service has answered stands in it as it came: JSON in a string.
  function refuse(status) {
    say(value["error.data.message"] == "" ? value["error.name"] : value["error.data.message"])
    fail(status, read_json(plain(value["error.data.responseBody"])) ? value["error.resets_at"] : "")
  }'
