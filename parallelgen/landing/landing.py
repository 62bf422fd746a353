"""What a landing brings into the base branch, and what speaks against it; nothing is changed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from parallelgen import ParallelgenError
from parallelgen.git import SHORT, Repository, branch_ref, call, entries
from parallelgen.running import integration_text, records
from parallelgen.running.integration import LAST, Integration
from parallelgen.running.progress import RunState
from parallelgen.running.project import project_root
from parallelgen.running.script import Loaded, our_command
from parallelgen.tidying.directory import read_record

UNREADY = 1  # the exit status where something has to be done before
REFUSED = 2
_SUBMODULE = "160000"
_RECORD = "state/integration"
_VERIFIED = "state/verified"


class LandError(ParallelgenError):
    """Say why nothing can be landed."""


@dataclass(frozen=True)
class Obstacle:
    """Hold what stands in the way, with the exit status that it leads to, and the command that helps."""

    status: int
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Write it as an error, with its hint below."""
        first, *more = self.lines
        return "\n".join([f"error: {first}", *more])

    @property
    def lines(self) -> list[str]:
        """Write it in lines."""
        return [*self.text.split("\n"), *(f"  {line}" for line in self.hint.split("\n") if line)]


@dataclass(frozen=True)
class Check:
    """Hold a check of the plan: the wave that it follows or LAST, its command, the commit that was green.

    That is the latest on the way to the tip; empty where none is known to have been green under the settings
    of the scripts.
    """

    wave: str
    command: str
    commit: str = ""


@dataclass(frozen=True)
class Change:
    """Hold what becomes of a file: a letter of `git diff --name-status`, its path, modes and objects."""

    letter: str
    path: str
    old_mode: str
    mode: str
    old_blob: str
    blob: str

    @property
    def is_submodule(self) -> bool:
        """Tell whether it is a commit of another repository."""
        return self.mode == _SUBMODULE

    @property
    def is_old_file(self) -> bool:
        """Tell whether it has been a plain file."""
        return self.old_mode.startswith(":100")

    @property
    def ends_submodule(self) -> bool:
        """Tell whether it has been one, and is not any more."""
        return self.old_mode == f":{_SUBMODULE}" != f":{self.mode}"


@dataclass(frozen=True)
class Landing:
    """Hold what is to be landed: `base` moves from the commit `old` to `tip`, the tip of `branch`.

    `ref` is the full name of the base branch, with what it stands for in its place; `start` is where the
    merges began.
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
    def has_branch(self) -> bool:
        """Tell whether the integration branch is still there."""
        return bool(self.repository.commit(branch_ref(self.branch)))

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
        """List what is new in the base branch, along the merges: commits and what they say of themselves."""
        text = self.repository.ask(
            "log",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--first-parent",
            "--format=%H %s",
            self.tip,
            f"^{self.old}",
            "--",
        )
        return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.split("\n")[:-1]]

    @cached_property
    def changes(self) -> list[Change]:
        """List the files that change in the base branch."""
        words = ("diff-tree", "-r", "--no-renames", "--raw", "-z", self.old, self.tip, "--")
        parts = [] if self.is_landed else entries(self.repository.ask(*words))
        facts = (entry.split(" ") for entry in parts[::2])
        return [
            Change(letter, path, *facts_of)
            for (*facts_of, letter), path in zip(facts, parts[1::2], strict=True)
        ]

    @cached_property
    def green(self) -> set[tuple[str, str]]:
        """List what is recorded as green: trees, each with the key of a check."""
        lines = (line.split(" ") for line in self.loaded.lines(_VERIFIED))
        return {(words[1], words[2]) for words in lines if len(words) == 3 and words[0] == "green"}

    @cached_property
    def is_verified(self) -> bool:
        """Tell whether the tree was seen green: by the check that applies, or where none does by any."""
        tree = self.repository.ask("rev-parse", "--verify", f"{self.tip}^{{tree}}").strip()
        keys = {key for green, key in self.green if green == tree}
        return self._key(self.check.command) in keys if self.check else bool(keys)

    @cached_property
    def check(self) -> Check | None:
        """Find the check that applies to the tree: the last of the plan that follows something merged."""
        is_in = {task.wave for task in self.loaded.plan.tasks if task.id in self.integration.merged}
        found = [check for check in self.checks if check.wave == LAST or int(check.wave) in is_in]
        return found[-1] if found else None

    @cached_property
    def checks(self) -> list[Check]:
        """List the checks of the plan, each with the latest commit on the way to the tip that it passed."""
        words = ("log", "--no-show-signature", "--first-parent", "--format=%T %H", self.tip)
        text = self.repository.ask(*words, *[f"^{self.start}"] * bool(self.start), "--")
        history = [line.split(" ") for line in text.splitlines()]
        found = []
        for wave, command in commands_of(self.loaded):
            key = self._key(command)
            passed = (commit for tree, commit in history if (tree, key) in self.green)
            found.append(Check(wave, command, next(passed, "")))
        return found

    def _key(self, command: str) -> str:
        """Hash a check as the script does."""
        text = f"{self.loaded.plan.settings.setup}\n{command}\n"
        return self.repository.ask("hash-object", "--stdin", given=text).strip()


def commands_of(loaded: Loaded) -> list[tuple[str, str]]:
    """List what the plan has to verify with: the wave that it follows or LAST, and the command."""
    found = [(str(wave.number), wave.validation) for wave in loaded.plan.waves if wave.validation]
    last = loaded.plan.settings.verify_integration
    return [*found, (LAST, last)] if last else found


def find(loaded: Loaded) -> Landing:
    """Find out what there is to be landed of a directory. Raises LandError."""
    project = loaded.project
    if project_root(project.directory) is None:
        raise LandError(f"error: '{project.typed}' is in no git repository")
    recorded = records.ask(loaded.ask, loaded.plan)
    state = loaded.with_conflicts(recorded.state)
    if recorded.is_alive:
        raise LandError(f"error: a run of '{project.typed}' is under way (process {recorded.run.get('pid')})")
    now = state.integration
    record = read_record(project.directory / "logs" / _RECORD)
    base = record.get("base_branch", "")
    if now is None or not base or not now.branch:
        raise LandError(f"error: nothing of '{project.typed}' is integrated\n  {_again(loaded)}")
    if now.status == "running":
        raise LandError(f"error: an integration of '{project.typed}' is under way")
    repository = Repository.at(project.root)
    ref = _resolve(repository, branch_ref(base))
    old, tip = repository.commit(ref), repository.commit(branch_ref(now.branch))
    if not tip and not now.tip:
        raise LandError(f"error: there is nothing to land: no task of '{project.typed}' has made a commit")
    if not tip and repository.contains(now.tip, old):
        tip = now.tip  # it was landed, and its branch has been cleaned up
    for name, commit in ((now.branch, tip), (base, old)):
        if not commit:
            raise LandError(f"error: the branch '{name}' is gone\n  {_again(loaded)}")
    start = record.get("base_commit", "")
    start = start if start and repository.commit(start) else ""
    return Landing(loaded, state, now, repository, base, ref, old, now.branch, tip, start)


def obstacles(landing: Landing, is_unverified: bool) -> Iterator[Obstacle]:
    """Tell what speaks against a landing, wherever the base branch is checked out; the gravest first."""
    if landing.is_landed:
        return
    if not landing.repository.contains(landing.old, landing.tip):
        yield moved(landing)
    elif landing.start and not landing.repository.contains(landing.start, landing.old):
        lost = landing.start[:SHORT]
        text = f"'{landing.base}' has lost {lost} since, which '{landing.branch}' would bring back"
        hint = f"{_again(landing.loaded)}\nlets it be landed, if that is wanted"
        yield Obstacle(UNREADY, text, hint)
    now, again = landing.integration, _again(landing.loaded)
    if not landing.is_over:
        line = integration_text.line(now, landing.state.tasks).partition(": ")[2]
        yield Obstacle(UNREADY, f"the latest integration has not come to a good end: {line}", again)
    elif landing.tip != now.tip:
        text = f"'{landing.branch}' is not where integration has left it, at {now.tip[:SHORT]}"
        yield Obstacle(UNREADY, text, again)
    elif not landing.is_verified:
        yield from _unverified(landing, is_unverified)


def moved(landing: Landing) -> Obstacle:
    """Object to a base branch that has moved."""
    text = f"'{landing.base}' has moved since: '{landing.branch}' does not contain it"
    if landing.repository.ask("rev-parse", "--is-shallow-repository").strip() == "true":
        text += ", as far as a shallow repository can tell"
    return Obstacle(UNREADY, text, _again(landing.loaded))


def _unverified(landing: Landing, is_accepted: bool) -> Iterator[Obstacle]:
    """Object to a tree that nobody has seen green."""
    check = landing.check
    command = check.command if check else "COMMAND"
    with_check = our_command("integrate", landing.loaded.project.typed, "--verify-integration", command)
    if check:
        name = integration_text.check_name(check.wave)
        text = f"the tree of '{landing.branch}' was not verified: the check of {name} has not seen it green"
        if is_accepted:
            text += ", and --unverified is for plans that have nothing to verify with"
        # A wave of which nothing new is merged is not validated again.
        yield Obstacle(UNREADY, text, _again(landing.loaded) if check.wave == LAST else with_check)
    elif not is_accepted:
        text = f"'{landing.branch}' was not verified: the plan has nothing to verify it with"
        yield Obstacle(UNREADY, text, f"{with_check}\nor land it all the same, with --unverified")


def _again(loaded: Loaded) -> str:
    return our_command("integrate", loaded.project.typed)


def _resolve(repository: Repository, ref: str) -> str:
    """Follow a branch that is only another name of one. Raises LandError."""
    seen: list[str] = []
    while ref not in seen:
        seen.append(ref)
        answer = call("symbolic-ref", "--quiet", ref, at=repository.root)
        if answer.returncode:
            return ref
        ref = answer.stdout.removesuffix("\n")
        if not ref.startswith(branch_ref("")):
            break
    raise LandError(f"error: '{seen[0]}' stands for '{ref}', which is no branch")
