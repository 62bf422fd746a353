# --- command: any other command, which reads its prompt on stdin; what it can do, docs/agents.md tells it how to tell
command_can='activity'

launch_command() {
  command=$AGENT_COMMAND
}

# Who has written a session finds it in PARALLEL_SESSION; who writes an empty one says that it is gone.
resume_command() {
  command=$AGENT_COMMAND
}

# Of what it prints nothing but the words counts.
read_command='
  END { if (fact["begun"] == "") begin(fact["session"]) }
  function read_event() { read_text() }
  function read_text() { answer(); show(text) }'
