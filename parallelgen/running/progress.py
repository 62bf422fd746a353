from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parallelgen.planning.plan import Plan
from parallelgen.running import integration
from parallelgen.running.integration import Integration
from parallelgen.running.lines import Event, amount, moment, number

_DONE = frozenset({"completed", "failed", "interrupted", "blocked", "skipped", "lost"})


@dataclass(frozen=True)
class TaskState:
    """Hold what is known of one task; times in seconds on the clock of whoever folds.

    `step` is the last step that was begun: include, setup, agent or verify; empty when no line has told.
    `until` is when the limit ends that has stopped its agent, `waited` how many seconds it has spent so far
    on waiting for that. `outside` counts the paths that it has changed outside its scope. Turns, tokens and
    `cost_usd` are those of this attempt, `total_usd` of all; `said` is the last word of its agent or command.
    """

    id: str
    name: str
    wave: int
    branch: str
    status: str = "pending"
    commits: int | None = None
    uncommitted: int = 0
    stopped: int = 0
    outside: int = 0
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

    `agents` has for those that a limit holds back until when. `integration` is None where there was none.
    """

    tasks: Mapping[str, TaskState]
    waves: Mapping[int, str]
    status: str = "pending"
    reason: str = ""
    agents: Mapping[str, int] = field(default_factory=dict)
    integration: Integration | None = None

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


def fold(state: RunState, event: Event, at: float | None = None) -> RunState:
    """Return the state after an event that came at the time `at`, unless it tells its own times.

    Tasks and waves that the state does not know change nothing.
    """
    if event.is_integration:
        return replace(state, integration=integration.fold(state.integration, event, at))
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
        outside=number(fields.get("outside")) or 0,
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
