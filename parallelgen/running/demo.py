import os
import shutil
import subprocess
from pathlib import Path

from parallelgen import ParallelgenError, shipped


class DemoError(ParallelgenError):
    """Say why the demonstration repository cannot be made."""


def example() -> Path:
    """Find the example project. Raises DemoError."""
    place = shipped("examples") / "inventory"
    if not place.is_dir():
        raise DemoError("error: the example project is not installed")
    return place


def create(directory: Path) -> Path:
    """Make a git repository of the example with one commit on main; return its parallel directory.

    It has an identity of its own, so that it works where git knows nobody. Raises DemoError.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DemoError(f"error: '{directory}' is there already and is not an empty directory")
    try:
        shutil.copytree(
            example(), directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    except OSError as error:
        raise DemoError(f"error: cannot write to '{directory}': {error.strerror or error}") from error
    _git(directory, "init", "--quiet", "--template=")
    _git(directory, "symbolic-ref", "HEAD", "refs/heads/main")
    for name, value in (
        ("user.name", "parallelgen demo"),
        ("user.email", "demo@example.invalid"),
        ("commit.gpgSign", "false"),
        ("core.autocrlf", "false"),
        ("core.fsmonitor", "false"),
        ("core.hooksPath", os.devnull),
    ):
        _git(directory, "config", name, value)
    _git(directory, "add", "--all", "--force")
    _git(directory, "commit", "--quiet", "--message", "Start the inventory project")
    found = sorted(directory.glob("parallel/*/manifest.json"))
    if not found:
        raise DemoError("error: the example project holds no parallel directory")
    return found[0].parent


def _git(directory: Path, *arguments: str) -> None:
    # What a person has configured for projects of their own could sign, refuse or watch this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    nobody = {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            env=environment | nobody,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise DemoError("error: git not found") from error
    if answer.returncode != 0:
        raise DemoError(f"error: git {arguments[0]}: {answer.stderr.strip()}")
