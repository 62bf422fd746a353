"""Whatever state a repository is in: `clean` loses nothing, touches nothing else, and removes what can go."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import parallelgen
from tests.tidying import snapshot
from tests.tidying.world import (
    EARLY,
    GOES,
    HISTORIES,
    KINDS,
    LATE,
    ODDS,
    STATUSES,
    STAYS,
    Part,
    Thing,
    World,
    attempt,
)

# Some thousand find what the few of the suite do not; a few seconds each.
EXAMPLES = int(os.environ.get("CLEAN_EXAMPLES", "8"))
KEPT = re.compile(r"refs/parallelgen/.*/[0-9a-f]{12}")
ONE_HOUR = ("--older-than", "1h")


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is removed whatever is in it."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path).resolve()
        attempt('chmod -R u+w "$1"', path)


def clean(world: World, *arguments: str) -> dict[str, object]:
    """Clean, with success, and return what was said."""
    answer = parallelgen("clean", world.project.typed, *ONE_HOUR, "--json", *arguments, cwd=world.root)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout + answer.stderr
    said = json.loads(answer.stdout)
    assert isinstance(said, dict)
    return said


def names(things: object) -> list[tuple[str, str]]:
    """Name what is listed, without the refs that keep what the integration alone contains."""
    assert isinstance(things, list)
    return sorted((thing["kind"], thing["name"]) for thing in things if not KEPT.fullmatch(thing["name"]))


def check(world: World) -> None:
    """Clean the world, and hold each step to what it may do."""
    before = snapshot.take(world.path, world.root)
    listed = clean(world)
    assert snapshot.take(world.path, world.root).everything == before.everything, (
        "the list has changed something"
    )
    cleaned = clean(world, "--yes")
    after = snapshot.take(world.path, world.root)
    expendable = {path for thing in world.things for path in thing.expendable}
    losses = snapshot.losses(before, after, expendable)
    assert not losses, (losses, cleaned)
    assert names(cleaned["removed"]) == names(listed["can_go"])
    wrong = [line for thing in world.things for line in _differences(thing, after)]
    assert not wrong, (wrong, cleaned)
    again = clean(world, "--yes")
    assert again["removed"] == []
    assert names(again["stays"]) == names(cleaned["stays"])
    assert snapshot.take(world.path, world.root).everything == after.everything, (
        "a second clean changes something"
    )


def _differences(thing: Thing, after: snapshot.Snapshot) -> Iterator[str]:
    for what, wanted, is_there in (
        ("worktree", thing.on_tree, thing.tree.is_symlink() or thing.tree.exists()),
        ("branch", thing.on_branch, f"refs/heads/{thing.branch}" in after.refs),
    ):
        if wanted == (GOES if is_there else STAYS):
            yield f"{what} of {thing.id} is {'there' if is_there else 'gone'}: {thing.part}"


def _odds() -> st.SearchStrategy[tuple[str, ...]]:
    """Draw what has happened to one worktree: of the last kinds one at most."""
    by_kind = {kind: sorted(name for name, odd in ODDS.items() if odd.kind == kind) for kind in KINDS}
    several = st.lists(st.sampled_from(by_kind["setup"] + by_kind["file"]), max_size=2, unique=True)
    single = [
        st.one_of(st.just(""), st.just(""), st.just(""), st.sampled_from(by_kind[kind]))
        for kind in KINDS
        if kind not in ("setup", "file")
    ]
    drawn = st.tuples(several, st.tuples(*single))
    return drawn.map(lambda pair: tuple(name for name in (*pair[0], *pair[1]) if name))


PARTS = st.builds(
    Part,
    status=st.one_of(st.just("completed"), st.just("completed"), st.just("aside"), st.sampled_from(STATUSES)),
    history=st.one_of(st.just("merged"), st.just("integrated"), st.sampled_from(sorted(HISTORIES))),
    odds=st.one_of(st.just(()), _odds()),
)


@hypothesis_settings(
    max_examples=EXAMPLES, deadline=None, print_blob=False, suppress_health_check=list(HealthCheck)
)
@given(
    parts=st.lists(PARTS, min_size=3, max_size=6),
    odds=st.sets(st.sampled_from(sorted({*EARLY, *LATE} - {"monitored"})), max_size=3),
    name=st.sampled_from(["shop", "sh op", "büro", "-shop", "it's"]),
    with_module=st.booleans(),
    dependent=st.booleans(),
)
def test_nothing_is_lost_in_any_state(
    parts: list[Part], odds: set[str], name: str, with_module: bool, dependent: bool
) -> None:
    with folder() as path:
        check(World(path, name, with_module).build(parts, odds=odds, dependent=dependent))


@pytest.mark.parametrize("kinds", [KINDS[:4], KINDS[4:]])
def test_each_thing_that_can_happen_alone(kinds: tuple[str, ...]) -> None:
    with folder() as path:
        parts = [Part(odds=(name,)) for name, odd in ODDS.items() if odd.kind in kinds]
        check(World(path, with_module="module" in kinds).build(parts))


def test_each_history_and_status() -> None:
    with folder() as path:
        parts = {
            Part(status, history) for status in STATUSES for history in ("merged", "integrated", "unmerged")
        }
        parts |= {Part(history=history) for history in HISTORIES}
        check(World(path).build(sorted(parts, key=str)))


@pytest.mark.parametrize(
    "odds",
    [
        {"hidden_by_a_monitor", "hidden_by_settings", "all_ignored", "packed", "with_refs_of_tasks"},
        {"landed", "on_a_branch_of_a_task", "base_is_owned", "beside_another"},
    ],
)
def test_each_thing_that_can_happen_to_the_whole(odds: set[str]) -> None:
    with folder() as path:
        kept = [Part(odds=(name,)) for name in ("modified", "untracked", "ignored", "submodule_dirty")]
        gone = [Part(), Part(history="integrated"), Part(status="aside"), Part(odds=("set_up",))]
        check(World(path, with_module=True).build(kept + gone, odds=odds))
