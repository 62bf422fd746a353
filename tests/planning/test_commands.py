import json
import subprocess
from pathlib import Path

import pytest

from parallelgen import settings
from parallelgen.planning.commands import of_waves, validation
from parallelgen.planning.plan import build
from parallelgen.reading.source import read
from parallelgen.settings import OptionError
from tests.directories import directory, plan_of, task, told


def test_the_manifest_comes_before_the_frontmatter(tmp_path: Path) -> None:
    listed = [{"id": "task-001", "setup": "make deps", "verify": None}, {"id": "task-002", "setup": " "}]
    texts = {
        "task-001": task("setup: npm ci", "verify: + pytest -q "),
        "task-002": task("setup: npm ci", "verify: ':'"),
    }
    manifest = {"waves": [{"number": 1, "tasks": [*listed, "task-003"]}]}
    plan = plan_of(directory(tmp_path / "d", texts | {"task-003": task()}, manifest))
    assert [(found.setup, found.verify) for found in plan.tasks] == [
        ("make deps", "+pytest -q"),
        ("npm ci", ":"),
        ("", ""),
    ]


def test_the_line_end_of_a_block_is_no_second_line(tmp_path: Path) -> None:
    root = directory(
        tmp_path / "d", {"task-001": task("verify: |", "  pytest 'a: b'", "setup: >", "  x", "  y")}
    )
    (found,) = plan_of(root).tasks
    assert (found.setup, found.verify) == ("x y", "pytest 'a: b'")


def test_what_sh_refuses_is_an_error_with_its_words(tmp_path: Path) -> None:
    manifest = {"waves": [{"number": 1, "tasks": [{"id": "task-001", "setup": "if true; then"}]}]}
    found = told(directory(tmp_path / "d", {"task-001": task("verify: +pytest )")}, manifest))
    assert len(found) == 2
    assert found[0].startswith("error: manifest.json: waves[0].tasks[0].setup: sh refuses it: ")
    assert found[0].endswith(", found 'if true; then'")
    assert found[1].startswith("error: tasks/task-001.md: verify: sh refuses it: ")


@pytest.mark.parametrize("name", ["setup", "verify", "verify_integration"])
def test_what_sh_refuses_is_a_usage_error_of_an_option(tmp_path: Path, name: str) -> None:
    root = directory(tmp_path / "d", {"task-001": task()})
    row = settings.row(name)
    with pytest.raises(OptionError, match=f"Invalid value for '{row.option}': sh refuses it: "):
        build(read(root), settings.read({name: "a |"}, {}))
    with pytest.raises(OptionError, match=f"'{row.variable}': sh refuses it: "):
        build(read(root), settings.read({}, {row.variable: "a |"}))


def test_a_plan_without_commands_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keys: object) -> None:
        raise AssertionError(args)

    monkeypatch.setattr(subprocess, "run", refuse)
    plan_of(directory(tmp_path / "d", {"task-001": task("setup: ''", "verify: null")}))


def warned(text: object) -> list[str]:
    return [str(problem) for problem in of_waves({"waves": [{"number": 1, "validation": text}]})]


@pytest.mark.parametrize("text", ["", " ", None, [], "a\0)"])
def test_what_is_no_validation_or_what_the_schema_refuses(text: object) -> None:
    assert warned(text) == []


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("pytest apps/ && mypy apps/", "pytest apps/ && mypy apps/"),
        (" a b\r\nc  d\n", "a b\nc  d"),
        ("cat <<X\n  a\n\nX\n", "cat <<X\n  a\n\nX"),
        ("import -window root x.png", "import -window root x.png"),
        ("import-all x", "import-all x"),
        ("from_env.sh", "from_env.sh"),
        ("assert.sh it", "assert.sh it"),
        ("x = 1", "x = 1"),
        ("print", "print"),
        ("import rag.x", "python3 -c 'import rag.x'"),
        (
            " from rag.x import Y; print('OK')\n",
            """python3 -c 'from rag.x import Y; print('"'"'OK'"'"')'""",
        ),
        ("assert(x == '$y')", """python3 -c 'assert(x == '"'"'$y'"'"')'"""),
        ("print(open('x').read())", """python3 -c 'print(open('"'"'x'"'"').read())'"""),
        ("\n  import x\n  if x:\n    print(1)\n", "python3 -c 'import x\nif x:\n  print(1)'"),
        (r"print(r'\d')", r"""python3 -c 'print(r'"'"'\d'"'"')'"""),
    ],
)
def test_validations_in_shell_and_in_python(text: str, command: str) -> None:
    assert warned(text) == []
    assert validation(text) == command


def test_python_is_run_as_it_was_written() -> None:
    text = 'from math import pi\nprint(f"it\'s {pi:.2f}", r"\\ $HOME",\n  "EOF")'
    answer = subprocess.run(["sh", "-c", validation(text)], capture_output=True, text=True, check=True)
    assert answer.stdout == "it's 3.14 \\ $HOME EOF\n"


@pytest.mark.parametrize("text", ["pytest (", "a && && b", "(" * 5000])
def test_validations_that_are_neither(text: str) -> None:
    (found,) = warned(text)
    assert found.startswith("warning: manifest.json: waves[0].validation: sh refuses it: ")
    assert found.endswith("\n  it will be run all the same, with --integrate or --integrate-now")
    assert validation(text) == text


def test_what_begins_like_python_is_run_as_python() -> None:
    (found,) = warned("from x import (")
    assert found.startswith("warning: manifest.json: waves[0].validation: Python refuses it: ")
    assert validation("from x import (") == "python3 -c 'from x import ('"


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\r", "\x85", "\u2028"])
def test_a_validation_whose_text_could_not_be_shown_is_an_error(tmp_path: Path, letter: str) -> None:
    waves = [{"number": 1, "tasks": ["task-001"], "validation": f"make{letter}x\ty\r\nz\n"}]
    (found,) = told(directory(tmp_path / "d", {"task-001": task()}, {"waves": waves}))
    assert found.startswith(
        "error: manifest.json: waves[0].validation: "
        "expected a command without control characters other than tabs and line ends, found "
    )


def agents_told(tmp_path: Path, *lines: str, subagents: str = "0") -> list[str]:
    root = directory(tmp_path / f"{len([*tmp_path.iterdir()])}", {"task-001": task(*lines)})
    return [
        str(problem) for problem in build(read(root), settings.read({"subagents": subagents}, {})).problems
    ]


def test_agent_and_model_of_a_task(tmp_path: Path) -> None:
    listed = [{"id": "task-001", "cli": "opencode", "model": None}, "task-002"]
    texts = {"task-001": task("cli: gemini", "model: a/b[1m]"), "task-002": task("agent: critic")}
    plan = plan_of(directory(tmp_path / "d", texts, {"waves": [{"number": 1, "tasks": listed}]}))
    assert [(found.cli, found.model, found.agent) for found in plan.tasks] == [
        ("opencode", "a/b[1m]", None),
        ("", "", "critic"),
    ]
    assert plan.adapters == ("claude", "command", "opencode")


def test_an_agent_that_is_not_known(tmp_path: Path) -> None:
    assert agents_told(tmp_path, "cli: cladue") == [
        "error: tasks/task-001.md: cli: "
        "expected one of claude, codex, demo, gemini, opencode, found 'cladue'\n"
        "  did you mean 'claude'?"
    ]
    manifest = {"waves": [{"number": 1, "tasks": [{"id": "task-001", "cli": "command"}]}]}
    (found,) = told(directory(tmp_path / "m", {"task-001": task()}, manifest))
    assert found.startswith("error: manifest.json: waves[0].tasks[0].cli: expected one of claude, ")


@pytest.mark.parametrize("model", ["-x", "a b", "$(true)", 'a"b', "a'b"])
def test_a_model_that_is_no_name(tmp_path: Path, model: str) -> None:
    (found,) = agents_told(tmp_path, f"model: {json.dumps(model)}")
    assert found.startswith("error: tasks/task-001.md: model: expected the name of a model, found ")


def test_a_subagent_is_looked_at_where_it_is_handed_on(tmp_path: Path) -> None:
    assert agents_told(tmp_path, "agent: 'the critic'") == []
    (found,) = agents_told(tmp_path, "agent: 'the critic'", subagents="1")
    assert found == ("error: tasks/task-001.md: agent: expected the name of a subagent, found 'the critic'")
    assert agents_told(tmp_path, "agent: team:critic-2", subagents="1") == []
