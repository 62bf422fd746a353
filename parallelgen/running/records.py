"""What is recorded of the latest run: read from the lines of the script's `--status`, which alone knows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parallelgen.planning.plan import Plan
from parallelgen.running import costs, integration_text
from parallelgen.running.lines import parse_record
from parallelgen.running.progress import RunState, begin, fold
from parallelgen.running.script import Answer, ScriptError


@dataclass(frozen=True)
class Recorded:
    """Hold what is recorded of the latest run: its state, and what is told of the run itself (`run`).

    The status of `state` is `lost` when the records say running and the orchestrator is gone.
    """

    state: RunState
    run: Mapping[str, str]
    is_alive: bool

    @property
    def has_started(self) -> bool:
        """Tell whether there was ever a run."""
        return bool(self.run) or any(task.status != "pending" for task in self.state.tasks.values())


def ask(script: Callable[[str], Answer], plan: Plan) -> Recorded:
    """Ask the script what is recorded. Raises ScriptError."""
    answer = script("--status")
    if answer.status:
        raise ScriptError(answer.complained.removesuffix("\n"))
    return read(answer.said.splitlines(), plan)


def read(lines: Iterable[str], plan: Plan) -> Recorded:
    """Fold the lines of `--status`: those of progress without its prefix, with the times of the records."""
    state = begin(plan)
    run: dict[str, str] = {}
    for line in lines:
        event = parse_record(line)
        if event is None:
            continue
        if event.task is None and event.wave is None and not event.is_integration:
            if event.status == "none":
                continue
            run = dict(event.fields)
        state = fold(state, event)
    return Recorded(
        state, {key: text for key, text in run.items() if key != "alive"}, run.get("alive") == "yes"
    )


def facts(recorded: Recorded) -> dict[str, Any]:
    """Gather what is known of the latest run, for JSON."""
    integration = integration_text.facts(recorded.state)
    return {
        "status": recorded.state.status if recorded.has_started else None,
        "is_alive": recorded.is_alive,
        "run": dict(recorded.run),
        "waves": {str(wave): text for wave, text in recorded.state.waves.items()},
        "tasks": task_facts(recorded.state),
        "cost": costs.add(recorded.state.tasks.values()),
        **({"integration": integration} if integration else {}),
    }


def task_facts(state: RunState) -> list[dict[str, Any]]:
    """List what is known of each task, for JSON; facts that do not apply are left out."""
    return [
        {key: value for key, value in vars(task).items() if value not in (None, "")}
        for task in state.tasks.values()
    ]
