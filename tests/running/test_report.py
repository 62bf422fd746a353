import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running import costs, display, live, records, report, tail, task_text
from parallelgen.running.activity import Activity
from parallelgen.running.lines import parse
from parallelgen.running.progress import RunState
from parallelgen.running.screen import Screen
from tests.running.test_progress import run as state_of

NAMES = ((1, "users"), (1, "products"), (1, "shared"), (2, "orders"), (2, "api"))
TASKS = [Task(f"task-00{n}", f"task-00{n}-{name}", w, (), None, "p") for n, (w, name) in enumerate(NAMES, 1)]
PLAN = Plan("TS-0042-inventory-system", "TS-0042", (Wave(1, tuple(TASKS[:3])), Wave(2, tuple(TASKS[3:]))))
DIRECTORY = "parallel/TS-0042-inventory-system"
INTEGRATE = "parallelgen integrate parallel/x"
LAND = "parallelgen land parallel/x"


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
    assert [task_text.task_text(task) for task in state.tasks.values()] == [
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
    assert report.final_report(state, DIRECTORY, "", INTEGRATE, LAND) == (
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

Next step: /parallel-integrate --parallel-dir parallel/TS-0042-inventory-system
       or: parallelgen integrate parallel/x"""
    )


def test_the_report_of_a_failed_run_says_what_failed_and_where_to_look() -> None:
    state = state_of(
        "wave=1 task=task-001 status=completed commits=1 uncommitted=2",
        "wave=1 task=task-002 status=failed error=no_marker",
        "wave=2 task=task-004 status=blocked by=task-002",
        "execution status=failed",
        plan=PLAN,
    )
    text = report.final_report(state, "parallel/'a b'", "parallel-run --retry-failed 'a b'", INTEGRATE, LAND)
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
    texts = [task_text.task_text(state_of(*lines[: n + 1]).tasks["task-001"]) for n in range(4)]
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
    assert (task_text.task_text(task), task_text.log_name(task)) == (text, f"task-001{log}.log")


def test_the_report_tells_the_step_the_log_and_its_last_line() -> None:
    state = state_of(
        "wave=1 task=task-001 status=failed error=setup step=setup",
        "wave=1 task=task-002 status=failed error=verify step=verify commits=1",
        "wave=1 task=task-003 status=failed error=no_marker step=agent",
        "wave=2 task=task-004 status=blocked by=task-001",
        "execution status=failed",
        plan=PLAN,
    )
    said = {"task-001": "npm: not found", "task-002": "3 failed", "task-003": "", "task-004": "old"}
    tasks = {id: replace(task, said=said.get(id, "")) for id, task in state.tasks.items()}
    text = report.final_report(replace(state, tasks=tasks), "parallel/x", "again", INTEGRATE, LAND)
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
    text = report.final_report(state, "parallel/x", "again", INTEGRATE, LAND)
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


def live_table(logs: Path, state: RunState, now: float) -> str:
    console = Console(width=120, height=30, file=io.StringIO())
    view = live.LiveView(Activity(logs).look, lambda: now, console)
    view.update(state, [])
    view.close()
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_the_live_table_shows_the_log_of_the_step(tmp_path: Path) -> None:
    for name in ("task-001", "task-001.setup", "task-002.verify", "task-003"):
        (tmp_path / f"{name}.log").write_text(f"words of {name}\n")
        session(tmp_path, name.partition(".")[0], "said=")
    session(tmp_path, "task-002", "said=I have done it")
    state = state_of(
        "wave=1 task=task-001 status=started",
        "wave=1 task=task-001 status=setup",
        "wave=1 task=task-002 status=failed error=verify",
        "wave=1 task=task-003 status=started",
        plan=PLAN,
    )
    shown = live_table(tmp_path, state, 10.0)
    assert "task-001-users RUNNING (setup)... 10s words of task-001.setup" in shown
    assert "task-002-products FAILED (verify) words of task-002.verify" in shown
    assert "task-003-shared RUNNING... 7s words of task-003" in shown


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOON = 1_800_014_400 - 1_800_014_400 % 86400 + 43200  # of a day in January 2027
LIMITED = (
    "wave=1 task=task-001 status=started",
    f"agent=claude status=limited until={NOON}",
    f"wave=1 task=task-001 status=limited until={NOON}",
)


@pytest.mark.usefixtures("utc")
def test_a_limit_is_a_countdown_in_each_view(tmp_path: Path) -> None:
    state = state_of(*LIMITED, plan=PLAN)
    shown = live_table(tmp_path, state, NOON - 723.0)
    assert "task-001-users LIMITED (goes on in 12m 03s) 2s" in shown
    assert "claude: usage limit until 12:00, goes on in 12m 03s" in shown
    assert "LIMITED (goes on in 12m 02s)" in live_table(tmp_path, state, NOON - 722.0)
    over = live_table(tmp_path, state, NOON + 1.0)
    assert "LIMITED (goes on soon) 2s" in over
    assert "claude: usage limit until 12:00, one task tries whether it is over" in over
    block = report.wave_progress(state, 1, NOON - 723.0)
    assert "  task-001-users: LIMITED (goes on in 12m 03s)\n" in block
    resumed = state_of(
        *LIMITED, "wave=1 task=task-001 status=resumed", "agent=claude status=resumed", plan=PLAN
    )
    assert "claude" not in live_table(tmp_path, resumed, 4.0)
    assert task_text.agent_text("codex", NOON, NOON - 86400.0).startswith(
        "codex: usage limit until 2027-01-15 12:00, "
    )


@pytest.mark.usefixtures("utc")
def test_the_report_says_until_when_a_limit_lasts_and_why_the_run_has_ended() -> None:
    state = state_of(*LIMITED, "execution status=failed reason=limit", plan=PLAN)
    text = report.final_report(state, "parallel/x", "parallel-run --retry-failed parallel/x", INTEGRATE, LAND)
    assert "\nA usage limit lasts longer than --limit-wait allows, so its tasks were left.\n\n" in text
    limited = "Not completed:\n  - task-001-users: LIMITED (until 2027-01-15 12:00)\n"
    assert f"{limited}    log: parallel/x/logs/task-001.log\n" in text
    assert text.endswith("\nNext step: parallel-run --retry-failed parallel/x")
    capped = state_of("execution status=failed reason=cost", plan=PLAN)
    words = "The tasks have cost as much as --max-cost allows, so no more were started.\n"
    assert f"\n{words}\n" in report.final_report(capped, "parallel/x", "again", INTEGRATE, LAND)
    assert f"\n{words}" in report.status_text(records.Recorded(capped, {"pid": "1"}, False), "parallel/x", 0)
    other = state_of("execution status=failed reason=../x", plan=PLAN)
    assert "../x" not in report.final_report(other, "parallel/x", "again", INTEGRATE, LAND)


def with_costs(state: RunState, **costs: dict[str, float]) -> RunState:
    known = {id.replace("_", "-"): facts for id, facts in costs.items()}
    tasks = {id: replace(task, **known.get(id, {})) for id, task in state.tasks.items()}  # type: ignore[arg-type]
    return replace(state, tasks=tasks)


def test_the_report_tells_what_was_paid() -> None:
    state = with_costs(
        state_of(
            "wave=1 task=task-001 status=completed commits=1",
            "wave=1 task=task-002 status=completed commits=1 attempt=2",
            "wave=2 task=task-004 status=completed commits=1",
            "execution status=completed",
            plan=PLAN,
        ),
        task_001={
            "turns": 4,
            "input_tokens": 12_000,
            "output_tokens": 100,
            "cost_usd": 0.12,
            "total_usd": 0.12,
        },
        task_002={
            "turns": 8,
            "input_tokens": 33_000,
            "output_tokens": 249,
            "cost_usd": 0.1,
            "total_usd": 0.3,
        },
        task_004={"turns": 1, "output_tokens": 950, "cost_usd": 0.0125, "total_usd": 0.0125},
    )
    text = report.final_report(state, DIRECTORY, "", INTEGRATE, LAND)
    assert (
        """
Wave 1: 2/3 tasks completed, 12 turns, 45.3k tokens, $0.42
Wave 2: 1/2 tasks completed, 1 turn, 950 tokens, $0.0125
Total: 3/5 tasks completed, 13 turns, 46.3k tokens, $0.43
"""
        in text
    )
    assert (
        """
What the tasks have cost:
  - task-001-users: 4 turns, 12.1k tokens, $0.12
  - task-002-products: 8 turns, 33.2k tokens, $0.10, $0.30 in 2 attempts
  - task-004-orders: 1 turn, 950 tokens, $0.0125

"""
        in text
    )
    shown = report.status_text(records.Recorded(state, {"pid": "1"}, False), "parallel/x", 0)
    assert "Wave 1: pending (2/3 tasks completed), 12 turns, 45.3k tokens, $0.42\n" in shown
    assert "  task-001-users: COMPLETED (1 commit), 4 turns, 12.1k tokens, $0.12\n" in shown
    assert shown.endswith("Total: 3/5 tasks completed, 13 turns, 46.3k tokens, $0.43")


def test_a_task_that_has_only_cost_before_and_one_that_cost_nothing() -> None:
    state = with_costs(
        state_of("wave=1 task=task-001 status=started attempt=2", plan=PLAN),
        task_001={"total_usd": 0.3},
        task_002={"turns": 1, "input_tokens": 999_960, "cost_usd": 0.0, "total_usd": 0.0},
        task_003={"turns": 2, "input_tokens": 999},
    )
    one, other, third = state.of_wave(1)
    assert costs.task_text(one) == "$0.30 in 2 attempts"
    assert costs.task_text(other) == "1 turn, 1.0M tokens, $0.00"
    assert costs.task_text(third) == "2 turns, 999 tokens"
    assert costs.add([one, third]) == {"turns": 2, "input_tokens": 999, "total_usd": 0.3}
    assert costs.sum_text([state.tasks["task-004"]]) == ""


def session(logs: Path, id: str, *lines: str) -> None:
    (logs / "state").mkdir(exist_ok=True)
    (logs / "state" / f"{id}.session").write_bytes("".join(f"{line}\n" for line in lines).encode())


def test_what_an_agent_said_comes_from_its_session(tmp_path: Path) -> None:
    look = Activity(tmp_path).look
    state = state_of(*(f"wave=1 task=task-00{n} status=started" for n in (1, 2, 3)), plan=PLAN)
    stream = '{"type":"assistant"}\n'
    (tmp_path / "task-001.log").write_text(stream)
    (tmp_path / "task-002.log").write_text(f"claude: not found\n{stream}")
    (tmp_path / "task-003.log").write_text('{"content":"' + "x" * 5000 + '"}\n')
    session(
        tmp_path,
        "task-001",
        "agent=claude",
        "said=$ pytest\x1b[31m -q \x07--k=v",
        "turns=3",
        "total_usd=0.420000",
    )
    looked = look(state)
    assert [task.said for task in looked.of_wave(1)] == ["$ pytest -q --k=v", "claude: not found", ""]
    one = looked.tasks["task-001"]
    assert (one.turns, one.total_usd, one.cost_usd) == (3, 0.42, None)
    assert "  task-001-users: RUNNING... ($ pytest -q --k=v)\n" in report.wave_progress(looked, 1)
    assert "  task-003-shared: RUNNING...\n" in report.wave_progress(looked, 1)
    shown = live_table(tmp_path, state, 5.0)
    assert "task-001-users RUNNING... 5s $ pytest -q --k=v" in shown
    assert "0/5 tasks complete, 3 running, $0.42" in shown
    session(tmp_path, "task-001", "said=" + "é" * 300)
    assert look(state).tasks["task-001"].said == "é" * 200
    (tmp_path / "state" / "task-001.session").write_bytes(b"said=caf\xc3\n")
    assert look(state).tasks["task-001"].said == "caf"


def test_a_task_that_is_over_is_looked_at_once(tmp_path: Path) -> None:
    look = Activity(tmp_path).look
    lines = ("wave=1 task=task-001 status=started", "wave=1 task=task-001 status=failed error=no_marker")
    session(tmp_path, "task-001", "said=one")
    running, failed = state_of(lines[0], plan=PLAN), state_of(*lines, plan=PLAN)
    assert look(running).tasks["task-001"].said == "one"
    session(tmp_path, "task-001", "said=the other")
    assert look(running).tasks["task-001"].said == "the other"
    assert look(failed).tasks["task-001"].said == "the other"
    session(tmp_path, "task-001", "said=of another run")
    assert look(failed).tasks["task-001"].said == "the other"
    again = state_of(*lines, f"{lines[0]} attempt=2", plan=PLAN)
    assert look(again).tasks["task-001"].said == "of another run"


def test_what_status_shows_of_tasks(tmp_path: Path) -> None:
    lines = (
        "execution status=running alive=yes pid=7",
        f"wave=1 task=task-001 status=limited until={NOON} started=1000 finished=1100 waited=40",
        "wave=1 task=task-002 status=running attempt=2 started=1000 waited=60 "
        "turns=2 cost_usd=0.5 total_usd=0.7",
        "wave=1 task=task-003 status=completed commits=1 started=1000 finished=1010",
    )
    for n in (1, 2, 3):
        session(tmp_path, f"task-00{n}", f"said=words of {n}")
    recorded = records.read(lines, PLAN)
    recorded = replace(recorded, state=Activity(tmp_path).look(recorded.state))
    text = report.status_text(recorded, "parallel/x", NOON - 61)
    assert "  task-001-users: LIMITED (goes on in 1m 01s) 1m 00s\n    words of 1\n" in text
    text = report.status_text(recorded, "parallel/x", 1090)
    running = (
        "  task-002-products: RUNNING... 30s attempt 2, 2 turns, $0.50, $0.70 in 2 attempts\n    words of 2\n"
    )
    assert running in text
    assert "words of 3" not in text
    facts = records.facts(recorded)
    assert [task.get("said") for task in facts["tasks"]] == [
        "words of 1",
        "words of 2",
        "words of 3",
        None,
        None,
    ]
    limited, paid, *_ = facts["tasks"]
    assert (limited["until"], limited["waited"]) == (NOON, 40)
    assert (paid["turns"], paid["cost_usd"], paid["total_usd"]) == (2, 0.5, 0.7)
    assert facts["cost"] == {"turns": 2, "total_usd": 0.7}
    dead = report.status_text(replace(recorded, is_alive=False), "parallel/x", NOON - 61)
    assert "LIMITED (until 2027-01-15 " in dead


@pytest.mark.usefixtures("utc")
def test_the_plain_view_tells_of_agents_after_the_blocks() -> None:
    said: list[str] = []
    view = display.PlainView(Screen(said.append, said.append), lambda state: state, clock=lambda: 5.0)
    until = int(time.time()) + 300
    lines = ("wave=1 task=task-001 status=started", f"agent=claude status=limited until={until}")
    events = [event for line in lines if (event := parse(f"[PROGRESS] {line}"))]
    view.update(state_of(*lines, plan=PLAN), events)
    assert said == []
    assert view.tick is not None
    view.close()
    block, agent = said
    assert block.startswith("Wave 1 Progress:\n")
    clock = time.strftime("%H:%M", time.localtime(until))
    assert agent in {
        f"claude: usage limit until {clock}, goes on in {rest}\n" for rest in ("5m 00s", "4m 59s")
    }
    resumed = parse("[PROGRESS] agent=claude status=resumed")
    assert resumed
    view.update(state_of(*lines, "agent=claude status=resumed", plan=PLAN), [resumed])
    assert view.tick is not None
    view.close()
    assert said[2:] == ["claude: the limit is over\n"]


def test_an_event_of_an_agent_is_no_event_of_the_execution() -> None:
    said: list[str] = []
    event = parse(f"[PROGRESS] agent=claude status=limited until={NOON}")
    assert event
    display.JsonView(Screen(said.append, said.append)).update(state_of(plan=PLAN), [event])
    told = {"event": "agent", "agent": "claude", "status": "limited", "until": NOON}
    assert [json.loads(line) for line in said] == [told]


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
    assert report.generated_text("$D", "$D", "") == spec
    assert report.generated_text("$D", "$D", INTEGRATE) == f"{spec}  or: {INTEGRATE}\n"


def test_the_last_line_of_a_log_loses_what_would_move_the_cursor(tmp_path: Path) -> None:
    assert (
        tail.last_line(b"one\n\x1b[31mred\x1b[0m\tand\x07 \x1b]0;title\x07blue\x1b[2K\n \r\n")
        == "red and blue"
    )
    assert tail.last_line(b"10%\r50%\r") == "50%"
    assert tail.last_line(b"\xff\xfeok\x9b") == "��ok�"
    assert tail.last_line(b"") == ""
    assert [task_text.duration(seconds) for seconds in (5.9, 65, 3660)] == ["5s", "1m 05s", "1h 01m"]
