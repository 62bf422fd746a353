import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from parallelgen.errors import ParallelgenError

_OPERATIONS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
# A hook hands these down; they would turn every question to the repository of the hook.
_LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
)


class GitError(ParallelgenError):
    """Say what git answered when it could not tell us about the repository."""


@dataclass(frozen=True)
class Facts:
    """Hold what the repository looks like before a run.

    `root` is None outside a repository; `branch` is empty on a detached HEAD, `head` in a repository
    without commits, `base_commit` when the base does not exist. `tree_size` is in bytes, None if unknown.
    """

    root: Path | None = None
    version: tuple[int, ...] = ()
    branch: str = ""
    head: str = ""
    dirty: tuple[str, ...] = ()
    worktrees: tuple[Path, ...] = ()
    branches: Mapping[str, str] = field(default_factory=dict)
    has_identity: bool = True
    operation: str = ""
    base: str = ""
    base_commit: str = ""
    tree_size: int | None = None
    base_has_directory: bool = False

    @cached_property
    def known_worktrees(self) -> frozenset[Path]:
        """Hold the worktrees so that each of many can be looked up."""
        return frozenset(self.worktrees)


def project_root(directory: Path) -> Path | None:
    """Find the top of the working tree that holds `directory`; None outside a repository."""
    found = _paths(directory)
    return found[0] if found else None


def facts(directory: Path, base: str = "", ignore: tuple[Path, ...] = ()) -> Facts:
    """Gather the facts about the repository around `directory` in a fixed number of git calls.

    `base` empty means the branch that is checked out. Changes under `directory` and `ignore` do not
    count as dirty. Raises GitError.
    """
    version = _version(_git(directory, "version").stdout)
    found = _paths(directory)
    if found is None:
        return Facts(version=version)
    root, git_dir = found
    inside = [path.relative_to(root).as_posix() for path in (directory, *ignore) if path.is_relative_to(root)]
    branch, head, dirty = _status(root, inside)
    branches = _branches(root)
    wanted = base or branch
    commit = branches.get(wanted) or (_commit(root, base) if base else head)
    size, has_directory = _tree(root, commit, inside[0]) if commit else (None, False)
    return Facts(
        root=root,
        version=version,
        branch=branch,
        head=head,
        dirty=dirty,
        worktrees=_worktrees(root),
        branches=branches,
        has_identity=_git(root, "var", "GIT_COMMITTER_IDENT").returncode == 0,
        operation=next((name for file, name in _OPERATIONS.items() if (git_dir / file).exists()), ""),
        base=wanted,
        base_commit=commit,
        tree_size=size,
        base_has_directory=has_directory,
    )


def _git(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask git one question that takes no lock, starts no daemon, fetches nothing and never prompts."""
    environment = {key: value for key, value in os.environ.items() if key not in _LOCAL}
    environment |= {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError("error: git not found") from error


def _paths(directory: Path) -> tuple[Path, Path] | None:
    """Return the top of the working tree and the git directory."""
    top = _git(directory, "rev-parse", "--show-toplevel", "--absolute-git-dir")
    if top.returncode == 0:
        root, git_dir = top.stdout.splitlines()
        return Path(root), Path(git_dir)
    if "not a git repository" in top.stderr or "must be run in a work tree" in top.stderr:
        return None
    raise GitError(f"error: git: {top.stderr.strip().removeprefix('fatal: ')}")


def _version(text: str) -> tuple[int, ...]:
    words = text.split()
    return tuple(int(part) for part in (words[2] if len(words) > 2 else "").split(".") if part.isdecimal())


def _status(root: Path, inside: list[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return branch, head commit and the changed paths outside `inside`."""
    excluded = [f":(top,exclude,literal){path}" for path in inside]
    answer = _git(root, "status", "--porcelain=v2", "--branch", "-z", "--", ":(top)", *excluded)
    if answer.returncode != 0:
        raise GitError(f"error: git status: {answer.stderr.strip()}")
    headers: dict[str, str] = {}
    dirty = []
    entries = iter(answer.stdout.split("\0"))
    for entry in entries:
        if entry.startswith("# "):
            name, _, value = entry[2:].partition(" ")
            headers[name] = value
        elif entry.startswith(("1 ", "2 ", "u ")):
            dirty.append(entry.split(" ", {"1": 8, "2": 9, "u": 10}[entry[0]])[-1])
            if entry.startswith("2 "):
                next(entries, None)
        elif entry.startswith("? "):
            dirty.append(entry[2:])
    branch, head = headers.get("branch.head", ""), headers.get("branch.oid", "")
    return "" if branch == "(detached)" else branch, "" if head == "(initial)" else head, tuple(dirty)


def _branches(root: Path) -> dict[str, str]:
    answer = _git(root, "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
    pairs = (line.split(" ", 1) for line in answer.stdout.splitlines())
    return {name: commit for commit, name in pairs}


def _worktrees(root: Path) -> tuple[Path, ...]:
    answer = _git(root, "worktree", "list", "--porcelain")
    return tuple(
        Path(line.removeprefix("worktree "))
        for line in answer.stdout.splitlines()
        if line.startswith("worktree ")
    )


def _commit(root: Path, name: str) -> str:
    answer = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return answer.stdout.strip().splitlines()[-1] if answer.returncode == 0 else ""


def _tree(root: Path, commit: str, directory: str) -> tuple[int | None, bool]:
    """Return the size of a checkout of `commit` in bytes and whether it holds `directory`."""
    answer = _git(root, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    if answer.returncode != 0:
        return None, True
    size, found = 0, directory == "."
    for entry in answer.stdout.split("\0"):
        entry_facts, _, path = entry.partition("\t")
        number = entry_facts.rpartition(" ")[2]
        size += int(number) if number.isdecimal() else 0
        found = found or path.startswith(f"{directory}/")
    return size, found
