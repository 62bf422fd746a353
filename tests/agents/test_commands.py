"""The commands that the adapters launch and resume agents with are the same in every shell there is."""

import shutil
import subprocess
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parent.parent.parent / "templates" / "lib" / "agents"
SHELLS = ("sh", "dash", "bash", "busybox ash", "mksh", "ksh93", "yash", "zsh --emulate sh", "posh")
SCRIPT = """
read_git() { echo Tess; }
. "$1/$2.sh"
model=$3 subagent=$4 AGENT_ARGS=$5 root=.
"launch_$2"
printf '%s\\n' "$command"
"resume_$2"
printf '%s\\n' "$command"
"""
CLAUDE = "claude -p --output-format stream-json --verbose --dangerously-skip-permissions"
CODEX = "--json --dangerously-bypass-approvals-and-sandbox"
GEMINI = "gemini --approval-mode yolo --skip-trust --output-format stream-json"
OPENCODE = "opencode run --format json --auto"
SESSION = '"$PARALLEL_SESSION"'
# Where a star stands, the model and what else the user has told come in.
COMMANDS = {
    "claude": (f"{CLAUDE} --session-id {SESSION}*", f"{CLAUDE} --resume {SESSION}*"),
    "codex": (f"codex exec {CODEX}* -", f"codex exec resume {CODEX}* {SESSION} -"),
    "gemini": (f"{GEMINI} --session-id {SESSION}*", f"{GEMINI} --resume {SESSION}*"),
    "opencode": (f"{OPENCODE}*", f"{OPENCODE}* --session {SESSION}"),
}


@pytest.mark.parametrize("agent", COMMANDS)
@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shutil.which(shell.split()[0])])
def test_commands(shell: str, agent: str) -> None:
    def commands(*values: str) -> list[str]:
        """Return both commands, without what comes before the agent's own line."""
        start = [*shell.split(), "-c", SCRIPT, "sh", str(ADAPTERS), agent]
        answer = subprocess.run([*start, *values], capture_output=True, text=True, check=True)
        return [line for line in answer.stdout.splitlines() if agent in line]

    told = {"claude": ' --model "m/x[1]" --agent "reviewer"'}.get(agent, ' -m "m/x[1]"') + ' --a "b c"'
    assert commands("", "", "") == [command.replace("*", "") for command in COMMANDS[agent]]
    assert commands("m/x[1]", "reviewer", '--a "b c"') == [
        command.replace("*", told) for command in COMMANDS[agent]
    ]
