"""The plan: everything that the scripts are rendered from, every choice made; or what stands against it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from parallelgen import agents
from parallelgen.planning import commands, keys
from parallelgen.planning.edges import Order, arrange
from parallelgen.planning.names import Aliases, UnresolvedError
from parallelgen.planning.ownership import conflicts
from parallelgen.planning.prompts import choose, untold
from parallelgen.planning.scope import Claim, claims, patterns
from parallelgen.planning.tasklist import Entry, TaskList, collect
from parallelgen.reading import schemas
from parallelgen.reading.problem import Problem, in_order, printable, quoted
from parallelgen.reading.source import MANIFEST, Source, TaskFile
from parallelgen.settings import Settings, parse_duration

_SPEC_ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]+")


@dataclass(frozen=True)
class Task:
    """Hold one task: `deps` are ids in plan order, `timeout` seconds (None: the run's).

    `setup` and `verify` are its own commands, empty where the run's apply; `verify` may begin with '+', to be
    run after the run's. `cli` names the adapter and `model` the model, empty where the run's apply. `scope`
    and `boundary` are the paths, with wildcards of a shell, that it is to touch and to keep away from.
    """

    id: str
    name: str
    wave: int
    deps: tuple[str, ...]
    timeout: int | None
    prompt: str
    component: str | None = None
    agent: str | None = None
    setup: str = ""
    verify: str = ""
    cli: str = ""
    model: str = ""
    scope: tuple[str, ...] = ()
    boundary: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wave:
    """Hold the tasks that may run side by side, and the command that checks what was merged after them."""

    number: int
    tasks: tuple[Task, ...]
    validation: str | None = None


@dataclass(frozen=True)
class Plan:
    """Hold the waves in order, and the settings; `tech_spec` is empty when unknown."""

    title: str
    tech_spec: str
    waves: tuple[Wave, ...]
    settings: Settings = field(default_factory=Settings)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """List all tasks in plan order."""
        return tuple(task for wave in self.waves for task in wave.tasks)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Name the adapters in use, in order: of the run, of single tasks, and that of any command."""
        return tuple(sorted({agents.COMMAND, self.settings.agent, *(t.cli for t in self.tasks if t.cli)}))

    def branch(self, task: Task) -> str:
        """Name the branch of a task."""
        return self.settings.branch_prefix + task.name


@dataclass(frozen=True)
class Planned:
    """Hold the plan of a directory, None where there are errors, and all problems, warnings among them."""

    plan: Plan | None
    problems: tuple[Problem, ...]


def build(source: Source, settings: Settings | None = None) -> Planned:
    """Plan a directory.

    Raises settings.OptionError when a task to skip is none of the plan's, or sh refuses a command.
    """
    chosen = settings or Settings()
    commands.of_settings(chosen)
    if source.manifest is None:
        # Which tasks there are is not known: each file can still be looked at for itself.
        tasks = [file for path, file in source.task_files.items() if path.startswith("tasks/task-")]
        found = [*source.problems, *(problem for file in tasks for problem in _of_file(file))]
        return Planned(None, in_order(found))
    tasklist = collect(source)
    order, prompts = arrange(tasklist), choose(source, tasklist)
    scopes = [claims(entry.file.body) for entry in tasklist.entries]
    found = [
        *_of_files(source, source.manifest, tasklist),
        *order.problems,
        *prompts.problems,
        *conflicts(tasklist.entries, order.waves, scopes),
        *commands.of_tasks(tasklist.entries),
        *commands.of_agents(tasklist.entries, chosen.subagents),
        *commands.of_waves(source.manifest),
    ]
    if agents.MARKER not in (chosen.agent_command or agents.adapters()[chosen.agent].text):
        found += untold(source, tasklist.entries, prompts.paths)
    problems = in_order(found)
    if any(problem.severity == "error" for problem in problems):
        return Planned(None, problems)
    assert None not in order.waves
    assert "" not in prompts.paths
    waves = _waves(source.manifest, tasklist.entries, order, prompts.paths, scopes)
    tech_spec = _tech_spec(source.manifest, tasklist.entries, source.title)
    plan = Plan(source.title, tech_spec, waves, replace(chosen, skip=_skipped(waves, chosen)))
    return Planned(plan, problems)


def _of_files(source: Source, manifest: Mapping[str, object], tasklist: TaskList) -> list[Problem]:
    """Find what is wrong with the files and with the list of tasks that they make; each thing once."""
    found = [
        *source.problems,
        *schemas.problems("manifest", manifest, MANIFEST),
        *_repeated_waves(manifest),
        *keys.of_manifest(manifest, tasklist.entries),
        *(problem for entry in tasklist.entries for problem in _of_file(entry.file)),
    ]
    told = {(problem.file, problem.place) for problem in found}
    return found + [
        problem
        for problem in tasklist.problems
        if not problem.place or (problem.file, problem.place) not in told
    ]


def _waves(
    manifest: Mapping[str, object],
    entries: tuple[Entry, ...],
    order: Order,
    prompts: tuple[str, ...],
    scopes: Sequence[Sequence[Claim]],
) -> tuple[Wave, ...]:
    numbered = sorted((wave or 0, index) for index, wave in enumerate(order.waves))
    rank = {index: position for position, (_, index) in enumerate(numbered)}
    by_wave: dict[int, list[Task]] = {}
    for wave, index in numbered:
        entry = entries[index]
        task = Task(
            id=entry.id,
            name=entry.name,
            wave=wave,
            deps=tuple(entries[dep].id for dep in sorted(order.deps[index], key=rank.__getitem__)),
            timeout=_timeout(entry),
            prompt=prompts[index],
            component=_line(entry.text("component")),
            agent=_line(entry.text("agent")),
            setup=commands.own(entry, "setup"),
            verify=commands.own(entry, "verify"),
            cli=entry.text("cli") or "",
            model=entry.text("model") or "",
            scope=patterns(scopes[index], ("CREATE", "MODIFY")),
            boundary=patterns(scopes[index], ("BOUNDARY",)),
        )
        by_wave.setdefault(wave, []).append(task)
    checks = dict(_validations(manifest))
    return tuple(Wave(number, tuple(tasks), checks.get(number)) for number, tasks in by_wave.items())


def _skipped(waves: tuple[Wave, ...], settings: Settings) -> tuple[str, ...]:
    """Return the ids of the tasks to skip, which may be given by any of their words, in plan order."""
    tasks = [task for wave in waves for task in wave.tasks]
    aliases = Aliases([task.name, task.id] for task in tasks)
    try:
        chosen = {aliases.find(word) for word in settings.skip}
    except UnresolvedError as fault:
        raise settings.refuse("skip", f"{fault}; {fault.hint}" if fault.hint else fault) from None
    return tuple(task.id for index, task in enumerate(tasks) if index in chosen)


def _of_file(file: TaskFile) -> Iterator[Problem]:
    if not file.missing:  # the manifest's entry has that problem
        yield from file.problems
    if file.meta is None:
        return
    path = file.path
    yield from schemas.problems("task", file.meta, path)
    yield from keys.of_task(file)
    timeout = file.meta.get("timeout")
    if isinstance(timeout, str):
        try:
            parse_duration(timeout)
        except ValueError as fault:
            yield Problem(path, "timeout", f"{fault}, found {quoted(timeout)}")


def _repeated_waves(manifest: Mapping[str, object]) -> Iterator[Problem]:
    waves = manifest.get("waves")
    first: dict[int, int] = {}
    for index, wave in enumerate(waves if isinstance(waves, list) else ()):
        number = wave.get("number") if isinstance(wave, dict) else None
        if isinstance(number, int) and first.setdefault(number, index) != index:
            message = (
                f"wave {quoted(str(number))} is listed twice: it stands in waves[{first[number]}] as well"
            )
            yield Problem(MANIFEST, f"waves[{index}].number", message)


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
            yield int(number), commands.validation(check)


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
