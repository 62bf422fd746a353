import os
from dataclasses import dataclass
from pathlib import Path

from parallelgen import git


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
    """Find the project of the parallel directory that the user named. Raises git.GitError."""
    directory = Path(typed).resolve()
    root = git.project_root(directory)
    if root is None:
        here = Path.cwd().resolve()
        root = here if directory.is_relative_to(here) else directory.parent
    return Project(root, directory, typed.rstrip("/") or "/")


def workspace(project: Project, workspace_root: str) -> Path:
    """Find where the worktrees go."""
    return Path(os.path.normpath(project.root / workspace_root))
