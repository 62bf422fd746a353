import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from parallelgen.planning.plan import Plan

PREFIX = "[PROGRESS] "
# What a task does, by the status of the progress line that says that it begins.
_STEPS = {"setup": "setup", "running": "agent", "verifying": "verify"}
_DONE = frozenset({"completed", "failed", "interrupted", "blocked", "skipped", "lost"})


@dataclass(frozen=True)
class Event:
    """Hold one [PROGRESS] line: about a task, a wave (no task) or the execution (no wave).

    A line that a step of a task begins has the status `running` and that step among its fields.
    """

    status: str
    wave: int | None = None
    task: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskState:
    """Hold what is known of one task; times in seconds on the clock of whoever folds.

    `step` is the last step that was begun: include, setup, agent or verify; empty when no line has told.
    """

    id: str
    name: str
    wave: int
    branch: str
    status: str = "pending"
    commits: int | None = None
    uncommitted: int = 0
    stopped: int = 0
    error: str = ""
    by: str = ""
    attempt: int = 1
    started: float | None = None
    finished: float | None = None
    step: str = ""

    @property
    def is_over(self) -> bool:
        """Tell whether the task has reached its verdict."""
        return self.status in _DONE


@dataclass(frozen=True)
class RunState:
    """Hold the state of a run: its tasks in plan order, its waves, its own status."""

    tasks: Mapping[str, TaskState]
    waves: Mapping[int, str]
    status: str = "pending"

    def of_wave(self, number: int) -> tuple[TaskState, ...]:
        """List the tasks of a wave in plan order."""
        return tuple(task for task in self.tasks.values() if task.wave == number)


def begin(plan: Plan, wave: int | None = None) -> RunState:
    """Make the state before a run of all waves, or of one."""
    waves = [item for item in plan.waves if wave is None or item.number == wave]
    tasks = {
        task.id: TaskState(
            task.id,
            task.name,
            task.wave,
            plan.branch(task),
            "skipped" if task.id in plan.settings.skip else "pending",
        )
        for item in waves
        for task in item.tasks
    }
    return RunState(tasks, {item.number: "pending" for item in waves})


def parse(line: str) -> Event | None:
    """Read one line of the script's output; None when it is not a progress line."""
    if not line.startswith(PREFIX):
        return None
    event = parse_record(line.removeprefix(PREFIX))
    if event is None or event.task is None or event.status not in _STEPS:
        return event
    told = {"status": "running", "step": _STEPS[event.status]}
    return replace(event, status="running", fields={**event.fields, **told})


def parse_record(line: str) -> Event | None:
    """Read a line of `--status`, which has the form of a progress line without the prefix."""
    fields = dict(re.findall(r"(\w+)=(\S*)", line))
    status = fields.get("status")
    wave = fields.get("wave", "")
    if not status or (wave and not wave.isdecimal()):
        return None
    return Event(status, int(wave) if wave else None, fields.get("task"), fields)


def fold(state: RunState, event: Event, at: float | None = None) -> RunState:
    """Return the state after an event that came at the time `at`, unless it tells its own times.

    Tasks and waves that the state does not know change nothing.
    """
    if event.task is not None:
        task = state.tasks.get(event.task)
        if task is None:
            return state
        return replace(state, tasks={**state.tasks, task.id: _fold_task(task, event, at)})
    if event.wave is not None:
        if event.wave not in state.waves:
            return state
        status = "running" if event.status == "started" else event.status
        return replace(state, waves={**state.waves, event.wave: status})
    return replace(state, status=event.status)


def _fold_task(task: TaskState, event: Event, at: float | None) -> TaskState:
    if event.status in ("started", "adopted"):
        attempt = _number(event.fields.get("attempt")) or 1
        step = event.fields.get("step", "")
        return TaskState(
            task.id, task.name, task.wave, task.branch, "running", attempt=attempt, started=at, step=step
        )
    fields = event.fields
    return replace(
        task,
        status=event.status,
        commits=_number(fields.get("commits")),
        uncommitted=_number(fields.get("uncommitted")) or 0,
        stopped=_number(fields.get("stopped")) or 0,
        error=fields.get("error", ""),
        by=fields.get("by", ""),
        attempt=_number(fields.get("attempt")) or task.attempt,
        started=_number(fields.get("started")) or task.started,
        finished=None if event.status == "running" else _number(fields.get("finished")) or at,
        step=fields.get("step", task.step),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
