import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from parallelgen import schemas
from parallelgen.names import name_fault, ref_fault
from parallelgen.plan import build
from parallelgen.problem import Problem, in_order, quoted
from parallelgen.scope import Claim, claims
from parallelgen.source import read
from parallelgen.validate import problems
from tests.directories import directory, task, told

REFS = [
    "a",
    "a.b",
    "a..b",
    ".a",
    "a.",
    "a.lock",
    "a.lock.b",
    "a.lock/b",
    "a@{b",
    "@",
    "a@",
    "a b",
    "a\tb",
    "a~b",
    "a^",
]
REFS += [
    "a:b",
    "a?b",
    "a*",
    "a[b",
    "a\\b",
    "/a",
    "a/",
    "a//b",
    "a/.b",
    "-a",
    "a/-b",
    "é",
    "a\x7f",
    "a{b",
    "",
    "HEAD-x",
]


@pytest.mark.parametrize("ref", REFS)
def test_branch_names_are_those_of_git(ref: str) -> None:
    option = "--allow-onelevel" if ref == "@" else "--branch"  # which takes '@' for HEAD
    answer = subprocess.run(["git", "check-ref-format", option, ref], capture_output=True, check=False)
    assert (ref_fault(ref) is None) == (answer.returncode == 0)


@pytest.mark.parametrize(
    "name", ["task-001\n", "task 1", "é", "-a", ".a", "_a", "", "a" * 201, "orchestrator", "a..b"]
)
def test_names_refused(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["task-001-users", "0", "A.b_c-d", "a" * 200, "a-", "a_"])
def test_names_taken(name: str) -> None:
    assert name_fault(name) is None


def test_problem_text_has_place_and_hint() -> None:
    problem = Problem(
        "tasks/task-004-api.md", "deps[1]", "unknown task 'task-0O2'", "did you mean 'task-002'?"
    )
    first, second = str(problem).split("\n")
    assert first == "error: tasks/task-004-api.md: deps[1]: unknown task 'task-0O2'"
    assert second == "  did you mean 'task-002'?"


def test_problems_come_in_natural_order_and_once() -> None:
    mixed = [Problem(file, place, "m") for file in ("b", "a10", "a9") for place in ("deps[10]", "deps[2]")]
    found = [(problem.file, problem.place) for problem in in_order([*mixed, *mixed])]
    assert found == [(file, place) for file in ("a9", "a10", "b") for place in ("deps[2]", "deps[10]")]


def test_subjects_cannot_break_a_line_or_a_terminal() -> None:
    assert quoted("a\n\x1b[31m\ud800é") == "'a\\n\\x1b[31m\\ud800é'"


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", {"task-001-a": task()})
    (root / "tasks" / "task-001-A.md").write_text(task())
    (root / "prompts" / "task-001-A.txt").write_text("Work.")
    if len(list((root / "tasks").iterdir())) == 1:
        pytest.skip("this file system does not tell case apart")
    assert told(root) == [
        "warning: tasks/task-001-a.md: differs from 'tasks/task-001-A.md' only in case, "
        "which is lost on some file systems"
    ]


def test_a_broken_task_does_not_shake_the_others(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", {"task-001": "no frontmatter", "task-002": task("deps: task-001")})
    assert told(root) == [
        "error: tasks/task-001.md: line 1: no frontmatter: expected '---' on the first line"
    ]


def test_a_missing_task_file_is_told_once(tmp_path: Path) -> None:
    manifest = {"waves": [{"number": 1, "tasks": ["task-001"]}, {"number": 2, "tasks": ["task-002"]}]}
    found = told(directory(tmp_path / "d", {"task-002": task("deps: [task-001]")}, manifest))
    assert [line for line in found if line.startswith("error")] == [
        "error: manifest.json: waves[0].tasks[0].id: no task file for 'task-001': "
        "expected 'tasks/task-001.md' or 'tasks/task-001-*.md'"
    ]


def test_a_bad_id_is_told_once(tmp_path: Path) -> None:
    manifest = {"waves": [{"number": 1, "tasks": [{"id": "a b"}, "task-001"]}]}
    assert len(told(directory(tmp_path / "d", {"task-001": task()}, manifest))) == 1


def test_a_prompt_of_the_prefix_belongs_to_the_task_that_claims_it(tmp_path: Path) -> None:
    texts = {"task-001-a": task("id: task-001"), "task-001-b": task("id: task-001-b")}
    prompts = {"task-001.txt": "Work.", "task-001-b.txt": "Work."}
    plan = build(read(directory(tmp_path / "d", texts, prompts=prompts)))
    assert {found.id: found.prompt for found in plan.tasks} == {
        "task-001-a": "prompts/task-001.txt",
        "task-001-b": "prompts/task-001-b.txt",
    }


# --- schemas


@pytest.mark.parametrize("name", schemas.NAMES)
def test_schemas_are_valid_and_describe_every_field(name: str) -> None:
    Draft202012Validator.check_schema(schemas.load(name))
    for path, schema in fields(schemas.load(name), name):
        assert schema.get("description"), path


@pytest.mark.parametrize("name", schemas.NAMES)
def test_schemas_use_only_what_conforms_knows(name: str) -> None:
    known = {"type", "properties", "required", "items", "pattern", "minimum", "maximum", "minLength"}
    for path, schema in fields(schemas.load(name), name):
        assert set(schema) - {"$schema", "title", "description"} <= known, path


def fields(schema: Mapping[str, Any], path: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = [(path, schema)]
    for key, inner in schema.get("properties", {}).items():
        found += fields(inner, f"{path}.{key}")
    return found + (fields(schema["items"], f"{path}[]") if "items" in schema else [])


KEYS = [
    "waves",
    "tasks",
    "files",
    "number",
    "id",
    "deps",
    "wave",
    "timeout",
    "validation",
    "prompt_file",
    "x",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.floats(0, 2)
    | st.sampled_from(["", "task-001", "a b", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("name", schemas.NAMES)
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_conforms_agrees_with_jsonschema(name: str, value: dict[str, object]) -> None:
    errors = [str(problem) for problem in schemas.problems(name, value, "f")]
    assert bool(errors) == (not Draft202012Validator(schemas.load(name)).is_valid(value))
    assert not (schemas.conforms(schemas.load(name), value) and errors)


def test_true_is_no_number() -> None:
    (found,) = schemas.problems("task", {"wave": True}, "f")
    assert found.message == "expected a whole number, found true"


# --- scopes


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


# --- size


@pytest.mark.parametrize("shape", ["chain", "wide", "unknown", "cycle"])
def test_thousands_of_tasks(tmp_path: Path, shape: str) -> None:
    count = 10_000 if shape == "chain" else 2_000
    names = [f"task-{n:05}-name" for n in range(count)]
    needed = {
        "chain": ["", *names],
        "wide": [""] * (count // 2) + names,
        "unknown": [f"zebra-{n}" for n in range(count)],
        "cycle": [names[-1], *names],
    }[shape]
    body = "## Scope\nCREATE: src/{}/a.py\nMODIFY: src/shared.py::Part{}\n"
    texts = {
        name: task(f"deps: [{dep}]", body=body.format(name, name))
        for name, dep in zip(names, needed, strict=False)
    }
    manifest = json.dumps({"tasks": {"files": [f"tasks/{name}.md" for name in names]}})
    root = directory(tmp_path / "d", texts, manifest)
    start = time.monotonic()
    source = read(root)
    found = problems(source)
    assert len(found) == {"chain": 0, "wide": 0, "unknown": count, "cycle": 1}[shape]
    if not found:
        assert len(build(source).tasks) == count
    assert time.monotonic() - start < 20
