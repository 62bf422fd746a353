import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from parallelgen.progress import Event, RunState
from parallelgen.report import wave_progress


@dataclass(frozen=True)
class Screen:
    """Hold the ways to print that the command line lends to a run."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    can_redraw: bool = False


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
    """Print a wave's progress block whenever something in it has changed; for pipes and files."""

    tick = None

    def __init__(self, screen: Screen) -> None:
        self.line = screen.say
        self.error = screen.complain
        self._shown: dict[int, str] = {}

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Print the blocks of the waves whose tasks have changed."""
        waves = {event.wave for event in events if event.task and event.wave is not None}
        for wave in sorted(waves & state.waves.keys()):
            block = wave_progress(state, wave)
            if self._shown.get(wave) != block:
                self._shown[wave] = block
                self.line(block)

    def close(self) -> None:
        """Do nothing: every block is whole."""


class JsonView:
    """Print one JSON object a line for each event, with the names of the progress lines as keys."""

    tick = None

    def __init__(self, screen: Screen) -> None:
        self._write = screen.say
        self.error = screen.complain

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Print the events; numbers as numbers, a task with its name and branch."""
        for event in events:
            kind = "task" if event.task else "wave" if event.wave is not None else "execution"
            fields: dict[str, object] = {
                key: int(text) if text.isdecimal() else text for key, text in event.fields.items()
            }
            task = state.tasks.get(event.task or "")
            names = {"name": task.name, "branch": task.branch} if task else {}
            self.emit(kind, fields | names)

    def line(self, text: str) -> None:
        """Print a line of the script as an event, because readers expect JSON alone."""
        if text:
            self.emit("message", {"text": text})

    def emit(self, event: str, fields: Mapping[str, object]) -> None:
        """Print one event."""
        self._write(json.dumps({"event": event, **fields}))

    def close(self) -> None:
        """Do nothing: every event is a line."""
