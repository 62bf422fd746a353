"""Render the scripts from a plan; pure but for the templates it reads: the same plan gives the same bytes."""

import hashlib
import os
import re
import shlex
import zlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from parallelgen import __version__, agents, settings, shipped
from parallelgen.planning.plan import Plan, Task
from parallelgen.settings import Settings
from parallelgen.writing.output import read_text

RUN, MONITOR, LIBRARY, ADAPTERS = "run-parallel.sh", "monitor-live.sh", "lib/", "agents/"
_ATTRIBUTES = ".gitattributes"
_TERMINATORS = ("PLAN", "COMMANDS")  # of the here-documents
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def scripts(plan: Plan, directory: str) -> dict[str, str]:
    """Make the files of scripts/ by path, run-parallel.sh last; headers call the directory `directory`."""
    made = {LIBRARY + name: text for name, text in library(plan).items()}
    made[_ATTRIBUTES] = read_text(template_folder() / "gitattributes")
    return made | {name: render(name, plan, directory) for name in (MONITOR, RUN)}


def render(name: str, plan: Plan, directory: str) -> str:
    """Render RUN or MONITOR."""
    runtime = "".join(library(plan).values()).encode("utf-8", "surrogateescape")
    values = {
        "version": __version__,
        "directory": directory,
        "command": command(plan.settings, directory),
        "tech_spec": plan.tech_spec or plan.title,
        "marker": agents.MARKER,
        "settings": _settings_block(plan),
        "executed": executed(plan),
        "integrated": integrated(plan),
        "command_lines": command_lines(plan),
        "plan_lines": plan_lines(plan),
        "library_cksum": cksum(runtime),
        "library_sha256": hashlib.sha256(runtime).hexdigest(),
    }
    return environment().get_template(f"{name}.j2").render(values)


def mode(name: str) -> int:
    """Return the permissions of a file of scripts/: what is started can be executed."""
    return 0o755 if name in (RUN, MONITOR) else 0o644


def library(plan: Plan) -> dict[str, str]:
    """Give the files of lib/ by name, in the order in which they are sourced: runtime, adapters in use."""
    return read_library() | {f"{ADAPTERS}{name}.sh": agents.adapters()[name].text for name in plan.adapters}


@cache
def read_library() -> dict[str, str]:
    """Read the runtime that every directory gets, by name, in the order of `LC_ALL=C` ls."""
    paths = sorted((template_folder() / "lib").glob("[!.]*.sh"), key=lambda path: os.fsencode(path.name))
    return {path.name: read_text(path) for path in paths}


def cksum(data: bytes) -> str:
    """Return checksum and size as cksum(1) prints them.

    Its CRC is that of zlib with the bits of each byte, and of the sum, the other way round, without zlib's
    first complement, and it goes on over the size, lowest byte first.
    """
    size = len(data)
    whole = data + size.to_bytes((size.bit_length() + 7) // 8, "little")
    crc = zlib.crc32(whole.translate(_MIRRORED), 0xFFFFFFFF)
    return f"{int(f'{crc:032b}'[::-1], 2)} {size}"


def command(chosen: Settings, directory: str, how: str = "--generate-only") -> str:
    """Write the command line that makes the scripts again, or runs them, with the options that matter."""
    words = ["parallel-run", *how.split(), *settings.words(chosen)]
    return shlex.join([*words, "--", directory] if directory.startswith("-") else [*words, directory])


def _settings_block(plan: Plan) -> list[dict[str, str]]:
    """List what stands in the script of each setting; back-quotes in quotes would only alarm a reader."""
    return [
        {
            "variable": row.variable,
            "value": row.text(plan.settings),
            "option": row.option,
            "metavar": row.script_metavar or "-",
            # Only an adapter that is there can be chosen.
            "kind": "|".join(name for name in plan.adapters if name != agents.COMMAND)
            if row.name == "agent"
            else row.kind,
            "help": row.help.replace("`", ""),
        }
        for row in settings.in_scripts()
    ]


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


def command_lines(plan: Plan) -> list[str]:
    """Write a line for each thing that a task has of its own, each line of a validation, and each scope."""
    scopes = [
        f"{task.id} {word} {' '.join(globs)}"
        for task in plan.tasks
        for word, globs in (("scope", task.scope), ("boundary", task.boundary))
        if globs
    ]
    return [*_own_lines(plan, "{} {} {}"), *_validation_lines(plan, "{} validation {}"), *scopes]


def executed(plan: Plan) -> list[str]:
    """Say for a reviewer what is executed for each task, in the order in which that is done."""
    chosen = plan.settings
    arguments = " ".join(word for word in settings.words(chosen) if re.match("--(model|agent-args)=", word))
    launched = f"{chosen.agent}, as lib/agents/{chosen.agent}.sh launches it {arguments}".rstrip()
    agent = chosen.agent_command or launched
    rows = [("setup", chosen.setup), ("agent", agent), ("verify", chosen.verify)]
    lines = [f"{step:<6}  {text}" for step, text in rows if text]
    return lines + _own_lines(plan, "{}: {} {}")


def integrated(plan: Plan) -> list[str]:
    """Say for a reviewer what is executed where branches are merged; nothing when that is nothing."""
    lines = _validation_lines(plan, "wave {}: {}")
    if plan.settings.verify_integration:
        lines.append(f"at the end: {plan.settings.verify_integration}")
    if not lines:
        return []
    where = "in the integration's worktree, after setup, once tasks are merged (--integrate, --integrate-now)"
    return [f"Executed with sh -c {where}:", *(f"  {line}" for line in lines)]


def _validation_lines(plan: Plan, form: str) -> list[str]:
    """Write each line of each validation: number of its wave, text."""
    return [
        form.format(wave.number, line)
        for wave in plan.waves
        if wave.validation
        for line in wave.validation.split("\n")
    ]


def _own_lines(plan: Plan, form: str) -> list[str]:
    """Write a line for each thing that a task has of its own: id, word, text."""
    return [
        form.format(task.id, word, text)
        for task in plan.tasks
        for word, text in _own(task, plan.settings.subagents)
    ]


def _own(task: Task, subagents: bool) -> list[tuple[str, str]]:
    """List what a task has of its own: commands, agent and model, each with its word in the script."""
    rows = [("setup", task.setup), ("verify", task.verify), ("agent", task.cli), ("model", task.model)]
    if subagents:
        rows.append(("subagent", task.agent or ""))
    return [(step, text) for step, text in rows if text]


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
    """Find the templates."""
    return shipped("templates")


def quote(value: object) -> str:
    """Quote a value as one word of shell."""
    return shlex.quote(str(value))


def one_line(value: object) -> str:
    """Make a value fit to stand in a comment: control characters, line ends among them, become spaces."""
    return "".join(" " if ord(c) < 32 or ord(c) in (127, 133, 0x2028, 0x2029) else c for c in str(value))


def data_line(value: object) -> str:
    """Let a line of a quoted here-document through; a line that would end it or break it is an error."""
    text = str(value)
    if "\n" in text or "\0" in text or text in _TERMINATORS:
        raise ValueError(f"not a line of data: {text!r}")
    return text
