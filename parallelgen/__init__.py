"""Compile a parallel directory into shell scripts that run its tasks in git worktrees."""

__version__ = "0.1.0"
