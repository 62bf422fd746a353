import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from parallelgen import agents
from parallelgen.cli import cli
from parallelgen.settings import in_scripts
from tests.conftest import parallelgen

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "templates" / "lib"
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", USAGE, re.MULTILINE | re.DOTALL))
# The part of each script's library that reads its command line.
SCRIPTS = {"run-parallel.sh": "options.sh", "monitor-live.sh": "monitor.sh"}
OPTION = "--[a-z][a-z-]*"
SIZED = ("docs/architecture.md", "README.md")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def options_of(command: click.Command) -> set[str]:
    return {name for item in command.params if isinstance(item, click.Option) for name in item.opts}


def options_of_script(name: str) -> set[str]:
    text = (LIBRARY / SCRIPTS[name]).read_text(encoding="utf-8")
    cases = re.findall(r"^ +((?:[-\w]+(?:=\*)? \| )*--[^)\n]*)\)", text, re.MULTILINE)
    found = set(re.findall(OPTION, " ".join(cases)))
    if name == "run-parallel.sh":
        # One has to come first, and is looked for before all others.
        found |= set(re.findall(f"= ({OPTION}) ]", (LIBRARY / "main.sh").read_text(encoding="utf-8")))
        found |= {row.option for row in in_scripts()}
    return found


def library() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(LIBRARY.glob("*.sh")))


@pytest.mark.parametrize("name", list(cli.commands))
def test_every_command_and_option_is_documented(name: str) -> None:
    section = SECTIONS[name]
    assert options_of(cli.commands[name]) <= set(re.findall(OPTION, section))
    assert f"    parallelgen {name} " in section


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_every_option_of_a_script_is_documented(name: str) -> None:
    found = options_of_script(name)
    assert len(found) >= 3
    assert found == set(re.findall(rf"^\| `({OPTION})", SECTIONS[name], re.MULTILINE))


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert set(SECTIONS) == {*cli.commands, *SCRIPTS}
    known = {"--version", "--help", "--option"}.union(
        *map(options_of, cli.commands.values()), *map(options_of_script, SCRIPTS)
    )
    assert set(re.findall(f"`({OPTION})", USAGE)) <= known
    for name, command in cli.commands.items():
        assert set(re.findall(rf"^\| `({OPTION})", SECTIONS[name], re.MULTILINE)) <= options_of(command)


def test_every_variable_is_documented() -> None:
    exported = set(re.findall(r"PARALLEL_[A-Z_]+", library()))
    assert {name for name in exported if f"`{name}`" not in USAGE} == set()


def test_every_word_of_a_progress_line_is_documented() -> None:
    section = USAGE[USAGE.index("## Progress lines") : USAGE.index("## The execution block")]
    words = set(re.findall(r"(?:status|error)=([a-z][a-z_]*)", library()))
    assert {"adopted", "retrying", "no_marker", "merge_conflict"} <= words
    assert {word for word in words if not re.search(rf"`{word}(?:N)?`", section)} <= {"running"}


def test_every_key_of_a_record_is_documented() -> None:
    section = USAGE[USAGE.index("## Files under logs/") :]
    keys = re.search(r"for key in ([\w \\\n]+); do", library())
    assert keys
    assert {key for key in keys[1].replace("\\", "").split() if f"`{key}`" not in section} == set()


def links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield page.relative_to(ROOT).as_posix(), target


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page
    assert there.exists()
    headings = re.findall(r"^#+ (.*)", there.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    assert not anchor or anchor in [
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
    ]


def test_the_options_that_pages_name_exist() -> None:
    known = {"--help", "--version"}.union(
        *map(options_of, cli.commands.values()), *map(options_of_script, SCRIPTS)
    )
    ours = re.compile(r"(?:parallel-run|parallelgen|run-parallel\.sh|monitor-live\.sh)\b[^\n|`'\"]*")
    for page in PAGES:
        for command in ours.findall(page.read_text(encoding="utf-8")):
            assert set(re.findall(rf"(?<=\s){OPTION}", command)) <= known, f"{page.name}: {command}"


README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(sh|json)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


def identified() -> dict[str, str]:
    who = {"GIT_AUTHOR_NAME": "Tess", "GIT_AUTHOR_EMAIL": "tess@example.invalid"}
    return {**os.environ, **who, **{key.replace("AUTHOR", "COMMITTER"): text for key, text in who.items()}}


def make_example(folder: Path) -> Path:
    subprocess.run(["sh", "-ec", BLOCKS["sh"]], cwd=folder, env=identified(), check=True)
    return folder / "greeter"


@pytest.mark.parametrize("dialect", ["files", "waves"])
def test_the_example_of_the_readme_gives_the_plan_that_it_shows(dialect: str, tmp_path: Path) -> None:
    environment = identified()
    project = make_example(tmp_path)
    directory = "parallel/TS-0001-greeter"
    if dialect == "waves":
        (project / directory / "manifest.json").write_text(BLOCKS["json"], encoding="utf-8")
    found = parallelgen("validate", directory, cwd=project, environment=environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{directory}: valid\n", "")
    preview = parallelgen("run", directory, "--dry-run", cwd=project, environment=environment)
    assert preview.returncode == 0
    shown = "".join(line.removeprefix("    ") for line in README.splitlines(keepends=True))
    assert preview.stdout in shown


def test_the_sizes_that_pages_tell_are_about_right() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in LIBRARY.glob("*.sh")}
    dashboard = sum(count for name, count in lines.items() if name.startswith("monitor"))
    design, readme = (" ".join((ROOT / page).read_text(encoding="utf-8").split()) for page in SIZED)
    told = re.search(r"library has ([\d,]+) lines.*?; (\d+) more are the dashboard", design)
    whole = re.search(r"`lib/` has some ([\d,]+) lines", readme)
    assert told
    assert whole
    for text, count in (
        (told[1], sum(lines.values()) - dashboard),
        (told[2], dashboard),
        (whole[1], sum(lines.values())),
    ):
        assert int(text.replace(",", "")) == pytest.approx(count, rel=0.05)


AGENTS = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")


def test_what_agents_can_do_is_documented_as_their_adapters_say() -> None:
    part = AGENTS[AGENTS.index("## What each can do") : AGENTS.index("## Sessions")]
    told = {}
    for name, *cells in re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|", part, re.MULTILINE):
        able = zip(agents.ABILITIES, cells, strict=True)
        told[name] = tuple(word for word, cell in able if re.match(" yes[, ]", cell))
    # These have nothing but words of their own accord.
    told |= dict.fromkeys(("demo", "command"), ("activity",))
    assert told == {name: adapter.abilities for name, adapter in agents.adapters().items()}


def test_what_an_agent_is_told_is_documented() -> None:
    text = (LIBRARY / "session.sh").read_text(encoding="utf-8")
    sentences = re.findall(r'ended_by="([A-Z][^"$]*)[."$]', text)
    assert len(sentences) >= 5
    assert [sentence for sentence in sentences if sentence.rstrip(": ") not in AGENTS] == []


def test_the_functions_of_an_adapter_are_documented() -> None:
    words = (LIBRARY / "log.sh").read_text(encoding="utf-8")
    words = words[: words.index("log_words=")]
    # In the comment above them.
    named = set(re.findall(r"\b([a-z_]+)\([a-z_, ]*\)", words))
    assert {"begin", "say", "answer", "count", "fail"} <= named
    assert {name for name in named if f"`{name}(" not in AGENTS} == set()


def test_the_wrapper_of_three_lines_makes_any_program_a_full_citizen(tmp_path: Path) -> None:
    (wrapper,) = re.findall(r"^```sh\n(.*?)^```$", AGENTS, re.MULTILINE | re.DOTALL)
    assert wrapper.count("\n") == 3
    environment = {**identified(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    # Of each task the quota is used up at first; each run costs half a dollar.
    tool.write_text(
        f"""#!/bin/sh
[ "$1" != cost ] || {{ echo 0.5 && exit; }}
cat >>"{tmp_path}/$PARALLEL_TASK.input"
echo "$*" >>"{tmp_path}/$PARALLEL_TASK.input"
[ -e "{tmp_path}/$PARALLEL_TASK" ] || {{ touch "{tmp_path}/$PARALLEL_TASK" && exit 3; }}
echo done
git commit --quiet --allow-empty -m "$PARALLEL_TASK" && touch .claude-task-complete
"""
    )
    tool.chmod(0o755)
    project = make_example(tmp_path)
    (project / "agent.sh").write_text(f"#!/bin/sh\n{wrapper}")
    (project / "agent.sh").chmod(0o755)
    words = ["run", "parallel/TS-0001-greeter", "--generate-only", "--agent-command", "./agent.sh"]
    assert parallelgen(*words, cwd=project, environment=environment).returncode == 0
    script = project / "parallel/TS-0001-greeter/scripts/run-parallel.sh"
    script.write_text(script.read_text().replace("limit_delay=60 tick=10", "limit_delay=1 tick=1"))
    subprocess.run(["git", "add", "."], cwd=project, env=environment, check=True)
    subprocess.run(["git", "commit", "-qm", "Add the agent"], cwd=project, env=environment, check=True)
    ran = subprocess.run([script], cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("task=task-001 status=limited until=") == 1
    assert "task=task-001 status=started attempt" not in ran.stdout
    read = (tmp_path / "task-001.input").read_text()
    assert read.startswith("Do what parallel/TS-0001-greeter/tasks/task-001-hello.md says")
    assert read.count("Do what ") == 1
    assert "It was stopped by a usage limit, which is over now.\n" in read
    sessions = re.findall("run --session (.*)", read)
    assert len(sessions) == 2
    assert len(set(sessions)) == 1
    status = subprocess.run([script, "--status"], cwd=project, capture_output=True, text=True, check=True)
    assert status.stdout.count(" total_usd=1.000000 ") == 3
