"""The text of a pull request: what was asked for, what became of it, what was checked; in Markdown."""

import re
from collections.abc import Iterator

from parallelgen.git import SHORT
from parallelgen.landing.landing import Landing
from parallelgen.reading import source
from parallelgen.reading.problem import printable
from parallelgen.running import costs, integration_text
from parallelgen.running.task_text import commits, count


def title(landing: Landing) -> str:
    """Write the title: the specification's id and title; where it has none, the directory's name."""
    plan, manifest = landing.loaded.plan, source.read(landing.loaded.project.directory).manifest or {}
    spec = manifest.get("tech_spec")
    told = spec.get("title") if isinstance(spec, dict) else None
    if not isinstance(told, str) or not told.strip():
        return printable(plan.title)
    known = plan.tech_spec and not told.startswith(plan.tech_spec)
    return printable(" ".join(f"{plan.tech_spec}: {told}".split() if known else told.split()))


def body(landing: Landing) -> str:
    """Write the text, a table of tasks and a list of checks."""
    return "\n".join([*_head(landing), "", *_tasks(landing), "", "## Checks", "", *_checks(landing), ""])


def _head(landing: Landing) -> Iterator[str]:
    tasks = tuple(landing.state.tasks.values())
    made = sum(task.commits or 0 for task in tasks if task.id in landing.integration.merged)
    merged = f"{len(landing.integration.merged)} of them are merged, with {commits(made)}"
    yield f"# {_text(title(landing))}"
    yield ""
    yield f"`{landing.loaded.project.relative}`: {count(tasks)} tasks completed, {merged}."
    spent = costs.sum_text(tasks)
    if spent:
        yield f"All tasks together: {_text(spent)}."


def _tasks(landing: Landing) -> Iterator[str]:
    told = dict(integration_text.outcomes(landing.integration, landing.state.tasks))
    yield "| task | wave | outcome | commits | cost |"
    yield "|---|---|---|---|---|"
    for task in landing.state.tasks.values():
        outcome = told.pop(task.name, task.status)
        number = "" if task.commits is None else str(task.commits)
        cells = (_text(task.name), task.wave, _text(outcome), number, _text(costs.task_text(task)))
        yield f"| {' | '.join(map(str, cells))} |"
    if told:
        yield ""
        yield from (f"- {_text(name)}: {_text(outcome)}" for name, outcome in told.items())


def _checks(landing: Landing) -> Iterator[str]:
    for check in landing.checks:
        name = integration_text.check_name(check.wave)
        yield f"- {name}, {_code(check.command)}: {verdict(landing, check.commit)}"
    yield f"- The tree of {landing.tip} {proof(landing)}."


def proof(landing: Landing) -> str:
    """Say whether the tree was seen green, and by what."""
    if not landing.is_verified:
        return "was not verified"
    return "was seen green" if landing.check else "was seen green by a check that is not in the plan"


def verdict(landing: Landing, commit: str) -> str:
    """Say where a check was green, of which the latest commit that it passed is given."""
    if not commit:
        return "not known to be green"
    return "green" if commit == landing.tip else f"green at {commit[:SHORT]}, before the last merges"


def _text(text: str) -> str:
    """Write a text so that Markdown takes nothing in it for its own, and nobody is called by it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", printable(text)).replace("@", "@\u200b")


def _code(text: str) -> str:
    """Write a command, in a line, as code."""
    line = printable(text)
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    blank = " " if len(fence) > 1 else ""
    return f"{fence}{blank}{line}{blank}{fence}"
