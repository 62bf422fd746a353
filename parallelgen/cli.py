import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from parallelgen import __version__

if TYPE_CHECKING:
    from parallelgen.display import Screen
    from parallelgen.execute import Loaded
    from parallelgen.options import Options
    from parallelgen.plan import Settings

# Everything else is imported where it is needed: `--help` should cost no more than Click.

Function = TypeVar("Function", bound=Callable[..., Any])
_directory = click.argument("directory", metavar="DIR")
_BAD_INPUT = 2


class Command(click.Command):
    """Turn domain errors into text, once and for all commands; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit 2 with the words of a domain error."""
        from parallelgen.errors import ParallelgenError
        from parallelgen.options import OptionError
        from parallelgen.source import InvalidDirectory

        try:
            return super().invoke(ctx)
        except OptionError as error:
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


def plan_options(function: Function) -> Function:
    """Add the options that shape the generated scripts."""
    for option in reversed(
        (
            click.option("--max-concurrent", metavar="N", help="Limit concurrent agents (default: 3)."),
            click.option("--skip", metavar="IDS", help="Skip tasks: ids or names, separated by commas."),
            click.option("--timeout", metavar="DURATION", help="Stop a task after so long (default: 2h)."),
            click.option(
                "--grace", metavar="SECONDS", help="Time from TERM to KILL for a stopped agent (default: 10)."
            ),
            click.option(
                "--retries", metavar="N", help="Run a task that failed up to N times again (default: 0)."
            ),
            click.option(
                "--halt",
                metavar="WHEN",
                help="After a failure: never (others go on, default), soon (start no more), now (stop all).",
            ),
            click.option(
                "--schedule",
                metavar="HOW",
                help="waves (one after the other, the default) or deps (each task once its own are done).",
            ),
            click.option(
                "--max-log-size",
                metavar="SIZE",
                help="Cut the log of an agent that writes more (default: 100M).",
            ),
            click.option(
                "--agent", type=click.Choice(["claude", "demo"]), default="claude", help="Who does the tasks."
            ),
            click.option(
                "--agent-command",
                metavar="CMD",
                help="Any shell command as agent; it reads the prompt on stdin.",
            ),
            click.option(
                "--base", metavar="BRANCH", help="Start from this branch (default: the current one)."
            ),
            click.option(
                "--workspace-root", metavar="DIR", help="Put the worktrees here (default: ../workspaces)."
            ),
        )
    ):
        function = option(function)
    return function


@cli.command()
@_directory
@click.option("--generate-only", is_flag=True, help="Write the scripts, do not run them.")
@click.option("--dry-run", is_flag=True, help="Show the execution plan and change nothing.")
@click.option("--wave", type=int, metavar="N", help="Run only wave N.")
@click.option("--retry-failed", is_flag=True, help="Run failed tasks again, then whatever is left.")
@click.option("--force", is_flag=True, help="Move branches and worktrees in the way aside.")
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
@click.pass_context
def run(ctx: click.Context, /, directory: str, **values: Any) -> None:
    """Run the tasks of DIR by agents, each in its own git worktree and branch, wave after wave."""
    from parallelgen.execute import execute

    ctx.exit(execute(directory, options_of(values), os.environ, screen()))


def options_of(values: dict[str, Any]) -> "Options":
    """Make Options of the parameters that Click has parsed."""
    from parallelgen.options import VARIABLES, Options

    texts = {name: values.pop(name) for name in VARIABLES}
    return Options(texts=texts, **values)


def load(typed: str, chosen: "Settings") -> "Loaded":
    """Read, validate and plan a parallel directory; end with status 2 when it has errors."""
    from parallelgen import execute

    loaded = execute.load(typed, chosen, screen())
    if loaded is None:
        raise click.exceptions.Exit(_BAD_INPUT)
    return loaded


def screen() -> "Screen":
    """Say where a run may print, and whether it is a terminal that can redraw."""
    from parallelgen.display import Screen

    can_redraw = bool(
        sys.stdout and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")
    )
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

    from parallelgen import source
    from parallelgen.validate import problems

    found = problems(source.read(Path(directory)))
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
def plan(directory: str, form: str, **values: Any) -> None:
    """Print the plan of DIR: waves, tasks and dependencies."""
    from parallelgen import git, graph, report
    from parallelgen.options import settings, with_skip

    options = options_of(values)
    loaded = load(directory, settings(options, os.environ))
    project, planned = loaded.project, with_skip(loaded.plan, options, os.environ)
    if form == "text":
        facts = git.facts(project.directory, planned.settings.base_branch)
        ids = {task.id for task in planned.tasks} - set(planned.settings.skip)
        say(report.plan_text(planned, project.relative, facts.base, facts.tree_size, ids))
    else:
        draw = {"json": graph.json, "mermaid": graph.mermaid, "dot": graph.dot}[form]
        say(draw(planned).removesuffix("\n"))


@cli.command()
@_directory
@click.pass_context
def check(ctx: click.Context, directory: str) -> None:
    """Compare the scripts of DIR with what would be generated now; exit 1 with a diff when they differ."""
    from pathlib import Path

    from parallelgen.generate import differences, header_arguments
    from parallelgen.options import settings, with_skip

    with run.make_context("parallel-run", header_arguments(Path(directory)) or ["."]) as header:
        header.params.pop("directory")
        options = options_of(header.params)
    loaded = load(directory, settings(options, {}))
    found = differences(with_skip(loaded.plan, options, {}), loaded.project)
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

    from parallelgen.plan import Settings
    from parallelgen.report import status_text
    from parallelgen.state import facts, read

    loaded = load(directory, Settings())
    project = loaded.project
    recorded = read(project.directory, loaded.plan, loaded.execution)
    if as_json:
        say(json.dumps(facts(recorded), indent=2))
    else:
        say(status_text(recorded, project.relative, time.time()))


@cli.command()
@click.argument("kind", type=click.Choice(["manifest", "task"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of manifest.json or of a task file's frontmatter."""
    from parallelgen.schemas import text

    say(text(kind).removesuffix("\n"))


@cli.command()
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--max-concurrent", metavar="N", help="Limit concurrent agents (default: 3).")
@click.pass_context
def demo(ctx: click.Context, directory: str | None, max_concurrent: str | None) -> None:
    """Make an example project with git in DIR (default: a temporary folder) and run its plan."""
    import shlex
    import tempfile
    from pathlib import Path

    from parallelgen.demo import create
    from parallelgen.execute import execute
    from parallelgen.options import VARIABLES, Options, settings

    texts = {**dict.fromkeys(VARIABLES), "max_concurrent": max_concurrent}
    options = Options(agent="demo", texts=texts)
    settings(options, {})  # a usage error comes before anything is made
    if directory:
        repository = Path(directory).absolute()
        texts["workspace_root"] = f"../{repository.name}.workspaces"
    else:
        repository = Path(tempfile.mkdtemp(prefix="parallelgen-")) / "inventory"
    status = execute(str(create(repository)), options, {}, screen())
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
    """Print on standard output; when nobody reads it any more, go on in silence."""
    _print(text, 1)


def complain(text: str) -> None:
    """Print on standard error."""
    _print(text, 2)


def _print(text: str, descriptor: int) -> None:
    try:
        click.echo(text, err=descriptor == 2)
    except OSError:
        # A closed pipe or a terminal that is gone must not end a run that goes well, now or at our exit.
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, descriptor)
        os.close(quiet)


def main() -> None:
    """Start `parallelgen`."""
    _start(cli, "parallelgen")


def run_main() -> None:
    """Start `parallel-run`, which is `parallelgen run`."""
    _start(run, "parallel-run")


def _start(command: click.Command, name: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        # A file name need not be text in the encoding of the terminal.
        if stream and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    command.main(prog_name=name)
