"""A task in words: what became of it, where it is, which log tells of it."""

import time
from collections.abc import Iterable

from parallelgen.running.progress import TaskState

WITH_WORDS = ("running", "limited", "failed", "interrupted", "lost")  # of these the last word is shown
COMMANDS = ("setup", "verify")  # the steps with a log of their own
_ERRORS_OF_STEP = {
    "worktree": "worktree",
    "merge_conflict": "worktree",
    "merge_failed": "worktree",
    "prompt_missing": "worktree",
    "include": "include",
    "setup": "setup",
    "verify": "verify",
}
_DAY = 86400


def commits(number: int) -> str:
    """Say how many commits in words."""
    return f"{number} commit" if number == 1 else f"{number} commits"


def task_text(task: TaskState, now: float | None = None) -> str:
    """Say in capitals what became of a task, with the detail that belongs to it.

    `now` makes a countdown of the time until which a limit holds it back.
    """
    if task.status == "running":
        return f"RUNNING ({task.step})..." if task.step not in ("", "agent") else "RUNNING..."
    word = task.status.upper()
    details = []
    struck = f"in {task.step}" if _was_struck(task) and task.step not in ("", "agent") else ""
    if task.error or struck:
        details.append(f"{task.error} {struck}".strip())
    if task.until is not None:
        details.append(_goes_on(task.until, now))
    if task.by:
        details.append(f"by {task.by}")
    if task.commits is not None and (task.status == "completed" or task.commits):
        details.append(commits(task.commits))
    if task.uncommitted and task.error != "uncommitted":
        details.append(f"{task.uncommitted} uncommitted")
    return f"{word} ({', '.join(details)})" if details else word


def _goes_on(until: int, now: float | None) -> str:
    if now is None:
        return f"until {_local(until, 0)}"
    return f"goes on in {duration(until - now)}" if until > now else "goes on soon"


def agent_text(agent: str, until: int, now: float) -> str:
    """Say until when a limit holds back an agent."""
    rest = f"goes on in {duration(until - now)}" if until > now else "one task tries whether it is over"
    return f"{agent}: usage limit until {_local(until, now)}, {rest}"


def _local(until: int, now: float) -> str:
    """Write a time on the clock of whoever reads it, with the day when it is not of the next hours."""
    return time.strftime("%H:%M" if abs(until - now) < _DAY else "%Y-%m-%d %H:%M", time.localtime(until))


def _was_struck(task: TaskState) -> bool:
    """Tell whether a task ended in the middle of a step by what came from outside it."""
    return task.status in ("interrupted", "lost") or task.error in ("timeout", "lost")


def step_of(task: TaskState) -> str:
    """Name the step in which a task is, or that it did not get beyond; empty when nobody has told."""
    if task.status == "running" or _was_struck(task):
        return task.step
    if task.error in _ERRORS_OF_STEP:
        return _ERRORS_OF_STEP[task.error]
    return (task.step or "agent") if task.error else ""


def log_name(task: TaskState) -> str:
    """Name the log that tells what a task does, or why it did not complete."""
    step = step_of(task)
    return f"{task.id}.{step}.log" if step in COMMANDS else f"{task.id}.log"


def count(tasks: Iterable[TaskState]) -> str:
    """Say how many tasks are completed of those that are not skipped."""
    meant = [task for task in tasks if task.status != "skipped"]
    return f"{sum(task.status == 'completed' for task in meant)}/{len(meant)}"


def was_begun(task: TaskState) -> bool:
    """Tell whether a task has got as far as a log in this run."""
    return task.status not in ("pending", "blocked", "skipped")


def elapsed(task: TaskState, now: float, before: str = "") -> str:
    """Say how long a task has been at work; empty when it never was."""
    seconds = task.elapsed(now)
    return "" if seconds is None else f"{before}{duration(seconds)}"


def duration(seconds: float) -> str:
    """Write a time span in the two largest units that it needs."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minute}m {second:02}s" if minute else f"{second}s"
