import contextlib
from dataclasses import dataclass
from pathlib import Path

from parallelgen.git import GitError, call


@dataclass(frozen=True)
class Project:
    """Say where a parallel directory lies.

    `root` is the top of its working tree; outside a repository, the current directory if that holds the
    parallel directory, else its parent. `relative` is the path from the root, `typed` what the user wrote.
    """

    root: Path
    directory: Path
    typed: str

    @property
    def relative(self) -> str:
        """Write the directory as the scripts do: from the project root, with slashes."""
        return self.directory.relative_to(self.root).as_posix()


def locate(typed: str) -> Project:
    """Find the project of the parallel directory that the user named. Raises GitError."""
    directory = Path(typed).resolve()
    root = project_root(directory) or _outside(directory)
    return Project(root, directory, typed.rstrip("/") or "/")


def _outside(directory: Path) -> Path:
    with contextlib.suppress(FileNotFoundError):  # the current folder may be gone
        here = Path.cwd().resolve()
        if directory.is_relative_to(here):
            return here
    return directory.parent


def project_root(directory: Path) -> Path | None:
    """Find the top of the working tree that holds `directory`; None outside a repository. Raises GitError."""
    answer = call("rev-parse", "--show-toplevel", at=directory)
    if answer.returncode == 0:
        return Path(answer.stdout.removesuffix("\n"))
    if "not a git repository" in answer.stderr or "must be run in a work tree" in answer.stderr:
        return None
    raise GitError(f"error: git: {answer.stderr.strip().removeprefix('fatal: ')}")
