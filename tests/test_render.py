"""Rendering: quoted values only, the same bytes for the same plan, a script that sees the plan as it was."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jinja2 import nodes

from parallelgen import render
from parallelgen.plan import Plan, Settings, Task, Wave

FILTERS = {"sh", "comment", "plain"}
TEMPLATES = ["run-parallel.sh.j2", "monitor-live.sh.j2"]
SHELLS = [
    words
    for words in (["sh"], ["bash"], ["dash"], ["busybox", "ash"], ["mksh"], ["ksh93"], ["yash"], ["posh"])
    if shutil.which(words[0])
]
MAIN = 'main ${1+"$@"}\n'
# What the script sees of its plan and settings, each value between two lines that no value can hold.
DUMP = r"""
workspaces= logs=
load_plan
for number in $tasks; do
  use_task "$number"
  numbers=
  for dep in $deps_of; do name_task "$dep"; numbers="$numbers $its_id"; done
  printf '%s\n' "$id|$name|$wave|$limit|$prompt|$numbers"
done
set -- "$AGENT_COMMAND" "$WORKSPACE_ROOT" "$BASE_BRANCH" "$tech_spec" "$MAX_CONCURRENT" "$TASK_TIMEOUT"
for value in "$@"; do
  printf '%s\036' "$value"
done
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
        tasks.append(Task(ident, ident + "-name", wave, tuple(sorted(deps, key=ids.index)), limit, prompt))
    waves = tuple(
        Wave(number, tuple(task for task in tasks if task.wave == number))
        for number in (1, 2)
        if any(task.wave == number for task in tasks)
    )
    settings = Settings(
        max_concurrent=draw(st.integers(1, 99)),
        task_timeout=draw(st.integers(1, 10**6)),
        workspace_root=draw(hostile),
        base_branch=draw(st.just("") | hostile),
        agent_command=draw(several_lines),
    )
    return Plan(draw(hostile), draw(hostile), waves, settings)


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_hold_only_loops_includes_and_filtered_values(template: str) -> None:
    environment = render.environment()
    source = (render.template_folder() / template).read_text()
    allowed = (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.Include, nodes.Filter,
        nodes.Name, nodes.Getattr, nodes.Const,
    )  # fmt: skip
    tree = environment.parse(source)
    for node in tree.find_all(nodes.Node):
        assert isinstance(node, allowed), f"{template}:{node.lineno}: {type(node).__name__}"
    for output in tree.find_all(nodes.Output):
        for value in output.nodes:
            is_filtered = isinstance(value, nodes.Filter) and value.name in FILTERS
            assert is_filtered or isinstance(value, nodes.TemplateData), f"{template}:{value.lineno}"


def test_the_library_holds_no_jinja() -> None:
    for part in (render.template_folder() / "lib").glob("*.sh"):
        text = part.read_text()
        assert not any(tag in text for tag in ("{{", "{%", "{#")), part.name


@given(plans(), hostile)
@hypothesis_settings(max_examples=15, deadline=None)
def test_the_same_plan_gives_the_same_bytes(plan: Plan, directory: str) -> None:
    assert render.run_script(plan, directory) == render.run_script(plan, directory)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@given(plan=plans(), directory=hostile)
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_script_sees_the_plan_that_was_rendered(
    shell: list[str], plan: Plan, directory: str, tmp_path: Path
) -> None:
    text = render.run_script(plan, directory)
    assert text.endswith(MAIN)
    script = tmp_path / "run-parallel.sh"
    script.write_text(text[: -len(MAIN)] + DUMP, encoding="utf-8")
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*shell, str(script)], capture_output=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.stderr == b""
    *rows, values = done.stdout.decode().split("\n", len(plan.tasks))
    assert rows == [
        f"{task.id}|{task.name}|{task.wave}|{task.timeout or '-'}|{task.prompt}|"
        + "".join(f" {dep}" for dep in task.deps)
        for task in plan.tasks
    ]
    chosen = plan.settings
    assert values.split("\x1e")[:-1] == [
        chosen.agent_command,
        chosen.workspace_root,
        chosen.base_branch,
        plan.tech_spec,
        str(chosen.max_concurrent),
        str(chosen.task_timeout),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-parallel.sh"]


@given(plans(), hostile)
@hypothesis_settings(max_examples=50, deadline=None)
def test_the_header_says_how_to_make_the_script_again(plan: Plan, directory: str) -> None:
    command = render.regenerate_command(plan.settings, directory)
    words = shlex.split(command)
    assert words[:2] == ["parallel-run", "--generate-only"]
    assert words[-1] == directory
    assert f"--workspace-root={plan.settings.workspace_root}" in words
    assert f"--agent-command={plan.settings.agent_command}" in words


@pytest.mark.parametrize("value", ["PLAN", "a\nb", "a\0b"])
def test_a_line_that_would_break_the_plan_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="not a line of data"):
        render.data_line(value)
