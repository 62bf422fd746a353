"""What a landing would do and has done: in words, as facts for JSON, and in a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from parallelgen.git import SHORT
from parallelgen.landing.landing import Landing, Obstacle
from parallelgen.reading import source
from parallelgen.reading.problem import printable, shortened
from parallelgen.running import costs, integration_text
from parallelgen.running.task_text import commits, count

BODY = "logs/pull-request.md"  # where the text of a pull request is kept
_SHOWN = 30
_LONGEST = 250  # characters of a title, of which GitHub takes 256


def preview(landing: Landing, places: Iterable[Path], found: Sequence[Obstacle]) -> Iterator[str]:
    """Write what a landing would do, in lines; `places` are where the base is checked out."""
    ends = f"from {landing.old[:SHORT]} to {landing.tip[:SHORT]}, the tip of '{landing.branch}'"
    told = f"'{landing.base}' moves {ends}: {commits(len(landing.commits))}"
    yield from (f"=== Landing {landing.loaded.project.relative} ===", "")
    yield landed(landing) if landing.is_landed else told
    named = " and ".join(f"'{place}'" for place in places)
    yield f"It is checked out {f'in {named}' if named else 'nowhere'}."
    outcomes = integration_text.outcomes(landing.integration, landing.state.tasks)
    parts = {
        "Commits": [f"{commit[:SHORT]} {printable(subject)}" for commit, subject in landing.commits],
        "Files": [f"{change.letter} {printable(change.path)}" for change in landing.changes],
        "Tasks": [f"- {name}: {words}" for name, words in outcomes],
        "Checks": [f"- {line}" for line in _checks(landing)],
        "It would not be landed": [line for item in found for line in str(item).split("\n")],
    }
    for head, lines in parts.items():
        yield from ("", f"{head}:", *(f"  {line}" for line in shortened(lines, _SHOWN))) if lines else ()


def landed(landing: Landing) -> str:
    """Say that it is landed."""
    if landing.is_landed:
        return f"'{landing.base}' contains '{landing.branch}' ({landing.tip[:SHORT]}) already."
    number = len(landing.integration.merged)
    told = f"{'1 task' if number == 1 else f'{number} tasks'}, {commits(len(landing.commits))}"
    return f"Landed: '{landing.base}' has moved from {landing.old[:SHORT]} to {landing.tip[:SHORT]}, {told}."


def facts(landing: Landing) -> dict[str, Any]:
    """Gather what is known of a landing, for JSON."""
    return {
        "directory": landing.loaded.project.relative,
        "base": landing.base,
        "branch": landing.branch,
        "from": landing.old,
        "to": landing.tip,
        "already_landed": landing.is_landed,
        "commits": [{"commit": commit, "subject": subject} for commit, subject in landing.commits],
        "files": [{"change": change.letter, "path": printable(change.path)} for change in landing.changes],
        "integration": integration_text.facts(landing.state),
        "verified": landing.is_verified,
        "checks": [check._asdict() for check in landing.checks],
    }


def title(landing: Landing) -> str:
    """Write the title: the specification's id and title; where it has none, the directory's name."""
    plan, manifest = landing.loaded.plan, source.read(landing.loaded.project.directory).manifest or {}
    spec = manifest.get("tech_spec")
    told = " ".join(str(spec.get("title") or "").split()) if isinstance(spec, dict) else ""
    if told and plan.tech_spec and not told.startswith(plan.tech_spec):
        told = f"{plan.tech_spec}: {told}"
    return printable(told or plan.title)[:_LONGEST]


def body(landing: Landing) -> Iterator[str]:
    """Write the text of a pull request, in lines of Markdown: a table of tasks and a list of checks."""
    now, tasks = landing.integration, tuple(landing.state.tasks.values())
    told = dict(integration_text.outcomes(now, landing.state.tasks))
    made = commits(sum(task.commits or 0 for task in tasks if task.id in now.merged))
    spent = costs.sum_text(tasks)
    merged = f"{len(now.merged)} merged, with {made}{f'; all together: {spent}' if spent else ''}"
    yield from (f"# {_text(title(landing))}", "")
    yield f"`{landing.loaded.project.relative}`: {count(tasks)} tasks completed, {_text(merged)}."
    yield from ("", "| task | wave | outcome | commits | cost |", "|---|---|---|---|---|")
    for task in tasks:
        number = "" if task.commits is None else str(task.commits)
        outcome = told.pop(task.name, task.status)
        cells = (task.name, str(task.wave), outcome, number, costs.task_text(task))
        yield f"| {' | '.join(map(_text, cells))} |"
    yield from ("", *(f"- {_text(f'{name}: {outcome}')}" for name, outcome in told.items()))
    yield from ("", "## Checks", "", *(f"- {_text(line)}" for line in _checks(landing)), "")


def _checks(landing: Landing) -> Iterator[str]:
    """Say of each check where it was green, and of the tree whether it was verified."""
    for check in landing.checks:
        before = f"green at {check.commit[:SHORT]}, before the last merges"
        verdict = before if check.commit else "not known to be green"
        if check.commit == landing.tip:
            verdict = f"green{', after it was red' if check.wave in landing.integration.flaky else ''}"
        yield f"{integration_text.check_name(check.wave)} ({printable(check.command)}): {verdict}"
    seen = "was seen green" if landing.check else "was seen green by a check that is not in the plan"
    yield f"the tree of {landing.tip[:SHORT]} {seen if landing.is_verified else 'was not verified'}"


def _text(text: str) -> str:
    """Write a text so that Markdown takes nothing in it for its own, and nobody is called by it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", printable(text)).replace("@", "@\u200b")
