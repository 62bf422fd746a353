"""Everything that is wrong with a parallel directory, at once."""

from collections.abc import Iterator

from parallelgen import schemas
from parallelgen.edges import arrange
from parallelgen.ownership import conflicts
from parallelgen.plan import parse_duration
from parallelgen.problem import Problem, in_order, quoted
from parallelgen.prompts import choose
from parallelgen.source import MANIFEST, Source, TaskFile
from parallelgen.tasklist import collect


def problems(source: Source) -> tuple[Problem, ...]:
    """List the errors and warnings of a directory, sorted by file and place."""
    if source.manifest is None:
        # Which tasks there are is not known: each file can still be looked at for itself.
        tasks = [file for path, file in source.task_files.items() if path.startswith("tasks/task-")]
        return in_order([*source.problems, *(found for file in tasks for found in _of_file(file))])
    tasklist = collect(source)
    order = arrange(tasklist)
    found = [
        *source.problems,
        *schemas.problems("manifest", source.manifest, MANIFEST),
        *_repeated_waves(source),
        *(problem for entry in tasklist.entries for problem in _of_file(entry.file)),
    ]
    told = {(problem.file, problem.place) for problem in found}
    found += [
        problem
        for problem in tasklist.problems
        if not problem.place or (problem.file, problem.place) not in told
    ]
    found += [*order.problems, *choose(source, tasklist).problems, *conflicts(tasklist.entries, order.waves)]
    return in_order(found)


def _of_file(file: TaskFile) -> Iterator[Problem]:
    if not file.missing:  # the manifest's entry has that problem
        yield from file.problems
    if file.meta is None:
        return
    path = file.path
    yield from schemas.problems("task", file.meta, path)
    timeout = file.meta.get("timeout")
    if isinstance(timeout, str):
        try:
            parse_duration(timeout)
        except ValueError as fault:
            yield Problem(path, "timeout", str(fault))


def _repeated_waves(source: Source) -> Iterator[Problem]:
    waves = (source.manifest or {}).get("waves")
    first: dict[int, int] = {}
    for index, wave in enumerate(waves if isinstance(waves, list) else ()):
        number = wave.get("number") if isinstance(wave, dict) else None
        if isinstance(number, int) and first.setdefault(number, index) != index:
            message = (
                f"wave {quoted(str(number))} is listed twice: it stands in waves[{first[number]}] as well"
            )
            yield Problem(MANIFEST, f"waves[{index}].number", message)
