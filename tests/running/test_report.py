import io
from pathlib import Path

import pytest
from rich.console import Console

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running import live, records, report, tail
from tests.running.test_progress import run as state_of

NAMES = ((1, "users"), (1, "products"), (1, "shared"), (2, "orders"), (2, "api"))
TASKS = [Task(f"task-00{n}", f"task-00{n}-{name}", w, (), None, "p") for n, (w, name) in enumerate(NAMES, 1)]
PLAN = Plan("TS-0042-inventory-system", "TS-0042", (Wave(1, tuple(TASKS[:3])), Wave(2, tuple(TASKS[3:]))))
DIRECTORY = "parallel/TS-0042-inventory-system"


def test_progress_is_that_of_the_specification() -> None:
    state = state_of(
        "wave=1 task=task-001 status=completed commits=5",
        "wave=1 task=task-002 status=started",
        "wave=1 task=task-003 status=completed commits=3",
        plan=PLAN,
    )
    assert report.wave_progress(state, 1) == (
        "Wave 1 Progress:\n"
        "  task-001-users: COMPLETED (5 commits)\n"
        "  task-002-products: RUNNING...\n"
        "  task-003-shared: COMPLETED (3 commits)\n"
        "\n"
        "Overall: 2/3 tasks complete in Wave 1\n"
    )


def test_progress_of_tasks_that_did_not_complete() -> None:
    state = state_of(
        "wave=1 task=task-001 status=failed error=timeout commits=2",
        "wave=1 task=task-002 status=skipped",
        "wave=2 task=task-004 status=blocked by=task-001",
        "wave=2 task=task-005 status=interrupted",
        plan=PLAN,
    )
    assert [report.task_text(task) for task in state.tasks.values()] == [
        "FAILED (timeout, 2 commits)",
        "SKIPPED",
        "PENDING",
        "BLOCKED (by task-001)",
        "INTERRUPTED",
    ]
    assert report.wave_progress(state, 1).endswith("Overall: 0/2 tasks complete in Wave 1\n")


def test_the_final_report_is_that_of_the_specification() -> None:
    commits = (5, 3, 4, 6, 8)
    done = [
        f"wave={task.wave} task={task.id} status=completed commits={count}"
        for task, count in zip(TASKS, commits, strict=True)
    ]
    state = state_of(*done, "execution status=completed", plan=PLAN)
    assert report.final_report(state, DIRECTORY, "") == (
        """=== Parallel Execution Complete ===

Wave 1: 3/3 tasks completed
Wave 2: 2/2 tasks completed
Total: 5/5 tasks completed

Branches created:
  - feature/task-001-users (5 commits)
  - feature/task-002-products (3 commits)
  - feature/task-003-shared (4 commits)
  - feature/task-004-orders (6 commits)
  - feature/task-005-api (8 commits)

Next step: /parallel-integrate --parallel-dir parallel/TS-0042-inventory-system"""
    )


def test_the_report_of_a_failed_run_says_what_failed_and_where_to_look() -> None:
    state = state_of(
        "wave=1 task=task-001 status=completed commits=1 uncommitted=2",
        "wave=1 task=task-002 status=failed error=no_marker",
        "wave=2 task=task-004 status=blocked by=task-002",
        "execution status=failed",
        plan=PLAN,
    )
    text = report.final_report(state, "parallel/'a b'", "parallel-run --retry-failed 'a b'")
    assert text.startswith("=== Parallel Execution Failed ===\n\nWave 1: 1/3 tasks completed\n")
    assert "  - feature/task-001-users (1 commit)\n" in text
    assert "Uncommitted work left in worktrees:\n  - task-001-users (2 files)\n" in text
    failed = "  - task-002-products: FAILED (no_marker)\n    step: agent\n"
    assert f"{failed}    log: parallel/'a b'/logs/task-002.log\n" in text
    assert "  - task-003-shared: PENDING\n  - task-004-orders: BLOCKED (by task-002)\n" in text
    assert text.endswith("Next step: parallel-run --retry-failed 'a b'")


def test_each_step_of_a_task_is_shown() -> None:
    told = ("started", "setup", "running", "verifying")
    lines = [f"wave=1 task=task-001 status={status}" for status in told]
    texts = [report.task_text(state_of(*lines[: n + 1]).tasks["task-001"]) for n in range(4)]
    assert texts == ["RUNNING...", "RUNNING (setup)...", "RUNNING...", "RUNNING (verify)..."]


@pytest.mark.parametrize(
    ("told", "text", "log"),
    [
        ("running step=include", "RUNNING (include)...", ""),
        ("running step=setup", "RUNNING (setup)...", ".setup"),
        ("running step=verify", "RUNNING (verify)...", ".verify"),
        ("completed commits=1 step=verify", "COMPLETED (1 commit)", ""),
        ("failed error=include step=include", "FAILED (include)", ""),
        ("failed error=setup step=setup", "FAILED (setup)", ".setup"),
        ("failed error=verify step=verify commits=2", "FAILED (verify, 2 commits)", ".verify"),
        ("failed error=timeout step=setup", "FAILED (timeout in setup)", ".setup"),
        ("failed error=timeout step=agent commits=1", "FAILED (timeout, 1 commit)", ""),
        ("failed error=exit_code_3 step=agent", "FAILED (exit_code_3)", ""),
        ("failed error=uncommitted step=agent uncommitted=2", "FAILED (uncommitted)", ""),
        ("failed error=uncommitted step=verify uncommitted=2", "FAILED (uncommitted)", ".verify"),
        ("failed error=no_commits step=agent", "FAILED (no_commits)", ""),
        ("interrupted step=verify commits=1", "INTERRUPTED (in verify, 1 commit)", ".verify"),
        ("lost step=setup", "LOST (in setup)", ".setup"),
        ("failed error=../x step=../x", "FAILED (../x)", ""),
    ],
)
def test_where_a_task_is_or_ended_and_the_log_that_tells_of_it(told: str, text: str, log: str) -> None:
    recorded = records.read([f"wave=1 task=task-001 status={told}"], PLAN)
    task = recorded.state.tasks["task-001"]
    assert (report.task_text(task), report.log_name(task)) == (text, f"task-001{log}.log")


def test_the_report_tells_the_step_the_log_and_its_last_line() -> None:
    state = state_of(
        "wave=1 task=task-001 status=failed error=setup step=setup",
        "wave=1 task=task-002 status=failed error=verify step=verify commits=1",
        "wave=1 task=task-003 status=failed error=no_marker step=agent",
        "wave=2 task=task-004 status=blocked by=task-001",
        "execution status=failed",
        plan=PLAN,
    )
    tails = {"task-001": "npm: not found", "task-002": "3 failed", "task-003": "", "task-004": "old"}
    text = report.final_report(state, "parallel/x", "again", tails=tails)
    assert (
        """
Not completed:
  - task-001-users: FAILED (setup)
    step: setup
    log: parallel/x/logs/task-001.setup.log
    last line: npm: not found
  - task-002-products: FAILED (verify, 1 commit)
    step: verify
    log: parallel/x/logs/task-002.verify.log
    last line: 3 failed
  - task-003-shared: FAILED (no_marker)
    step: agent
    log: parallel/x/logs/task-003.log
  - task-004-orders: BLOCKED (by task-001)
  - task-005-api: PENDING
"""
        in text
    )


def test_the_report_names_what_is_completed_and_deserves_a_look() -> None:
    state = state_of(
        "wave=1 task=task-001 status=completed commits=0",
        "wave=1 task=task-002 status=completed commits=1 uncommitted=2 step=verify",
        "wave=1 task=task-003 status=completed commits=1 uncommitted=1",
        "wave=2 task=task-004 status=failed error=verify step=verify commits=0 uncommitted=1",
        "execution status=failed",
        plan=PLAN,
    )
    text = report.final_report(state, "parallel/x", "again")
    assert (
        """
Completed without a commit:
  - task-001-users

Uncommitted work left in worktrees:
  - task-002-products (2 files; they were there when it was verified)
  - task-003-shared (1 file)
  - task-004-orders (1 file)

"""
        in text
    )


def test_the_live_table_shows_the_log_of_the_step(tmp_path: Path) -> None:
    for name in ("task-001", "task-001.setup", "task-002.verify", "task-003"):
        (tmp_path / f"{name}.log").write_text(f"words of {name}\n")
    state = state_of(
        "wave=1 task=task-001 status=started",
        "wave=1 task=task-001 status=setup",
        "wave=1 task=task-002 status=failed error=verify",
        "wave=1 task=task-003 status=started",
        plan=PLAN,
    )
    console = Console(width=120, height=30, file=io.StringIO())
    view = live.LiveView(tmp_path, lambda: 10.0, console)
    view.update(state, [])
    view.close()
    file = console.file
    assert isinstance(file, io.StringIO)
    shown = " ".join(file.getvalue().split())
    assert "task-001-users RUNNING (setup)... 10s words of task-001.setup" in shown
    assert "task-002-products FAILED (verify) words of task-002.verify" in shown
    assert "task-003-shared RUNNING... 7s words of task-003" in shown


def test_generated_text_is_that_of_the_specification() -> None:
    spec = """=== Scripts Generated ===

Created:
  - $D/scripts/run-parallel.sh (orchestrator)
  - $D/scripts/monitor-live.sh (live dashboard)
  - $D/logs/ (for agent output)

To execute manually:
  1. Open a new terminal
  2. cd to project root
  3. Run: ./$D/scripts/run-parallel.sh

To monitor (in another terminal):
  ./$D/scripts/monitor-live.sh

Override concurrency:
  MAX_CONCURRENT=5 ./$D/scripts/run-parallel.sh

After completion:
  /parallel-integrate --parallel-dir $D
"""
    assert report.generated_text("$D", "$D") == spec


def test_the_last_line_of_a_log_loses_what_would_move_the_cursor(tmp_path: Path) -> None:
    assert (
        tail.last_line(b"one\n\x1b[31mred\x1b[0m\tand\x07 \x1b]0;title\x07blue\x1b[2K\n \r\n")
        == "red and blue"
    )
    assert tail.last_line(b"10%\r50%\r") == "50%"
    assert tail.last_line(b"\xff\xfeok\x9b") == "��ok�"
    assert tail.last_line(b"") == ""
    assert [report.duration(seconds) for seconds in (5.9, 65, 3660)] == ["5s", "1m 05s", "1h 01m"]
