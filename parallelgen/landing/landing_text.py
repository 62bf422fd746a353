"""What a landing would do and has done, in words and as facts for JSON."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from parallelgen.git import SHORT
from parallelgen.landing import pull_request
from parallelgen.landing.landing import Landing, Obstacle
from parallelgen.reading.problem import printable
from parallelgen.running import integration_text
from parallelgen.running.task_text import commits

_SHOWN = 30


def preview(
    landing: Landing, path: Path | None, found: Sequence[Obstacle], status: int, steps: Sequence[str]
) -> str:
    """Write what a landing would do: commits, files, verdicts, what is in the way, and its exit status.

    `path` is where the base branch is checked out, None for nowhere; `steps` tells what follows it.
    """
    lines = [f"=== Landing {landing.loaded.project.relative} ===", "", _what(landing)]
    lines += [f"It is checked out in '{path}'." if path else "It is checked out nowhere.", ""]
    if landing.commits:
        told = [f"{commit[:SHORT]} {printable(subject)}" for commit, subject in landing.commits]
        lines += ["Commits, along the merges:", *_some(told), ""]
    if landing.changes:
        told = [f"{change.letter} {printable(change.path)}" for change in landing.changes]
        lines += ["Files:", *_some(told), ""]
    tasks = list(integration_text.outcomes(landing.integration, landing.state.tasks))
    if tasks:
        lines += ["Tasks:", *(f"  - {name}: {words}" for name, words in tasks), ""]
    lines += ["Checks:", *(f"  - {line}" for line in _checks(landing)), ""]
    if found:
        lines += ["It would not be landed:", *(f"  {line}" for item in found for line in item.lines), ""]
    elif steps:
        lines += [*steps, ""]
    return "\n".join([*lines, f"Exit status of a landing: {status}. Nothing has changed."])


def landed(landing: Landing) -> str:
    """Say that it is landed."""
    lines = [_done(landing)]
    if any(change.is_submodule for change in landing.changes):
        lines.append("Submodules have changed: git submodule update --init")
    return "\n".join(lines)


def _done(landing: Landing) -> str:
    if landing.is_landed:
        return f"'{landing.base}' contains '{landing.branch}' ({landing.tip[:SHORT]}) already."
    tasks = len(landing.integration.merged)
    told = f"{'1 task' if tasks == 1 else f'{tasks} tasks'}, {commits(_count(landing))}"
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
        "checks": [vars(check) for check in landing.checks],
    }


def _what(landing: Landing) -> str:
    if landing.is_landed:
        return _done(landing)
    ends = f"from {landing.old[:SHORT]} to {landing.tip[:SHORT]}, the tip of '{landing.branch}'"
    return f"'{landing.base}' moves {ends}: {commits(_count(landing))}"


def _count(landing: Landing) -> int:
    words = ("rev-list", "--count", landing.tip, f"^{landing.old}", "--")
    return int(landing.repository.ask(*words))


def _checks(landing: Landing) -> Iterator[str]:
    for check in landing.checks:
        words = pull_request.verdict(landing, check.commit)
        yield f"{integration_text.check_name(check.wave)} ({printable(check.command)}): {words}"
    yield f"the tree of {landing.tip[:SHORT]} {pull_request.proof(landing)}"


def _some(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [f"  {line}" for line in [*lines[:_SHOWN], *more]]
