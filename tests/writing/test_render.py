"""Rendering: quoted values only, the same bytes for the same plan, a script that sees the plan as it was."""

import hashlib
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jinja2 import nodes

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings, in_scripts, read
from parallelgen.writing import generate, render

FILTERS = {"sh", "comment", "plain"}
TEMPLATES = ["run-parallel.sh.j2", "monitor-live.sh.j2"]
SHELLS = [
    words
    for words in (["sh"], ["bash"], ["dash"], ["busybox", "ash"], ["mksh"], ["ksh93"], ["yash"])
    if shutil.which(words[0])
]
# Between these two stand the settings and the plan of a script. In place of what reads and uses them comes
# what prints each value, with a character behind it that no value can hold.
SETTINGS, MAIN = "# --- settings: ", "\n{\n  # Read to its end"
READ = """
variables=
setting() {
  eval "$1=\\$2"
  variables="$variables $1"
}
"""
PRINT = """
for variable in $variables tech_spec; do
  eval "printf '%s\\036' \\"\\$$variable\\""
done
commands
printf '\\036'
plan
"""

name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
# Any text on one line that neither begins nor ends with white space; half surrogate pairs cannot be encoded.
hostile = st.text(
    st.one_of(
        st.sampled_from("$`\"'\\;&|<>(){}[]*?~#!= \t-%^"),
        st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]),
    ),
    min_size=1,
    max_size=40,
).filter(lambda text: text == text.strip() and text != "")
several_lines = st.lists(hostile, min_size=1, max_size=3).map("\n".join)


def word(text: str) -> str:
    return text.replace(" ", "?").replace("\t", "?")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ids = draw(st.lists(name, min_size=1, max_size=6, unique=True))
    split = draw(st.integers(1, len(ids)))
    tasks = []
    for index, ident in enumerate(ids):
        wave = 1 if index < split else 2
        deps = tuple(draw(st.sets(st.sampled_from(ids[:split])))) if wave == 2 else ()
        limit = draw(st.none() | st.integers(1, 10**6))
        prompt = "prompts/" + draw(hostile)
        setup, verify = draw(st.just("") | hostile), draw(st.just("") | hostile | hostile.map("+{}".format))
        deps = tuple(sorted(deps, key=ids.index))
        task = Task(ident, f"{ident}-name", wave, deps, limit, prompt, setup=setup, verify=verify)
        scope, boundary = (tuple(draw(st.lists(hostile.map(word), max_size=3))) for _ in range(2))
        tasks.append(replace(task, scope=scope, boundary=boundary))
    waves = tuple(
        Wave(number, tuple(task for task in tasks if task.wave == number), draw(st.none() | several_lines))
        for number in (1, 2)
        if any(task.wave == number for task in tasks)
    )
    settings = Settings(
        max_concurrent=draw(st.integers(1, 99)),
        task_timeout=draw(st.integers(1, 10**6)),
        workspace_root=draw(hostile),
        base_branch=draw(st.just("") | hostile),
        agent_command=draw(several_lines),
        setup=draw(st.just("") | hostile),
        verify=draw(st.just("") | hostile),
    )
    return Plan(draw(hostile), draw(hostile), waves, settings)


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_hold_only_loops_and_filtered_values(template: str) -> None:
    environment = render.environment()
    source = (render.template_folder() / template).read_text()
    allowed = (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.Filter, nodes.Name, nodes.Getattr,
    )  # fmt: skip
    tree = environment.parse(source)
    for node in tree.find_all(nodes.Node):
        assert isinstance(node, allowed), f"{template}:{node.lineno}: {type(node).__name__}"
    for output in tree.find_all(nodes.Output):
        for value in output.nodes:
            is_filtered = isinstance(value, nodes.Filter) and value.name in FILTERS
            assert is_filtered or isinstance(value, nodes.TemplateData), f"{template}:{value.lineno}"


def test_the_library_holds_no_jinja() -> None:
    for name, text in render.read_library().items():
        assert not any(tag in text for tag in ("{{", "{%", "{#")), name


@given(plans(), hostile)
@hypothesis_settings(max_examples=15, deadline=None)
def test_the_same_plan_gives_the_same_bytes(plan: Plan, directory: str) -> None:
    assert render.scripts(plan, directory) == render.scripts(plan, directory)


@given(st.binary(max_size=300))
def test_checksums_are_those_of_cksum(data: bytes) -> None:
    answer = subprocess.run(["cksum"], input=data, capture_output=True, check=True)
    assert render.cksum(data) == answer.stdout.decode().strip()


def test_the_checksum_of_a_long_text() -> None:
    assert (
        render.cksum(b"x" * 70_000)
        == subprocess.run(["cksum"], input=b"x" * 70_000, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


def test_the_script_holds_the_checksums_of_the_library_beside_it(tmp_path: Path) -> None:
    plan = Plan("x", "", (Wave(1, (Task("task-001", "task-001-a", 1, (), None, "prompts/a"),)),))
    generate.write_scripts(tmp_path, render.scripts(plan, "parallel/x"))
    text = (tmp_path / "run-parallel.sh").read_text()
    files = "LC_ALL=C; cat lib/*.sh lib/agents/*.sh"
    for command in (f"{files} | cksum", f"{files} | sha256sum"):
        answer = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert answer.stdout.removesuffix("-\n").strip() in text
    parts = [*sorted((tmp_path / "lib").glob("*.sh")), *sorted((tmp_path / "lib/agents").iterdir())]
    assert [path.name for path in parts[-2:]] == ["claude.sh", "command.sh"]
    assert hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest() in text
    for path in parts:
        assert path.read_bytes() == (render.template_folder() / path.relative_to(tmp_path)).read_bytes()
    attributes = (tmp_path / ".gitattributes").read_bytes()
    assert attributes == (render.template_folder() / "gitattributes").read_bytes()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@given(plan=plans(), directory=hostile)
@hypothesis_settings(max_examples=10, deadline=None)
def test_the_script_sees_the_plan_that_was_rendered(shell: list[str], plan: Plan, directory: str) -> None:
    _, _, text = render.scripts(plan, directory)[render.RUN].partition(SETTINGS)
    data, found, _ = text.rpartition(MAIN)
    assert found
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "run-parallel.sh"
        script.write_text(f"{READ}# {data}{PRINT}", encoding="utf-8")
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [*shell, str(script)], capture_output=True, env=environment, cwd=folder, check=False
        )
        assert [path.name for path in Path(folder).iterdir()] == ["run-parallel.sh"]
    assert done.stderr == b""
    *values, commands, rows = done.stdout.decode().split("\x1e")
    assert [line.split(" ", 2) for line in commands.split("\n")[:-1]] == [
        *(
            [task.id, step, text]
            for task in plan.tasks
            for step, text in (("setup", task.setup), ("verify", task.verify))
            if text
        ),
        *(
            [str(wave.number), "validation", line]
            for wave in plan.waves
            if wave.validation
            for line in wave.validation.split("\n")
        ),
        *(
            [task.id, kind, " ".join(globs)]
            for task in plan.tasks
            for kind, globs in (("scope", task.scope), ("boundary", task.boundary))
            if globs
        ),
    ]
    assert values == [*(row.text(plan.settings) for row in in_scripts()), plan.tech_spec]
    assert [row.split(None, 5) for row in rows.splitlines()] == [
        [
            task.id,
            task.name,
            str(task.wave),
            ",".join(task.deps) or "-",
            str(task.timeout or "-"),
            task.prompt,
        ]
        for task in plan.tasks
    ]


TASK = Task("task-001", "task-001-a", 1, (), None, "prompts/a")


def script(settings: Settings, *tasks: Task) -> str:
    return render.render(render.RUN, Plan("x", "", (Wave(1, tasks or (TASK,)),), settings), "parallel/x")


def head(text: str) -> list[str]:
    return text[: text.index("\n\n")].splitlines()


def test_the_header_shows_what_is_executed_for_each_task() -> None:
    other = Task("task-002", "task-002-b", 1, (), None, "prompts/b", setup=":", verify="+pytest -q")
    lines = head(
        script(read({"agent_command": "work", "setup": "npm ci", "verify": "make test"}, {}), TASK, other)
    )
    (start,) = [n for n, line in enumerate(lines) if line.startswith("# Executed for each task with sh -c, ")]
    assert ".worktreeinclude" in lines[start]
    assert lines[start + 1 : start + 6] == [
        "#   setup   npm ci",
        "#   agent   work",
        "#   verify  make test",
        "#   task-002: setup :",
        "#   task-002: verify +pytest -q",
    ]
    assert not [
        line for line in head(script(read({"agent": "demo"}, {}))) if "setup" in line or "verify" in line
    ]
    launched = "#   agent   codex, as lib/agents/codex.sh launches it --model=gpt-5.2 --agent-args=-c a=b"
    chosen = read({"agent": "codex", "model": "gpt-5.2", "agent_args": "-c a=b"}, {})
    assert launched in head(script(chosen))


def test_the_header_shows_what_is_executed_where_branches_are_merged() -> None:
    waves = (Wave(1, (TASK,), "pytest\n  mypy"), Wave(2, (TASK,)), Wave(3, (TASK,), "make"))
    plan = Plan("x", "", waves, read({"verify_integration": "make all"}, {}))
    lines = head(render.render(render.RUN, plan, "parallel/x"))
    (start,) = [n for n, line in enumerate(lines) if "in the integration's worktree" in line]
    assert lines[start + 1 : start + 6] == [
        "#   wave 1: pytest",
        "#   wave 1:   mypy",
        "#   wave 3: make",
        "#   at the end: make all",
        "# It needs sh, git and the POSIX utilities. Usage: run-parallel.sh --help",
    ]
    assert not [line for line in head(script(Settings())) if "integration" in line]


def test_agents_of_tasks_are_shown_and_written() -> None:
    own = Task("task-001", "task-001-a", 1, (), None, "prompts/a", agent="critic", cli="demo", model="m")
    for subagents in ("0", "1"):
        plan = Plan("x", "", (Wave(1, (own,)),), read({"agent": "claude", "subagents": subagents}, {}))
        files = render.scripts(plan, "parallel/x")
        lines = ["task-001 agent demo", "task-001 model m"] + ["task-001 subagent critic"] * int(subagents)
        data = "".join(f"{line}\n" for line in lines)
        assert f"<<'COMMANDS'\n{data}COMMANDS\n" in files[render.RUN]
        assert "#   task-001: agent demo" in head(files[render.RUN])
        names = ["claude", "command", "demo"]
        assert [path for path in files if "agents/" in path] == [f"lib/agents/{name}.sh" for name in names]
        assert "\nsetting AGENT_NAME claude --agent NAME 'claude|demo' " in files[render.RUN]


def test_commands_stand_beside_the_plan() -> None:
    assert "\ncommands() {\n  cat <<'COMMANDS'\nCOMMANDS\n}\n" in script(Settings())
    own = Task("task-001", "task-001-a", 1, (), None, "prompts/a", setup="npm ci", verify="+x 'y' $z")
    own = replace(own, scope=("a/*.py", "b"), boundary=("c/*",))
    plan = Plan("x", "", (Wave(1, (own,), "pytest <<COMMANDS\n\n  a  b\nCOMMANDS"),))
    text = render.render(render.RUN, plan, "parallel/x")
    data = "task-001 setup npm ci\ntask-001 verify +x 'y' $z\n"
    lines = "".join(f"1 validation {line}\n" for line in ("pytest <<COMMANDS", "", "  a  b", "COMMANDS"))
    scope = "task-001 scope a/*.py b\ntask-001 boundary c/*\n"
    assert f"<<'COMMANDS'\n{data}{lines}{scope}COMMANDS\n" in text
    assert text.index("\nsetting ") < text.index("\ncommands() {") < text.index("\nplan() {")


def test_a_script_is_short() -> None:
    chosen = read({"setup": "npm ci", "verify": "npm test"}, {})
    tasks = [Task(f"task-{n}", f"task-{n}-a", 1, (), None, "prompts/a") for n in range(7)]
    assert script(chosen, *tasks).count("\n") <= 74 + len(in_scripts()) + len(tasks)


@given(plans(), hostile)
@hypothesis_settings(max_examples=50, deadline=None)
def test_the_header_says_how_to_make_the_script_again(plan: Plan, directory: str) -> None:
    words = shlex.split(render.command(plan.settings, directory))
    assert words[:2] == ["parallel-run", "--generate-only"]
    assert words[-1] == directory
    assert f"--workspace-root={plan.settings.workspace_root}" in words
    assert f"--agent-command={plan.settings.agent_command}" in words


@pytest.mark.parametrize("value", ["PLAN", "COMMANDS", "a\nb", "a\0b"])
def test_a_line_that_would_break_the_plan_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="not a line of data"):
        render.data_line(value)
