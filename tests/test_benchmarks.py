import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from benchmarks import decide, integrate, page, process, project, throughput
from benchmarks.__main__ import GROUPS
from benchmarks.figures import PERCENT, Figure, in_turn, significant


def test_ways_are_taken_in_turn_after_a_round_that_does_not_count() -> None:
    taken: list[str] = []

    def take(name: str) -> int:
        taken.append(name)
        return len(taken)

    found = in_turn({"a": lambda: take("a"), "b": lambda: take("b")}, 2)
    assert taken == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
    assert Figure.against("a", [1.0, 3.0], [2.0, 2.0], 1.3).values == (0.5, 1.5)


def test_table_shows_median_range_and_what_is_missed() -> None:
    figures = [
        Figure("12 tasks", (1.3, 1.0, 1.1), 1.15, note="1.2 s and 1.1 s"),
        Figure("waiting", (0.2,), 0.1, PERCENT),
        Figure("without a goal", (12.5,)),
    ]
    assert page.table(figures).splitlines()[2:] == [
        "| 12 tasks | ≤ 1.15× | 1.10× (1.00 to 1.30) | 1.2 s and 1.1 s |",
        "| waiting | ≤ 0.1 % | **0.20 %** | |",
        "| without a goal | | 12.5× | |",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (1.0, "1.00"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert significant(value) == text


def test_filling_a_page_leaves_the_rest_alone() -> None:
    text = (
        "before\n<!-- bench a -->\nold\n<!-- /bench -->\nbetween\n<!-- bench b -->\n<!-- /bench -->\nafter\n"
    )
    filled = page.fill(page.fill(text, "b", "two"), "a", "one")
    assert filled == text.replace("old", "one").replace("b -->\n<", "b -->\ntwo\n<")
    with pytest.raises(page.MarkerError, match="bench c"):
        page.fill(text, "c", "three")


def test_the_page_has_a_place_for_every_group() -> None:
    marked = re.findall("<!-- bench ([a-z]+) -->", page.PAGE.read_text(encoding="utf-8"))
    assert set(marked) == {*GROUPS, "machine"}


def test_a_command_is_accounted_for_with_all_that_it_starts(tmp_path: Path) -> None:
    burn = "import os; end = os.times().user + 0.2\nwhile os.times().user < end: pass"
    usage = process.run(["sh", "-c", f'"{sys.executable}" -c "{burn}"'], tmp_path)
    assert usage.cpu >= 0.2
    assert usage.wall > 0
    with pytest.raises(process.CommandError, match=r"status 3\nsorry"):
        process.run(["sh", "-c", "echo sorry >&2; exit 3"], tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_nothing_is_left_running(tmp_path: Path) -> None:
    with process.started(["sh", "-c", "sleep 60 & sleep 60"], tmp_path) as found:
        while len(below := process.descendants(found.pid)) < 2:
            time.sleep(0.01)
    assert found.returncode is not None
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in below):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # whoever has adopted them has still to bury them


@pytest.mark.skipif(shutil.which("xargs") is None, reason="needs xargs")
def test_our_run_and_the_peer_do_the_same_work(tmp_path: Path) -> None:
    names = project.task_names(2)
    template = project.make(tmp_path / "template", names)
    project.generate(template, "--agent-command", throughput.AGENT)
    for command in (project.SCRIPT, project.write_peer(template, names, throughput.AGENT, 2)):
        assert throughput.take(template, command) > 0.2


@pytest.mark.parametrize("command", [integrate.OURS, integrate.peer("merge-tree"), integrate.peer("merge")])
def test_branches_are_merged_in_each_way(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert integrate.take(integrate.make(tmp_path / "template", 2), command) > 0


def test_decisions_are_measured_on_the_plan_of_the_goal() -> None:
    lines = decide.facts(500).splitlines()
    tasks = [line.split() for line in lines if line.startswith("task-")]
    assert len(tasks) == 1000
    assert sum(task[3].count("task-") for task in tasks) == 5000
    assert sum(line.startswith("wave=") for line in lines) == 500


@pytest.mark.skipif(shutil.which("awk") is None, reason="needs awk")
def test_a_decision_can_be_taken_alone(tmp_path: Path) -> None:
    (tmp_path / "facts").write_text(decide.facts(500))
    assert decide.take(tmp_path, process.environment()["PATH"]) > 0
