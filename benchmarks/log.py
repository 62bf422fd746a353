"""What it costs to read the log of an agent that has ended, against `wc -l` and `tail` of it."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn
from benchmarks.process import run

_LIBRARY = Path(__file__).parent.parent / "templates" / "lib"
_LINE = (
    '{"type":"user","message":{"role":"user","content":[{"type":"tool_result","content":"%s"}]}}\n'
    '{"type":"assistant","message":{"content":[{"type":"text","text":"I will now change \\"%s\\"."}]}}\n'
)
_RESULT = (
    '{"type":"result","is_error":false,"num_turns":9,"total_cost_usd":1.5,'
    '"usage":{"input_tokens":10,"output_tokens":5}}\n'
)
#: What a log of 100 MB in two hours gains between two looks of the runner, in bytes.
_UNREAD = 280_000
#: What a task runner does at the end: it has looked every 20 seconds before.
_READ = """
for file in text state log agents/claude; do . "$1/$file.sh"; done
state=. id=task log=log agent=claude
printf 'agent=claude\\nlaunched=1\\noffset=%s\\n' "$2" >task.session
read_log 0
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a log of 100 MB."""
    size = 100_000_000
    with project.scratch() as place:
        piece = "".join(_LINE % ('def f(x):\\n    return \\"x\\"\\n' * (n % 90), n) for n in range(1000))
        with (place / "log").open("w", encoding="utf-8") as log:
            while log.tell() < size:
                log.write(piece)
            log.write(_RESULT)
        found = in_turn(
            {
                "ours": partial(_take, place, ("sh", "-c", _READ, "sh", str(_LIBRARY), str(size - _UNREAD))),
                "theirs": partial(_take, place, ("sh", "-c", "wc -l <log >count; tail log >end")),
            },
            5 if quick else 25,
        )
        told = (place / "task.session").read_text()
        assert "cost_usd=1.5" in told, told
    what = f"reading a log of {size // 1_000_000} MB, against `wc -l` and `tail`"
    yield Figure.against(what, found["ours"], found["theirs"], 1.5)


def _take(place: Path, command: tuple[str, ...]) -> float:
    """Read the log in one way, from the memory of the box."""
    subprocess.run(["cat", "log"], cwd=place, stdout=subprocess.DEVNULL, check=True)
    return run(command, place).wall
