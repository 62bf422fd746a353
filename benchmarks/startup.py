"""How long a command takes to start, against the imports and the script that it cannot do without."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn
from benchmarks.process import run

_LIBRARIES = "click, jinja2, yaml, jsonschema"


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a dry run of 5 tasks and `--help`."""
    rounds = 5 if quick else 30
    with project.scratch() as place:
        root = project.make(place / "project", project.task_names(5))
        project.generate(root, "--agent-command", "true")
        dry_run = [project.PARALLEL_RUN, project.DIRECTORY, "--dry-run", "--agent-command", "true"]
        parts = [_imports(_LIBRARIES), [*project.SCRIPT, "--dry-run"]]
        what = f"`parallel-run DIR --dry-run` against `import {_LIBRARIES}` and the script's own"
        yield _compare(root, what, dry_run, parts, 1.25, rounds)
        what = "`parallelgen --help` against `import click`"
        yield _compare(
            root, what, [project.PARALLELGEN, "--help"], [_imports("click")], 1.3, 5 if quick else 30
        )


def _imports(modules: str) -> list[str]:
    return [project.PYTHON, "-c", f"import {modules}"]


def _compare(
    root: Path, what: str, command: list[str], parts: Sequence[list[str]], limit: float, rounds: int
) -> Figure:
    """Take the command and, one after the other, the parts that it is held against."""
    ways = {
        "ours": lambda: run(command, root).wall,
        "theirs": lambda: sum(run(part, root).wall for part in parts),
    }
    found = in_turn(ways, rounds)
    return Figure.against(what, found["ours"], found["theirs"], limit)
