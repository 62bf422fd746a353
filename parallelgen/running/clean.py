"""What `clean` does: it tells what of parallel directories can go and what stays, and removes it."""

import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from parallelgen.git import GitError, Repository, branch_name
from parallelgen.running import records
from parallelgen.running.project import project_root
from parallelgen.running.records import Recorded
from parallelgen.running.screen import Screen
from parallelgen.running.script import Loaded
from parallelgen.tidying import refs, removal
from parallelgen.tidying.owners import read_owners
from parallelgen.tidying.survey import BASELINE, INTEGRATION, Directory, Survey, Task, Thing, read_record
from parallelgen.tidying.system import size_text

OLDER_THAN = "14d"


@dataclass(frozen=True)
class Choice:
    """Hold what a person chose: to remove, a least age in seconds, patterns of ignored files, JSON."""

    yes: bool
    older_than: int
    patterns: Sequence[str]
    as_json: bool


@dataclass
class Outcome:
    """Hold what became of the things of a directory: those that are gone, or could go; those that stay."""

    gone: list[Thing] = field(default_factory=list)
    stays: list[Thing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def clean(directories: Sequence[Loaded], choice: Choice, again: str, screen: Screen) -> int:
    """List what can go of directories of one project, or remove it, and return the exit status.

    `again` is the command that removes what was listed. Raises GitError, ScriptError.
    """
    if not directories:
        screen.say("No parallel directory has made anything here.")
        return 0
    repository = Repository.at(directories[0].project.root)
    outcomes = []
    with removal.alone(repository) if choice.yes else nullcontext():
        errors = [_said(error) for error in removal.recover(repository)] if choice.yes else []
        for loaded in directories:
            outcome = Outcome()
            # What is gone is told whatever happens after that.
            try:
                (_remove if choice.yes else _list)(repository, loaded, choice, outcome)
            except (GitError, OSError) as error:
                outcome.errors.append(_said(error))
            outcomes.append(outcome)
            errors += outcome.errors
            _tell(loaded, outcome, choice, screen)
    for text in errors:
        screen.complain(f"ERROR: {text}")
    if not choice.yes and not choice.as_json:
        screen.say(_summary(outcomes, again))
    return 1 if errors else 0


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}"
    return str(error).removeprefix("error: ")


def every_directory(typed: str) -> list[str]:
    """List the parallel directories that have made anything in a project, and are there. Raises GitError."""
    root = project_root(Path(typed).resolve())
    if root is None:
        raise GitError(f"error: not in a git repository: '{typed}'")
    owners = dict.fromkeys(read_owners(Repository.at(root)).values())
    return [os.path.relpath(owner) for owner in owners if Path(owner, "manifest.json").exists()]


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
    # A branch that was merged may be gone.
    bases = [recorded.run.get("base_branch", ""), plan.settings.base_branch, "HEAD"]
    return Directory(
        loaded.project.directory,
        tasks,
        next((branch_name(name) for base in bases if base and (name := repository.full_name(base))), ""),
        plan.settings.branch_prefix,
        integration.branch if integration else "",
        recorded.is_alive,
    )


def _list(repository: Repository, loaded: Loaded, choice: Choice, outcome: Outcome) -> None:
    survey = _survey(repository, loaded, choice)
    worktrees = list(survey.worktrees())
    leaving = [thing.path for thing in worktrees if not thing.reasons]
    for thing in [*worktrees, *survey.refs(leaving)]:
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

    for thing in _survey(repository, loaded, choice).worktrees():
        apply(thing, partial(removal.remove, repository, thing.path, thing.side, thing.mark))
    survey = _survey(repository, loaded, choice)
    for thing in survey.refs():
        apply(thing, partial(refs.delete, repository, thing, survey.base))
    refs.forget_settings(repository, loaded.project.directory)


def _survey(repository: Repository, loaded: Loaded, choice: Choice) -> Survey:
    directory = directory_of(repository, loaded, records.ask(loaded.ask, loaded.plan))
    return Survey(repository, directory, choice.older_than, choice.patterns)


def _tell(loaded: Loaded, outcome: Outcome, choice: Choice, screen: Screen) -> None:
    if choice.as_json:
        screen.say(json.dumps(_facts(loaded, outcome, choice.yes)))
    else:
        screen.say("\n".join(_report(loaded, outcome, choice.yes)))


def _report(loaded: Loaded, outcome: Outcome, is_done: bool) -> Iterator[str]:
    yield f"{loaded.project.relative}"
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
    return f"{thing.kind} {thing.name} at {thing.commit[:12]}{within}"


def _summary(outcomes: Sequence[Outcome], again: str) -> str:
    gone = [thing for outcome in outcomes for thing in outcome.gone]
    size = size_text(sum(thing.size for thing in gone))
    lines = ["", f"{size} can be freed. To remove what can go: {again}" if gone else "Nothing can go."]
    patterns = {pattern for outcome in outcomes for thing in outcome.stays for pattern in thing.ignored}
    if patterns:
        words = [word for pattern in sorted(patterns) for word in ("--ignored", pattern)]
        lines.append(f"Where only ignored files are in the way that you do not need, add {shlex.join(words)}")
    return "\n".join(lines)


def _facts(loaded: Loaded, outcome: Outcome, is_done: bool) -> dict[str, Any]:
    return {
        "event": "clean",
        "directory": loaded.project.relative,
        "removed" if is_done else "can_go": [_thing_facts(thing) for thing in outcome.gone],
        "stays": [{**_thing_facts(thing), "reasons": thing.reasons} for thing in outcome.stays],
    }


def _thing_facts(thing: Thing) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": thing.kind, "name": thing.name, "commit": thing.commit}
    if thing.within:
        facts["within"] = branch_name(thing.within.name)
    return {**facts, "bytes": thing.size} if thing.kind == "worktree" else facts
