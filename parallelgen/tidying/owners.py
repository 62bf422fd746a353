"""Whose branches and worktrees are, as the scripts have written it down; who may change them."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from parallelgen.git import GitError, Repository

FOLDER = "parallelgen"  # ours, below git's own


def read_owners(repository: Repository) -> dict[str, str]:
    """Return the parallel directory of each branch, by name, and of each worktree, by path."""
    try:
        text = os.fsdecode((repository.common / FOLDER / "owners").read_bytes())
    except OSError:
        return {}
    top = repository.common.parent
    found = {}
    for line in text.split("\n"):
        owner, tab, thing = line.partition("\t")
        if tab:
            # A path is relative to the main checkout, or absolute; a branch can begin with neither.
            is_path = thing.startswith(("/", "../"))
            found[where(top / thing) if is_path else thing] = where(top / owner)
    return found


def where(path: Path) -> str:
    """Say where something is, whatever links lead there; it may be a link itself, or gone."""
    place = Path(os.path.normpath(path))
    return str(place.parent.resolve() / place.name)


@contextlib.contextmanager
def alone(repository: Repository) -> Iterator[None]:
    """Let no other clean or landing be at work in the repository meanwhile. Raises GitError when one is."""
    path = repository.common / FOLDER / "lock"
    try:
        path.parent.mkdir(exist_ok=True)
        lock = os.fdopen(os.open(path, os.O_RDONLY | os.O_CREAT, 0o666))
    except OSError as error:
        raise GitError(f"error: cannot lock '{path}': {error.strerror}") from error
    with lock:
        try:
            # Nobody waits: it may be a hook of the other one that calls us.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            is_busy = isinstance(error, BlockingIOError)
            why = "another clean or landing is at work" if is_busy else error.strerror
            raise GitError(f"error: cannot lock '{path}': {why}") from error
        yield
