"""Which file is a task's prompt."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from parallelgen.agents import MARKER
from parallelgen.planning.names import short
from parallelgen.planning.tasklist import Entry, TaskList, own_id
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import MANIFEST, NOT_FOUND, Source, path_fault

_MOST_NAMED = 5
SUMMARY = "prompts/agent-prompts.md"


@dataclass(frozen=True)
class Prompts:
    """Hold each entry's prompt by index, relative to the directory ("" where there is none)."""

    paths: tuple[str, ...]
    problems: tuple[Problem, ...]


def choose(source: Source, tasks: TaskList) -> Prompts:
    """Find the prompt of each task: its `prompt_file`, or a file of prompts/ called after it."""
    problems: list[Problem] = []
    by_prefix: dict[str, list[str]] = {}
    for path, fault in source.prompts.items():
        if fault != NOT_FOUND and path.startswith("prompts/"):
            by_prefix.setdefault(short(posixpath.basename(path)), []).append(path)
    paths: list[str] = []
    for entry in tasks.entries:
        if entry.text("prompt_file"):
            paths.append(_given(source, entry, problems))
        elif entry.file.missing:
            paths.append("")
        else:
            paths.append(_found(source, tasks, entry, by_prefix.get(short(entry.name), []), problems))
    first: dict[str, Entry] = {}
    for entry, path in zip(tasks.entries, paths, strict=True):
        owner = first.setdefault(path, entry)
        if path and owner is not entry:
            message = f"prompt {quoted(path)} is also that of {quoted(owner.id)}"
            problems.append(Problem(entry.file.path, "", message, None, "warning"))
    return Prompts(tuple(paths), tuple(problems))


def untold(source: Source, entries: tuple[Entry, ...], paths: tuple[str, ...]) -> Iterator[Problem]:
    """Name the tasks whose agents learn of the marker neither from the prompt nor from the task's file."""
    found = [
        (entry.id, path)
        for entry, path in zip(entries, paths, strict=True)
        if source.prompts.get(path) == "" and path in source.silent and MARKER not in entry.file.body
    ]
    if not found:
        return
    some = ", ".join(quoted(task) for task, _ in found[:_MOST_NAMED])
    rest = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    yield Problem(
        found[0][1] if len(found) == 1 else "prompts/",
        "",
        f"the prompt of {some}{rest} does not speak of {quoted(MARKER)}, without which a task fails",
        f"let the prompt end with: commit your work, then run 'touch {MARKER}'",
        "warning",
    )


def _given(source: Source, entry: Entry, problems: list[Problem]) -> str:
    path = entry.text("prompt_file") or ""
    in_manifest = (entry.members or {}).get("prompt_file") == path
    file = MANIFEST if in_manifest else entry.file.path
    place = f"{entry.place}.prompt_file" if in_manifest else "prompt_file"
    if fault := path_fault(path):
        problems.append(Problem(file, place, f"{fault}: {quoted(path)}"))
        return ""
    path = posixpath.normpath(path)
    if path == SUMMARY:
        problems.append(Problem(file, place, f"{quoted(path)} is a summary, not the prompt of a task"))
    elif source.prompts[path] == NOT_FOUND:
        nearest = f"prompts/{posixpath.basename(path)}"
        hint = f"did you mean {quoted(nearest)}?" if source.prompts.get(nearest) == "" else None
        problems.append(Problem(file, place, f"prompt {quoted(path)} not found", hint))
    elif fault := source.prompts[path]:
        problems.append(Problem(path, "", fault))
    return path


def _found(source: Source, tasks: TaskList, entry: Entry, near: list[str], problems: list[Problem]) -> str:
    named = [path for path in _candidates(entry) if source.prompts.get(path, NOT_FOUND) != NOT_FOUND]
    if not named and not tasks.aliases.shared(short(entry.name)) and len(near) == 1:
        named = near
    file = entry.file.path
    if not named:
        expected = " or ".join(
            quoted(f"prompts/{word}.txt") for word in dict.fromkeys((entry.id, entry.name))
        )
        hint = f"there are {' and '.join(map(quoted, near[:3]))}" if len(near) > 1 else None
        problems.append(Problem(file, "", f"no prompt found: expected {expected}", hint))
        return ""
    if len(named) > 1:
        message = f"several prompts: {quoted(named[0])} is used, not {quoted(named[1])}"
        problems.append(Problem(file, "", message, None, "warning"))
    if fault := source.prompts[named[0]]:
        problems.append(Problem(named[0], "", fault))
    return named[0]


def _candidates(entry: Entry) -> Iterator[str]:
    listed = (entry.members or {}).get("id")
    words = [entry.id, entry.name, own_id(entry.file), listed if isinstance(listed, str) else None]
    for ending in (".txt", ".md"):
        yield from (f"prompts/{word}{ending}" for word in dict.fromkeys(words) if word)
