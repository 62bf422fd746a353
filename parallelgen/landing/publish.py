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
from parallelgen.reading.problem import printable
from parallelgen.running.script import ends_in_order

_GH = "gh"


@dataclass(frozen=True)
class Publisher:
    """Know where a branch goes; `remote` is empty where it goes nowhere, and `fault` tells why.

    `root` is the folder in which the commands are run, None for the current one.
    """

    repository: Repository
    remote: str
    root: Path | None
    fault: str
    has_remotes: bool

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
        """Write what is pushed: in full where git could take it for another, or send it elsewhere."""
        ref, common = branch_ref(branch), self.repository.common
        is_mapped = (
            _configured(self._folder, f"remote.{self.remote}.push")
            or _configured(self._folder, "push.default")[-1:] in (["upstream"], ["tracking"])
            or any((common / folder / self.remote).exists() for folder in ("remotes", "branches"))
        )
        return f"{ref}:{ref}" if is_mapped or self.repository.full_name(branch) != ref else branch

    @property
    def _folder(self) -> Path:
        return self.root or Path.cwd()


def publisher(repository: Repository, base: str) -> Publisher:
    """Find where a branch is pushed to, from the current folder where that is in the repository."""
    try:
        is_inside = Repository.at(Path.cwd()).common == repository.common
    except (GitError, OSError):
        is_inside = False
    root = None if is_inside else repository.root
    folder = root or Path.cwd()
    known = call("remote", at=folder).stdout.splitlines()
    remote = _remote(folder, base, known)
    key = f"branch.{base}.pushRemote"
    if remote.startswith("-"):
        return Publisher(repository, "", root, f"git would take the remote '{remote}' for an option", True)
    fault = f"there is no remote to which '{base}' could be pushed"
    if known:
        names = printable(", ".join(known))
        command = f"git config {shlex.quote(key)} REMOTE"
        fault = f"'{base}' has no remote of its own among {names}: name it with {command}"
    return Publisher(repository, remote, root, fault, bool(known))


def can_open() -> bool:
    """Tell whether there is a command that opens pull requests."""
    return shutil.which(_GH) is not None


def _remote(folder: Path, branch: str, known: Sequence[str]) -> str:
    """Name the remote of a branch; empty where nothing tells which of those that are known it is."""
    for key in (f"branch.{branch}.pushRemote", "remote.pushDefault", f"branch.{branch}.remote"):
        # The last one counts; a branch that follows one of this repository has `.`.
        found = [name for name in _configured(folder, key)[-1:] if name != "."]
        if found:
            return found[0]
    if "origin" in known:
        return "origin"
    return known[0] if len(known) == 1 else ""


def _configured(folder: Path, key: str) -> list[str]:
    return call("config", "--get-all", key, at=folder).stdout.splitlines()
