import pytest

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running.progress import RunState, begin, fold, parse
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
