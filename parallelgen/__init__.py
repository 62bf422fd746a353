"""Compile a parallel directory into shell scripts that run its tasks in git worktrees."""

from pathlib import Path

__version__ = "0.1.0"


class ParallelgenError(Exception):
    """Tell the user what cannot be done and why; the text is shown as it is, without a traceback."""


def shipped(name: str) -> Path:
    """Find a folder that comes with the package: in it when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
