"""Render the scripts from a plan; pure: the same plan gives the same bytes."""

import shlex
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from parallelgen import __version__, agents
from parallelgen.plan import Plan, Settings

#: The command-line options that change what is rendered, with the settings that they set.
OPTIONS = {
    "--max-concurrent": "max_concurrent",
    "--timeout": "task_timeout",
    "--grace": "grace",
    "--retries": "retries",
    "--halt": "halt",
    "--schedule": "schedule",
    "--max-log-size": "max_log_size",
    "--workspace-root": "workspace_root",
    "--base": "base_branch",
    "--agent": "agent",
    "--agent-command": "agent_command",
    "--skip": "skip",
}


def run_script(plan: Plan, directory: str) -> str:
    """Render run-parallel.sh for a parallel directory that is written `directory` in its header."""
    return _render("run-parallel.sh.j2", plan, directory)


def monitor_script(plan: Plan, directory: str) -> str:
    """Render monitor-live.sh for a parallel directory that is written `directory` in its header."""
    return _render("monitor-live.sh.j2", plan, directory)


def _render(template: str, plan: Plan, directory: str) -> str:
    return (
        environment()
        .get_template(template)
        .render(
            version=__version__,
            directory=directory,
            command=regenerate_command(plan.settings, directory),
            tech_spec=plan.tech_spec or plan.title,
            settings=plan.settings,
            agent_command=agents.command(plan.settings.agent, plan.settings.agent_command),
            plan_lines=plan_lines(plan),
        )
    )


def regenerate_command(settings: Settings, directory: str) -> str:
    """Write the command line that makes the scripts again: the options that are not at their defaults."""
    words = ["parallel-run", "--generate-only"]
    for option, setting in OPTIONS.items():
        value = getattr(settings, setting)
        if value != getattr(Settings(), setting):
            words.append(f"{option}={','.join(value) if isinstance(value, tuple) else value}")
    return shlex.join([*words, "--", directory] if directory.startswith("-") else [*words, directory])


def plan_lines(plan: Plan) -> list[str]:
    """Write a line a task in aligned columns: id, name, wave, dependencies, timeout and prompt."""
    rows = [
        (
            task.id,
            task.name,
            str(task.wave),
            ",".join(task.deps) or "-",
            "-" if task.timeout is None else str(task.timeout),
        )
        for task in plan.tasks
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), task.prompt])
        for row, task in zip(rows, plan.tasks, strict=True)
    ]


@cache
def environment() -> Environment:
    """Make the Jinja environment, with the three filters through which every value has to pass."""
    made = Environment(
        loader=FileSystemLoader(template_folder()),
        undefined=StrictUndefined,
        autoescape=False,  # the output is shell, and every value passes a filter that quotes for it
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["sh"] = quote
    made.filters["comment"] = one_line
    made.filters["plain"] = data_line
    return made


def template_folder() -> Path:
    """Find templates/: in the package when installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def quote(value: object) -> str:
    """Quote a value as one word of shell."""
    return shlex.quote(str(value))


def one_line(value: object) -> str:
    """Make a value fit to stand in a comment: control characters, line ends among them, become spaces."""
    return "".join(" " if ord(c) < 32 or ord(c) in (127, 133, 0x2028, 0x2029) else c for c in str(value))


def data_line(value: object) -> str:
    """Let a line of a quoted here-document through; a line that would end it or break it is an error."""
    text = str(value)
    if "\n" in text or "\0" in text or text == "PLAN":
        raise ValueError(f"not a line of data: {text!r}")
    return text
