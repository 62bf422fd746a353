"""What a landing brings into the base branch, and what speaks against it; nothing is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from parallelgen import ParallelgenError
from parallelgen.git import SHORT, Repository, branch_ref, entries
from parallelgen.running import integration_text, records
from parallelgen.running.integration import LAST, Integration
from parallelgen.running.progress import RunState
from parallelgen.running.script import Loaded, our_command
from parallelgen.tidying.directory import read_record

UNREADY = 1  # the exit status where something has to be done before
REFUSED = 2


class LandError(ParallelgenError):
    """Say why nothing can be landed."""


@dataclass(frozen=True)
class Obstacle:
    """Hold what stands in the way, with the exit status that it leads to, and the command that helps."""

    status: int
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Write it with its hint below."""
        return f"{self.text}\n  {self.hint}" if self.hint else self.text


class Check(NamedTuple):
    """Hold a check of the plan: the wave that it follows or LAST, its command, what it saw green last."""

    wave: str
    command: str
    commit: str


class Change(NamedTuple):
    """Hold what becomes of a file, as `git diff-tree --raw` writes it."""

    old_mode: str
    mode: str
    old_blob: str
    blob: str
    letter: str
    path: str


@dataclass(frozen=True)
class Landing:
    """Hold what is to be landed: `base` moves from the commit `old` to `tip`, the tip of `branch`.

    `ref` is the full name of the base branch, with what it stands for in its place; `start` is where the
    merges began, empty when unknown.
    """

    loaded: Loaded
    state: RunState
    integration: Integration
    repository: Repository
    base: str
    ref: str
    old: str
    branch: str
    tip: str
    start: str

    @cached_property
    def is_landed(self) -> bool:
        """Tell whether the base branch contains it already, and what was integrated last."""
        contains = self.repository.contains
        return self.is_over and all(contains(tip, self.old) for tip in (self.tip, self.integration.tip))

    @property
    def is_over(self) -> bool:
        """Tell whether the latest integration has come to a good end."""
        now = self.integration
        return now.status == "completed" or (now.status == "failed" and bool(now.left_out) and not now.error)

    @cached_property
    def commits(self) -> list[tuple[str, str]]:
        """List what is new in the base branch: commits and what they say of themselves."""
        text = self.repository.ask("log", "--format=%H %s", self.tip, f"^{self.old}", "--")
        return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.split("\n")[:-1]]

    @cached_property
    def changes(self) -> list[Change]:
        """List the files that change in the base branch."""
        shown = ("--no-renames", "--raw", "-z", "--ignore-submodules=none")
        words = ("diff-tree", "-r", *shown, self.old, self.tip, "--")
        parts = [] if self.is_landed else entries(self.repository.ask(*words))
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return [Change(*[*facts[1:].split(" "), path]) for facts, path in pairs]

    @cached_property
    def is_verified(self) -> bool:
        """Tell whether the tree was seen green: by the check that applies, or where none does by any."""
        if self.check:
            return self.check.commit == self.tip
        tree = self.repository.ask("rev-parse", "--verify", f"{self.tip}^{{tree}}").strip()
        return tree in {green for green, _ in self._green}

    @cached_property
    def check(self) -> Check | None:
        """Find the check that applies to the tree: the last of the plan that follows something merged."""
        is_in = {str(task.wave) for task in self.loaded.plan.tasks if task.id in self.integration.merged}
        return next((check for check in self.checks[::-1] if check.wave in is_in | {LAST}), None)

    @cached_property
    def checks(self) -> list[Check]:
        """List the checks of the plan, with the latest commit on the way to the tip that each passed."""
        plan, ask = self.loaded.plan, self.repository.ask
        commands = [(str(wave.number), wave.validation) for wave in plan.waves]
        since = [f"^{self.start}"] if self.start else []
        history = ask("log", "--first-parent", "--format=%T %H", self.tip, *since, "--").splitlines()
        found = []
        for wave, command in [*commands, (LAST, plan.settings.verify_integration)]:
            if command:
                # The script makes the key so.
                key = ask("hash-object", "--stdin", given=f"{plan.settings.setup}\n{command}\n").strip()
                passed = (line[-len(key) :] for line in history if (line[: len(key)], key) in self._green)
                found.append(Check(wave, command, next(passed, "")))
        return found

    @cached_property
    def _green(self) -> set[tuple[str, str]]:
        """List what is recorded as green: trees, each with the key of a check."""
        lines = (line.split(" ") for line in self.loaded.lines("state/verified"))
        return {(words[1], words[2]) for words in lines if len(words) == 3 and words[0] == "green"}


def find(loaded: Loaded) -> Landing:
    """Find out what there is to be landed of a directory. Raises LandError, GitError."""
    project, again = loaded.project, our_command("integrate", loaded.project.typed)
    repository = Repository.at(project.root)
    recorded = records.ask(loaded.ask, loaded.plan)
    state = loaded.with_conflicts(recorded.state)
    now, record = state.integration, read_record(project.directory / "logs" / "state" / "integration")
    base, start = record.get("base_branch", ""), repository.commit(record.get("base_commit", ""))
    if recorded.is_alive or (now and now.status == "running"):
        raise LandError(f"error: a run or integration of '{project.typed}' is under way")
    if now is None or not base or not now.branch:
        raise LandError(f"error: nothing of '{project.typed}' is integrated\n  {again}")
    ref = repository.full_name(branch_ref(base))
    old = repository.commit(ref) if ref.startswith(branch_ref("")) else ""
    tip = repository.commit(branch_ref(now.branch))
    if not tip and repository.contains(now.tip, old):
        tip = now.tip  # it was landed, and its branch has been cleaned up
    for name, commit in ((now.branch, tip), (base, old)):
        if not commit:
            raise LandError(f"error: there is no branch '{name}'\n  {again}")
    return Landing(loaded, state, now, repository, base, ref, old, now.branch, tip, start)


def obstacles(landing: Landing, is_unverified: bool) -> Iterator[Obstacle]:
    """Tell what speaks against a landing, wherever the base branch is checked out; the gravest first."""
    now, base, branch = landing.integration, landing.base, landing.branch
    contains, typed = landing.repository.contains, landing.loaded.project.typed
    again = our_command("integrate", typed)
    if not contains(landing.old, landing.tip):
        yield Obstacle(UNREADY, f"'{base}' has moved since: '{branch}' does not contain it", again)
    elif landing.start and not contains(landing.start, landing.old):
        lost = f"'{base}' has lost {landing.start[:SHORT]} since, which '{branch}' would bring back"
        yield Obstacle(UNREADY, f"{lost}; if that is wanted, integrate again", again)
    if not landing.is_over:
        line = integration_text.line(now, landing.state.tasks).partition(": ")[2]
        yield Obstacle(UNREADY, f"the latest integration has not come to a good end: {line}", again)
    elif landing.tip != now.tip:
        tip = now.tip[:SHORT]
        yield Obstacle(UNREADY, f"'{branch}' is not where integration has left it, at {tip}", again)
    elif not landing.is_verified and (landing.check or not is_unverified):
        command, why = "COMMAND", "the plan has nothing to verify it with; or land it with --unverified"
        if landing.check:
            command, name = landing.check.command, integration_text.check_name(landing.check.wave)
            why = f"the check of {name} has not seen it green, and --unverified is for plans without one"
        hint = our_command("integrate", typed, "--verify-integration", command)
        yield Obstacle(UNREADY, f"'{branch}' was not verified: {why}", hint)
