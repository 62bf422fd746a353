"""The generated script, seen from outside: how it is started, and asked what it would do."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import FrameType

from parallelgen import ParallelgenError, settings, start
from parallelgen.planning.names import Aliases, UnresolvedError
from parallelgen.planning.plan import Plan, Task
from parallelgen.running.integration import with_files
from parallelgen.running.progress import RunState
from parallelgen.running.project import Project
from parallelgen.settings import OptionError
from parallelgen.writing import render

DRY_RUN_ENDS = "Dry run complete. No files modified.\n"
NOTHING_RUN = 2  # its exit status when it refuses


class ScriptError(ParallelgenError):
    """Say why the script could not be asked."""


@dataclass(frozen=True)
class Options:
    """Hold what concerns one run and does not shape the scripts."""

    generate_only: bool = False
    dry_run: bool = False
    wave: int | None = None
    retry_failed: bool = False
    force: bool = False
    fresh: bool = False
    as_json: bool = False

    @property
    def arguments(self) -> list[str]:
        """Write those that the script takes as well."""
        given = [] if self.wave is None else ["--wave", str(self.wave)]
        flags = {"--retry-failed": self.retry_failed, "--force": self.force, "--fresh": self.fresh}
        return given + [option for option, is_given in flags.items() if is_given]


@dataclass(frozen=True)
class Answer:
    """Hold what the script said when it was asked, and its exit status."""

    status: int
    said: str
    complained: str

    @property
    def plan(self) -> str:
        """Return the execution plan alone, without the sentence that ends a dry run."""
        text = self.said.removesuffix(DRY_RUN_ENDS).rstrip("\n")
        return f"{text}\n" if text else ""


@dataclass(frozen=True)
class Loaded:
    """Hold a valid parallel directory: where it is, and its plan."""

    project: Project
    plan: Plan

    @cached_property
    def scripts(self) -> dict[str, str]:
        """Render the files of scripts/."""
        return render.scripts(self.plan, self.project.relative)

    def find(self, word: str) -> Task:
        """Find a task by any of its words. Raises OptionError."""
        tasks = list(self.plan.tasks)
        try:
            return tasks[Aliases([task.name, task.id] for task in tasks).find(word)]
        except UnresolvedError as fault:
            reason = f"{fault}; {fault.hint}" if fault.hint else str(fault)
            raise OptionError(f"Invalid value for 'TASK': {reason}") from None

    def worktree_of(self, state: RunState) -> str:
        """Name the worktree of the integration, from the project root; empty where there is none."""
        # Not every name of a directory is one of a branch.
        path = PurePosixPath(self.plan.settings.workspace_root, f"integration-{self.project.directory.name}")
        return str(path) if state.integration and (self.project.root / path).is_dir() else ""

    def lines(self, log: str) -> list[str]:
        """Read what the script has told in a file below logs/; nothing when there is none."""
        try:
            text = (self.project.directory / "logs" / log).read_bytes().decode("utf-8", "replace")
        except OSError:
            return []
        return text.removesuffix("\n").split("\n") if text else []

    def with_conflicts(self, state: RunState) -> RunState:
        """Add the files of conflicts to what is known of the integration."""
        if state.integration is None:
            return state
        lines = self.lines("state/integration.conflicts")
        return replace(state, integration=with_files(state.integration, lines))

    def ask(self, *arguments: str) -> Answer:
        """Ask the script, which need not be on disk. Raises ScriptError."""
        try:
            with self._on_disk() as run:
                return _answer(self._command(run, arguments), self.project)
        except OSError as error:
            raise ScriptError(f"error: cannot run the script to ask it: {error.strerror or error}") from error

    def relay(self, *arguments: str) -> int:
        """Run the script, which need not be on disk, in our place, and return its exit status.

        Raises ScriptError, and SystemExit.
        """
        with self.command(*arguments) as words:
            answer = subprocess.run(words, cwd=self.project.root, env=environment(os.environ), check=False)
        return _as_in_a_shell(answer.returncode)

    @contextmanager
    def command(self, *arguments: str) -> Iterator[list[str]]:
        """Give the command that runs the script, which need not be on disk, as long as it is wanted.

        A signal that ends us leaves nothing behind. Raises ScriptError, and SystemExit.
        """
        try:
            with ends_in_order(), self._on_disk() as run:
                yield self._command(run, arguments)
        except OSError as error:
            raise ScriptError(f"error: cannot run the script: {error.strerror or error}") from error

    def _command(self, run: Path, arguments: tuple[str, ...]) -> list[str]:
        return [shell(), str(run), "--directory", str(self.project.directory), *arguments]

    @contextmanager
    def _on_disk(self) -> Iterator[Path]:
        """Put the script, as rendered, and its library into a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="parallelgen-") as name:
            folder = Path(name)
            (folder / render.LIBRARY / render.ADAPTERS).mkdir(parents=True)
            for file in render.library(self.plan):
                (folder / render.LIBRARY / file).symlink_to(render.template_folder() / render.LIBRARY / file)
            run = folder / render.RUN
            text = render.render(render.RUN, self.plan, self.project.relative)
            run.write_bytes(text.encode("utf-8", "surrogateescape"))
            yield run


def _answer(command: list[str], project: Project) -> Answer:
    answer = subprocess.run(
        command,
        cwd=project.root,
        env=environment(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return Answer(_as_in_a_shell(answer.returncode), answer.stdout, answer.stderr)


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Let signals end what is under way as an exception does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with start.on_end(stop):
        yield


def _as_in_a_shell(status: int) -> int:
    return status if status >= 0 else 128 - status


def read_plan(text: str) -> tuple[str, list[str]]:
    """Find in an execution plan the base branch (empty when there is none) and the names of its tasks."""
    base = re.search("^Base Branch: (.*)$", text, re.MULTILINE)
    names = re.findall(r"^  - (\S+) +-> ", text, re.MULTILINE)
    return (base[1] if base and base[1] != "-" else ""), names


def integrate_command(directory: str, *options: str) -> str:
    """Write the command that integrates what has been completed of a directory."""
    return our_command("integrate", directory, *options)


def our_command(name: str, directory: str, *options: str) -> str:
    """Write a command of parallelgen for a directory, whatever that is called."""
    words = [*options, "--", directory] if directory.startswith("-") else [*options, directory]
    return shlex.join(["parallelgen", name, *words])


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Take out the variables that override the script's settings; what they say is in it already."""
    variables = {row.variable for row in settings.in_scripts()}
    return {key: value for key, value in ours.items() if key not in variables}


def shell() -> str:
    """Find the shell that runs the script, which is started in another folder."""
    return str(Path(shutil.which("sh") or "/bin/sh").absolute())
