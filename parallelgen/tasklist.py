"""Which tasks a parallel directory holds, and under which words each is known."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import normpath

from parallelgen.aliases import Aliases, UnresolvedError, ids
from parallelgen.names import name_fault, path_fault, short
from parallelgen.problem import Problem, printable, quoted
from parallelgen.source import MANIFEST, NOT_FOUND, Source, TaskFile, listed_files, listed_tasks


@dataclass(frozen=True)
class Entry:
    """Hold one task: its file, and where the manifest lists it (place, members, wave) if it does."""

    id: str
    file: TaskFile
    place: str = ""
    members: Mapping[str, object] | None = None
    number: object = None

    @property
    def name(self) -> str:
        """Name the task by its file."""
        return self.file.stem

    def text(self, key: str) -> str | None:
        """Return a member as text, the manifest's before the frontmatter's; None when blank or absent."""
        for holder in (self.members or {}, self.file.meta or {}):
            value = holder.get(key)
            if isinstance(value, str) and value.strip():
                return value
        return None


@dataclass(frozen=True)
class TaskList:
    """Hold the tasks in plan order within their waves, and how to find one by any of its words."""

    entries: tuple[Entry, ...]
    aliases: Aliases
    problems: tuple[Problem, ...]


def collect(source: Source) -> TaskList:
    """List the tasks: the manifest's waves, then its task files, or tasks/task-*.md when it has neither."""
    problems: list[Problem] = []
    rows: dict[str, Entry] = {}
    manifest = source.manifest or {}
    for row in [*_from_waves(source, manifest, problems), *_from_files(source, manifest, rows, problems)]:
        first = rows.setdefault(row.file.path, row)
        if first is not row:
            message = f"task {quoted(row.name)} is listed twice: it stands in {first.place} as well"
            problems.append(Problem(MANIFEST, row.place, message))
    found = [path for path in source.task_files if path.startswith("tasks/task-")]
    if not any(listed_tasks(manifest)) and not any(listed_files(manifest)):
        rows = {path: Entry("", source.task_files[path]) for path in found}
        if not rows:
            problems.append(Problem("tasks/", "", "no task found: expected tasks/task-*.md"))
    else:
        message = f"not listed in {MANIFEST}, so it will not run"
        problems += [
            Problem(printable(path), "", message, None, "warning") for path in found if path not in rows
        ]
    words = [_words(row) for row in rows.values()]
    aliases = Aliases(words)
    chosen = ids((row.name for row in rows.values()), aliases)
    entries = [
        Entry(task_id, row.file, row.place, row.members, row.number)
        for task_id, row in zip(chosen, rows.values(), strict=True)
    ]
    problems += [*_bad_names(entries), *_same_words(entries, words), *_same_files(entries)]
    return TaskList(tuple(entries), aliases, tuple(problems))


def own_id(file: TaskFile) -> str | None:
    """Return the frontmatter's id if it agrees with the file's name."""
    given = (file.meta or {}).get("id")
    agrees = isinstance(given, str) and (given in (file.stem, short(file.stem)) or short(given) == file.stem)
    return str(given) if agrees else None


def _words(row: Entry) -> list[str]:
    return [
        word for word in (row.name, own_id(row.file), (row.members or {}).get("id")) if isinstance(word, str)
    ]


def _from_waves(source: Source, manifest: Mapping[str, object], problems: list[Problem]) -> Iterator[Entry]:
    files = [
        file
        for file in source.task_files.values()
        if NOT_FOUND not in (found.message for found in file.problems)
    ]
    known = Aliases([file.stem, own_id(file) or file.stem] for file in files)
    for place, number, members in listed_tasks(manifest):
        given = members.get("id")
        if not isinstance(given, str) or name_fault(given):
            if isinstance(given, str) and given:
                problems.append(Problem(MANIFEST, f"{place}.id", _unusable(given)))
            continue
        try:
            yield Entry("", files[known.find(given)], place, members, number)
        except UnresolvedError as fault:
            if str(fault).startswith("ambiguous"):
                problems.append(Problem(MANIFEST, f"{place}.id", str(fault), fault.hint))
            else:
                expected = f"'tasks/{given}.md'" + (
                    f" or 'tasks/{given}-*.md'" if given == short(given) else ""
                )
                message = f"no task file for {quoted(given)}: expected {expected}"
                problems.append(Problem(MANIFEST, f"{place}.id", message, fault.hint))


def _from_files(
    source: Source, manifest: Mapping[str, object], waves: Mapping[str, Entry], problems: list[Problem]
) -> Iterator[Entry]:
    hints = 20
    for place, given in listed_files(manifest):
        fault = path_fault(given)
        file = None if fault else source.task_files[normpath(given)]
        if file is None:
            problems.append(Problem(MANIFEST, place, f"{fault}: {quoted(given)}"))
        elif any(found.message == NOT_FOUND for found in file.problems):
            hints -= 1
            close = (
                difflib.get_close_matches(f"tasks/{given.split('/')[-1]}", source.task_files, 2)
                if hints > 0
                else []
            )
            near = next((f"did you mean {quoted(path)}?" for path in close if path != file.path), None)
            problems.append(Problem(MANIFEST, place, f"task file {quoted(given)} not found", near))
        elif file.path not in waves or not waves[file.path].place.startswith("waves"):
            yield Entry("", file, place)


def _bad_names(entries: list[Entry]) -> Iterator[Problem]:
    taken = {entry.id for entry in entries}
    for entry in entries:
        if name_fault(entry.name):
            yield Problem(printable(entry.file.path), "", _unusable(entry.name))
        base, _, last = entry.id.rpartition(".")
        if last.isdigit() and base in taken:
            message = f"the id {quoted(entry.id)} is also the log name of an attempt at {quoted(base)}"
            yield Problem(printable(entry.file.path), "", message)
        given = (entry.file.meta or {}).get("id")
        if isinstance(given, str) and own_id(entry.file) is None:
            longer = f" or {quoted(short(entry.name))}" if short(entry.name) != entry.name else ""
            message = f"expected {quoted(entry.name)}{longer}, after the file's name, found {quoted(given)}"
            yield Problem(printable(entry.file.path), "id", message)


def _unusable(name: str) -> str:
    return f"{quoted(name)} cannot name a task: {name_fault(name)}"


def _same_words(entries: list[Entry], words: list[list[str]]) -> Iterator[Problem]:
    claimed: dict[str, Entry] = {}
    for entry, given in zip(entries, words, strict=True):
        for word in dict.fromkeys(given):
            first = claimed.setdefault(word, entry)
            if first is not entry:
                place = "id" if word == own_id(entry.file) else ""
                message = f"duplicate task {quoted(word)}: {quoted(first.file.path)} has that name as well"
                yield Problem(printable(entry.file.path), place, message)


def _same_files(entries: list[Entry]) -> Iterator[Problem]:
    folded: dict[str, Entry] = {}
    for entry in entries:
        first = folded.setdefault(entry.name.lower(), entry)
        if first.name != entry.name:
            message = (
                f"differs from {quoted(first.file.path)} only in case, which is lost on some file systems"
            )
            yield Problem(printable(entry.file.path), "", message, None, "warning")
