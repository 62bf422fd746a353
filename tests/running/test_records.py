"""Lines, output and headers may hold anything after a crash: reading them never raises."""

from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running import records, report
from parallelgen.running.lines import parse
from parallelgen.running.progress import begin, fold
from parallelgen.writing.generate import HeaderError, header_settings

TASKS = (
    Task("task-001", "task-001-a", 1, (), None, "prompts/a"),
    Task("task-002", "task-002-b", 1, (), None, "prompts/b"),
)
PLAN = Plan("x", "", (Wave(1, TASKS),))
KEYS = (
    "status",
    "alive",
    "pid",
    "wave",
    "task",
    "attempt",
    "commits",
    "uncommitted",
    "started",
    "finished",
    "error",
    "step",
    "agent",
    "until",
    "waited",
    "turns",
    "input_tokens",
    "cost_usd",
    "total_usd",
    "reason",
    "tasks",
    "merged",
    "flaky",
    "with",
    "outside",
)
lines = st.tuples(st.sampled_from(KEYS), st.text(max_size=20)).map("=".join)
subjects = st.sampled_from(["execution ", "integration ", "wave=1 ", "wave=1 task=task-001 ", ""])
told = st.tuples(subjects, st.lists(lines).map(" ".join)).map("".join)

RUNNING = """\
execution status=running alive=yes pid=77 base_branch=main base_commit=abc started=1000 \
started_at=2026-01-02T03:04:05Z max_concurrent=3
wave=1 status=running tasks=1/2
wave=1 task=task-001 status=completed attempt=2 commits=3 exit_code=0 started=1000 finished=1065
wave=1 task=task-002 status=running attempt=1 started=1010 started_at=2026-01-02T03:04:15Z
"""
STEPS = """\
execution status=running alive=yes pid=77
wave=1 task=task-001 status=failed error=timeout step=setup started=1000 finished=1065
wave=1 task=task-002 status=running step=verify started=1010
"""


def test_a_run_under_way() -> None:
    recorded = records.read(RUNNING.splitlines(), PLAN)
    assert recorded.is_alive
    assert (
        report.status_text(recorded, "parallel/x", 1020)
        == """\
Parallel Dir: parallel/x
Run: RUNNING (process 77)
Base Branch: main
Started: 2026-01-02T03:04:05Z

Wave 1: running (1/2 tasks completed)
  task-001-a: COMPLETED (3 commits) 1m 05s attempt 2
  task-002-b: RUNNING... 10s

Total: 1/2 tasks completed"""
    )
    facts = records.facts(recorded)
    assert (facts["status"], facts["is_alive"], facts["waves"]) == ("running", True, {"1": "running"})
    assert facts["run"]["base_commit"] == "abc"
    assert facts["tasks"][0] == {
        "id": "task-001",
        "name": "task-001-a",
        "wave": 1,
        "branch": "feature/task-001-a",
        "status": "completed",
        "commits": 3,
        "uncommitted": 0,
        "stopped": 0,
        "outside": 0,
        "attempt": 2,
        "started": 1000,
        "finished": 1065,
    }


def test_the_steps_of_tasks() -> None:
    recorded = records.read(STEPS.splitlines(), PLAN)
    shown = report.status_text(recorded, "parallel/x", 1020)
    assert "  task-001-a: FAILED (timeout in setup) 1m 05s\n  task-002-b: RUNNING (verify)... 10s\n" in shown
    assert [task["step"] for task in records.facts(recorded)["tasks"]] == ["setup", "verify"]
    without = records.facts(records.read(RUNNING.splitlines(), PLAN))["tasks"]
    assert [task.get("step") for task in without] == [None, None]


def test_an_orchestrator_that_is_gone() -> None:
    lines = RUNNING.replace("status=running alive=yes", "status=lost alive=no").splitlines()
    recorded = records.read(lines, PLAN)
    text = report.status_text(recorded, "parallel/x", 0)
    assert "Run: LOST (process 77 is gone; use '--retry-failed' to continue)\n" in text
    assert not recorded.is_alive


def test_no_run_has_started() -> None:
    recorded = records.read(["execution status=none", "wave=1 task=task-001 status=pending"], PLAN)
    assert report.status_text(recorded, "parallel/x", 0) == "No run of parallel/x has started."
    assert records.facts(recorded)["status"] is None


@given(st.lists(told))
@hypothesis_settings(deadline=None)
def test_any_lines_can_be_read_and_shown(found: list[str]) -> None:
    recorded = records.read(found, PLAN)
    shown = report.status_text(recorded, "parallel/x", 0.0)
    assert "task-001" in shown or not recorded.has_started
    records.facts(recorded)


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
    (tmp_path / "scripts" / "run-parallel.sh").write_bytes(content)
    with suppress(HeaderError):
        header_settings(tmp_path)
