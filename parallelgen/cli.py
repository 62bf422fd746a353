import atexit
import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from parallelgen import ParallelgenError, __version__, settings, start

if TYPE_CHECKING:
    from parallelgen.running.screen import Screen
    from parallelgen.running.script import Loaded

# Everything else is imported where it is needed: `--help` should cost no more than Click.

Function = TypeVar("Function", bound=Callable[..., Any])
_directory = click.argument("directory", metavar="DIR")
_BAD_INPUT = 2


class Command(click.Command):
    """Turn domain errors into text, once and for all commands; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit 2 with the words of a domain error."""
        from parallelgen.reading.source import InvalidDirectory

        try:
            return super().invoke(ctx)
        except settings.OptionError as error:
            raise click.UsageError(str(error), ctx) from error
        except InvalidDirectory as error:
            complain(_invalid_directory(ctx.params.get("directory", ""), error.missing))
        except ParallelgenError as error:
            complain(str(error))
        raise click.exceptions.Exit(_BAD_INPUT)


class Group(click.Group):
    """Make every command of the group a Command, listed in the order in which one needs them."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands as they were defined."""
        return list(self.commands)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="parallelgen", message="%(prog)s %(version)s")
def cli() -> None:
    """Compile a parallel directory into shell scripts that run its tasks in git worktrees, and run them."""


def setting_option(row: settings.Setting) -> Callable[[Function], Function]:
    """Make the option of a setting."""
    text = row.explain().replace("`", "")
    words = f"{text[:1].upper()}{text[1:]}."
    if row.kind == "flag":
        return click.option(row.option, row.name, flag_value="1", help=words)
    return click.option(row.option, row.name, metavar=row.metavar, help=words)


def plan_options(function: Function) -> Function:
    """Add the options that shape the generated scripts."""
    for row in reversed(settings.rows()):
        function = setting_option(row)(function)
    return function


@cli.command()
@_directory
@click.option("--generate-only", is_flag=True, help="Write the scripts, do not run them.")
@click.option("--dry-run", is_flag=True, help="Show the execution plan and change nothing.")
@click.option("--wave", type=int, metavar="N", help="Run only wave N.")
@click.option("--retry-failed", is_flag=True, help="Run failed tasks again, then whatever is left.")
@click.option("--fresh", is_flag=True, help="With --retry-failed: begin new sessions of the agents.")
@click.option("--force", is_flag=True, help="Move branches and worktrees in the way aside.")
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
@click.pass_context
def run(ctx: click.Context, /, directory: str, **values: Any) -> None:
    """Run the tasks of DIR by agents, each in its own git worktree and branch, wave after wave."""
    from parallelgen.running.execute import execute
    from parallelgen.running.script import Options

    chosen = take_settings(values)
    if values["fresh"] and not values["retry_failed"]:
        raise click.UsageError("'--fresh' needs '--retry-failed'")
    ctx.exit(execute(directory, Options(**values), chosen, screen()))


def take_settings(values: dict[str, Any]) -> settings.Settings:
    """Take the options that shape the scripts out of what Click has parsed, and read them."""
    return settings.read({row.name: values.pop(row.name) for row in settings.rows()}, os.environ)


# Those of an integration that one may want to change from one time to the next.
_INTEGRATION = ("verify_integration", "skip_culprits", "verify_timeout", "setup", "setup_timeout", "grace")


def integration_options(function: Function) -> Function:
    """Add the options that shape an integration."""
    for name in reversed(_INTEGRATION):
        function = setting_option(settings.row(name))(function)
    return function


@cli.command()
@_directory
@integration_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
@click.pass_context
def integrate(ctx: click.Context, /, directory: str, as_json: bool, **texts: str | None) -> None:
    """Merge the branches of the completed tasks of DIR into one, and verify that."""
    from parallelgen.running.integrate import integrate

    chosen = settings.over(generated_settings(directory), settings.read(texts, os.environ))
    ctx.exit(integrate(directory, chosen, settings.typed(texts), screen(), as_json))


@cli.command()
@_directory
@click.option("--dry-run", is_flag=True, help="Show what would be landed and change nothing.")
@click.option("--unverified", is_flag=True, help="Land it although the plan has nothing to verify it with.")
@click.option("--push", is_flag=True, help="Push the base branch afterwards.")
@click.option("--pr", is_flag=True, help="Push the integration branch afterwards and open a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def land(ctx: click.Context, /, directory: str, **values: bool) -> None:
    """Move the base branch forward to what was integrated and verified of DIR."""
    from parallelgen.landing.land import Options, land

    if values["push"] and values["pr"]:
        raise click.UsageError("'--push' and '--pr' exclude each other")
    ctx.exit(land(directory, generated_settings(directory), Options(**values), screen()))


@cli.command()
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--all", "every", is_flag=True, help="Clean every parallel directory of the project.")
@click.option("--yes", is_flag=True, help="Remove what can go; without it nothing is changed.")
@click.option(
    "--older-than",
    metavar="DURATION",
    default="14d",
    help="Keep what --force has moved aside for so long (14d).",
)
@click.option(
    "--ignored",
    "patterns",
    metavar="PATTERN",
    multiple=True,
    help="Let ignored files go that match this pattern of gitignore; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a directory.")
@click.pass_context
def clean(ctx: click.Context, /, directory: str | None, every: bool, older_than: str, **values: Any) -> None:
    """List which worktrees and branches of DIR can go, and remove them."""
    import shlex

    from parallelgen.running import clean
    from parallelgen.running.clean import OLDER_THAN, Choice

    if not directory and not every:
        raise click.UsageError("which directory? Name it, or use '--all'")
    try:
        age = settings.parse_duration(older_than, least=0)
    except ValueError as error:
        raise click.BadParameter(f"'{older_than}': {error}", param_hint="'--older-than'") from error
    words = ["--older-than", older_than] if older_than != OLDER_THAN else []
    words += [word for pattern in values["patterns"] for word in ("--ignored", pattern)]
    words += ["--all"] if every else []
    words += ["--"] if directory and directory.startswith("-") else []
    again = shlex.join(["parallelgen", "clean", "--yes", *words, *filter(None, [directory])])
    choice = Choice(every=every, older_than=age, again=again, **values)
    ctx.exit(clean.clean(directory or ".", choice, screen()))


def load(typed: str, chosen: settings.Settings) -> "Loaded":
    """Read, validate and plan a parallel directory; end with status 2 when it has errors."""
    from parallelgen.running import execute

    loaded = execute.load(typed, chosen, screen())
    if loaded is None:
        raise click.exceptions.Exit(_BAD_INPUT)
    return loaded


def generated_settings(typed: str) -> settings.Settings:
    """Read the settings that the scripts of a parallel directory were generated with."""
    from pathlib import Path

    from parallelgen.writing import generate

    return generate.header_settings(Path(typed))


def screen() -> "Screen":
    """Say where a run may print, and whether it is a terminal that can redraw."""
    from parallelgen.running.screen import Screen

    can_redraw = bool(sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb"))
    return Screen(say, complain, can_redraw)


@cli.command()
@_directory
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_context
def validate(ctx: click.Context, directory: str, form: str) -> None:
    """Check DIR and report every problem."""
    import json
    from dataclasses import asdict
    from pathlib import Path

    from parallelgen.planning.plan import build
    from parallelgen.reading import source

    found = build(source.read(Path(directory))).problems
    if form == "json":
        say(json.dumps([asdict(problem) for problem in found], indent=2))
    else:
        for problem in found:
            complain(str(problem))
        if not any(problem.severity == "error" for problem in found):
            say(f"{directory}: valid")
    ctx.exit(_BAD_INPUT if any(problem.severity == "error" for problem in found) else 0)


@cli.command()
@_directory
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "mermaid", "dot"]),
    default="text",
    help="How to print.",
)
@plan_options
@click.pass_context
def plan(ctx: click.Context, /, directory: str, form: str, **values: Any) -> None:
    """Print the plan of DIR: waves, tasks and dependencies."""
    from parallelgen.writing import graph

    loaded = load(directory, take_settings(values))
    if form != "text":
        draw = {"json": graph.json, "mermaid": graph.mermaid, "dot": graph.dot}[form]
        say(draw(loaded.plan).removesuffix("\n"))
        return
    answer = loaded.ask("--dry-run")
    if answer.plan:
        say(answer.plan)
    if answer.status:
        complain(answer.complained.removesuffix("\n"))
    ctx.exit(answer.status)


@cli.command()
@_directory
@click.pass_context
def check(ctx: click.Context, directory: str) -> None:
    """Compare the scripts of DIR with what would be generated now; exit 1 when they differ."""
    from parallelgen.writing import generate, render

    loaded = load(directory, generated_settings(directory))
    project = loaded.project
    command = render.command(loaded.plan.settings, project.relative)
    found = list(generate.differences(project.directory, project.relative, loaded.scripts, command))
    for text in found:
        say(text.removesuffix("\n"))
    ctx.exit(1 if found else 0)


@cli.command()
@_directory
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(directory: str, as_json: bool) -> None:
    """Tell what became of each task of DIR in the latest run."""
    import json
    import time
    from dataclasses import replace
    from pathlib import Path

    from parallelgen.running.activity import Activity
    from parallelgen.running.records import ask, facts
    from parallelgen.running.report import Found, status_text
    from parallelgen.running.space import measure
    from parallelgen.writing.generate import any_settings

    loaded = load(directory, any_settings(Path(directory)))
    recorded = ask(loaded.ask, loaded.plan)
    recorded = replace(recorded, state=Activity(loaded.project.directory / "logs").look(recorded.state))
    recorded = replace(recorded, state=loaded.with_conflicts(recorded.state))
    space = measure(loaded, recorded)
    if as_json:
        worktrees = {"worktrees": space.facts()} if space else {}
        say(json.dumps({**facts(recorded), **worktrees}, indent=2))
    else:
        found = Found(worktree=loaded.worktree_of(recorded.state), space=space)
        say(status_text(recorded, loaded.project.relative, time.time(), found))


@cli.command()
@_directory
@click.argument("task", metavar="TASK")
@click.option("--follow", is_flag=True, help="Go on until the task has ended.")
@click.pass_context
def logs(ctx: click.Context, directory: str, task: str, follow: bool) -> None:
    """Print what the agent of TASK has said and done, as text."""
    loaded = load(directory, generated_settings(directory))
    ctx.exit(loaded.relay("--logs", loaded.find(task).id, *["--follow"] * follow))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def agents(as_json: bool) -> None:
    """List the agents that are known by name: whether they are here, and what we can do with them."""
    import json

    from parallelgen.agents import adapters
    from parallelgen.running import programs

    found = programs.find(adapters().values())
    say(json.dumps([agent.facts for agent in found], indent=2) if as_json else programs.table(found))


@cli.command()
@click.argument("kind", type=click.Choice(["manifest", "task"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of manifest.json or of a task file's frontmatter."""
    from parallelgen.reading.schemas import text

    say(text(kind).removesuffix("\n"))


@cli.command()
@click.argument("directory", metavar="[DIR]", required=False)
@setting_option(settings.row("max_concurrent"))
@click.pass_context
def demo(ctx: click.Context, directory: str | None, max_concurrent: str | None) -> None:
    """Make an example project with git in DIR (default: a temporary folder) and run its plan."""
    import shlex
    import tempfile
    from pathlib import Path

    from parallelgen.running.demo import create
    from parallelgen.running.execute import execute
    from parallelgen.running.script import Options

    texts = {"agent": "demo", "max_concurrent": max_concurrent}
    settings.read(texts, {})  # a usage error comes before anything is made
    if directory:
        try:
            repository = Path(directory).absolute()
        except FileNotFoundError as error:
            raise ParallelgenError("error: the current folder is gone") from error
        texts["workspace_root"] = f"../{repository.name}.workspaces"
    else:
        repository = Path(tempfile.mkdtemp(prefix="parallelgen-")) / "inventory"
    status = execute(str(create(repository)), Options(), settings.read(texts, {}), screen())
    say(f"\nThe project is in {repository}")
    say(f"Look at it: git -C {shlex.quote(str(repository))} log --oneline --graph --all")
    ctx.exit(status)


def _invalid_directory(typed: str, missing: tuple[str, ...]) -> str:
    text = f"ERROR: Invalid parallel directory '{typed}'\nMissing: {' | '.join(missing)}\n\n"
    hint = "Run '/parallel-decompose' first to create task specifications."
    if missing == ("manifest.json",):
        # The specification has words of its own for this part.
        return f"{text}ERROR: manifest.json not found in '{typed}'\n  {hint}"
    return text + hint


def say(text: str) -> None:
    """Print on standard output."""
    click.echo(text)


def complain(text: str) -> None:
    """Print on standard error."""
    click.echo(text, err=True)


def main() -> None:
    """Start `parallelgen`."""
    _start(cli, "parallelgen")


def run_main() -> None:
    """Start `parallel-run`, which is `parallelgen run`."""
    _start(run, "parallel-run")


def _start(command: click.Command, name: str) -> None:
    # To look for garbage among what the libraries have made takes a tenth of a dry run, and finds none.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    start.prepare()
    command.main(prog_name=name)
