"""What parallelgen has written into a checkout, where git brings other versions: set aside, and put back."""

import contextlib
import json
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from parallelgen import ParallelgenError
from parallelgen.git import Repository
from parallelgen.running.project import Project
from parallelgen.running.script import Loaded
from parallelgen.writing.manifest import ManifestError, replace_member
from parallelgen.writing.output import read_text, write_if_changed

ASIDE = "logs/landing"
_MANIFEST = "manifest.json"
_MEMBER = "execution"
_PART = ".part"  # what is still being copied


class CarryError(ParallelgenError):
    """Say which file could not be set aside."""


@dataclass(frozen=True)
class Cargo:
    """Know what is ours in a checkout: the manifest and the scripts of one parallel directory.

    `root` is the top of the checkout; what is set aside lies in logs/landing of the parallel directory.
    """

    repository: Repository
    root: Path
    loaded: Loaded

    @property
    def project(self) -> Project:
        """Say where the parallel directory lies."""
        return self.loaded.project

    @property
    def aside(self) -> Path:
        """Name the folder for what is set aside."""
        return self.project.directory / ASIDE

    @property
    def is_here(self) -> bool:
        """Tell whether the parallel directory is in this checkout."""
        return self.root.resolve() == self.project.root.resolve()

    def is_ours(self, name: str) -> bool:
        """Tell whether parallelgen has written the file of this name, which is relative to the root."""
        scripts = (f"scripts/{script}" for script in self.loaded.scripts)
        return self.is_here and any(name == self._name(ours) for ours in (_MANIFEST, *scripts))

    def fault(self, name: str, old: str, tip: str) -> str:
        """Say why a file cannot be carried from one commit to another; empty when it can."""
        path = self.root / name
        if path.is_symlink() or not path.is_file():
            return "it is no plain file"
        if self.repository.ask("diff-index", "--cached", "--name-only", old, "--", f":(literal){name}"):
            return "it is staged"
        if not self._is_manifest(name):
            return ""
        theirs = self._text(tip, name)
        known = self._text(old, name) or theirs
        try:
            if known and not _is_same(known, read_text(path)):
                return f"it has other changes than those in '{_MEMBER}'"
            if theirs:
                replace_member(theirs, _MEMBER, {})
        except ManifestError as error:
            return str(error).removeprefix("error: ")
        return ""

    def set_aside(self, names: Sequence[str]) -> None:
        """Copy files into the folder, and leave in their place what git expects. Raises CarryError."""
        for name in names:
            path, kept = self.root / name, self.aside / name
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                if kept.exists():
                    raise CarryError(f"error: {name}: another version of it is kept in '{kept}'")
                part = kept.with_name(kept.name + _PART)
                shutil.copy2(path, part)
                part.rename(kept)
                if self._is_tracked(name):
                    self.repository.change("checkout-index", "--force", "--index", "--", name, at=self.root)
                else:
                    path.unlink()
            except OSError as error:
                raise CarryError(f"error: {name}: cannot set it aside: {error.strerror}") from error

    def put_back(self) -> tuple[list[str], list[str]]:
        """Put back what is aside; return the names, and those in whose place there is something else now."""
        back: list[str] = []
        left: list[str] = []
        for name in self._names():
            try:
                (back if self._put(name) else left).append(name)
            except (OSError, ValueError, KeyError, ParallelgenError):
                left.append(name)
        for folder in sorted((path for path in self.aside.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            self.aside.rmdir()
        return back, left

    def _put(self, name: str) -> bool:
        """Put a file back, unless there is something in its place that nobody else has."""
        path, kept = self.root / name, self.aside / name
        text = read_text(kept)
        if path.is_symlink() or path.exists():
            is_same = path.is_file() and not path.is_symlink() and read_text(path) == text
            changes = self.repository.ask("status", "--porcelain", "--", f":(literal){name}")
            if not is_same and (changes or not self._is_tracked(name)):
                return False
            # What git has left as it was gets its own bytes back.
            if self._is_manifest(name) and not _is_same(read_text(path), text):
                execution = json.loads(text.removeprefix("\ufeff"))[_MEMBER]
                text = replace_member(read_text(path), _MEMBER, execution)
        write_if_changed(path, text, stat.S_IMODE(kept.stat().st_mode))
        kept.unlink()
        return True

    def _names(self) -> Iterator[str]:
        # Where there is only a part of a copy nothing was taken away.
        for part in self.aside.rglob(f"*{_PART}"):
            part.unlink()
        paths = sorted(path for path in self.aside.rglob("*") if not path.is_dir())
        return (path.relative_to(self.aside).as_posix() for path in paths)

    def _is_manifest(self, name: str) -> bool:
        return name == self._name(_MANIFEST)

    def _name(self, ours: str) -> str:
        return str(PurePosixPath(self.project.relative, ours))

    def _is_tracked(self, name: str) -> bool:
        return bool(self.repository.ask("ls-files", "-z", "--", f":(literal){name}", at=self.root))

    def _text(self, commit: str, name: str) -> str:
        """Read a file of a commit; empty where it has none."""
        is_there = self.repository.ask("ls-tree", "-z", commit, "--", f":(literal){name}", at=self.root)
        return self.repository.ask("cat-file", "blob", f"{commit}:{name}") if is_there else ""


def _is_same(one: str, other: str) -> bool:
    """Tell whether two manifests differ in nothing but the member that a run writes, and in line ends."""
    first, second = (replace_member(text.replace("\r\n", "\n"), _MEMBER, {}) for text in (one, other))
    return first == second
