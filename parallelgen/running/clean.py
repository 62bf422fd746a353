"""What `clean` does: it tells what of parallel directories can go and what stays, and removes it."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Outcome:
    """Hold what became of the things of a directory: those that are gone or could go, and those that stay."""

    gone: Sequence[Thing]
    stays: Sequence[Thing]
    failed: bool = False


def clean(directories: Sequence[Loaded], choice: Choice, again: str, screen: Screen) -> int:
    """List what can go of directories of one project, or remove it, and return the exit status.

    `again` is the command that removes what was listed. Raises GitError, ScriptError.
    """
    if not directories:
        screen.say("No parallel directory has made anything here.")
        return 0
    repository = Repository.at(directories[0].project.root)
    if choice.yes:
        try:
            with removal.alone(repository):
                removal.recover(repository)
                outcomes = [_remove(repository, loaded, choice) for loaded in directories]
                refs.forget_settings(repository)
        except OSError as error:
            raise GitError(f"error: cannot clean: {error.strerror}: {error.filename}") from error
    else:
        outcomes = [_list(repository, loaded, choice) for loaded in directories]
    for loaded, outcome in zip(directories, outcomes, strict=True):
        if choice.as_json:
            screen.say(json.dumps(_facts(loaded, outcome, choice.yes)))
        else:
            screen.say("\n".join(_report(loaded, outcome, choice.yes)))
    if not choice.yes and not choice.as_json:
        screen.say(_summary(outcomes, again))
    return 1 if any(outcome.failed for outcome in outcomes) else 0


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
    base = recorded.run.get("base_branch") or plan.settings.base_branch
    return Directory(
        loaded.project.directory,
        tasks,
        base or branch_name(repository.full_name("HEAD")),
        plan.settings.branch_prefix,
        integration.branch if integration else "",
        recorded.is_alive,
    )


def _list(repository: Repository, loaded: Loaded, choice: Choice) -> Outcome:
    directory = directory_of(repository, loaded, records.ask(loaded.ask, loaded.plan))
    survey = Survey(repository, directory, choice.older_than, choice.patterns)
    worktrees = list(survey.worktrees())
    things = [*worktrees, *survey.refs([thing.path for thing in worktrees if not thing.reasons])]
    return Outcome(
        [thing for thing in things if not thing.reasons], [thing for thing in things if thing.reasons]
    )


def _remove(repository: Repository, loaded: Loaded, choice: Choice) -> Outcome:
    """Remove what can go: the worktrees, and then, looking once more, the branches."""
    directory = directory_of(repository, loaded, records.ask(loaded.ask, loaded.plan))
    gone: list[Thing] = []
    stays: list[Thing] = []
    failed = False
    for thing in Survey(repository, directory, choice.older_than, choice.patterns).worktrees():
        if not thing.reasons:
            try:
                removal.remove(repository, thing.path, thing.side, thing.mark)
            except removal.NotRemovedError as error:
                thing = thing.held(str(error))
            except OSError as error:
                failed = True
                thing = thing.held(f"it could not be removed: {error.strerror}: {error.filename}")
        (stays if thing.reasons else gone).append(thing)
    survey = Survey(repository, directory, choice.older_than, choice.patterns)
    for thing in survey.refs():
        if not thing.reasons:
            try:
                refs.delete(repository, thing, survey.base)
            except GitError as error:
                failed = True
                thing = thing.held(f"it could not be removed: {str(error).removeprefix('error: ')}")
        (stays if thing.reasons else gone).append(thing)
    return Outcome(gone, stays, failed)


def _report(loaded: Loaded, outcome: Outcome, is_done: bool) -> Iterator[str]:
    yield f"{loaded.project.relative}"
    if outcome.gone:
        yield "  removed:" if is_done else "  can go:"
        yield from (f"    {_described(thing)}" for thing in outcome.gone)
    if outcome.stays:
        yield "  stays:"
    yield from (f"    {thing.kind} {thing.name}: {'; '.join(thing.reasons)}" for thing in outcome.stays)
    if not outcome.gone and not outcome.stays:
        yield "  no worktree or branch of it is here"


def _described(thing: Thing) -> str:
    if thing.kind == "worktree":
        return f"worktree {thing.name}, {size_text(thing.size)}"
    within = f", contained in {branch_name(thing.within.name)}" if thing.within else ""
    return f"{thing.kind} {thing.name} at {thing.commit[:12]}{within}"


def _summary(outcomes: Sequence[Outcome], again: str) -> str:
    gone = [thing for outcome in outcomes for thing in outcome.gone]
    if not gone:
        return "\nNothing can go."
    return f"\n{size_text(sum(thing.size for thing in gone))} can be freed. To remove what can go: {again}"


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
