"""The files below a folder, and whether anything there has changed."""

import errno
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_DEEPEST = 200  # a removal has each folder open on its way down
Stats = Mapping[str, os.stat_result]
# What a removal writes in a worktree and in git's folder of it, where git touches a split index to read it.
_WRITTEN = re.compile(r"\.git")
_WRITTEN_ASIDE = re.compile(r"gitdir(\.new)?|locked(\.new)?|compared|sharedindex\..*")


@dataclass(frozen=True)
class Files:
    """Hold what lies below a folder, but for the folders, by its path from there, with what the system says.

    `links` counts by inode the names that a file has there; `size` is what all of it takes on disk, in bytes;
    `mark` is another one as soon as anything has changed; `foreign` are the folders of other users,
    `folders` device and inode of each.
    """

    stats: Stats
    links: Mapping[int, int]
    size: int
    mark: str
    foreign: Sequence[str]
    folders: Collection[tuple[int, int]]

    @property
    def newest(self) -> int:
        """Say when the last file changed, but for `.git`, in nanoseconds."""
        return max((facts.st_ctime_ns for path, facts in self.stats.items() if path != ".git"), default=0)

    @property
    def linked(self) -> set[int]:
        """List the inodes of the files that have more names than one."""
        return {facts.st_ino for facts in self.stats.values() if facts.st_nlink > 1}


def read_files(*folders: Path) -> Files:
    """List what is below a folder; of more folders only size, links and mark tell. Raises OSError."""
    stats: dict[str, os.stat_result] = {}
    links: Counter[int] = Counter()
    foreign, user = [], os.geteuid()
    inodes = {(facts.st_dev, facts.st_ino) for facts in (folders[0].stat(),)}
    size, mark = 0, hashlib.sha256()
    for folder in folders:
        for path, facts in _walk(folder, ""):
            told = (facts.st_mode, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            if not (_WRITTEN if folder is folders[0] else _WRITTEN_ASIDE).fullmatch(path):
                mark.update(f"{path!r}{told}".encode())
            links[facts.st_ino] += 1
            size += facts.st_blocks * 512 if links[facts.st_ino] == 1 else 0
            if folder is not folders[0]:
                continue
            if stat.S_ISDIR(facts.st_mode):
                inodes.add((facts.st_dev, facts.st_ino))
                foreign += [path] if user not in (0, facts.st_uid) else []
            else:
                stats[path] = facts
    return Files(stats, links, size, mark.hexdigest(), foreign, inodes)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if prefix.count("/") > _DEEPEST:
        raise OSError(errno.ENAMETOOLONG, "the folders in it are too deep", str(folder))
    for entry in found:
        path = prefix + entry.name
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{path}/")


def cover(entries: Collection[str], path: str) -> str:
    """Return the entry that is the path, or a folder above it with a slash behind; empty for none."""
    if path in entries:
        return path
    return next((f"{folder}/" for folder in folders_above(path) if f"{folder}/" in entries), "")


def folders_above(path: str) -> Iterator[str]:
    """List the folders above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path
