"""Records, output and headers may hold anything after a crash: reading them never raises."""

import os
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from parallelgen import generate, report, state
from parallelgen.errors import ParallelgenError
from parallelgen.plan import Plan, Task, Wave
from parallelgen.progress import begin, fold, parse

PLAN = Plan("x", "", (Wave(1, (Task("task-001", "task-001-a", 1, (), None, "prompts/a"),)),))
RECORDS = ("run", "lock.1", "task-001.start", "task-001.agent", "task-001.result", "task-001.earlier")
KEYS = (
    "status",
    "pid",
    "identity",
    "attempt",
    "commits",
    "uncommitted",
    "started",
    "finished",
    "error",
    "by",
)
lines = st.tuples(st.sampled_from(KEYS), st.text(max_size=20)).map("=".join)
contents = st.binary(max_size=60) | st.lists(lines, max_size=8).map(lambda rows: "\n".join(rows).encode())


@given(st.dictionaries(st.sampled_from(RECORDS), contents))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_records_can_be_read_and_shown(tmp_path: Path, records: dict[str, bytes]) -> None:
    folder = tmp_path / "logs" / "state"
    folder.mkdir(parents=True, exist_ok=True)
    for name in RECORDS:
        (folder / name).unlink(missing_ok=True)
    for name, content in records.items():
        (folder / name).write_bytes(content)
    recorded = state.read(tmp_path, PLAN)
    shown = report.status_text(recorded, "parallel/x", 0.0)
    assert "task-001" in shown or not recorded.has_started
    state.facts(recorded)


@given(st.text() | st.lists(lines).map(lambda rows: "[PROGRESS] wave=1 task=task-001 " + " ".join(rows)))
@hypothesis_settings(deadline=None)
def test_any_line_of_output_can_be_folded(line: str) -> None:
    event = parse(line)
    if event:
        fold(begin(PLAN), event, 1.0)


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: f"#   parallel-run {text}\n".encode()))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_header_is_read_or_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scripts").mkdir(exist_ok=True)
    (tmp_path / generate.RUN).write_bytes(content)
    with suppress(ParallelgenError):
        generate.header_arguments(tmp_path)


def test_a_process_is_known_by_more_than_its_number() -> None:
    own = state._identity(os.getpid())
    assert state.is_alive({"pid": str(os.getpid()), "identity": own})
    assert not state.is_alive({"pid": str(os.getpid()), "identity": own + "1"})
    assert not state.is_alive({"pid": "0", "identity": ""})
