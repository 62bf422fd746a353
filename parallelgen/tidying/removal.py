"""How a worktree is removed: out of everybody's way first, then out of git's lists, then from the disk.

Whenever it is killed the worktree is either whole, as git has it, or nothing of it is wanted any more: then
git's own folder of it lies below `parallelgen/removing` in the repository, and tells where the files are.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from parallelgen import ParallelgenError
from parallelgen.git import Repository, read_tie
from parallelgen.tidying.files import read_files
from parallelgen.tidying.owners import FOLDER, read_owners
from parallelgen.tidying.system import at_work_in, mounted_in

SUFFIX = ".removing"


class NotRemovedError(ParallelgenError):
    """Say why a worktree was not removed; it is where it was."""


@contextlib.contextmanager
def alone(repository: Repository) -> Iterator[None]:
    """Wait until no other clean is at work in the repository, and keep others out. Raises OSError."""
    (repository.common / FOLDER).mkdir(exist_ok=True)
    with (repository.common / FOLDER / "clean.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove(repository: Repository, worktree: Path, side: Path, mark: str) -> None:
    """Remove a worktree if it is as it was when its files had this mark. Raises NotRemovedError, OSError."""
    place = worktree.with_name(real_path(worktree).name + SUFFIX)
    if place != worktree:
        if os.path.lexists(place):
            raise NotRemovedError(f"something is in the way: {place}")
        # git first, so that a run after a crash in between does not make it forget a worktree that has moved.
        _tie(side, place)
        try:
            worktree.rename(place)
        except OSError:
            _tie(side, worktree)
            raise
    # Nobody comes to it by its name any more; who was there before is seen now.
    if read_files(place, side).mark != mark or at_work_in(place):
        _give_back(side, place, worktree)
        raise NotRemovedError("it has changed since it was looked at")
    try:
        _removing(repository).mkdir(exist_ok=True)
        side.rename(_removing(repository) / side.name)
    except OSError:
        _give_back(side, place, worktree)
        raise
    _finish(repository, _removing(repository) / side.name)


def recover(repository: Repository) -> None:
    """Bring to its end what a removal that was killed has begun, or undo it. Raises OSError."""
    for side in left_over(repository):
        _finish(repository, side)
    for side, place in half_way(repository):
        _give_back(side, place, real_path(place))


def left_over(repository: Repository) -> list[Path]:
    """List git's own folders of worktrees of which a killed removal has left something on the disk."""
    return sorted(_removing(repository).glob("*"))


def half_way(repository: Repository) -> Iterator[tuple[Path, Path]]:
    """List worktrees that a killed removal has left half under another name: git's own folder, and that path.

    Where something else has come to their place they are not listed: they can be removed as they are.
    """
    owned = read_owners(repository)
    for side in sorted((repository.common / "worktrees").glob("*")):
        place = read_tie(side).parent
        worktree = real_path(place)
        here, there = os.path.lexists(worktree), os.path.lexists(place)
        is_half = place != worktree and here != there and _names(worktree if here else place, side)
        if is_half and str(worktree) in owned:
            yield side, place


def real_path(place: Path) -> Path:
    """Return where a worktree belongs that may have been moved out of the way."""
    return place.with_name(place.name.removesuffix(SUFFIX))


def _finish(repository: Repository, side: Path) -> None:
    """Remove the files of a worktree that git has no more, and then the folder that tells of them."""
    place = read_tie(side).parent
    if place.name.endswith(SUFFIX) and place.is_dir() and not place.is_symlink():
        if _names(place, repository.common / "worktrees" / side.name):
            if mounted_in(place):
                raise OSError(errno.EBUSY, "something is mounted in it", str(place))
            # Last of all what says that they are of this worktree.
            for entry in sorted(place.iterdir(), key=lambda entry: entry.name == ".git"):
                _delete(entry)
        with contextlib.suppress(OSError):  # what has come since is nothing of ours
            place.rmdir()
    # Last of all what tells of the place.
    for entry in sorted(side.iterdir(), key=lambda entry: entry.name == "gitdir"):
        _delete(entry)
    side.rmdir()
    with contextlib.suppress(OSError):  # there are more
        side.parent.rmdir()


def _delete(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for folder, below, _ in os.walk(path):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            Path(folder).chmod(0o700)
        for name in below:  # before they are entered
            inside = Path(folder, name)
            if not inside.is_symlink() and not os.access(inside, os.R_OK | os.W_OK | os.X_OK):
                inside.chmod(0o700)
    shutil.rmtree(path)


def _give_back(side: Path, place: Path, worktree: Path) -> None:
    if os.path.lexists(place) and not os.path.lexists(worktree):
        place.rename(worktree)
    if not os.path.lexists(place):
        _tie(side, worktree)


def _tie(side: Path, worktree: Path) -> None:
    """Tell git where the worktree is; it never meets half a file."""
    new = side / "gitdir.new"
    new.write_bytes(os.fsencode(f"{worktree}/.git\n"))
    new.replace(side / "gitdir")


def _names(worktree: Path, side: Path) -> bool:
    """Tell whether the `.git` of a worktree names this folder of git's."""
    try:
        told = os.fsdecode((worktree / ".git").read_bytes()).removeprefix("gitdir: ").rstrip("\n")
    except OSError:
        return False
    return Path(os.path.normpath(worktree / told)) == side


def _removing(repository: Repository) -> Path:
    return repository.common / FOLDER / "removing"
