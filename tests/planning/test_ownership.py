import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from parallelgen.planning.globs import meet
from parallelgen.planning.ownership import _candidates, conflicts
from parallelgen.planning.scope import claims
from parallelgen.planning.tasklist import Entry
from parallelgen.reading.source import absent
from tests.directories import directory, task, told


def warnings(*scopes: str, waves: Sequence[int | None] = ()) -> list[str]:
    entries = [Entry(f"task-{n}", absent(f"tasks/task-{n}.md")) for n in range(len(scopes))]
    read = [claims(f"## Scope\n{scope}\n") for scope in scopes]
    return [str(problem) for problem in conflicts(entries, waves or [1] * len(scopes), read)]


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ("MODIFY: a.py", "MODIFY: a.py", 1),
        ("MODIFY: a.py", "CREATE: a.py", 1),
        ("MODIFY: a.py", "MODIFY: a.py::B", 1),
        ("CREATE: a.py", "MODIFY: a.py::B", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::B", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::B.c", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::Bc", 0),
        ("MODIFY: a.py::B.c", "MODIFY: a.py::B.d", 0),
        ("MODIFY: a.py", "BOUNDARY: a.py", 0),
        ("CREATE: a.py", "CREATE: a.py", 1),
        ("CREATE: a/*.py", "MODIFY: a/b.py", 1),
        ("CREATE: a/*.py", "MODIFY: a/b.py, a/c.py", 1),
        ("CREATE: a/*.py", "CREATE: a/*.py", 1),
        ("MODIFY: a/*.py", "MODIFY: a/b.py::C", 1),
        ("MODIFY: a/*.py::B", "MODIFY: a/b.py::C", 0),
        ("CREATE: a/*.py", "BOUNDARY: a/b.py", 0),
        ("CREATE: a/**/b.py", "MODIFY: a/b.py", 1),
        ("CREATE: a/**/b.py", "MODIFY: a/x/y/b.py", 1),
        ("CREATE: apps/users", "MODIFY: apps/users/models.py", 1),
        ("CREATE: apps/users/", "MODIFY: apps/*/models.py", 1),
        ("CREATE: apps/users/", "CREATE: apps/orders/", 0),
        ("CREATE: a/b.py, a/b*", "CREATE: c/d.py", 0),
        ("CREATE: a/", "CREATE: a/**", 1),
    ],
)
def test_ownership_in_one_wave(first: str, second: str, warned: int) -> None:
    assert len(warnings(first, second)) == len(warnings(second, first)) == warned
    found = warnings(first, second, waves=[1, 2])
    assert len(found) == (warned if first.startswith("CREATE") and first == second else 0)


def test_ownership_is_told_in_warnings(tmp_path: Path) -> None:
    scopes = ("MODIFY: a.py, b/*.py", "MODIFY: a.py", "MODIFY: b/c.py")
    texts = {f"task-{n}": task(body=f"## Scope\n{scope}\n") for n, scope in enumerate(scopes)}
    assert told(directory(tmp_path / "d", texts)) == [
        "warning: tasks/task-1.md: scope: 'a.py' is changed by 'task-0' of the same wave as well\n"
        "  name the part that each changes (path::Name), or move one to another wave",
        "warning: tasks/task-2.md: scope: 'b/c.py' may meet 'b/*.py' of 'task-0', of the same wave\n"
        "  name the files of each, or move one to another wave",
    ]


def test_every_pair_of_tasks_is_told_once() -> None:
    found = warnings("CREATE: a/b*", "CREATE: a/b.py", "CREATE: a/b.js", "CREATE: a/*", "CREATE: c")
    assert sorted(line.split("\n")[0].removeprefix("warning: tasks/") for line in found) == [
        "task-1.md: scope: 'a/b.py' may meet 'a/b*' of 'task-0', of the same wave",
        "task-2.md: scope: 'a/b.js' may meet 'a/b*' of 'task-0', of the same wave",
        "task-3.md: scope: 'a/*' may meet 'a/b*' of 'task-0', of the same wave",
        "task-3.md: scope: 'a/*' may meet 'a/b.js' of 'task-2', of the same wave",
        "task-3.md: scope: 'a/*' may meet 'a/b.py' of 'task-1', of the same wave",
    ]


def test_a_task_that_may_meet_all_others_is_told_of_some() -> None:
    assert len(warnings(*(f"CREATE: {n}.py" for n in range(30)), "MODIFY: *")) == 10


@given(st.lists(st.text("ab/*?.", min_size=1, max_size=6), max_size=6, unique=True))
@hypothesis_settings(deadline=None)
def test_those_that_may_meet_are_all_looked_at(paths: list[str]) -> None:
    looked_at = {frozenset(pair) for pair in _candidates(paths)}
    assert looked_at >= {frozenset(pair) for pair in combinations(paths, 2) if meet(*pair)}


@pytest.mark.parametrize(
    "scope", ["CREATE: {n}/*, */{n}.py", "MODIFY: urls.py::r{n}", "MODIFY: src/*/{n}.py"]
)
def test_a_thousand_tasks_are_compared_in_a_moment(scope: str) -> None:
    started = time.process_time()
    warnings(*(scope.replace("{n}", f"{n:04}") for n in range(1000)))
    assert time.process_time() - started < 3
