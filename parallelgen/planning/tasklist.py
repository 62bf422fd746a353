"""Which tasks a parallel directory holds, and under which words each is known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from posixpath import normpath

from parallelgen.planning.names import (
    MOST_HINTS,
    Aliases,
    UnresolvedError,
    did_you_mean,
    ids,
    log_fault,
    name_fault,
    short,
)
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import (
    MANIFEST,
    Source,
    TaskFile,
    absent,
    listed_files,
    listed_tasks,
    path_fault,
)


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
    manifest = source.manifest or {}
    rows: dict[str, Entry] = {}
    for row in _from_waves(source, manifest, problems):
        _add(rows, row, problems)
    in_waves = frozenset(rows)
    for row in _from_files(source, manifest, problems):
        if row.file.path not in in_waves:
            _add(rows, row, problems)
    found = [path for path in source.task_files if path.startswith("tasks/task-")]
    if not any(listed_tasks(manifest)) and not any(listed_files(manifest)):
        rows = {path: Entry("", source.task_files[path]) for path in found}
        if not rows:
            problems.append(Problem("tasks/", "", "no task found: expected tasks/task-*.md"))
    unlisted = f"not listed in {MANIFEST}, so it will not run"
    problems += [Problem(path, "", unlisted, None, "warning") for path in found if path not in rows]
    words = [_words(row) for row in rows.values()]
    aliases = Aliases(words)
    chosen = ids((row.name for row in rows.values()), aliases)
    entries = [replace(row, id=task_id) for task_id, row in zip(chosen, rows.values(), strict=True)]
    problems += [*_bad_names(entries), *_same_words(entries, words), *_same_files(entries)]
    return TaskList(tuple(entries), aliases, tuple(problems))


def _add(rows: dict[str, Entry], row: Entry, problems: list[Problem]) -> None:
    first = rows.setdefault(row.file.path, row)
    if first is not row:
        message = f"task {quoted(row.name)} is listed twice: it stands in {first.place} as well"
        problems.append(Problem(MANIFEST, row.place, message))


def own_id(file: TaskFile) -> str | None:
    """Return the frontmatter's id if it agrees with the file's name: is it, or has the same number."""
    given = (file.meta or {}).get("id")
    agrees = isinstance(given, str) and (given == file.stem or short(given) == short(file.stem))
    return str(given) if agrees else None


def _words(row: Entry) -> list[str]:
    words = (row.name, own_id(row.file), (row.members or {}).get("id"))
    return [word for word in words if isinstance(word, str)]


def _from_waves(source: Source, manifest: Mapping[str, object], problems: list[Problem]) -> Iterator[Entry]:
    files = [file for file in source.task_files.values() if not file.missing]
    known = Aliases([file.stem, own_id(file) or file.stem] for file in files)
    for place, number, members in listed_tasks(manifest):
        given = members.get("id")
        if not isinstance(given, str) or not given:
            continue  # the schema says so
        if name_fault(given):
            problems.append(Problem(MANIFEST, f"{place}.id", _unusable(given)))
            continue
        try:
            yield Entry("", files[known.find(given)], place, members, number)
        except UnresolvedError as fault:
            message, hint = str(fault), fault.hint
            if not fault.ambiguous:
                expected = f"'tasks/{given}.md'"
                if given == short(given):  # a short id that is near to another is not a slip
                    expected, hint = f"{expected} or 'tasks/{given}-*.md'", None
                message = f"no task file for {quoted(given)}: expected {expected}"
                yield Entry("", absent(f"tasks/{given}.md"), place, members, number)
            problems.append(Problem(MANIFEST, f"{place}.id", message, hint))


def _from_files(source: Source, manifest: Mapping[str, object], problems: list[Problem]) -> Iterator[Entry]:
    hints = 0
    for place, given in listed_files(manifest):
        if fault := path_fault(given):
            problems.append(Problem(MANIFEST, place, f"{fault}: {quoted(given)}"))
            continue
        file = source.task_files[normpath(given)]
        if file.missing:
            hints += 1
            near = _near(given, source.task_files) if hints <= MOST_HINTS else None
            problems.append(Problem(MANIFEST, place, f"task file {quoted(given)} not found", near))
        yield Entry("", file, place)


def _near(given: str, files: Mapping[str, TaskFile]) -> str | None:
    there = [path for path, file in files.items() if not file.missing]
    return did_you_mean(f"tasks/{given.rpartition('/')[2]}", there)


def _bad_names(entries: list[Entry]) -> Iterator[Problem]:
    taken = {entry.id for entry in entries}
    for entry in entries:
        if name_fault(entry.name):
            yield Problem(entry.file.path, "", _unusable(entry.name))
        if fault := log_fault(entry.id, taken):
            yield Problem(entry.file.path, "", fault)
        given = (entry.file.meta or {}).get("id")
        if isinstance(given, str) and own_id(entry.file) is None:
            longer = f" or {quoted(short(entry.name))}" if short(entry.name) != entry.name else ""
            message = f"expected {quoted(entry.name)}{longer}, after the file's name, found {quoted(given)}"
            yield Problem(entry.file.path, "id", message)


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
                yield Problem(entry.file.path, place, message)


def _same_files(entries: list[Entry]) -> Iterator[Problem]:
    folded: dict[str, Entry] = {}
    for entry in entries:
        first = folded.setdefault(entry.name.lower(), entry)
        if first.name != entry.name:
            message = (
                f"differs from {quoted(first.file.path)} only in case, which is lost on some file systems"
            )
            yield Problem(entry.file.path, "", message, None, "warning")
