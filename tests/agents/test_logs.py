"""What each adapter reads from logs that its agent has really written, shortened, with every awk there is.

Of each case the record must come out that stands beside it. Where a log holds several launches, a line of
the runner stands between them, and each is read by itself.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parent.parent.parent / "templates" / "lib"
LOGS = Path(__file__).parent / "logs"
CASES = sorted(path.stem for path in LOGS.glob("*.jsonl"))
AGENTS = ("claude", "codex", "gemini", "opencode")
# What the launch ended with, where the adapter needs it.
EXIT_CODES = {
    "gemini-400": 144,
    "gemini-401": 145,
    "gemini-404": 1,
    "gemini-429": 173,
    "gemini-500": 244,
    "gemini-503": 247,
    "gemini-529": 529 % 256,
    "gemini-gone": 42,
    "gemini-limit": 173,
    "gemini-limit-later": 173,
    "gemini-noauth": 41,
}
BETWEEN = b"[run-parallel.sh: again]\n"
AWKS = [awk for awk in ("mawk", "gawk", "original-awk", "busybox awk") if shutil.which(awk.split()[0])]

# sh -c FOLD sh LIBRARY AGENT EXIT_CODE PIECE...: add piece after piece to the log, and read it each time
FOLD = """
for file in "$1"/*.sh "$1/agents/$2.sh"; do . "$file"; done
state=. id=task log=./log agent=$2 exit_code=$3
[ -z "${MOST_READ-}" ] || most_read=$MOST_READ
shift 3
say "agent=$agent" launched=1000 >task.session
: >log
for piece in "$@"; do
  [ ! -e "$piece.again" ] || replace_facts '' begun outcome resets_at answered
  cat "$piece" >>log
  shift
  if [ $# -gt 0 ]; then read_log; else read_log "$exit_code"; fi
done
"""


@pytest.fixture(params=AWKS or ["awk"])
def awk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have this awk found as awk."""
    own = tmp_path / "bin"
    own.mkdir()
    found = str(request.param).split()
    (own / "awk").write_text(f'#!/bin/sh\nexec {shutil.which(found[0])} {" ".join(found[1:])} "$@"\n')
    (own / "awk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{os.environ['PATH']}")
    return str(request.param)


def fold(place: Path, agent: str, pieces: list[bytes], exit_code: int = 1, **environment: str) -> str:
    """Return the record that the pieces of a log give, without the times and places of the reading."""
    for number, piece in enumerate(pieces):
        (place / f"piece.{number}").write_bytes(piece)
        if piece.startswith(BETWEEN):
            (place / f"piece.{number}.again").touch()
    names = [f"piece.{number}" for number in range(len(pieces))]
    answer = subprocess.run(
        ["sh", "-c", FOLD, "sh", str(LIBRARY), agent, str(exit_code), *names],
        cwd=place,
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    )
    assert answer.stderr == b""
    lines = (place / "task.session").read_text().splitlines(keepends=True)
    # All of it was read.
    assert f"offset={(place / 'log').stat().st_size}\n" in lines
    return "".join(line for line in lines if not line.startswith(("offset=", "launched=")))


def launches(case: str) -> list[bytes]:
    first, *others = (LOGS / f"{case}.jsonl").read_bytes().split(BETWEEN)
    return [first, *(BETWEEN + other for other in others)]


def record(case: str) -> str:
    return (LOGS / f"{case}.txt").read_text()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("awk")
def test_a_log_gives_its_record(case: str, tmp_path: Path) -> None:
    assert fold(tmp_path, case.split("-")[0], launches(case), EXIT_CODES.get(case, 1)) == record(case)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.usefixtures("awk")
def test_a_log_that_is_read_while_it_grows(agent: str, tmp_path: Path) -> None:
    """Lines are torn in many places, and completed later."""
    [whole] = launches(f"{agent}-ok")
    pieces = [whole[at : at + 150] for at in range(0, len(whole), 150)]
    assert fold(tmp_path, agent, pieces) == record(f"{agent}-ok")


LONG = 'You have hit your limit. "resets_at": 1795878141 \\ ' * 20000
LONG_LINES = {
    "claude": {"type": "user", "message": {"content": [{"type": "tool_result", "content": LONG}]}},
    "codex": {"type": "item.completed", "item": {"type": "command_execution", "aggregated_output": LONG}},
    "gemini": {"type": "tool_result", "output": LONG},
    "opencode": {"type": "tool_use", "part": {"tool": "read", "state": {"title": "big.txt", "output": LONG}}},
}


@pytest.mark.parametrize("most_read", [262144, 2000000])
@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.usefixtures("awk")
def test_a_line_of_a_megabyte(agent: str, most_read: int, tmp_path: Path) -> None:
    """It is read, where that much is read at once; where it is not, what comes after it is."""
    [whole] = launches(f"{agent}-ok")
    lines = whole.splitlines(keepends=True)
    line = json.dumps(LONG_LINES[agent]).encode() + b"\n"
    assert len(line) > 1_000_000
    pieces = [b"".join(lines[:-2]), line + b"".join(lines[-2:])]
    assert fold(tmp_path, agent, pieces, MOST_READ=str(most_read)) == record(f"{agent}-ok")


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.usefixtures("awk")
def test_the_end_of_a_long_line_is_nothing_that_was_said(agent: str, tmp_path: Path) -> None:
    [whole] = launches(f"{agent}-ok")
    line = json.dumps(LONG_LINES[agent]).encode() + b"\n"
    assert fold(tmp_path, agent, [whole, line], MOST_READ="131072") == record(f"{agent}-ok")


@pytest.mark.parametrize("awk", AWKS, indirect=True)
def test_of_a_long_line_of_text_the_last_state_counts(awk: str, tmp_path: Path) -> None:
    lines = b"b" * 60000 + b"\n" + b"50%\r60%\r" * 500 + b"100%" + b"c" * 30000 + b"\r\nlast\n"
    assert fold(tmp_path, "claude", [lines]) == "agent=claude\nsaid=last\n", awk


@pytest.mark.usefixtures("awk")
def test_a_person_sees_no_line_before_it_is_whole() -> None:
    """What looks like the beginning of JSON, but another line follows it, is text like any other."""
    log = '{"type":"thread.started","thread_id":"x"}\n{braces}\ntext\n{"type":"item.comp'
    script = (
        'for file in "$1"/*.sh "$1/agents/codex.sh"; do . "$file"; done; LC_ALL=C awk -v readable=1 "$2" 3>&1'
    )
    program = "$awk_clean$read_codex$newline$log_words"
    answer = subprocess.run(
        ["sh", "-c", script.replace("$2", program), "sh", str(LIBRARY)],
        input=log,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == f"{{braces}}\ntext\n{log.rindex('{')}\n"


def test_codex_explains_only_a_launch_that_has_begun(tmp_path: Path) -> None:
    """What it keeps of a session is found by the session's name, and by nothing else that a log may hold."""
    day = tmp_path / "sessions" / "2026" / "11" / "28"
    day.mkdir(parents=True)
    limit = '{"type":"event_msg","payload":{"type":"task_complete","error":{"codex_error_info":"usage"}}}\n'
    other = limit.replace("usage", "other")
    (day / "rollout-2026-11-28T15-09-37-0a-1.jsonl").write_text('{"type":"turn_context"}\n' + limit)
    (day / "rollout-2026-11-28T15-09-38-0a-2.jsonl").write_text(other)

    def explain(session: str, begun: str = "1") -> str:
        script = 'session=$2 record_begun=$3; . "$1"; explain_codex'
        return subprocess.run(
            ["sh", "-c", script, "sh", str(LIBRARY / "agents" / "codex.sh"), session, begun],
            env={**os.environ, "CODEX_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    assert explain("0a-1") == limit
    assert explain("0a-2") == other
    for session, begun in (("0a-1", ""), ("", "1"), ("*", "1"), ("0a-?", "1"), ("0a-3", "1"), ("../x", "1")):
        assert explain(session, begun) == ""


@pytest.mark.parametrize("path", sorted((LIBRARY / "agents").glob("*.sh")), ids=lambda path: path.stem)
def test_an_adapter_is_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 80
