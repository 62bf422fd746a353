from pathlib import Path

import pytest

from parallelgen.planning.scope import Claim, claims
from tests.directories import directory, task, told


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("CREATE: a/b.py", ["a/b.py"]),
        ("CREATE: a/{b,c}/{d,e}.py", ["a/b/d.py", "a/b/e.py", "a/c/d.py", "a/c/e.py"]),
        ("CREATE: a.py (new, big), ./b.py", ["a.py", "b.py"]),
        ("**CREATE**: `my file.py`, Makefile", ["my file.py", "Makefile"]),
        ("- CREATE: [a.py, b.py]", ["a.py", "b.py"]),
        ("CREATE:\n- a.py\n  * b.py - why\n1. c.py", ["a.py", "b.py", "c.py"]),
        ("CREATE (new files):\n- a.py", ["a.py"]),
        ("CREATE: []", []),
        ("CREATE:\n\na.py (why)\n`b c.py`\nAnd then some words.\n- d.py", ["a.py", "b c.py"]),
        ("CREATE: a/{b}.py", ["a/{b}.py"]),
        ("CREATE: `a,b.py`", ["a,b.py"]),
        ("create: none", []),
        ("CREATE:\n- the model of a user", []),
        ("```\nCREATE: a.py\n```", ["a.py"]),
        ("CREATE: a{b", ["a{b"]),
        ("CREATE: " + "{a,b}" * 30, None),
    ],
)
def test_scope_forms(line: str, paths: list[str] | None) -> None:
    found = [claim.path for claim in claims(f"# T\n\n## Scope\n\n{line}\n\n## Notes\nCREATE: z.py\n")]
    assert found == paths if paths is not None else len(found) <= 256


def test_scope_parts_of_a_file() -> None:
    assert claims("### Scope\nMODIFY: a.py::B.c, d.py\nBOUNDARY: e/*") == [
        Claim("MODIFY", "a.py", "B.c"),
        Claim("MODIFY", "d.py"),
        Claim("BOUNDARY", "e/*"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ("MODIFY: a.py", "MODIFY: a.py", 2),
        ("MODIFY: a.py", "CREATE: a.py", 1),
        ("MODIFY: a.py", "MODIFY: a.py::B", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::B", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::B.c", 1),
        ("MODIFY: a.py::B", "MODIFY: a.py::Bc", 0),
        ("MODIFY: a.py::B.c", "MODIFY: a.py::B.d", 0),
        ("MODIFY: a.py", "BOUNDARY: a.py", 0),
        ("CREATE: a.py", "CREATE: a.py", 1),
    ],
)
def test_ownership_in_one_wave(tmp_path: Path, first: str, second: str, warned: int) -> None:
    texts = {f"task-{n}": task(body=f"## Scope\n{line}\n") for n, line in enumerate((first, second))}
    found = told(directory(tmp_path / "d", texts))
    assert len(found) == warned
    assert all(line.startswith("warning: ") for line in found)


def test_ownership_in_two_waves(tmp_path: Path) -> None:
    texts = {f"task-{n}": task(f"wave: {n}", body="## Scope\nMODIFY: a.py\n") for n in (1, 2)}
    assert told(directory(tmp_path / "d", texts)) == []
