"""What `clean` does: it tells what of parallel directories can go and what stays, and removes it."""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from parallelgen import ParallelgenError
from parallelgen.git import SHORT, GitError, Repository, branch_name
from parallelgen.reading.problem import printable
from parallelgen.running import execute, records
from parallelgen.running.project import project_root
from parallelgen.running.records import Recorded
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, Loaded
from parallelgen.tidying import branches, refs, removal, worktrees
from parallelgen.tidying.directory import BASELINE, INTEGRATION, Directory, Task, Thing, read_record
from parallelgen.tidying.owners import alone, read_owners, where
from parallelgen.tidying.survey import Survey
from parallelgen.tidying.system import size_text
from parallelgen.writing.generate import any_settings

OLDER_THAN = "14d"
_SHOWN = 20
_ABOVE = re.compile(".*/(?=.)", re.DOTALL)  # the folders in front of the last name


@dataclass(frozen=True)
class Choice:
    """Hold what a person chose: all directories, to remove, an age in seconds, patterns of ignored files.

    `again` is the command that removes what was listed.
    """

    every: bool
    yes: bool
    older_than: int
    patterns: Sequence[str]
    as_json: bool
    again: str


@dataclass
class Outcome:
    """Hold what became of the things of a directory: those that are gone, or could go; those that stay."""

    gone: list[Thing] = field(default_factory=list)
    stays: list[Thing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def clean(typed: str, choice: Choice, screen: Screen) -> int:
    """List what can go of a parallel directory, or of all of its project, or remove it; return the status.

    Raises ParallelgenError.
    """
    if not choice.every:
        loaded = execute.load(typed, any_settings(Path(typed)), screen)
        return _clean(_repository(typed), [loaded], choice, screen) if loaded else NOTHING_RUN
    repository = _repository(typed)
    main = repository.worktrees()[0].path
    if (main / ".git").exists():  # we may be in a worktree that goes
        repository = replace(repository, root=main)
    names = _every_directory(repository)
    known = [loaded for name in names if (loaded := _load(name, screen))]
    status = _clean(repository, known, choice, screen)
    _tell_abandoned(repository, choice, screen)
    return status if len(known) == len(names) else NOTHING_RUN


def _load(typed: str, screen: Screen) -> Loaded | None:
    """Load one of several directories, none of which stands in the way of the others."""
    try:
        loaded = execute.load(typed, any_settings(Path(typed)), screen)
    except ParallelgenError as error:
        screen.complain(str(error))
        loaded = None
    if loaded is None:
        screen.complain(f"ERROR: '{typed}' has errors: all of it stays as it is")
    return loaded


def _clean(repository: Repository, directories: Sequence[Loaded], choice: Choice, screen: Screen) -> int:
    outcomes = []
    with alone(repository) if choice.yes else nullcontext():
        errors = [_said(error) for error in removal.recover(repository)] if choice.yes else []
        for loaded in directories:
            outcome = Outcome()
            outcomes.append(outcome)
            try:
                (_remove if choice.yes else _list)(repository, loaded, choice, outcome)
            except (GitError, OSError) as error:
                outcome.errors.append(_said(error))
            finally:  # what is gone is told whatever happens after that
                errors += outcome.errors
                _tell(loaded.project.relative, outcome, choice, screen)
    for text in errors:
        screen.complain(f"ERROR: {text}")
    if not choice.yes and not choice.as_json:
        screen.say(_summary(outcomes, choice.again))
    return 1 if errors else 0


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error).removeprefix("error: ")


def _repository(typed: str) -> Repository:
    """Find the repository of a folder. Raises GitError."""
    try:
        root = project_root(Path(typed).resolve())
    except OSError as error:
        raise GitError(f"error: {error.strerror}: '{typed}'") from error
    if root is None:
        raise GitError(f"error: not in a git repository: '{typed}'")
    return Repository.at(root)


def _every_directory(repository: Repository) -> list[str]:
    """List the parallel directories that have made anything in a repository, and are there."""
    owners = dict.fromkeys(read_owners(repository).values())
    return [os.path.relpath(owner) for owner in owners if Path(owner, "manifest.json").exists()]


def _tell_abandoned(repository: Repository, choice: Choice, screen: Screen) -> None:
    """Tell what is there of parallel directories that are gone; all of it stays. Raises GitError."""
    owned = read_owners(repository)
    listed = {where(worktree.path): "worktree" for worktree in repository.worktrees()[1:]}
    listed |= {branch_name(ref.name): "branch" for ref in repository.refs("refs/heads")}
    for owner in dict.fromkeys(owned.values()):
        things = [name for name in owned if owned[name] == owner and name in listed]
        if things and not Path(owner, "manifest.json").exists():
            outcome = Outcome(
                stays=[Thing(listed[name], name, "").held("its directory is gone") for name in things]
            )
            _tell(os.path.relpath(owner, repository.root), outcome, choice, screen)


def directory_of(repository: Repository, loaded: Loaded, recorded: Recorded) -> Directory:
    """Gather what decides what of a directory may go, from its plan and its records."""
    plan = loaded.plan
    state = loaded.project.directory / "logs" / "state"
    tasks = {}
    for task in plan.tasks:
        tip = read_record(state / f"{task.id}.result").get("tip", "")
        tasks[task.id] = Task(task.name, task.deps, recorded.state.tasks[task.id].status, tip)
    integration = recorded.state.integration
    tasks[INTEGRATION] = Task(INTEGRATION[1:], status=integration.status if integration else "pending")
    baseline = read_record(state / f"{BASELINE}.result").get("status", "pending")
    tasks[BASELINE] = Task(BASELINE[1:], status=baseline)
    base = read_record(state / "run").get("base_branch") or plan.settings.base_branch or "HEAD"
    return Directory(
        loaded.project.directory,
        tasks,
        branch_name(repository.full_name(base)),
        plan.settings.branch_prefix,
        integration.branch if integration else "",
        recorded.is_alive,
    )


def _list(repository: Repository, loaded: Loaded, choice: Choice, outcome: Outcome) -> None:
    survey = _survey(repository, loaded, choice)
    looked_at = list(worktrees.look(survey, choice.patterns))
    leaving = [thing.path for thing in looked_at if not thing.reasons]
    for thing in [*looked_at, *branches.look(survey, leaving)]:
        (outcome.stays if thing.reasons else outcome.gone).append(thing)


def _remove(repository: Repository, loaded: Loaded, choice: Choice, outcome: Outcome) -> None:
    """Remove what can go: the worktrees, and then, looking once more, the branches."""

    def apply(thing: Thing, remove: Callable[[], None]) -> None:
        if not thing.reasons:
            try:
                remove()
            except (GitError, OSError, removal.NotRemovedError) as error:
                thing = thing.held(_said(error))
                outcome.errors.append(f"{thing.name} could not be removed: {_said(error)}")
        (outcome.stays if thing.reasons else outcome.gone).append(thing)

    for thing in worktrees.look(_survey(repository, loaded, choice), choice.patterns):
        apply(thing, partial(removal.remove, repository, thing.path, thing.side, thing.mark))
    survey = _survey(repository, loaded, choice)
    for thing in branches.look(survey):
        apply(thing, partial(refs.delete, repository, thing, survey.base))
    refs.forget_settings(repository, loaded.project.directory)


def _survey(repository: Repository, loaded: Loaded, choice: Choice) -> Survey:
    directory = directory_of(repository, loaded, records.ask(loaded.ask, loaded.plan))
    return Survey(repository, directory, choice.older_than)


def _tell(directory: str, outcome: Outcome, choice: Choice, screen: Screen) -> None:
    if choice.as_json:
        screen.say(json.dumps(_facts(directory, outcome, choice.yes)))
    else:
        screen.say("\n".join(map(printable, _report(directory, outcome, choice.yes))))


def _report(directory: str, outcome: Outcome, is_done: bool) -> Iterator[str]:
    yield directory
    if outcome.gone:
        yield "  removed:" if is_done else "  can go:"
        yield from (f"    {_described(thing)}" for thing in outcome.gone)
    if outcome.stays:
        yield "  stays:"
    yield from (f"    {thing.kind} {thing.name}: {'; '.join(thing.reasons)}" for thing in outcome.stays)
    if not outcome.gone and not outcome.stays and not outcome.errors:
        yield "  no worktree or branch of it is here"


def _described(thing: Thing) -> str:
    if thing.kind == "worktree":
        return f"worktree {thing.name}, {size_text(thing.size)}"
    within = f", contained in {branch_name(thing.within.name)}" if thing.within else ""
    return f"{thing.kind} {thing.name} at {thing.commit[:SHORT]}{within}"


def _summary(outcomes: Sequence[Outcome], again: str) -> str:
    gone = [thing for outcome in outcomes for thing in outcome.gone]
    size = sum(thing.size for thing in gone)
    freed = f"{size_text(size)} can be freed. " if size else ""
    lines = ["", f"{freed}To remove what can go: {again}" if gone else "Nothing can go."]
    patterns = {pattern for outcome in outcomes for thing in outcome.stays for pattern in thing.ignored}
    if patterns:
        if len(patterns) > _SHOWN:
            patterns = {_ABOVE.sub("", pattern) for pattern in patterns}
        words = [word for pattern in sorted(patterns) for word in ("--ignored", pattern)]
        lines.append(f"Where only ignored files are in the way that you do not need, add {shlex.join(words)}")
    return "\n".join(map(printable, lines))


def _facts(directory: str, outcome: Outcome, is_done: bool) -> dict[str, Any]:
    return {
        "event": "clean",
        "directory": directory,
        "removed" if is_done else "can_go": [_thing_facts(thing) for thing in outcome.gone],
        "stays": [{**_thing_facts(thing), "reasons": thing.reasons} for thing in outcome.stays],
    }


def _thing_facts(thing: Thing) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": thing.kind, "name": thing.name, "commit": thing.commit}
    if thing.within:
        facts["within"] = branch_name(thing.within.name)
    if thing.ignored:
        facts["ignored"] = thing.ignored
    return {**facts, "bytes": thing.size} if thing.kind == "worktree" else facts
