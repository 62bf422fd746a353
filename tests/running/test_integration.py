import pytest

from parallelgen.running import records
from parallelgen.running.integration import Integration, LeftOut
from parallelgen.running.lines import parse
from tests.running.test_progress import PLAN, run

BRANCH = "integration/x"
ONE_BY_ONE = (
    "integration status=started branch=integration/x tasks=4",
    "integration status=merged task=task-001",
    "integration status=merged task=task-002",
    "integration status=verifying wave=1",
    "integration status=left_out task=task-002 error=validation",
    "integration status=verified wave=1 flaky=1",
    "integration status=left_out task=task-003 error=conflict with=task-001",
    "integration status=left_out task=task-004 error=dependency by=task-002",
    "integration status=verifying",
    "integration status=verified",
    "integration status=failed merged=1/4 branch=integration/x tip=abc",
)


def state(*lines: str) -> Integration:
    found = run(*lines).integration
    assert found is not None
    return found


def test_the_lines_of_an_integration() -> None:
    states = [state(*ONE_BY_ONE[: n + 1]) for n in range(len(ONE_BY_ONE))]
    assert states[0] == Integration(branch=BRANCH, total=4, started=0)
    assert [found.count for found in states] == [0, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1]
    assert [found.verifying for found in states] == ["", "", "", "1", "1", "", "", "", "last", "", ""]
    assert [found.status for found in states] == ["running"] * 10 + ["failed"]
    end = states[-1]
    assert (end.branch, end.tip, end.total, end.merged) == (BRANCH, "abc", 4, ("task-001",))
    assert end.flaky == ("1",)
    assert state("integration status=verified flaky=1").flaky == ("last",)
    assert state("integration status=verified wave=2 flaky=0").flaky == ()
    assert end.left_out == (
        LeftOut("task-002", "validation"),
        LeftOut("task-003", "conflict", rival="task-001"),
        LeftOut("task-004", "dependency", by="task-002"),
    )
    assert (end.started, end.finished) == (0, 10)


def test_it_touches_neither_tasks_nor_waves_nor_the_execution() -> None:
    for line in ONE_BY_ONE:
        found = run("wave=1 status=started", line)
        assert (found.status, found.waves, found.tasks) == (
            "pending",
            {1: "running", 2: "pending"},
            run().tasks,
        )
        event = parse(f"[PROGRESS] {line}")
        assert event
        assert (event.kind, event.task, event.wave) == ("integration", None, None)


def test_after_each_wave_it_goes_on() -> None:
    first = (
        "integration status=started branch=integration/x tasks=1",
        "integration status=merged task=task-001",
        "integration status=completed merged=1/1 branch=integration/x tip=abc",
    )
    again = state(*first, "integration status=started branch=integration/x tasks=3")
    assert (again.status, again.count, again.total, again.finished) == ("running", 1, 3, None)
    more = (
        "integration status=started branch=integration/x tasks=3",
        "integration status=merged task=task-004",
    )
    assert (state(*first, *more).count, state(*first, *more).merged) == (2, ("task-001", "task-004"))
    found = state(*more, "integration status=completed merged=3/3 branch=integration/x tip=abd")
    assert (found.count, found.merged) == (3, ("task-004",))


def test_what_was_left_out_may_come_in_later() -> None:
    found = state(
        "integration status=left_out task=task-001 error=branch", "integration status=merged task=task-001"
    )
    assert (found.merged, found.left_out) == (("task-001",), ())


@pytest.mark.parametrize("status", ["running", "lost", "completed", "failed", "interrupted"])
def test_what_is_recorded_of_an_integration(status: str) -> None:
    lines = (
        "execution status=completed alive=no pid=7",
        f"integration status={status} merged=2/3 branch=integration/x tip=abc started=1000 "
        "started_at=2026-01-02T03:04:05Z" + (" finished=1060" if status == "completed" else ""),
        "integration status=merged task=task-001",
        "integration status=merged task=task-002",
        "integration status=left_out task=task-003 error=branch",
        "wave=1 task=task-001 status=completed commits=1",
    )
    recorded = records.read(lines, PLAN)
    found = recorded.state.integration
    assert found
    assert (found.status, found.count, found.total, found.started) == (status, 2, 3, 1000)
    assert found.finished == (1060 if status == "completed" else None)
    assert (recorded.run["pid"], recorded.state.status) == ("7", "completed")
    assert records.read(lines[:1], PLAN).state.integration is None


def test_a_task_outside_its_scope() -> None:
    line = "wave=1 task=task-001 status=completed commits=5 stopped=1 outside=3"
    assert run(line).tasks["task-001"].outside == 3
    assert run("wave=1 task=task-001 status=completed").tasks["task-001"].outside == 0
