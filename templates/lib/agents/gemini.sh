# --- gemini: Google's Gemini CLI, as it was measured with 0.61
gemini_program=gemini
gemini_can='activity resume limits'

launch_gemini() {
  resume_gemini --session-id
}

resume_gemini() {
  command="gemini --approval-mode yolo --skip-trust --output-format stream-json ${1:---resume} \"\$PARALLEL_SESSION\""
  command="$command${model:+ -m \"$model\"}${AGENT_ARGS:+ $AGENT_ARGS}"
}

# Its shell hides the identity that git is configured with from what it runs, commits included.
prepare_gemini() {
  user=$(read_git -C "$root" config user.name) &&
    export GIT_AUTHOR_NAME="${GIT_AUTHOR_NAME:-$user}" GIT_COMMITTER_NAME="${GIT_COMMITTER_NAME:-$user}"
  user=$(read_git -C "$root" config user.email) &&
    export GIT_AUTHOR_EMAIL="${GIT_AUTHOR_EMAIL:-$user}" GIT_COMMITTER_EMAIL="${GIT_COMMITTER_EMAIL:-$user}"
}

# shellcheck disable=SC2016  # it is awk that expands it
read_gemini='
  function read_event() {
    # What it says comes in pieces.
    if (value["type"] == "message" && value["role"] == "assistant" && value["delta"] == "true") {
      answer()
      if (length(piece_of) < longest) piece_of = piece_of value["content"]
      return
    }
    end_pieces()
    if (value["type"] == "init") begin(value["session_id"])
    if (value["type"] == "message" && value["role"] == "assistant") {
      answer()
      say(value["content"])
    }
    if (value["type"] == "tool_use") use(value["tool_name"])
    if (value["type"] == "tool_result") hear(value["output"])
    if (value["type"] == "error") say(value["message"])
    if (value["type"] != "result") return
    count("input_tokens", value["stats.input_tokens"])
    count("output_tokens", value["stats.output_tokens"])
    if (value["status"] != "error") return
    fail("")
    say(value["error.message"])
  }
  # Of stack traces, and what else it prints beside, the first lines of errors tell something.
  function read_text() { if (text !~ /^( |[}]|Warning: |YOLO mode |Ripgrep |\[[A-Z])/) show(text) }
  function use(tool,   i, keys, key) {
    keys = split("file_path absolute_path dir_path path pattern query url prompt", key, " ")
    for (i = 1; i < keys && !(("parameters." key[i]) in value); i++);
    answer()
    call(tool, tool == "run_shell_command" ? value["parameters.command"] : "", value["parameters." key[i]])
  }
  function end_pieces() {
    if (piece_of != "") say(piece_of)
    piece_of = ""
  }
  # It ends with what the service has answered, modulo 256, as its status; 41: it has nothing to log in with.
  END {
    end_pieces()
    if (exit_code == 41) fail(401)
    if (exit_code == 17) fail(529)
    if (exit_code ~ /^(144|145|147|173|244|247)$/) fail(exit_code + 256)
  }'
