import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from parallelgen.running import display, live, records, report
from parallelgen.running import integration_text as text
from parallelgen.running.integration import Integration, LeftOut, add_record, with_files
from parallelgen.running.lines import parse
from parallelgen.running.progress import RunState
from parallelgen.running.screen import Screen
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
    assert (end.started, end.finished, end.error, end.culprit) == (0, 10, "", "")


def test_why_it_has_failed_and_who_it_was_is_known_until_the_next_one_starts() -> None:
    failed = "integration status=failed merged=1/1 branch=integration/x error=validation by=task-003"
    found = state(failed)
    assert (found.error, found.culprit) == ("validation", "task-003")
    for later in ("started branch=integration/x tasks=1", "completed merged=1/1"):
        found = state(failed, f"integration status={later}")
        assert (found.error, found.culprit) == ("", "")


def test_a_check_that_was_flaky_is_told_once_whoever_tells() -> None:
    told = state("integration status=verified wave=1 flaky=1", "integration status=verified wave=1 flaky=1")
    assert told.flaky == ("1",)
    recorded = state("integration status=completed tip=abc", "integration status=verified flaky=1")
    assert add_record(told, recorded) == replace(recorded, flaky=("1", "last"))
    assert add_record(told, None) == told


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
        "started_at=2026-01-02T03:04:05Z verifying=2" + (" finished=1060" if status == "completed" else ""),
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
    assert found.verifying == ("2" if status == "running" else "")
    assert (recorded.run["pid"], recorded.state.status) == ("7", "completed")
    assert records.read(lines[:1], PLAN).state.integration is None


def test_a_task_outside_its_scope() -> None:
    line = "wave=1 task=task-001 status=completed commits=5 stopped=1 outside=3"
    assert run(line).tasks["task-001"].outside == 3
    assert run("wave=1 task=task-001 status=completed").tasks["task-001"].outside == 0


TASKS = run(
    "wave=1 task=task-001 status=completed commits=1",
    "wave=1 task=task-002 status=completed commits=1",
    "wave=1 task=task-003 status=completed commits=1",
    "wave=2 task=task-004 status=completed commits=1",
).tasks


def with_tasks(*lines: str) -> RunState:
    return replace(run(*lines), tasks=TASKS)


def test_a_line_says_how_it_is_getting_on() -> None:
    texts = [text.line(state(*ONE_BY_ONE[: n + 1]), TASKS) for n in (0, 2, 3, 8, 10)]
    assert texts == [
        "Integration: merging, 0/4 tasks merged",
        "Integration: merging, 2/4 tasks merged",
        "Integration: verifying wave 1, 2/4 tasks merged",
        "Integration: verifying all of it, 1/4 tasks merged, 3 left out",
        "Integration: failed, 1/4 tasks merged, 3 left out",
    ]


def test_the_report_says_what_is_in_and_what_is_not_and_why() -> None:
    lines = (*ONE_BY_ONE[:7], "integration status=failed merged=1/4 branch=integration/x tip=" + "a" * 40)
    assert text.part(with_tasks(*lines), "p/logs/integration.log", "../w/integration-x") == [
        "Integration: failed, 1/4 tasks merged, 2 left out",
        f"  branch: integration/x ({'a' * 12})",
        "  worktree: ../w/integration-x",
        "  log: p/logs/integration.log",
        "  flaky: wave 1 was red, and then green",
        "  - task-001-x: merged",
        "  - task-002-x: left out, it turns the merged result red",
        "  - task-003-x: left out, it conflicts with task-001-x",
        "  - task-004-x: not reached",
    ]
    later = replace(TASKS["task-004"], finished=9)
    found = with_tasks(*lines)
    assert (
        text.part(replace(found, tasks={**TASKS, "task-004": later}), "")[-1]
        == "  - task-004-x: not merged yet"
    )
    unknown = replace(later, finished=None)
    assert (
        text.part(replace(found, tasks={**TASKS, "task-004": unknown}), "")[-1]
        == "  - task-004-x: not merged"
    )
    facts = text.facts(with_tasks(*lines))
    assert facts["merged"] == ["task-001"]
    assert facts["left_out"] == [
        {"id": "task-002", "error": "validation"},
        {"id": "task-003", "error": "conflict", "with": "task-001"},
    ]
    assert facts["not_reached"] == ["task-004"]
    assert (facts["status"], facts["tasks"], facts["flaky"]) == ("failed", 4, ["1"])
    assert "verifying" not in facts


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("conflict with=main", "it conflicts with main"),
        ("conflict", "it conflicts"),
        ("dependency by=task-001", "it depends on task-001-x"),
        ("branch", "its branch and commit are gone"),
        ("merge", "git cannot merge it"),
        ("new", "new"),
    ],
)
def test_why_a_task_is_left_out(why: str, words: str) -> None:
    found = with_tasks(f"integration status=left_out task=task-002 error={why}")
    assert f"  - task-002-x: left out, {words}" in text.part(found, "")
    # It goes on, and who has not completed is not its affair.
    assert "  - task-003-x: not merged yet" in text.part(found, "")
    assert "not_reached" not in text.facts(found)
    assert len(text.part(replace(found, tasks=run().tasks), "")) == 2


def test_a_culprit_that_is_no_task() -> None:
    found = with_tasks("integration status=left_out task=abc error=validation", COMPLETED)
    assert text.part(found, "")[-2:] == [
        "  - task-004-x: not merged yet",
        "  - abc: it turns the merged result red",
    ]


def test_the_files_of_a_conflict() -> None:
    found = with_tasks(
        "integration status=left_out task=task-002 error=conflict with=task-001",
        "integration status=left_out task=task-003 error=branch",
        "integration status=left_out task=task-004 error=conflict with=main",
    )
    assert found.integration
    lines = [
        "task-002 old",
        "task-002 a.txt, b\x1b[31m.txt",
        "task-003 c",
        "task-004 " + ", ".join("abcdefg"),
    ]
    found = replace(found, integration=with_files(found.integration, lines))
    assert text.part(found, "")[2:] == [
        "  - task-002-x: left out, it conflicts with task-001-x in a.txt, b.txt",
        "  - task-003-x: left out, its branch and commit are gone",
        "  - task-004-x: left out, it conflicts with main in a, b, c, d, e, 2 more",
    ]
    assert [left.get("files") for left in text.facts(found)["left_out"]] == [
        "a.txt, b\x1b[31m.txt",
        None,
        "a, b, c, d, e, f, g",
    ]


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("error=setup", "failed: setup"),
        ("error=validation", "failed: a check is red"),
        ("error=branch", "failed: git cannot move the branch"),
        ("error=validation by=task-003", "failed, task-003-x turns it red and is on the branch since before"),
        ("error=validation by=abc", "failed, abc turns it red and is on the branch since before"),
    ],
)
def test_why_it_has_failed(why: str, words: str) -> None:
    last = f"integration status=failed merged=1/4 branch=integration/x {why}"
    found = with_tasks("integration status=merged task=task-003", last)
    assert text.part(found, "")[0] == f"Integration: {words}, 1/4 tasks merged"
    assert plain(last) == [f"Integration: {words}, 1/4 tasks merged\n"]
    red = ", and turns it red" if "task-003" in why else ""
    assert f"  - task-003-x: merged{red}" in text.part(found, "")
    told = dict(fact.split("=") for fact in why.split())
    facts = text.facts(found)
    assert (facts["error"], facts.get("culprit")) == (told["error"], told.get("by"))


def test_where_nothing_was_integrated_nothing_is_told_of_it() -> None:
    assert (text.part(run(), "log"), text.facts(run())) == ([], {})


def plain(*lines: str) -> list[str]:
    said: list[str] = []
    view = display.PlainView(Screen(said.append, said.append), lambda state: state, clock=lambda: 5.0)
    view.update(run(*lines), [event for line in lines if (event := parse(f"[PROGRESS] {line}"))])
    assert said == []
    assert view.tick is not None
    view.close()
    return said


def test_the_plain_view_tells_of_it_in_words() -> None:
    assert plain(*ONE_BY_ONE) == [
        """\
Integration: merging into integration/x, 4 tasks completed
Integration: merged task-001-x, task-002-x
Integration: verifying wave 1
Integration: task-002-x is left out: it turns the merged result red
Integration: wave 1 is green, after it was red
Integration: task-003-x is left out: it conflicts with task-001-x
Integration: task-004-x is left out: it depends on task-002-x
Integration: verifying all of it
Integration: all of it is green
Integration: failed, 1/4 tasks merged
"""
    ]
    many = [f"integration status=merged task=task-{n:03}" for n in range(5, 13)]
    assert plain(*many) == ["Integration: merged task-005, task-006, task-007, task-008, task-009, 3 more\n"]
    first, merged = plain("wave=1 task=task-001 status=completed", "integration status=started tasks=1")
    assert first.startswith("Wave 1 Progress:\n")
    assert merged == "Integration: merging into , 1 task completed\n"


def test_the_json_view_has_the_keys_of_the_lines() -> None:
    said: list[str] = []
    events = [event for line in ONE_BY_ONE if (event := parse(f"[PROGRESS] {line}"))]
    display.JsonView(Screen(said.append, said.append)).update(run(), events)
    told = [json.loads(line) for line in said]
    assert told[0] == {"event": "integration", "status": "started", "branch": BRANCH, "tasks": 4}
    assert told[1] == {"event": "integration", "status": "merged", "task": "task-001"}
    assert told[5] == {"event": "integration", "status": "verified", "wave": 1, "flaky": 1}
    assert told[-1]["merged"] == "1/4"
    assert {line["event"] for line in told} == {"integration"}


@pytest.mark.parametrize("width", [40, 120])
def test_the_live_table_has_a_line_for_it_in_its_place(width: int) -> None:
    console = Console(width=width, height=12, file=io.StringIO())
    view = live.LiveView(lambda state: state, lambda: 5.0, console)
    for count in (4, len(ONE_BY_ONE)):
        frame = console.render_lines(view.frame(run(*ONE_BY_ONE[:count])), pad=False)
        shown = ["".join(segment.text for segment in line).rstrip() for line in frame]
        assert len(shown) <= 12
        line = next(line for line in shown if line.startswith("Integration: "))
        whole = text.line(state(*ONE_BY_ONE[:count]), TASKS)
        assert line == whole if width > 100 else whole.startswith(line.rstrip("…"))
    view.close()


def status(*lines: str) -> tuple[str, dict[str, object]]:
    recorded = records.read(lines, PLAN)
    return report.status_text(
        recorded, "parallel/x", 0, report.Found(worktree="../w/integration-x")
    ), records.facts(recorded)


def test_status_tells_of_it_after_the_tasks() -> None:
    lines = ("execution status=completed pid=7", "wave=1 task=task-001 status=completed commits=1")
    integrated = (
        "integration status=lost merged=0/1 branch=integration/x tip=abc started=1000",
        "integration status=left_out task=task-001 error=branch",
    )
    shown, facts = status(*lines, *integrated)
    assert shown.endswith(
        """
Total: 1/4 tasks completed

Integration: lost (its process is gone; use 'parallelgen integrate' to continue), 0/1 tasks merged, 1 left out
  branch: integration/x (abc)
  worktree: ../w/integration-x
  log: parallel/x/logs/integration.log
  - task-001-x: left out, its branch and commit are gone"""
    )
    assert facts["integration"] == {
        "status": "lost",
        "branch": BRANCH,
        "tip": "abc",
        "tasks": 1,
        "started": 1000,
        "merged": [],
        "left_out": [{"id": "task-001", "error": "branch"}],
        "not_reached": [],
    }
    shown, facts = status(*lines)
    assert shown.endswith("Total: 1/4 tasks completed")
    assert "integration" not in facts


AGAIN = "parallel-run --retry-failed parallel/x"
INTEGRATE = "parallelgen integrate parallel/x"
LAND = "parallelgen land parallel/x"
COMPLETED = "integration status=completed merged=4/4 branch=integration/x tip=abc"


@pytest.mark.parametrize(
    ("last", "rest", "step"),
    [
        ("", "", f"/parallel-integrate --parallel-dir parallel/x\n       or: {INTEGRATE}"),
        ("", AGAIN, AGAIN),
        (COMPLETED, "", LAND),
        (COMPLETED, AGAIN, AGAIN),
        (COMPLETED.removesuffix(" tip=abc"), "", ""),
        (ONE_BY_ONE[-1], "", f"mend that, then run: {INTEGRATE}"),
        (ONE_BY_ONE[-1], AGAIN, f"mend that, then run: {AGAIN}"),
        ("integration status=interrupted merged=1/4", "", INTEGRATE),
    ],
)
def test_what_there_is_to_do_after_a_run(last: str, rest: str, step: str) -> None:
    ended = with_tasks(*[last] * bool(last), "execution status=completed")
    shown = report.final_report(ended, "parallel/x", rest, INTEGRATE, LAND)
    nothing = "There is nothing to merge: no task has made a commit."
    assert shown.endswith(f"\n\nNext step: {step}" if step else f"\n\n{nothing}")
    assert ("\nIntegration: " in shown) is bool(last)


def test_the_report_says_that_a_run_has_failed_by_its_integration() -> None:
    ended = with_tasks(*ONE_BY_ONE, "execution status=failed reason=integration")
    shown = report.final_report(ended, "p", "", INTEGRATE, LAND)
    assert "\nNot all that the tasks have done could be integrated.\n\n" in shown


def test_after_a_refusal_the_report_does_not_advise_to_merge_what_was_integrated_before() -> None:
    recorded = "integration status=completed merged=1/1 branch=integration/x tip=abc"
    ended = with_tasks(recorded, "execution status=failed reason=integration")
    shown = report.final_report(ended, "p", "", INTEGRATE, LAND)
    assert shown.endswith(f"\nNext step: mend what integration has met, then run: {INTEGRATE}")


def test_the_report_names_paths_outside_the_scope() -> None:
    lines = (
        "wave=1 task=task-001 status=completed commits=1 outside=12",
        "wave=1 task=task-002 status=failed error=verify outside=1",
        "wave=1 task=task-003 status=completed outside=2",
        "execution status=completed",
    )
    paths = {"task-001": [f"a/{n}.py" for n in range(12)], "task-002": ["b\x1b[31m.py"]}
    shown = report.final_report(run(*lines), "p", "", INTEGRATE, LAND, report.Found(outside=paths))
    ten = "".join(f"    a/{n}.py\n" for n in range(10))
    assert (
        f"""
Changed outside the scope of the task:
  - task-001-x (12 paths)
{ten}    and 2 more
  - task-002-x (1 path)
    b.py
  - task-003-x (2 paths)

"""
        in shown
    )
    assert "outside" not in report.final_report(run(), "p", "", INTEGRATE, LAND, report.Found(outside=paths))
