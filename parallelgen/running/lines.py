"""What a line of the script says: the words of a progress line, or of one of `--status`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PREFIX = "[PROGRESS] "
# What a task does, by the status of the progress line that says that it begins, or goes on after a limit.
_STEPS = {"setup": "setup", "running": "agent", "verifying": "verify", "resumed": "agent"}
_LONGEST_NUMBER = 20
_LONGEST_TIME = 11


@dataclass(frozen=True)
class Event:
    """Hold one [PROGRESS] line: about a task, a wave (no task), an agent, the integration, or the execution.

    A line that a step of a task begins has the status `running` and that step among its fields. A line of the
    integration has the wave or task that it names among its fields alone.
    """

    status: str
    wave: int | None = None
    task: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    agent: str | None = None
    is_integration: bool = False

    @property
    def kind(self) -> str:
        """Name what it is about."""
        if self.is_integration:
            return "integration"
        if self.task:
            return "task"
        if self.wave is not None:
            return "wave"
        return "agent" if self.agent else "execution"


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
    if line.startswith("integration "):
        return Event(status, fields=fields, is_integration=True)
    return Event(status, int(wave) if wave else None, fields.get("task"), fields, fields.get("agent"))


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
