"""What a repository has at a moment, and what of that a parallel directory has made."""

import calendar
import os
import re
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from parallelgen.git import Ref, Repository, branch_name, branch_ref
from parallelgen.tidying.directory import BASELINE, INTEGRATION, Directory
from parallelgen.tidying.owners import read_owners, where
from parallelgen.tidying.removal import real_path

BACKUP = "backup/"
# So ends what --force has moved aside, with a dash more for each in the same second.
_MOVED = re.compile(r"(.+)[.-](\d{8}T\d{6}Z)-*")


class Survey:
    """Know what a repository has at this moment, and what of it is a directory's. Raises GitError.

    `refs` has the refs by full name, `owners` the directory of each branch and worktree; what was moved aside
    must have been so for `least_age` seconds.
    """

    def __init__(self, repository: Repository, directory: Directory, least_age: int) -> None:
        self.repository = repository
        self.directory = directory
        self.owners = read_owners(repository)
        self.worktrees = repository.worktrees()
        self.refs = {ref.name: ref for ref in repository.refs()}
        self._least_age = least_age

    @cached_property
    def base(self) -> Ref | None:
        """The base branch; None when it is not known."""
        name = branch_ref(self.directory.base)
        if name not in self.refs and self.directory.base:
            name = self.repository.full_name(self.directory.base)
        return self.refs.get(name)

    @cached_property
    def keepers(self) -> list[Ref]:
        """The refs that count: what the base branch or that of the integration contains needs no other."""
        name = self.directory.integration
        ours = self.refs.get(branch_ref(name)) if self.is_ours(name, INTEGRATION) else None
        return [ref for ref in (self.base, ours) if ref]

    def within(self, commit: str, keepers: Sequence[Ref]) -> Ref | None:
        """Return the first of these refs that contains a commit."""
        return next((ref for ref in keepers if self.repository.contains(commit, ref.commit)), None)

    def is_ours(self, thing: str, id: str) -> bool:
        """Tell whether the directory has made a thing, if need be under a name that it had before."""
        owner = self.owners.get(thing)
        if owner is None or owner == where(self.directory.path):
            return owner is not None
        has_moved = not Path(owner, "manifest.json").exists()
        return has_moved and bool(id) and (self.directory.state / f"{id}.start").exists()

    def is_our_place(self, path: Path) -> bool:
        """Tell whether the directory has made the worktree that belongs at a path."""
        return self.is_ours(where(path), self.task_in(path))

    def task_in(self, folder: Path) -> str:
        """Find the task whose worktree has this name, also when it was moved aside; empty for none."""
        name, _ = moved_aside(folder.name)
        own = {f"{id[1:]}-{self.directory.path.name}": id for id in (INTEGRATION, BASELINE)}
        return own.get(name) or (name if name in self.directory.tasks else "")

    def task_on(self, branch: str) -> str:
        """Find the task whose branch has this name, also when it was moved aside; empty for none."""
        name, when = moved_aside(branch.removeprefix(BACKUP)) if branch.startswith(BACKUP) else (branch, "")
        if branch == self.directory.integration or (when and name == INTEGRATION[1:]):
            return INTEGRATION
        name = name if when else branch.removeprefix(self.directory.prefix)
        return next((id for id, task in self.directory.tasks.items() if task.name == name), "")

    @cached_property
    def unlisted(self) -> list[Path]:
        """The worktrees of the directory that are there, and are not in git's list."""
        listed = {where(real_path(worktree.path)) for worktree in self.worktrees}
        paths = [Path(thing) for thing in self.owners if thing.startswith("/") and thing not in listed]
        return [path for path in paths if os.path.lexists(path / ".git") and self.is_our_place(path)]

    def too_young(self, when: str) -> str:
        """Say that what was moved aside then was so not long enough ago; empty when it was."""
        age = time.time() - calendar.timegm(time.strptime(when, "%Y%m%dT%H%M%SZ"))
        return "" if age >= self._least_age else "moved aside less than --older-than ago"

    def shown(self, path: Path) -> str:
        """Write a path as people see it from the project."""
        return os.path.relpath(path, self.repository.root)


def not_in(keepers: Sequence[Ref]) -> str:
    """Say that none of these refs contains the commits of a thing."""
    names = " or ".join(branch_name(ref.name) for ref in keepers)
    return f"its commits are not in {names or 'any base branch'}"


def moved_aside(name: str) -> tuple[str, str]:
    """Part the name of what --force may have moved aside: what it was called, and when; empty for never."""
    moved = _MOVED.fullmatch(name)
    return (moved[1], moved[2]) if moved else (name, "")
