import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parallelgen.planning.plan import Plan

PREFIX = "[PROGRESS] "
# What a task does, by the status of the progress line that says that it begins, or goes on after a limit.
_STEPS = {"setup": "setup", "running": "agent", "verifying": "verify", "resumed": "agent"}
_LONGEST_NUMBER = 20
_LONGEST_TIME = 11
_DONE = frozenset({"completed", "failed", "interrupted", "blocked", "skipped", "lost"})


@dataclass(frozen=True)
class Event:
    """Hold one [PROGRESS] line: about a task, a wave (no task), an agent, or the execution (none of them).

    A line that a step of a task begins has the status `running` and that step among its fields.
    """

    status: str
    wave: int | None = None
    task: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    agent: str | None = None

    @property
    def kind(self) -> str:
        """Name what it is about."""
        if self.task:
            return "task"
        if self.wave is not None:
            return "wave"
        return "agent" if self.agent else "execution"


@dataclass(frozen=True)
class TaskState:
    """Hold what is known of one task; times in seconds on the clock of whoever folds.

    `step` is the last step that was begun: include, setup, agent or verify; empty when no line has told.
    `until` is when the limit ends that has stopped its agent, `waited` how many seconds it has spent so far
    on waiting for that. Turns, tokens and `cost_usd` are those of this attempt, `total_usd` of all; `said`
    is the last word of its agent or command.
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
    until: int | None = None
    waited: float | None = None
    turns: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    total_usd: float | None = None
    said: str = ""

    def elapsed(self, now: float) -> float | None:
        """Say for how many seconds it has been at work, waiting not counted; None when it never was."""
        if self.started is None or (self.finished is None and self.status != "running"):
            return None
        return (self.finished or now) - self.started - (self.waited or 0)

    @property
    def is_over(self) -> bool:
        """Tell whether the task has reached its verdict."""
        return self.status in _DONE


@dataclass(frozen=True)
class RunState:
    """Hold the state of a run: its tasks in plan order, its waves, its own status, and why it has that.

    `agents` has for those that a limit holds back until when.
    """

    tasks: Mapping[str, TaskState]
    waves: Mapping[int, str]
    status: str = "pending"
    reason: str = ""
    agents: Mapping[str, int] = field(default_factory=dict)

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
    return Event(status, int(wave) if wave else None, fields.get("task"), fields, fields.get("agent"))


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
    if event.agent is not None:
        return replace(state, agents=_fold_agents(state.agents, event, event.agent))
    return replace(state, status=event.status, reason=event.fields.get("reason", ""))


def _fold_agents(agents: Mapping[str, int], event: Event, agent: str) -> Mapping[str, int]:
    others = {name: until for name, until in agents.items() if name != agent}
    until = moment(event.fields.get("until"))
    return others | {agent: until} if event.status == "limited" and until is not None else others


def _fold_task(task: TaskState, event: Event, at: float | None) -> TaskState:
    if event.status in ("started", "adopted"):
        attempt = number(event.fields.get("attempt")) or 1
        step = event.fields.get("step", "")
        return TaskState(
            task.id, task.name, task.wave, task.branch, "running", attempt=attempt, started=at, step=step
        )
    fields = event.fields
    runs = event.status == "running"
    waited = number(fields.get("waited")) or task.waited
    if task.status == "limited" and runs and at is not None and task.finished is not None:
        waited = (waited or 0) + at - task.finished
    started = number(fields.get("started")) or task.started
    if started is None and runs:
        started = at
    return replace(
        task,
        status=event.status,
        commits=number(fields.get("commits")),
        uncommitted=number(fields.get("uncommitted")) or 0,
        stopped=number(fields.get("stopped")) or 0,
        error=fields.get("error", ""),
        by=fields.get("by", ""),
        attempt=number(fields.get("attempt")) or task.attempt,
        started=started,
        finished=None if runs else number(fields.get("finished")) or at,
        step=fields.get("step", task.step),
        until=moment(fields.get("until")) if event.status == "limited" else None,
        waited=waited,
        **costs(fields, task),
    )


def costs(fields: Mapping[str, str], known: TaskState) -> dict[str, Any]:
    """Read what a task has cost, as far as the keys are there; else what is known of it."""
    read = {key: number(fields.get(key)) for key in ("turns", "input_tokens", "output_tokens")}
    paid = {key: amount(fields.get(key)) for key in ("cost_usd", "total_usd")}
    return {key: getattr(known, key) if value is None else value for key, value in {**read, **paid}.items()}


def number(text: str | None) -> int | None:
    """Read a whole number; None when it is none."""
    return int(text) if text and text.isdecimal() and len(text) < _LONGEST_NUMBER else None


def moment(text: str | None) -> int | None:
    """Read seconds since 1970, of a time that a calendar has."""
    return int(text) if text and text.isdecimal() and len(text) <= _LONGEST_TIME else None


def amount(text: str | None) -> float | None:
    """Read an amount of money; None when it is none."""
    is_one = text and len(text) < _LONGEST_NUMBER and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)
    return float(text) if text and is_one else None
