"""One table: a row more, and every place has it."""

import re
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from parallelgen import settings
from parallelgen.cli import plan_options, take_settings
from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.running.script import environment
from parallelgen.settings import OptionError, Settings, in_scripts, parse_duration, read, read_words, rows
from parallelgen.writing import render

USAGE = (Path(__file__).parent.parent / "docs" / "usage.md").read_text(encoding="utf-8")
OPTION = re.compile(r"^\| `(--[a-z-]+)[^`]*` \|")


def table(start: str, end: str) -> list[str]:
    """Return the rows of options or variables in a part of docs/usage.md."""
    part = USAGE[USAGE.index(start) : USAGE.index(end, USAGE.index(start) + 1)]
    return [line for line in part.splitlines() if re.match(r"\| `(--)?[A-Za-z]", line)]


def of_settings(lines: list[str]) -> list[str]:
    options = {row.option for row in rows()}
    return [line for line in lines if (found := OPTION.match(line)) and found[1] in options]


def test_the_options_of_run_are_documented_as_the_table_has_them() -> None:
    expected = [f"| `{f'{row.option} {row.metavar}'.strip()}` | {row.explain()} |" for row in rows()]
    assert of_settings(table("### run\n", "### integrate\n")) == expected


def test_the_options_of_the_script_are_documented_as_the_table_has_them() -> None:
    expected = [f"| `{f'{row.option} {row.script_metavar}'.strip()}` | {row.help} |" for row in in_scripts()]
    assert of_settings(table("### run-parallel.sh", "### monitor-live.sh")) == expected


def test_the_variables_are_documented_as_the_table_has_them() -> None:
    expected = [f"| `{row.variable}` | `{row.option}` | {row.unit} |" for row in in_scripts()]
    lines = table("## Environment variables", "## Exit status")
    assert lines == [line.replace("|  |", "| |") for line in expected]


def test_the_options_of_plan_are_all_named() -> None:
    part = USAGE[USAGE.index("### plan\n") : USAGE.index("### check")]
    assert [name for name in re.findall("`(--[a-z-]+)`", part) if name != "--dry-run"] == [
        row.option for row in rows()
    ]


@dataclass(frozen=True)
class More(Settings):
    """The table with two rows more."""

    colour: str = settings._setting(
        "--colour NAME",
        "COLOUR",
        settings._one_of("red", "green"),
        "red",
        "paint the `worktrees`",
        kind="red|green",
    )
    quiet: bool = settings._setting("--quiet", "QUIET", settings._flag, "0", "say less", kind="flag")


def test_a_new_row_is_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "Settings", More)

    @click.command()
    @plan_options
    def command(**values: str | None) -> None:
        click.echo(" ".join(settings.words(take_settings(values))))

    invoke = CliRunner().invoke
    assert "--colour NAME" in invoke(command, ["--help"]).output
    assert "Paint the worktrees (red)." in " ".join(invoke(command, ["--help"]).output.split())
    assert invoke(command, ["--colour", "green"]).output == "--colour=green\n"
    assert invoke(command, [], env={"COLOUR": "green"}).output == "--colour=green\n"
    assert "--quiet " in invoke(command, ["--help"]).output
    assert invoke(command, ["--quiet"]).output == "--quiet\n"
    assert invoke(command, ["--quiet"], env={"QUIET": "0"}).output == "--quiet\n"
    assert invoke(command, ["--quiet=1"]).exit_code == 2
    assert invoke(command, [], env={"QUIET": "1"}).output == "--quiet\n"
    assert invoke(command, [], env={"QUIET": "0"}).output == "\n"
    assert environment({"COLOUR": "green", "HOME": "/"}) == {"HOME": "/"}
    with pytest.raises(OptionError, match="'COLOUR': 'blue' is not red or green"):
        read({}, {"COLOUR": "blue"})
    with pytest.raises(OptionError, match="'QUIET': 'yes' is not 0 or 1"):
        read({}, {"QUIET": "yes"})
    chosen = read_words(["--colour=green", "--quiet"])
    assert chosen.colour == "green"  # type: ignore[attr-defined]
    task = Task("task-001", "task-001-a", 1, (), None, "prompts/a")
    text = render.scripts(Plan("x", "", (Wave(1, (task,)),), chosen), "parallel/x")[render.RUN]
    assert "parallel-run --generate-only --colour=green --quiet parallel/x\n" in text
    assert re.search("^setting COLOUR green --colour NAME 'red|green' 'paint the worktrees'$", text, re.M)
    assert re.search("^setting QUIET 1 --quiet - flag 'say less'$", text, re.M)


def test_what_is_chosen_comes_back_from_the_header() -> None:
    chosen = read(
        {
            "skip": "task-2, task-1",
            "task_timeout": "90m",
            "agent": "demo",
            "max_log_size": "2K",
            "setup": " npm ci ",
            "verify": "",
            "setup_timeout": "10m",
            "verify_timeout": "0",
        },
        {
            "AGENT_COMMAND": "it's -x=y",
            "GRACE": "3",
            "RETRIES": "",
            "BRANCH_PREFIX": "a.b/x-",
            "SUBMODULES": "1",
            "VERIFY_COMMAND": "pytest",
            "REQUIRE_COMMITS": "1",
        },
    )
    assert settings.words(chosen) == [
        "--skip=task-2,task-1",
        "--timeout=5400",
        "--grace=3",
        "--max-log-size=2048",
        "--agent=demo",
        "--agent-command=it's -x=y",
        "--setup=npm ci",
        "--setup-timeout=600",
        "--require-commits",
        "--branch-prefix=a.b/x-",
        "--submodules",
    ]
    assert read_words(settings.words(chosen)) == chosen


@pytest.mark.parametrize("word", ["--wat=1", "--timeout", "x", "--timeout=never", "--submodules=1"])
def test_a_header_with_other_words_is_refused(word: str) -> None:
    with pytest.raises(OptionError):
        read_words([word])


def test_scripts_get_seconds_bytes_and_the_name_of_the_agent() -> None:
    text = {
        row.name: row.text(read({"agent": "demo", "skip": "a,b", "max_cost": "7.50"}, {})) for row in rows()
    }
    assert (text["task_timeout"], text["max_log_size"], text["skip"]) == ("7200", "104857600", "a,b")
    assert (text["agent"], text["agent_command"]) == ("demo", "")
    assert (text["stall_timeout"], text["limit_wait"], text["max_cost"]) == ("1800", "0", "7.50")


@pytest.mark.parametrize("prefix", ["feature/", "a", "a.", "Team_1/x-", "a.lock", "x" * 50])
def test_branch_prefixes_taken(prefix: str) -> None:
    assert read({"branch_prefix": prefix}, {}).branch_prefix == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "-",
        "-x/",
        "/",
        "/x/",
        "a//",
        "a..",
        ".a/",
        "a/.",
        "a.lock/",
        "a b/",
        "a\n",
        "a~",
        "$x",
        "é",
        "x" * 51,
    ],
)
def test_branch_prefixes_refused(prefix: str) -> None:
    with pytest.raises(OptionError, match="--branch-prefix"):
        read({"branch_prefix": prefix}, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("5400", 5400), ("45s", 45), ("90m", 5400), ("2h", 7200), ("1d", 86400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "-1", "1.5h", "90 m", "90M", "m", "1h30m", "٣", "999d", "1\n", "9" * 99]
)
def test_durations_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as '90m'"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("setup", "SETUP_COMMAND"),
        ("verify", "VERIFY_COMMAND"),
        ("verify_integration", "VERIFY_INTEGRATION"),
    ],
)
def test_a_command_may_be_switched_off(name: str, variable: str) -> None:
    assert getattr(read({}, {variable: "x"}), name) == "x"
    for nothing in ("", "  ", "\n"):
        assert read({name: nothing}, {variable: "x"}) == Settings()
    with pytest.raises(
        OptionError,
        match=f"'{settings.row(name).option}': expected one line .*; a longer command goes into a script",
    ):
        read({name: "a\nb"}, {})


@pytest.mark.parametrize("name", ["setup_timeout", "verify_timeout"])
@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90m", 5400), ("7", 7)])
def test_limits_of_a_step(name: str, text: str, seconds: int) -> None:
    assert getattr(read({name: text}, {}), name) == seconds


@pytest.mark.parametrize("text", ["", "00", "0s", "-1", "never"])
def test_limits_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"'--setup-timeout': .* is not a duration such as 90m"):
        read({"setup_timeout": text}, {})


@pytest.mark.parametrize("name", ["gpt-5.2", "anthropic/claude-x[1m]", "us.a.b-v1:0", "m@2026", "~x", ""])
def test_models_taken(name: str) -> None:
    assert read({"model": name}, {}).model == name


@pytest.mark.parametrize("name", ["-m", "a b", "$x", 'a"b', "a'b", "`x`", "a\n", "é", "a;b", "a\\b"])
def test_models_refused(name: str) -> None:
    with pytest.raises(OptionError, match=r"'--model': (?s:.*) is no name of a model"):
        read({"model": name}, {})


@pytest.mark.parametrize("text", ["-1", "1,5", ".5", "5.", "1.2345678", "1e3", "$5", "9" * 10, "٣"])
def test_amounts_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"'--max-cost': .* is not an amount such as 20 or 7\.50"):
        read({"max_cost": text}, {})


def test_agents_are_known_by_name() -> None:
    assert read({"agent": "opencode"}, {}).agent == "opencode"
    with pytest.raises(
        OptionError, match="'AGENT_NAME': 'command' is not claude, codex, demo, gemini or opencode"
    ):
        read({}, {"AGENT_NAME": "command"})


def test_no_wave_is_integrated_where_there_are_none() -> None:
    def refused(texts: dict[str, str | None], environment: dict[str, str]) -> str:
        with pytest.raises(OptionError) as found:
            read(texts, environment)
        return str(found.value)

    assert refused({"integrate": "wave", "schedule": "deps"}, {}) == (
        "Invalid value for '--integrate': 'wave' and 'deps' of '--schedule' exclude each other"
    )
    assert refused({}, {"INTEGRATE": "wave", "SCHEDULE": "deps"}) == (
        "Invalid value for 'INTEGRATE': 'wave' and 'deps' of 'SCHEDULE' exclude each other"
    )
    for texts in ({"integrate": "end", "schedule": "deps"}, {"integrate": "wave"}):
        assert read_words(settings.words(read(dict(texts), {}))).integrate == texts["integrate"]
