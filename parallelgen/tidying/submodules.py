"""What the submodules of a worktree have that the main checkout's do not have."""

import os
from collections.abc import Iterator
from pathlib import Path

from parallelgen.git import Repository, call, strangers


def what_is_theirs(repository: Repository, side: Path) -> Iterator[str]:
    """Say what would be lost with the repositories of submodules below git's own folder of a worktree."""
    modules = side / "modules"
    for folder, below, files in os.walk(modules):
        if "HEAD" not in files or "objects" not in below:
            continue
        name = os.path.relpath(folder, modules)
        if others := strangers(Path(folder)):
            yield f"in git's own folder of the submodule {name}: {', '.join(others)}"
        if any(Path(folder, "worktrees").glob("*")):
            yield f"the submodule {name} has a worktree of its own"
        elif not _is_contained(Path(folder), repository.common / "modules" / name):
            yield (
                f"the submodule {name} has commits that the main checkout's does not have: push them, "
                "and fetch them there"
            )
        elif _large_files(Path(folder)) - _large_files(repository.common / "modules" / name):
            yield f"the submodule {name} has files of LFS that the main checkout's does not have"
        below[:] = [other for other in below if other == "modules"]


def _large_files(repository: Path) -> set[Path]:
    """List what git-lfs keeps in a repository."""
    store = repository / "lfs" / "objects"
    return {path.relative_to(store) for path in store.rglob("*") if path.is_file()}


def _is_contained(repository: Path, other: Path) -> bool:
    """Tell whether all commits that refs of a repository lead to can be reached from refs of another one."""
    refs = call("--git-dir", str(repository), "for-each-ref", "--format=%(objectname)", at=repository)
    head = call(
        "--git-dir", str(repository), "rev-parse", "--quiet", "--verify", "HEAD^{commit}", at=repository
    )
    command = ("rev-list", "--max-count=1", "--stdin", "--not", "--all")
    answer = call("--git-dir", str(other), *command, at=repository, given=refs.stdout + head.stdout)
    return refs.returncode == answer.returncode == 0 and not answer.stdout
