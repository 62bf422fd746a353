"""The plan: everything that the scripts are rendered from, every choice made."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from parallelgen.aliases import Aliases, UnresolvedError
from parallelgen.edges import arrange
from parallelgen.problem import printable, quoted
from parallelgen.prompts import choose
from parallelgen.source import Source
from parallelgen.tasklist import Entry, collect

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 31_536_000  # a year; shells count in 32 bits
_SPEC_ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]+")


@dataclass(frozen=True)
class Task:
    """Hold one task: `deps` are ids in plan order, `timeout` seconds (None: the run's)."""

    id: str
    name: str
    wave: int
    deps: tuple[str, ...]
    timeout: int | None
    prompt: str
    component: str | None = None
    agent: str | None = None

    @property
    def branch(self) -> str:
        """Name the task's branch."""
        return f"feature/{self.name}"


@dataclass(frozen=True)
class Wave:
    """Hold the tasks that may run side by side."""

    number: int
    tasks: tuple[Task, ...]
    validation: str | None = None


@dataclass(frozen=True)
class Settings:
    """Hold what a user chose for the scripts; times in seconds, sizes in bytes.

    An empty `base_branch` is the branch that is checked out when the run starts; `agent_command` overrides
    `agent`, a key of agents.AGENTS; `halt` is never, soon or now; `schedule` is waves or deps.
    """

    max_concurrent: int = 3
    task_timeout: int = 7200
    workspace_root: str = "../workspaces"
    base_branch: str = ""
    agent: str = "claude"
    agent_command: str = ""
    skip: tuple[str, ...] = ()
    grace: int = 10
    retries: int = 0
    halt: str = "never"
    schedule: str = "waves"
    max_log_size: int = 100 * 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """Hold the waves in order, and the settings; `tech_spec` is empty when unknown."""

    title: str
    tech_spec: str
    waves: tuple[Wave, ...]
    settings: Settings = Settings()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """List all tasks in plan order."""
        return tuple(task for wave in self.waves for task in wave.tasks)

    def task(self, task_id: str) -> Task:
        """Return the task of this id; raise KeyError."""
        return self._by_id[task_id]

    @cached_property
    def _by_id(self) -> dict[str, Task]:
        return {task.id: task for task in self.tasks}


def build(source: Source, settings: Settings | None = None) -> Plan:
    """Plan a directory that `validate.problems` finds no error in; raise ValueError for another."""
    tasklist = collect(source)
    order, prompts = arrange(tasklist), choose(source, tasklist)
    entries, waves = tasklist.entries, order.waves
    if None in waves or "" in prompts.paths:
        raise ValueError("a directory with errors has no plan")
    numbered = [(wave or 0, index) for index, wave in enumerate(waves)]
    rank = {index: position for position, (_, index) in enumerate(sorted(numbered))}
    by_wave: dict[int, list[Task]] = {}
    for wave, index in sorted(numbered):
        entry = entries[index]
        task = Task(
            id=entry.id,
            name=entry.name,
            wave=wave,
            deps=tuple(entries[dep].id for dep in sorted(order.deps[index], key=rank.__getitem__)),
            timeout=_timeout(entry),
            prompt=prompts.paths[index],
            component=_line(entry.text("component")),
            agent=_line(entry.text("agent")),
        )
        by_wave.setdefault(wave, []).append(task)
    manifest = source.manifest or {}
    checks = dict(_validations(manifest))
    planned = tuple(Wave(number, tuple(tasks), checks.get(number)) for number, tasks in by_wave.items())
    return Plan(source.title, _tech_spec(manifest, entries, source.title), planned, settings or Settings())


def parse_duration(text: str) -> int:
    """Return the seconds in `5400`, `90m`, `2h` or `1d`; raise ValueError."""
    found = _DURATION.fullmatch(text)
    seconds = int(found.group(1)) * _UNITS[found.group(2)] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(
            f"expected seconds, or a number with s, m, h or d such as '90m', found {quoted(text)}"
        )
    return seconds


def resolve_id(plan: Plan, text: str) -> str:
    """Return the id of the task that an id, a name or a `task-NNN` prefix names; raise ValueError."""
    tasks = plan.tasks
    try:
        return tasks[Aliases([task.name, task.id] for task in tasks).find(text)].id
    except UnresolvedError as fault:
        raise ValueError(f"{fault}; {fault.hint}" if fault.hint else str(fault)) from None


def _timeout(entry: Entry) -> int | None:
    value = (entry.file.meta or {}).get("timeout")
    if isinstance(value, str):
        return parse_duration(value)
    return int(value) if isinstance(value, (int, float)) else None


def _line(text: str | None) -> str | None:
    """Make one line of a text that is only shown."""
    return printable(" ".join(text.split())) if text else None


def _validations(manifest: Mapping[str, object]) -> Iterator[tuple[int, str]]:
    waves = manifest.get("waves")
    for wave in waves if isinstance(waves, list) else ():
        number, check = wave.get("number"), wave.get("validation")
        if isinstance(check, str) and check.strip():
            yield int(number), check


def _tech_spec(manifest: Mapping[str, object], entries: tuple[Entry, ...], title: str) -> str:
    """Take the specification's id from the first place that tells it; of a path, the file's first word."""
    spec, sources, metadata = (manifest.get(key) for key in ("tech_spec", "sources", "metadata"))
    places = [
        spec.get("id") if isinstance(spec, dict) else spec,
        manifest.get("tech_spec_id"),
        metadata.get("tech_spec") if isinstance(metadata, dict) else None,
        *((entry.file.meta or {}).get("tech_spec") for entry in entries),
        sources.get("tech_spec") if isinstance(sources, dict) else None,
    ]
    told = next((place for place in places if isinstance(place, str) and place.strip()), "")
    found = _SPEC_ID.match(PurePosixPath(told).name if told else title)
    if found and ("/" in told or not told):
        return found.group()
    return _line(told) or ""
