"""Bring a branch to its remote: which commands do it, as a person would type them, and running them."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from parallelgen.git import GitError, Repository, branch_ref, call, environment
from parallelgen.landing import landing_text
from parallelgen.landing.landing import REFUSED, Landing, Obstacle
from parallelgen.running.script import ends_in_order

# A plus would force it, too, and `tag` is a word of git's.
_PLAIN = re.compile(r"(?!tag$)[\w./-]+")
_HARMLESS = re.compile("push.default (simple|current|matching|nothing)")


@dataclass(frozen=True)
class Publisher:
    """Know how a landing comes to its remote."""

    landing: Landing

    @cached_property
    def root(self) -> Path | None:
        """Find the folder in which the commands are run; None for the current one."""
        try:
            is_inside = Repository.at(Path.cwd()).common == self.landing.repository.common
        except (GitError, OSError):
            is_inside = False
        return None if is_inside else self.landing.repository.root

    @cached_property
    def _place(self) -> Path:
        return self.root or Path.cwd()

    @cached_property
    def remote(self) -> str:
        """Name the remote to which git would push the base branch; empty where nothing tells it."""
        at, ref = self._place, branch_ref(self.landing.base)
        known = call("remote", at=at).stdout.splitlines()
        told = call("for-each-ref", "--format=%(push:remotename)", ref, at=at).stdout.removesuffix("\n")
        if told in ("", "."):  # a branch that follows one of this repository has `.`
            return "origin" if "origin" in known else known[0] if len(known) == 1 else ""
        return "" if told.startswith("-") else told

    @cached_property
    def push(self) -> list[list[str]]:
        """Write the command that pushes the base branch; none without a remote."""
        return [self._push(self.landing.base)] if self.remote else []

    @cached_property
    def pr(self) -> list[list[str]]:
        """Write the commands that open a pull request; none without a remote, or the branch to pull."""
        landing = self.landing
        if not self.remote or not landing.repository.commit(branch_ref(landing.branch)):
            return []
        words = ("--base", landing.base, "--head", landing.branch, "--title", landing_text.title(landing))
        body = os.path.relpath(landing.loaded.project.directory / landing_text.BODY, self._place)
        return [self._push(landing.branch), ["gh", "pr", "create", *words, "--body-file", body]]

    def _push(self, branch: str) -> list[str]:
        """Push a branch, never by force: a name alone is sent where settings say, even with a `+`."""
        ref = branch_ref(branch)
        is_plain = _PLAIN.fullmatch(branch) and self.landing.repository.full_name(branch) == ref
        name = branch if is_plain and not self._has_settings else f"{ref}:{ref}"
        return ["git", "push", self.remote, name]

    @cached_property
    def _has_settings(self) -> bool:
        """Tell whether something may say where a name alone is sent."""
        words = ("config", "--get-regexp", r"^(remote\..*\.push|push\.default)$")
        told = call(*words, at=self._place)
        settings = [line for line in told.stdout.splitlines() if not _HARMLESS.fullmatch(line)]
        files = [self.landing.repository.common / kind / self.remote for kind in ("remotes", "branches")]
        return bool(settings) or told.returncode > 1 or any(path.exists() for path in files)

    def obstacles(self, push: bool, pr: bool) -> Iterator[Obstacle]:
        """Object to what was asked for and cannot be done."""
        if (push or pr) and not self.remote:
            command = shlex.join(["git", "config", f"branch.{self.landing.base}.pushRemote", "REMOTE"])
            text = f"it is not known to which remote '{self.landing.base}' is pushed; name it:"
            yield Obstacle(REFUSED, text, command)
        elif pr and not self.pr:
            yield Obstacle(REFUSED, f"there is no branch '{self.landing.branch}'")
        if pr and not shutil.which("gh"):
            yield Obstacle(REFUSED, "'--pr' needs the command gh, which is not found")

    def shown(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """Write commands for a shell in the current folder."""
        texts = map(shlex.join, commands)
        return [f"(cd {shlex.quote(str(self.root))} && {text})" if self.root else text for text in texts]

    def run(self, words: Sequence[str], is_quiet: bool) -> int:
        """Run a command and return its exit status; what it prints goes through, or to standard error."""
        sys.stdout.flush()
        output = sys.stderr.fileno() if is_quiet else None
        with ends_in_order():
            answer = subprocess.run(words, cwd=self.root, env=environment(), stdout=output, check=False)
        return answer.returncode
