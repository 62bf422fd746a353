"""How a worktree is removed: out of everybody's way first, then out of git's lists, then from the disk.

Whenever that is killed the worktree is either whole, as git has it, or nothing of it is wanted any more: then
git's own folder of it lies below `parallelgen/removing` in the repository, and tells where the files are.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from parallelgen import ParallelgenError
from parallelgen.git import Repository, read_tie
from parallelgen.tidying.files import read_files
from parallelgen.tidying.owners import FOLDER, where
from parallelgen.tidying.system import at_work_in, mounted_in

SUFFIX = ".removing"
_LOCK = "parallelgen clean"  # why git is to leave a worktree alone while it has another name


class NotRemovedError(ParallelgenError):
    """Say why a worktree was not removed; it is where it was."""


def remove(repository: Repository, worktree: Path, side: Path, mark: str) -> None:
    """Remove a worktree if it is as it was when its files had this mark. Raises NotRemovedError, OSError."""
    place = place_of(real_path(worktree))
    if place != worktree and os.path.lexists(place):
        raise NotRemovedError(f"something is in the way: {place}")
    _lock(side)
    try:
        if read_tie(side).parent != worktree:
            raise NotRemovedError("it has been moved since it was looked at")
        if place != worktree:  # of one to whose place something has come since a clean was killed
            worktree.rename(place)
        _tie(side, place)
        os.utime(place / ".git")  # what comes later is not ours to delete
        # Nobody comes to it by its name any more; who was there before is seen now.
        files = read_files(place, side)
        if files.mark != mark or at_work_in(place, files.folders):
            raise NotRemovedError("it has changed since it was looked at")
        limit = (place / ".git").stat().st_ctime_ns
        if files.newest >= limit:
            raise NotRemovedError("there are files in it that are of the future")
        folders = [inode for _, inode in files.folders]
        lines = (" ".join(map(str, numbers)) for numbers in ([limit], files.linked, folders))
        (side / "compared").write_text("\n".join(lines))
        _removing(repository).mkdir(exist_ok=True)
        side.rename(_removing(repository) / side.name)
    except BaseException:
        _give_back(side, place)
        raise
    _finish(repository, _removing(repository) / side.name)


def recover(repository: Repository) -> Iterator[OSError]:
    """Bring to its end what a removal that was killed has begun, or undo it; yield what cannot be done."""
    for side in left_over(repository):
        try:
            _finish(repository, side)
        except OSError as error:
            yield error
    for side, place in half_way(repository):
        try:
            _give_back(side, place)
        except OSError as error:
            yield error


def left_over(repository: Repository) -> list[Path]:
    """List git's own folders of worktrees of which a removal has left something on the disk."""
    return sorted(side for side in _removing(repository).glob("*") if side.is_dir())


def half_way(repository: Repository) -> list[tuple[Path, Path]]:
    """List worktrees that a killed removal has left whole: git's own folder, and the path that it gave."""
    found = []
    for side in sorted((repository.common / "worktrees").glob("*")):
        with contextlib.suppress(OSError):
            if (side / "locked").read_text(errors="replace") == _LOCK:
                told = read_tie(side).parent
                found.append((side, place_of(real_path(told))))
    return found


def place_of(worktree: Path) -> Path:
    """Return where a worktree is while it is removed."""
    return worktree.parent / f"{worktree.name}{SUFFIX}"


def real_path(place: Path) -> Path:
    """Return where a worktree belongs that may have been moved out of the way."""
    return place.parent / place.name.removesuffix(SUFFIX)


def _give_back(side: Path, place: Path) -> None:
    """Undo what a removal has done to a worktree that git still has."""
    if not side.exists():
        return
    worktree = real_path(place)
    if read_tie(side).parent in (place, worktree):  # else somebody has moved it meanwhile
        if os.path.lexists(place) and not os.path.lexists(worktree):
            place.rename(worktree)
        _tie(side, place if os.path.lexists(place) else worktree)
    (side / "compared").unlink(missing_ok=True)
    (side / "locked").unlink()


def _lock(side: Path) -> None:
    """Lock a worktree, as `git worktree lock` does, all at once. Raises OSError where it is locked."""
    new = side / "locked.new"
    new.write_text(_LOCK)
    try:
        os.link(new, side / "locked")
    except FileExistsError:
        raise
    except OSError:  # there are disks without links
        with (side / "locked").open("x") as lock:
            lock.write(_LOCK)
    finally:
        new.unlink()


def _tie(side: Path, worktree: Path) -> None:
    """Tell git where a worktree is; it never meets half a file."""
    new = side / "gitdir.new"
    new.write_bytes(os.fsencode(f"{worktree}/.git\n"))
    new.replace(side / "gitdir")


def _finish(repository: Repository, side: Path) -> None:
    """Remove the files of a worktree that git has no more, and then the folder that tells of them."""
    place = read_tie(side).parent
    if _names(place, repository.common / "worktrees" / side.name):
        if mounts := mounted_in(place):
            raise OSError(errno.EBUSY, "something is mounted there", mounts[0])
        try:
            lines = (side / "compared").read_text().split("\n")
            [limit], linked, folders = (frozenset(map(int, line.split())) for line in lines)
        except ValueError as error:
            raise OSError(errno.EINVAL, "it cannot be read", str(side / "compared")) from error

        def may_go(facts: os.stat_result) -> bool:
            # What lies in a folder that was moved here since may be older.
            return facts.st_ino in folders if stat.S_ISDIR(facts.st_mode) else _is_older(facts, limit, linked)

        with _opened(place) as folder:
            _clear(folder, place, may_go, ".git")
            # Last of all what says whose they are.
            os.unlink(".git", dir_fd=folder)
    if place.name.endswith(SUFFIX):
        with contextlib.suppress(FileNotFoundError):
            place.rmdir()
    with _opened(side) as folder:
        _clear(folder, side, lambda _: True, "gitdir")
    # Last of all what tells of the place.
    (side / "gitdir").unlink(missing_ok=True)
    side.rmdir()
    with contextlib.suppress(OSError):  # there are more
        side.parent.rmdir()


def _is_older(facts: os.stat_result, limit: int, linked: Collection[int]) -> bool:
    """Tell whether a file is as it was before the limit; a name of it that was deleted since is no change."""
    changed = facts.st_mtime_ns if facts.st_ino in linked else facts.st_ctime_ns
    return changed < limit


def _clear(folder: int, path: Path, may_go: Callable[[os.stat_result], bool], kept: str = "") -> None:
    """Delete what is in an open folder, but for one name; raise OSError over what may not go."""
    for name in sorted(os.listdir(folder)):
        facts = os.lstat(name, dir_fd=folder)
        if name != kept and not may_go(facts):
            text = "it has come or changed since the worktree was looked at"
            raise OSError(errno.ENOTEMPTY, text, str(path / name))
        if stat.S_ISDIR(facts.st_mode):
            with _opened(path / name, name, folder) as inner:
                _clear(inner, path / name, may_go)
        if name != kept:
            with _named(path / name):
                (os.rmdir if stat.S_ISDIR(facts.st_mode) else os.unlink)(name, dir_fd=folder)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error name the whole path of what is reached through an open folder."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


@contextlib.contextmanager
def _opened(path: Path, name: str = "", above: int | None = None) -> Iterator[int]:
    """Open a folder, also one that is read-only, but not what has taken its place or is on another disk."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        folder = os.open(name or path, flags, dir_fd=above)
    except PermissionError:
        os.chmod(name or path, 0o700, dir_fd=above)
        folder = os.open(name or path, flags, dir_fd=above)
    try:
        if above is not None and os.fstat(folder).st_dev != os.fstat(above).st_dev:
            raise OSError(errno.EXDEV, "it is on another disk", str(path))
        if os.fstat(folder).st_mode & 0o700 != 0o700:
            os.fchmod(folder, 0o700)
        yield folder
    finally:
        os.close(folder)


def _names(worktree: Path, side: Path) -> bool:
    """Tell whether the `.git` of a worktree names this folder of git's."""
    try:
        told = os.fsdecode((worktree / ".git").read_bytes()).removeprefix("gitdir: ").rstrip("\n")
    except OSError:
        return False
    return where(worktree / told) == where(side)


def _removing(repository: Repository) -> Path:
    return repository.common / FOLDER / "removing"
