"""Read a parallel directory: the only module that does."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from posixpath import normpath

from parallelgen import ParallelgenError
from parallelgen.agents import MARKER
from parallelgen.reading import frontmatter, jsontext
from parallelgen.reading.problem import Problem, natural

MANIFEST = "manifest.json"
LARGEST = 16 * 1024 * 1024
NOT_FOUND = "not found"
OUTSIDE = "the path leaves the parallel directory through a symbolic link"


class InvalidDirectory(ParallelgenError):  # noqa: N818
    """Report a directory that lacks manifest.json, prompts/ or tasks/, named in that order in `missing`."""

    def __init__(self, directory: Path, missing: tuple[str, ...]) -> None:
        super().__init__(f"Invalid parallel directory '{directory}'\nMissing: {' | '.join(missing)}")
        self.directory = directory
        self.missing = missing


@dataclass(frozen=True)
class TaskFile:
    """Hold one task file: path relative to the parallel directory, frontmatter (None if bad), Markdown."""

    path: str
    meta: Mapping[str, object] | None
    body: str
    problems: tuple[Problem, ...] = ()

    @cached_property
    def stem(self) -> str:
        """Name the task by its file."""
        return PurePosixPath(self.path).stem

    @property
    def missing(self) -> bool:
        """Tell whether there is no such file."""
        return any(problem.message == NOT_FOUND for problem in self.problems)


def absent(path: str) -> TaskFile:
    """Stand for a task file that should be there."""
    return TaskFile(path, None, "", (Problem(path, "", NOT_FOUND),))


@dataclass(frozen=True)
class Source:
    """Hold what a parallel directory says, as it was found.

    `task_files` are the files of tasks/ and those that the manifest lists; `prompts` likewise, with what is
    wrong with each ("" when nothing is), and `silent` those that do not speak of the marker. All are keyed by
    normalized paths relative to the directory.
    `problems` are those of the manifest and the directory; those of a task file are with it, because a file
    that is no task's does not matter.
    """

    title: str
    manifest: Mapping[str, object] | None
    task_files: Mapping[str, TaskFile]
    prompts: Mapping[str, str]
    silent: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()


def path_fault(path: str) -> str | None:
    """Say why a path cannot stand in the plan, where `read -r` takes it from the end of a line."""
    if not path:
        return "expected a path, found an empty string"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in path):
        return "a path may not hold newlines or other control characters"
    if path != path.strip():
        return "a path may not begin or end with white space"
    if path.startswith("/"):
        return "expected a path relative to the parallel directory, found an absolute one"
    if normpath(path).split("/")[0] == "..":
        return "the path leaves the parallel directory"
    return None


class _UnreadableError(Exception):
    pass


def read(directory: Path) -> Source:
    """Read a parallel directory; raise InvalidDirectory when a part is missing, never for bad content."""
    missing = [f"{name}/" for name in ("prompts", "tasks") if not os.path.isdir(directory / name)]  # noqa: PTH112
    if not os.path.lexists(directory / MANIFEST):
        missing.insert(0, MANIFEST)
    if missing:
        raise InvalidDirectory(directory, tuple(missing))
    folder = _Folder(directory)
    problems: list[Problem] = []
    manifest = folder.manifest(problems)
    problems += _misplaced(directory)
    paths = [path for path in folder.names("tasks", problems) if path.endswith(".md")]
    paths += [normpath(path) for _, path in listed_files(manifest or {}) if not path_fault(path)]
    tasks = {path: folder.task(path) for path in dict.fromkeys(paths)}
    prompts = [path for path in folder.names("prompts", problems) if path.endswith((".txt", ".md"))]
    prompts += [
        normpath(path) for path in _prompt_files(manifest or {}, tasks.values()) if not path_fault(path)
    ]
    found = {path: folder.prompt(path) for path in dict.fromkeys(prompts)}
    faults = {path: fault for path, (fault, _) in found.items()}
    silent = frozenset(path for path, (_, speaks) in found.items() if not speaks)
    return Source(directory.absolute().resolve().name, manifest, tasks, faults, silent, tuple(problems))


def _misplaced(directory: Path) -> Iterator[Problem]:
    """Refuse folders that we write to and that are not the directory's own."""
    for name in ("scripts", "scripts/lib", "logs", "logs/state"):
        path = directory / name
        if path.is_symlink():
            hint = "what is written there has to stay in the directory"
            yield Problem(name, "", "expected a folder, found a symbolic link", hint)
        elif path.exists() and not path.is_dir():
            yield Problem(name, "", "expected a folder, found a file")


def listed_files(manifest: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield place and path of each string in the manifest's `tasks.files`."""
    tasks = manifest.get("tasks")
    files = tasks.get("files") if isinstance(tasks, dict) else None
    for index, path in enumerate(files if isinstance(files, list) else ()):
        if isinstance(path, str):
            yield f"tasks.files[{index}]", path


def listed_tasks(manifest: Mapping[str, object]) -> Iterator[tuple[str, object, Mapping[str, object]]]:
    """Yield place, wave number and members of each task in the manifest's `waves`; a bare string is an id."""
    waves = manifest.get("waves")
    for w, wave in enumerate(waves if isinstance(waves, list) else ()):
        tasks = wave.get("tasks") if isinstance(wave, dict) else None
        for t, task in enumerate(tasks if isinstance(tasks, list) else ()):
            if isinstance(task, (str, dict)):
                members = {"id": task} if isinstance(task, str) else task
                yield f"waves[{w}].tasks[{t}]", wave.get("number"), members


def _prompt_files(manifest: Mapping[str, object], files: Iterable[TaskFile]) -> Iterator[str]:
    holders = [members for _, _, members in listed_tasks(manifest)] + [file.meta or {} for file in files]
    for holder in holders:
        path = holder.get("prompt_file")
        if isinstance(path, str):
            yield path


class _Folder:
    """Reach files under one directory, and only there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._inside: dict[str, bool] = {}

    def names(self, name: str, problems: list[Problem]) -> list[str]:
        """List a sub-folder in natural order, as paths relative to the directory."""
        try:
            self._confine(f"{self._root}/{name}/any")
            found = [entry.name for entry in os.scandir(self._root / name)]
        except (_UnreadableError, OSError) as fault:
            problems.append(Problem(f"{name}/", "", _words(fault)))
            return []
        return [f"{name}/{entry}" for entry in sorted(found, key=natural)]

    def text(self, path: str) -> str:
        data = self.data(path)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            byte = data[error.start]
            raise _UnreadableError(
                f"not UTF-8: byte 0x{byte:02x} at offset {error.start}, line {line}"
            ) from None

    def manifest(self, problems: list[Problem]) -> Mapping[str, object] | None:
        try:
            value, found = jsontext.parse(self.text(MANIFEST), MANIFEST)
        except _UnreadableError as fault:
            problems.append(Problem(MANIFEST, "", str(fault)))
            return None
        problems += found
        if isinstance(value, dict):
            return value
        if not found:
            kind = "an array" if isinstance(value, list) else "a single value"
            problems.append(Problem(MANIFEST, "", f"expected a JSON object, found {kind}"))
        return None

    def task(self, path: str) -> TaskFile:
        try:
            meta, body, problems = frontmatter.parse(self.text(path), path)
        except _UnreadableError as fault:
            return TaskFile(path, None, "", (Problem(path, "", str(fault)),))
        return TaskFile(path, meta, body, problems)

    def prompt(self, path: str) -> tuple[str, bool]:
        """Return what is wrong with a prompt, and whether it speaks of the marker."""
        try:
            data = self.data(path)
        except _UnreadableError as fault:
            return str(fault), False
        if not data.strip():
            return "the prompt is empty: expected the task's instructions", False
        return "", MARKER.encode() in data

    def data(self, path: str) -> bytes:
        """Return a regular file's bytes; a FIFO is not waited for, and no more than LARGEST is read."""
        place = f"{self._root}/{path}"
        try:
            self._confine(place)
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                facts = os.fstat(descriptor)
                if not stat.S_ISREG(facts.st_mode):
                    kind = "a directory" if stat.S_ISDIR(facts.st_mode) else "a pipe or a device"
                    raise _UnreadableError(f"expected a file, found {kind}")
                if facts.st_size > LARGEST:
                    raise _UnreadableError(f"expected at most {LARGEST // 1024 // 1024} MiB")
                with open(descriptor, "rb", buffering=0, closefd=False) as file:
                    return file.readall()
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as fault:
            if isinstance(fault, FileNotFoundError) and _is_link(place):
                raise _UnreadableError("expected a file, found a dangling symbolic link") from None
            raise _UnreadableError(_words(fault)) from None

    def _confine(self, place: str) -> None:
        folder = place.rpartition("/")[0]
        if folder not in self._inside:
            self._inside[folder] = self._is_inside(folder)
        if not self._inside[folder] or (_is_link(place) and not self._is_inside(place)):
            raise _UnreadableError(OUTSIDE)

    def _is_inside(self, path: str) -> bool:
        return os.path.commonpath((self._real, os.path.realpath(path))) == self._real


def _is_link(place: str) -> bool:
    # A Path for each of 20,000 files costs more than to read it.
    return os.path.islink(place)  # noqa: PTH114


def _words(fault: Exception) -> str:
    if isinstance(fault, FileNotFoundError):
        return NOT_FOUND
    if isinstance(fault, OSError) and fault.strerror:
        return f"cannot be read: {fault.strerror[:1].lower()}{fault.strerror[1:]}"
    return str(fault)
