"""The agents that are known by name, each as the shell command that runs it unattended."""

#: The file that an agent leaves in the root of its worktree when its task is complete.
MARKER = ".claude-task-complete"

DEMO = f"""\
# The demo agent: a small real change, committed, and the marker that says so.
sleep 1
mkdir -p notes
notes=notes/$PARALLEL_TASK.md
printf '# %s\\n\\nDone by the demo agent from this prompt:\\n\\n' "$PARALLEL_TASK" >"$notes"
sed 's/^/> /' >>"$notes"
git add "$notes" &&
  git commit --quiet -m "Add the notes of $PARALLEL_TASK" &&
  touch {MARKER}"""

#: Shell commands by agent name; each reads the prompt on stdin and works in the current directory.
AGENTS = {
    "claude": "claude -p --output-format json --dangerously-skip-permissions",
    "demo": DEMO,
}


def command(agent: str, agent_command: str) -> str:
    """Return the shell command to run: the one that was given, else that of the named agent."""
    return agent_command or AGENTS[agent]
