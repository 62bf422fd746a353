import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from benchmarks import draw, graphs, page, peers, process, project, throughput
from benchmarks.__main__ import GROUPS
from benchmarks.figures import PERCENT, Figure, in_turn, ratios, significant

DIAMOND = graphs.Graph(
    "diamond",
    2,
    (
        graphs.Step("a", 1.0),
        graphs.Step("b", 4.0, ("a",)),
        graphs.Step("c", 2.0, ("a",)),
        graphs.Step("d", 3.0, ("c",)),
        graphs.Step("e", 1.0, ("b", "c")),
    ),
)


def test_bound_is_the_longest_chain_or_all_work_shared_evenly() -> None:
    assert DIAMOND.critical_path == 6.0
    assert DIAMOND.bound == 6.0
    assert graphs.Graph("narrow", 1, DIAMOND.steps).bound == 11.0


def test_simulated_makespans() -> None:
    # b to 5, c to 3 and then d to 6, e from 5 to 6; with barriers a to 1, b and c to 5, d and e to 8.
    assert DIAMOND.by_deps() == 6.0
    assert DIAMOND.by_waves() == 8.0
    assert graphs.Graph("narrow", 1, DIAMOND.steps).by_deps() == 11.0


@pytest.mark.parametrize(
    ("name", "tasks", "waves"), [("five-waves", 11, 5), ("four-waves", 7, 4), ("layers", 60, 8)]
)
def test_plans_are_the_drawn_ones_and_can_reach_their_goal(name: str, tasks: int, waves: int) -> None:
    path = graphs.PLANS / f"{name}.json"
    graph = graphs.load(path)
    assert len(graph.steps) == tasks
    assert max(graph.waves.values()) == waves
    assert 10 <= graph.bound <= 30.1
    assert graph.bound <= graph.by_deps() <= 1.03 * graph.bound + 0.1
    assert graph.by_deps() < graph.by_waves()
    assert path.read_text() == draw.text(draw.draw(name))


def test_all_plans_are_loaded() -> None:
    assert {graph.name for graph in graphs.load_all()} == {path.stem for path in graphs.PLANS.iterdir()}


def test_ways_are_taken_in_turn_after_a_round_that_does_not_count() -> None:
    taken: list[str] = []

    def take(name: str) -> int:
        taken.append(name)
        return len(taken)

    found = in_turn({"a": lambda: take("a"), "b": lambda: take("b")}, 2)
    assert taken == ["a", "b"] * 3
    assert found == {"a": [3, 5], "b": [4, 6]}
    assert ratios([1.0, 3.0], [2.0, 2.0]) == (0.5, 1.5)


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


def test_missing_peers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(peers.MissingError, match="apt-get install findutils hyperfine"):
        peers.require(["xargs", "hyperfine"])


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
    template = project.make(tmp_path / "template", project.plain_tasks(2))
    project.generate(template, "--agent-command", throughput.AGENT)
    (template / ".git" / "again.sh").write_text(throughput.WORKERS["again"])
    peer = ["sh", "-c", "printf '%s\\n' task-00001 task-00002 | xargs -P2 -n1 sh .git/again.sh"]
    for name, command in (("script", list(project.SCRIPT)), ("again", peer)):
        outcome = throughput.take(template, command, name)
        assert outcome.done == 2
        assert outcome.usage.wall > 0.2
