import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from parallelgen.running import integration_text
from parallelgen.running.lines import Event, moment
from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.report import wave_progress
from parallelgen.running.screen import Screen
from parallelgen.running.task_text import agent_text


class View(Protocol):
    """Show a run while it goes on."""

    @property
    def tick(self) -> float | None:
        """Say after how many seconds the view wants to redraw without news; None for never."""

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Show the state after some events, or after a tick."""

    def line(self, text: str) -> None:
        """Show a line that the script printed and that is not a progress line."""

    def error(self, text: str) -> None:
        """Show a line that the script printed on standard error."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainView:
    """Print a wave's progress block when something in it has changed; for pipes and files.

    Changes that come within a moment share a block: tasks are started one after the other. It is longer in
    a large plan, whose blocks are long: printing must not outgrow the work.
    """

    _MOMENT = 0.2
    _MOMENT_OF_A_TASK = 0.001

    def __init__(
        self,
        screen: Screen,
        look: Callable[[RunState], RunState] = lambda state: state,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = screen.say
        self.error = screen.complain
        self._look = look
        self._clock = clock
        self._changed: dict[int, RunState] = {}
        self._told: list[Event] = []
        self._tasks: Mapping[str, TaskState] = {}
        self._due = 0.0

    @property
    def tick(self) -> float | None:
        """Ask for the moment that is left until changed blocks are due."""
        return max(0.0, self._due - self._clock()) if self._changed or self._told else None

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Note which waves have tasks that changed, and print their blocks once they are due."""
        if not self._changed and not self._told:
            self._due = self._clock() + max(self._MOMENT, len(state.tasks) * self._MOMENT_OF_A_TASK)
        for event in events:
            if event.task and event.wave is not None and event.wave in state.waves:
                self._changed[event.wave] = state
        self._told += [event for event in events if event.kind in ("agent", "integration")]
        self._tasks = state.tasks
        if self._clock() >= self._due:
            self._flush()

    def line(self, text: str) -> None:
        """Print a line after the blocks that came before it."""
        self._flush()
        self._say(text)

    def close(self) -> None:
        """Print what is left to print."""
        self._flush()

    def _flush(self) -> None:
        for wave, state in self._changed.items():
            self._say(wave_progress(self._look(state), wave, time.time()))
        for event in self._told:
            if event.kind == "agent":
                self._say(f"{_agent_news(event)}\n")
        merging = [event for event in self._told if event.is_integration]
        if merging:
            self._say("\n".join([*integration_text.news(merging, self._tasks), ""]))
        self._changed, self._told = {}, []


def _agent_news(event: Event) -> str:
    until = moment(event.fields.get("until"))
    if event.status == "limited" and until is not None:
        return agent_text(str(event.agent), until, time.time())
    return f"{event.agent}: {'the limit is over' if event.status == 'resumed' else event.status}"


class JsonView:
    """Print one JSON object a line for each event, with the names of the progress lines as keys."""

    tick = None

    def __init__(self, screen: Screen) -> None:
        self._write = screen.say
        self.error = screen.complain

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Print the events; numbers as numbers, a task with its name and branch."""
        for event in events:
            fields: dict[str, object] = {
                key: int(text) if text.isdecimal() else text for key, text in event.fields.items()
            }
            task = state.tasks.get(event.task or "")
            names = {"name": task.name, "branch": task.branch} if task else {}
            self.emit(event.kind, fields | names)

    def line(self, text: str) -> None:
        """Print a line of the script as an event, because readers expect JSON alone."""
        if text:
            self.emit("message", {"text": text})

    def emit(self, event: str, fields: Mapping[str, object]) -> None:
        """Print one event."""
        self._write(json.dumps({"event": event, **fields}))

    def close(self) -> None:
        """Do nothing: every event is a line."""
