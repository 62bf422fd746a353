"""What has become of the integration, in words and as facts for JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from parallelgen.git import SHORT
from parallelgen.running.integration import LAST, Integration, LeftOut, read_left_out
from parallelgen.running.lines import Event
from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.tail import plain

_TITLES = {"completed": "Integration Complete", "interrupted": "Integration Interrupted"}
LOG = "logs/integration.log"
_SHOWN = 5
# What is not among these is its own word.
_ERRORS = {
    "validation": "a check is red",
    "branch": "git cannot move the branch",
    "state": "a record cannot be written or read",
}
Tasks = Mapping[str, TaskState]


def news(events: Iterable[Event], tasks: Tasks) -> Iterator[str]:
    """Tell what events say, a line each, but one for tasks that were merged one after the other."""
    for is_merged, group in groupby(events, lambda event: event.status == "merged"):
        if is_merged:
            names = [_name(event.fields.get("task", ""), tasks) for event in group]
            yield f"Integration: merged {_some(names)}"
        else:
            yield from (f"Integration: {_told(event, tasks)}" for event in group)


def _told(event: Event, tasks: Tasks) -> str:
    fields = event.fields
    check = check_name(fields.get("wave") or LAST)
    if event.status == "started":
        return f"merging into {fields.get('branch', '')}, {_count(fields.get('tasks', ''))} completed"
    if event.status == "verifying":
        return f"verifying {check}"
    if event.status == "verified":
        return f"{check} is green{', after it was red' if fields.get('flaky') == '1' else ''}"
    if event.status == "left_out":
        left = read_left_out(fields)
        return f"{_name(left.id, tasks)} is left out: {_reason(left, tasks)}"
    merged = f", {fields['merged']} tasks merged" if "merged" in fields else ""
    return _ended(event.status, fields.get("error", ""), fields.get("by", ""), tasks) + merged


def line(now: Integration, tasks: Tasks) -> str:
    """Say in a line how it is getting on, or what came of it."""
    of = "" if now.total is None else f"/{now.total}"
    left_out = f", {len(now.left_out)} left out" if now.left_out else ""
    return f"Integration: {_doing(now, tasks)}, {now.count}{of} tasks merged{left_out}"


def _doing(now: Integration, tasks: Tasks) -> str:
    if now.status == "lost":
        return "lost (its process is gone; use 'parallelgen integrate' to continue)"
    if now.is_over:
        return _ended(now.status, now.error, now.culprit, tasks)
    return f"verifying {check_name(now.verifying)}" if now.verifying else "merging"


def _ended(status: str, error: str, culprit: str, tasks: Tasks) -> str:
    if culprit:
        return f"{status}, {_name(culprit, tasks)} turns it red and is on the branch since before"
    return f"{status}: {_ERRORS.get(error, error)}" if error else status


def part(state: RunState, log: str, worktree: str = "") -> list[str]:
    """Write the part of a report that tells of the integration; nothing where there was none.

    `log` and `worktree` are where the words of its commands are, and where it was done; empty where it is not
    there.
    """
    now = state.integration
    if now is None:
        return []
    # Without a commit there is no branch yet.
    places = {
        "branch": f"{now.branch} ({now.tip[:SHORT]})" if now.tip else "",
        "worktree": worktree,
        "log": log if now.flaky or now.status != "completed" else "",
        "flaky": ", ".join(f"{check_name(check)} was red, and then green" for check in now.flaky),
    }
    lines = [line(now, state.tasks), *(f"  {key}: {text}" for key, text in places.items() if text)]
    return [*lines, *(f"  - {name}: {words}" for name, words in outcomes(now, state.tasks))]


def outcomes(now: Integration, tasks: Tasks) -> Iterator[tuple[str, str]]:
    """Tell what became of each task that has completed: its name, and that in words."""
    left_out = {left.id: left for left in now.left_out}
    for task in tasks.values():
        if task.id in now.merged:
            yield task.name, f"merged{', and turns it red' if task.id == now.culprit else ''}"
        elif task.id in left_out:
            yield task.name, f"left out, {_reason(left_out.pop(task.id), tasks)}"
        elif task.status == "completed":
            yield task.name, _not_merged(task, now)
    # What is none of our tasks, such as a commit that somebody has made on the branch.
    yield from ((left.id, _reason(left, tasks)) for left in left_out.values())


def report(state: RunState, log: str, worktree: str, command: str, land: str) -> str:
    """Write the report of an integration that has ended; `command` goes on with it, `land` lands it."""
    now = state.integration or Integration("failed")
    title = _TITLES.get(now.status, "Integration Failed")
    step = next_step(now, command, land)
    return "\n".join([f"=== {title} ===", "", *part(state, log, worktree), "", step])


def next_step(now: Integration, command: str, land: str) -> str:
    """Say what there is to do after an integration: `command` goes on with it, `land` lands it."""
    if now.status == "completed":
        if not now.tip:
            return "There is nothing to merge: no task has made a commit."
        return f"Next step: {land}"
    return f"Next step: {'mend that, then run: ' if now.status == 'failed' else ''}{command}"


def facts(state: RunState) -> dict[str, Any]:
    """Gather what is known of the integration, for JSON; facts that do not apply are left out."""
    now = state.integration
    if now is None:
        return {}
    told = {
        "status": now.status,
        "branch": now.branch,
        "tip": now.tip,
        "tasks": now.total,
        "verifying": now.verifying,
        "flaky": list(now.flaky),
        "started": now.started,
        "finished": now.finished,
        "error": now.error,
        "culprit": now.culprit,
    }
    return {
        **_present(told),
        "merged": list(now.merged),
        "left_out": [
            _present(
                {
                    "id": left.id,
                    "error": left.error,
                    "with": left.rival,
                    "by": left.by,
                    "files": left.files,
                }
            )
            for left in now.left_out
        ],
        **({"not_reached": [task.id for task in _not_reached(state, now)]} if now.is_over else {}),
    }


def _not_reached(state: RunState, now: Integration) -> list[TaskState]:
    told = {*now.merged, *(left.id for left in now.left_out)}
    return [
        task
        for task in state.tasks.values()
        if task.status == "completed" and task.id not in told and _not_merged(task, now) == "not reached"
    ]


def _not_merged(task: TaskState, now: Integration) -> str:
    """Say of a task that has completed and of which no line tells whether it was there to be merged."""
    end = now.finished or now.started
    if not now.is_over or now.status == "completed":
        return "not merged yet"
    if task.finished is None or end is None:
        return "not merged"
    return "not merged yet" if task.finished > end else "not reached"


def _present(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value not in (None, "", [])}


def _reason(left: LeftOut, tasks: Tasks) -> str:
    if left.error == "conflict":
        rival = f" with {_name(left.rival, tasks)}" if left.rival else ""
        files = f" in {_some(plain(left.files).split(', '))}" if left.files else ""
        return f"it conflicts{rival}{files}"
    if left.error == "merge":
        return "git cannot merge it"
    if left.error == "dependency":
        return f"it depends on {_name(left.by, tasks)}"
    if left.error == "branch":
        return "its branch and commit are gone"
    return "it turns the merged result red" if left.error == "validation" else left.error


def check_name(check: str) -> str:
    """Say what a check was for, the one of a wave or LAST."""
    return "all of it" if check == LAST else f"wave {check}"


def _count(number: str) -> str:
    return "1 task" if number == "1" else f"{number} tasks"


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


def _name(id: str, tasks: Tasks) -> str:
    """Name a task; a base branch, with which one may conflict as well, is none."""
    return tasks[id].name if id in tasks else id
