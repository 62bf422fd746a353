"""Whose branches and worktrees are: what the scripts have written of it into the repository."""

import os
from pathlib import Path

from parallelgen.git import Repository

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
