"""What the submodules of a worktree have that the main checkout's do not have."""

import os
from collections.abc import Iterator
from pathlib import Path

from parallelgen.git import Repository, call, operations, strangers


def what_is_theirs(repository: Repository, side: Path) -> Iterator[str]:
    """Say what would be lost with the repositories of submodules below git's own folder of a worktree."""
    modules = side / "modules"
    for folder, below, files in os.walk(modules):
        if "HEAD" in files and "objects" in below:
            name = os.path.relpath(folder, modules)
            for reason in _reasons(Path(folder), repository.common / "modules" / name):
                yield f"the submodule {name} {reason}"
            below[:] = [other for other in below if other == "modules"]


def _reasons(repository: Path, other: Path) -> Iterator[str]:
    """Say what a repository has that another one has not, without looking at its files."""
    if names := strangers(repository):
        yield f"has something in git's own folder: {', '.join(names)}"
    if any((repository / "worktrees").glob("*")):
        yield "has a worktree of its own"
    # The files may be gone, as after `git submodule deinit`.
    if operations(repository) or not _is_committed(repository):
        yield "has staged changes, or an operation is under way in it"
    if not _is_contained(repository, other):
        yield "has commits that the main checkout's does not have: push them, and fetch them there"
    if _large_files(repository) - _large_files(other):
        yield "has files of LFS that the main checkout's does not have"


def _is_committed(repository: Path) -> bool:
    """Tell whether nothing is staged."""
    words = ("--git-dir=.", "--work-tree=.", "diff-index", "--cached", "--quiet", "HEAD", "--")
    return not (repository / "index").exists() or call(*words, at=repository).returncode == 0


def _is_contained(repository: Path, other: Path) -> bool:
    """Tell whether all commits that refs and reflogs lead to can be reached from refs of another repository.

    HEAD is detached in a submodule, and its next checkout leaves commits to the reflog alone.
    """
    # Where history is cut off, nobody knows what is behind that.
    cut = other / "shallow"
    if cut.exists() and not _is_same(cut, repository / "shallow"):
        return False
    refs = call("--git-dir=.", "for-each-ref", "--format=%(objectname)", at=repository)
    logs = call("--git-dir=.", "rev-list", "--no-walk", "--reflog", at=repository)
    head = call("--git-dir=.", "rev-parse", "--quiet", "--verify", "HEAD^{commit}", at=repository)
    command = (f"--git-dir={other}", "rev-list", "--max-count=1", "--stdin", "--not", "--all")
    answer = call(*command, at=repository, given=refs.stdout + logs.stdout + head.stdout)
    return refs.returncode == logs.returncode == answer.returncode == 0 and not answer.stdout


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def _large_files(repository: Path) -> set[Path]:
    """List what git-lfs keeps in a repository."""
    store = repository / "lfs" / "objects"
    return {path.relative_to(store) for path in store.rglob("*") if path.is_file()}
