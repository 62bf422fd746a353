"""Which of the files that git ignores are nobody's work."""

import filecmp
import os
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from parallelgen.git import Repository, entries
from parallelgen.tidying.files import Stats, cover, folders_above


@dataclass(frozen=True)
class Origin:
    """Say of which ignored files it is known that they are nobody's work.

    Those that lie in `checkout` as well; those that match one of `patterns`, as gitignore has them; and those
    that were `found` when setup had ended and nobody had worked yet, and are older than that moment, `ready`
    (in nanoseconds). In `found` a folder, with a slash behind, stands for all that is in it; None is for
    nobody knows.
    """

    checkout: Path
    patterns: Sequence[str] = ()
    found: Collection[str] | None = ()
    ready: int = 0


def work(
    repository: Repository,
    top: Path,
    ignored: Collection[str],
    tracked: Iterable[str],
    stats: Stats,
    links: Mapping[int, int],
    origin: Origin,
) -> list[str]:
    """List those files among the ignored ones of a working tree that may be somebody's work.

    `origin.checkout` is what corresponds to it in the project's own checkout. Raises GitError, OSError.
    """
    if not ignored:
        return []
    allowed, inner = _matching(repository, top, origin.patterns), repositories(top, ignored)
    busy = {folder for path in tracked for folder in folders_above(path)}

    @cache
    def has_come(folder: str) -> bool:
        """Tell whether a folder may have been moved here since: what is in it keeps its times then."""
        facts = (top / folder).lstat()
        # Where people work a folder changes all the time, but then both of its times are the same.
        is_moved = folder not in busy or facts.st_ctime_ns != facts.st_mtime_ns
        return is_moved and facts.st_ctime_ns >= origin.ready

    def is_old(path: str) -> bool:
        facts = stats[path]
        # A link made elsewhere, by a package manager say, counts as a change; the file is there as well.
        is_elsewhere = facts.st_nlink > links[facts.st_ino]
        changed = facts.st_mtime_ns if is_elsewhere else facts.st_ctime_ns
        is_found = origin.found is None or bool(cover(origin.found, path))
        return is_found and changed < origin.ready and not any(map(has_come, folders_above(path)))

    return [
        path
        for path in ignored
        if not is_old(path)
        # No pattern speaks of the commits of a repository in there.
        and (not cover(allowed, path) or cover(inner, path))
        and not _is_same(top / path, origin.checkout / path, stats[path])
    ]


def repositories(top: Path, paths: Iterable[str]) -> set[str]:
    """Find the repositories among files: their folders, with a slash behind, also of a bare one."""
    found = set()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name == ".git" or (name == "HEAD" and (top / folder / "objects").is_dir()):
            found.add(f"{folder}/" if PurePosixPath(folder).name != ".git" else folder.removesuffix(".git"))
    return found


def _matching(repository: Repository, top: Path, patterns: Sequence[str]) -> Collection[str]:
    if not patterns:
        return set()
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    return set(entries(repository.ask("ls-files", "-z", "--others", "--ignored", *words, at=top)))


def _is_same(path: Path, other: Path, facts: os.stat_result) -> bool:
    """Tell whether the same lies at another place as well."""
    try:
        if other.parent.resolve() != other.parent:  # a link on the way there may lead back here
            return False
        there = other.lstat()
        if stat.S_IFMT(there.st_mode) != stat.S_IFMT(facts.st_mode) or there.st_ino == facts.st_ino:
            return False
        if stat.S_ISLNK(facts.st_mode):
            return path.readlink() == other.readlink()
        return stat.S_ISREG(facts.st_mode) and filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False
