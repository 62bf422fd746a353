"""Commands of single tasks, validations of waves: what is run, and what sh or Python finds wrong with it."""

import re
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from textwrap import dedent

from parallelgen import agents
from parallelgen.planning.names import did_you_mean
from parallelgen.planning.tasklist import Entry
from parallelgen.reading import shell
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import MANIFEST
from parallelgen.settings import Settings, model

STEPS = ("setup", "verify")
_ADDED = "+"  # verify: +COMMAND is run after that of the settings
# `import -window root x.png` is no Python, but takes a picture of a screen; `assert.sh` is a program.
_PYTHON = re.compile(r"(?:import(?=\s+[^\W\d])|from(?=\s)|assert(?=[\s(\[{\"']))")


def own(entry: Entry, step: str) -> str:
    """Return the task's own command for a step, with the '+' of one that is added; empty without one."""
    text = (entry.text(step) or "").strip()
    return f"{_ADDED}{text[1:].strip()}" if text.startswith(_ADDED) else text


def of_tasks(entries: Iterable[Entry]) -> Iterator[Problem]:
    """Find what is wrong with the commands of single tasks."""
    for entry in entries:
        for step in STEPS:
            text = own(entry, step)
            told = _refuse(step, text) if text else None
            if told:
                yield _problem(entry, step, *told)


def of_agents(entries: Iterable[Entry], subagents: bool) -> Iterator[Problem]:
    """Find what is wrong with agents, models and, where they are handed on, subagents of single tasks."""
    for entry in entries:
        cli = entry.text("cli")
        if cli and cli not in agents.names():
            known = ", ".join(agents.names())
            hint = did_you_mean(cli, agents.names())
            yield _problem(entry, "cli", f"expected one of {known}, found {quoted(cli)}", hint)
        try:
            model(entry.text("model") or "")
        except ValueError:
            yield _problem(
                entry, "model", f"expected the name of a model, found {quoted(entry.text('model') or '')}"
            )
        subagent = entry.text("agent") or ""
        if subagents and not re.fullmatch("[A-Za-z0-9._:/@-]*", subagent):
            yield _problem(entry, "agent", f"expected the name of a subagent, found {quoted(subagent)}")


def _problem(entry: Entry, key: str, message: str, hint: str | None = None) -> Problem:
    """Say where a member of a task is wrong: in the manifest or in the frontmatter."""
    in_manifest = (entry.members or {}).get(key) == entry.text(key)
    place = f"{entry.place}.{key}" if in_manifest else key
    return Problem(MANIFEST if in_manifest else entry.file.path, place, message, hint)


def of_settings(settings: Settings) -> None:
    """Refuse a command of the settings that sh refuses. Raises settings.OptionError."""
    for step in (*STEPS, "agent_args", "verify_integration"):
        text = getattr(settings, step)
        if text and (fault := shell.fault(text)):
            raise settings.refuse(step, f"sh refuses it: {fault}")


def of_waves(manifest: Mapping[str, object]) -> Iterator[Problem]:
    """Warn of each wave's validation that neither sh nor Python accepts."""
    waves = manifest.get("waves")
    for index, wave in enumerate(waves if isinstance(waves, list) else ()):
        text = wave.get("validation") if isinstance(wave, Mapping) else None
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            continue
        _, fault = _validation(text)
        if fault:
            hint = "it will be run all the same, with --integrate or --integrate-now"
            yield Problem(MANIFEST, f"waves[{index}].validation", fault, hint, "warning")


def validation(text: str) -> str:
    """Return the command of shell that a wave's validation is run as."""
    return _validation(text)[0]


@cache
def _validation(text: str) -> tuple[str, str | None]:
    """Return the command that a validation is run as, and what is wrong with that.

    Python is what begins like it, or what sh refuses and Python's parser accepts.
    """
    text = text.replace("\r\n", "\n")
    shown, python = text.strip(), dedent(text).strip()
    if not _PYTHON.match(python):
        refused = shell.fault(shown)
        if refused is None or _python_fault(python):
            return shown, refused and f"sh refuses it: {refused}"
    fault = _python_fault(python)
    return f"python3 -c {shlex.quote(python)}", fault and f"Python refuses it: {fault}"


def _refuse(step: str, text: str) -> tuple[str, str | None] | None:
    """Say why a task's command is refused, and what would mend it."""
    if not text.isprintable():
        what = "expected one line without control characters"
        return f"{what}, found {quoted(text)}", "a longer command goes into a script"
    if text.startswith(_ADDED):
        if step != "verify":
            return (
                "nothing can be added to setup with '+'",
                "write the whole command; it comes in place of the run's",
            )
        if text == _ADDED:
            return "expected a command after '+'", None
    fault = shell.fault(text.removeprefix(_ADDED))
    return (f"sh refuses it: {fault}, found {quoted(text)}", None) if fault else None


def _python_fault(text: str) -> str | None:
    """Say in the words of Python's parser why it refuses a text; None when it takes it."""
    import ast  # which a directory without such a validation does without

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return None
