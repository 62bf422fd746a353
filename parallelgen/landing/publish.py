"""Bring a branch to its remote: which commands do it, as a person would type them, and running them."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parallelgen.git import GitError, Repository, branch_ref, call, environment
from parallelgen.running.script import ends_in_order

_GH = "gh"


@dataclass(frozen=True)
class Publisher:
    """Know where a branch goes; `remote` is empty where it goes nowhere.

    `root` is the folder in which the commands are run, None for the current one.
    """

    repository: Repository
    remote: str
    root: Path | None

    def push(self, branch: str) -> list[str]:
        """Write the command that pushes a branch, never by force."""
        where = ["-C", str(self.root)] if self.root else []
        return ["git", *where, "push", self.remote, self._refspec(branch)]

    def open(self, base: str, branch: str, title: str, body: Path) -> list[str]:
        """Write the command that opens a pull request, the text of which is in a file."""
        file = str(body) if self.root else os.path.relpath(body)
        words = ("--base", base, "--head", branch, "--title", title, "--body-file", file)
        return [_GH, "pr", "create", *words]

    def shown(self, words: Sequence[str]) -> str:
        """Write a command for a shell in the current folder."""
        text = shlex.join(words)
        return f"(cd {shlex.quote(str(self.root))} && {text})" if self.root and words[0] == _GH else text

    def run(self, words: Sequence[str], is_quiet: bool) -> int:
        """Run a command and return its exit status; what it prints goes through, or to standard error."""
        sys.stdout.flush()
        try:
            with ends_in_order():
                return subprocess.run(
                    words,
                    cwd=self.root,
                    env=environment(),
                    stdout=sys.stderr.fileno() if is_quiet else None,
                    check=False,
                ).returncode
        except OSError as error:
            raise GitError(f"error: {words[0]}: {error.strerror}") from error

    def _refspec(self, branch: str) -> str:
        """Write what is pushed: in full where git would add a force to the name, or take it for a tag."""
        ref = branch_ref(branch)
        configured = _configured(self.repository, "--get-all", f"remote.{self.remote}.push")
        is_forced = any(line.startswith("+") for line in configured)
        return f"{ref}:{ref}" if is_forced or self.repository.commit(f"refs/tags/{branch}") else branch


def publisher(repository: Repository, base: str) -> Publisher:
    """Find where a branch is pushed to, from the current folder where that is in the repository."""
    try:
        is_inside = Repository.at(Path.cwd()).common == repository.common
    except (GitError, OSError):
        is_inside = False
    return Publisher(repository, _remote(repository, base), None if is_inside else repository.root)


def can_open() -> bool:
    """Tell whether there is a command that opens pull requests."""
    return shutil.which(_GH) is not None


def _remote(repository: Repository, branch: str) -> str:
    known = repository.ask("remote").splitlines()
    keys = (f"branch.{branch}.pushRemote", "remote.pushDefault", f"branch.{branch}.remote")
    for key in keys:
        # The last one counts; a branch that follows one of this repository has `.`.
        found = [name for name in _configured(repository, "--get", key) if name != "."]
        if found:
            return found[0]
    if "origin" in known:
        return "origin"
    return known[0] if len(known) == 1 else ""


def _configured(repository: Repository, how: str, key: str) -> list[str]:
    return call("config", how, key, at=repository.root).stdout.splitlines()
