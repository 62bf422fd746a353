"""Setup and verify of single tasks, and what of these and of other commands is no shell."""

import re
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping

from parallelgen import agents
from parallelgen.planning.names import did_you_mean
from parallelgen.planning.tasklist import Entry
from parallelgen.reading import shell
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import MANIFEST
from parallelgen.settings import Settings, model

STEPS = ("setup", "verify")
_ADDED = "+"  # verify: +COMMAND is run after that of the settings
_PYTHON = re.compile(r"(?:import|from|assert)\b")


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
    """Warn of each wave's validation that is no shell command."""
    waves = manifest.get("waves")
    for index, wave in enumerate(waves if isinstance(waves, list) else ()):
        text = wave.get("validation") if isinstance(wave, Mapping) else None
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            continue
        place = f"waves[{index}].validation"
        if _is_python(text.strip()):
            hint = f"it will be run by sh, so write {_as_python(text.strip())}"
            yield Problem(MANIFEST, place, "it is Python and no shell command", hint, "warning")
        elif fault := shell.fault(text):
            hint = "it will be run by sh"
            yield Problem(MANIFEST, place, f"no shell command: {fault}", hint, "warning")


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


def _is_python(text: str) -> bool:
    """Tell Python from shell: by its first word, or because sh refuses what Python's parser accepts.

    The first word `import` is also a program that takes pictures of a screen: there the parser decides.
    """
    found = _PYTHON.match(text)
    if found and found.group() != "import":
        return True
    return bool(found or shell.fault(text)) and _parses(text)


def _parses(text: str) -> bool:
    import ast  # which a directory without such a validation does without

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _as_python(text: str) -> str:
    """Write Python as a command of shell."""
    if not text.isprintable() or len(text) > 80:
        return "python3 -c '...'"
    if not re.search(r'["$`\\!]', text):
        return f'python3 -c "{text}"'
    return f"python3 -c {shlex.quote(text)}"
