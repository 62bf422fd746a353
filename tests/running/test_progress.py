import pytest

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running.lines import parse
from parallelgen.running.progress import RunState, begin, fold
from parallelgen.settings import Settings

PLAN = Plan(
    "TS",
    "",
    (
        Wave(1, tuple(Task(f"task-00{n}", f"task-00{n}-x", 1, (), None, "p") for n in (1, 2, 3))),
        Wave(2, (Task("task-004", "task-004-x", 2, (), None, "p"),)),
    ),
)


def run(*lines: str, plan: Plan = PLAN) -> RunState:
    state = begin(plan)
    for at, line in enumerate(lines):
        event = parse(f"[PROGRESS] {line}")
        assert event is not None
        state = fold(state, event, at)
    return state


def test_the_lines_of_the_specification() -> None:
    state = run(
        "wave=1 status=started",
        "wave=1 task=task-001 status=started",
        "wave=1 task=task-001 status=completed commits=5",
        "wave=1 task=task-002 status=failed error=timeout",
        "wave=1 status=completed tasks=3/3",
        "wave=2 status=started",
    )
    done, failed, pending = state.of_wave(1)
    assert (done.status, done.commits, done.started, done.finished) == ("completed", 5, 1, 2)
    assert (failed.status, failed.error, failed.is_over) == ("failed", "timeout", True)
    assert (pending.status, pending.is_over) == ("pending", False)
    assert dict(state.waves) == {1: "completed", 2: "running"}
    assert run("execution status=interrupted").status == "interrupted"


def test_a_second_attempt_forgets_the_first() -> None:
    state = run(
        "wave=1 task=task-001 status=failed error=timeout commits=1 uncommitted=2",
        "wave=1 task=task-001 status=started attempt=2",
    )
    task = state.tasks["task-001"]
    assert (task.status, task.attempt, task.error, task.commits, task.uncommitted) == (
        "running",
        2,
        "",
        None,
        0,
    )


def test_new_keys_at_the_end_do_no_harm() -> None:
    state = run("wave=2 task=task-004 status=blocked by=task-002 new=thing")
    assert (state.tasks["task-004"].status, state.tasks["task-004"].by) == ("blocked", "task-002")


@pytest.mark.parametrize("line", ["wave=7 status=started", "wave=1 task=task-009 status=started"])
def test_what_the_plan_does_not_know_changes_nothing(line: str) -> None:
    assert run(line) == begin(PLAN)


@pytest.mark.parametrize(
    "line", ["", "text", "[PROGRESS]", "[PROGRESS] wave=1", "[PROGRESS] wave=x status=y"]
)
def test_other_lines_are_no_events(line: str) -> None:
    assert parse(line) is None


def test_skipped_tasks_are_known_from_the_beginning() -> None:
    state = begin(Plan("TS", "", PLAN.waves, Settings(skip=("task-004",))), 2)
    assert [task.status for task in state.tasks.values()] == ["skipped"]


def test_the_steps_of_a_task() -> None:
    told = [
        ("wave=1 task=task-001 status=started", ""),
        ("wave=1 task=task-001 status=setup", "setup"),
        ("wave=1 task=task-001 status=running", "agent"),
        ("wave=1 task=task-001 status=verifying", "verify"),
    ]
    for count in range(1, 5):
        task = run(*(line for line, _ in told[:count])).tasks["task-001"]
        assert (task.status, task.step) == ("running", told[count - 1][1])
        assert (task.started, task.finished, task.is_over) == (0, None, False)
    lines = [line for line, _ in told]
    task = run(*lines, "wave=1 task=task-001 status=failed error=verify commits=2").tasks["task-001"]
    assert (task.status, task.step, task.error, task.commits, task.finished) == (
        "failed",
        "verify",
        "verify",
        2,
        4,
    )
    task = run(*lines, "wave=1 task=task-001 status=failed error=timeout step=setup").tasks["task-001"]
    assert task.step == "setup"
    assert run(*lines, told[0][0] + " attempt=2").tasks["task-001"].step == ""
    assert run("wave=1 task=task-001 status=adopted step=verify").tasks["task-001"].step == "verify"


def test_a_step_is_told_as_a_running_task() -> None:
    event = parse("[PROGRESS] wave=1 task=task-001 status=verifying new=thing")
    assert event
    assert event.fields == {
        "wave": "1",
        "task": "task-001",
        "status": "running",
        "new": "thing",
        "step": "verify",
    }
    wave = parse("[PROGRESS] wave=1 status=running")
    assert wave
    assert "step" not in wave.fields


def test_a_limit_stops_the_clock_of_a_task_and_not_the_attempt() -> None:
    lines = (
        "wave=1 task=task-001 status=started attempt=2",
        "wave=1 task=task-001 status=running",
        "wave=1 task=task-001 status=limited until=1800000000",
        "wave=1 task=task-002 status=started",
        "wave=1 task=task-001 status=resumed",
        "wave=1 task=task-001 status=limited until=1800000900",
        "wave=1 task=task-001 status=resumed",
        "wave=1 task=task-001 status=completed commits=1",
    )
    states = [run(*lines[: n + 1]).tasks["task-001"] for n in range(len(lines))]
    assert [task.status for task in states[1:]] == [
        "running",
        "limited",
        "limited",
        "running",
        "limited",
        "running",
        "completed",
    ]
    assert [task.until for task in states] == [
        None,
        None,
        1800000000,
        1800000000,
        None,
        1800000900,
        None,
        None,
    ]
    assert {task.attempt for task in states} == {2}
    assert [task.elapsed(9) for task in states] == [9, 9, 2, 2, 7, 3, 6, 4]
    assert not states[2].is_over
    resumed = states[4]
    assert (resumed.step, resumed.started, resumed.finished, resumed.waited) == ("agent", 0, None, 2)


def test_a_task_that_goes_on_in_another_run() -> None:
    assert run("wave=2 status=started", "wave=1 task=task-001 status=resumed").tasks["task-001"].started == 1


def test_agents_are_not_the_execution() -> None:
    limited = "agent=claude status=limited until=1800000000"
    state = run("wave=1 status=started", limited, "agent=codex status=limited until=1800000001")
    assert (state.status, dict(state.agents)) == ("pending", {"claude": 1800000000, "codex": 1800000001})
    assert dict(run(limited, limited[:-1] + "9").agents) == {"claude": 1800000009}
    assert dict(run(limited, "agent=claude status=resumed").agents) == {}
    assert dict(run("agent=claude status=limited until=" + "9" * 30).agents) == {}
    event = parse(f"[PROGRESS] {limited}")
    assert event
    assert (event.kind, event.agent) == ("agent", "claude")


def test_why_a_run_has_ended() -> None:
    state = run("execution status=failed reason=cost")
    assert (state.status, state.reason) == ("failed", "cost")
    assert run("execution status=failed").reason == ""


def test_what_a_record_tells_of_waiting_and_cost() -> None:
    line = (
        "wave=1 task=task-001 status=failed started=100 finished=500 waited=250 turns=4 input_tokens=1200 "
        "output_tokens=34 cost_usd=0.120000 total_usd=0.300000"
    )
    task = run(line).tasks["task-001"]
    assert task.elapsed(9999) == 150
    assert (task.turns, task.input_tokens, task.output_tokens, task.cost_usd, task.total_usd) == (
        4,
        1200,
        34,
        0.12,
        0.3,
    )
    for wrong in ("x", "-1", "1e400", "nan", "1.", "9" * 400):
        task = run(f"wave=1 task=task-001 status=failed turns={wrong} cost_usd={wrong}").tasks["task-001"]
        assert (task.turns, task.cost_usd) == (None, None)
