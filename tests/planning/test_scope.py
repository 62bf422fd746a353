from pathlib import Path

import pytest

from parallelgen.planning.scope import Claim, claims, globs, patterns
from tests.directories import directory, plan_of, task


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
        ("CREATE: a.py: why\n- b/c; d\n- e.py.", ["a.py", "b/c", "e.py"]),
        ("CREATE: a.py\n`b -c d` prints it.\n`e f.py`, g.py", ["a.py"]),
        ("CREATE:\n`a b.py`\n`c` (why)\nDone. It is d.py.", ["a b.py", "c"]),
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
    ("path", "found"),
    [
        ("a/b.py", ["a/b.py"]),
        ("/a/b", ["a/b"]),
        ("a/", ["a/*"]),
        ("a/**", ["a/*"]),
        ("a/**/b.py", ["a/b.py", "a/*/b.py"]),
        ("**/b.py", ["b.py", "*/b.py"]),
        ("a**/b", ["a*/b"]),
        ("a/**/", ["a/*", "a/*/*"]),
        (".", ["*"]),
        ("", ["*"]),
        ("/", ["*"]),
    ],
)
def test_globs_of_paths(path: str, found: list[str]) -> None:
    assert globs(path) == found


def test_patterns_are_words_that_a_shell_matches() -> None:
    scope = [
        Claim("CREATE", "my file\x07.py", "Part"),
        Claim("MODIFY", "my file\x07.py"),
        Claim("MODIFY", "app/[id]/x\\y"),
        Claim("BOUNDARY", "z/"),
    ]
    assert patterns(scope, ("CREATE", "MODIFY")) == ("my?file?.py", "app/?id?/x?y", "app/[id]/x?y")
    assert patterns(scope, ("BOUNDARY",)) == ("z/*",)
    assert patterns(scope[:3], ("BOUNDARY",)) == ()


def test_a_plan_knows_what_a_task_may_touch(tmp_path: Path) -> None:
    body = "## Scope\nCREATE: a/{b,c}.py\nMODIFY: a/b.py::D, e\nBOUNDARY: f/*\n"
    (found,) = plan_of(directory(tmp_path / "d", {"task-001": task(body=body)})).tasks
    assert (found.scope, found.boundary) == (("a/b.py", "a/c.py", "e"), ("f/*",))
