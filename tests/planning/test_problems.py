"""What is wrong with a directory, as a whole: each thing is told once, and in time."""

import json
import time
from pathlib import Path

import pytest

from parallelgen import settings
from parallelgen.agents import MARKER
from parallelgen.planning.plan import build
from parallelgen.reading.source import read
from tests.directories import PROMPT, directory, plan_of, task, told


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", {"task-001-a": task()})
    (root / "tasks" / "task-001-A.md").write_text(task())
    (root / "prompts" / "task-001-A.txt").write_text(PROMPT)
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
    prompts = {"task-001.txt": PROMPT, "task-001-b.txt": PROMPT}
    plan = plan_of(directory(tmp_path / "d", texts, prompts=prompts))
    assert {found.id: found.prompt for found in plan.tasks} == {
        "task-001-a": "prompts/task-001.txt",
        "task-001-b": "prompts/task-001-b.txt",
    }


def test_prompts_that_do_not_speak_of_the_marker_are_told_once(tmp_path: Path) -> None:
    texts = {f"task-{n:03}": task() for n in range(1, 14)}
    prompts = {f"{name}.txt": PROMPT if name == "task-013" else "Work." for name in texts}
    assert told(directory(tmp_path / "many", texts, prompts=prompts)) == [
        "warning: prompts/: the prompt of 'task-001', 'task-002', 'task-003', 'task-004', 'task-005' "
        "and 7 more does not speak of '.claude-task-complete', without which a task fails\n"
        "  let the prompt end with: commit your work, then run 'touch .claude-task-complete'"
    ]
    told_in_file = {"task-001": task(body=PROMPT), "task-002": task()}
    silent = directory(
        tmp_path / "one", told_in_file, prompts={"task-001.txt": "Work.", "task-002.md": "Work."}
    )
    assert [line[:48] for line in told(silent)] == ["warning: prompts/task-002.md: the prompt of 'tas"]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [({"agent": "claude"}, 1), ({"agent": "demo"}, 0), ({"agent_command": f"work && touch {MARKER}"}, 0)],
)
def test_an_agent_that_makes_the_marker_itself_needs_no_prompt_for_it(
    tmp_path: Path, chosen: dict[str, str], count: int
) -> None:
    root = directory(tmp_path / "d", {"task-001": task()}, prompts={"task-001.txt": "Work."})
    assert len(build(read(root), settings.read(chosen, {})).problems) == count


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
    planned = build(source)
    assert len(planned.problems) == {"chain": 0, "wide": 0, "unknown": count, "cycle": 1}[shape]
    if not planned.problems:
        assert planned.plan
        assert len(planned.plan.tasks) == count
    assert time.monotonic() - start < 20
