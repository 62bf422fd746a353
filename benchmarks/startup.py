"""How long a command takes to start, measured by hyperfine against the imports that it cannot do without."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, ratios
from benchmarks.process import environment

NEEDS = ("hyperfine",)


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a dry run of 5 tasks and `--help`."""
    with project.scratch() as place:
        root = project.make(place / "project", project.plain_tasks(5))
        dry_run = [project.PARALLEL_RUN, project.DIRECTORY, "--dry-run", "--agent-command", "true"]
        modules = "click, jinja2, yaml, jsonschema"
        yield _compare(root, "`parallel-run DIR --dry-run`", dry_run, modules, 1.25, quick)
        yield _compare(root, "`parallelgen --help`", [project.PARALLELGEN, "--help"], "click", 1.3, quick)


def _compare(root: Path, what: str, command: list[str], modules: str, limit: float, quick: bool) -> Figure:
    peer = [project.PYTHON, "-c", f"import {modules}"]
    pairs = [_medians(root, command, peer) for _ in range(3 if quick else 10)]
    own, other = zip(*pairs, strict=True)
    middle = sorted(pairs)[len(pairs) // 2]
    return Figure(
        f"{what} against `import {modules}`",
        ratios(own, other),
        limit,
        note=f"{1000 * middle[0]:.0f} ms and {1000 * middle[1]:.0f} ms",
    )


def _medians(root: Path, *commands: list[str]) -> tuple[float, ...]:
    """Return the median seconds of each command."""
    output = root.parent / "hyperfine.json"
    subprocess.run(
        ["hyperfine", "-N", "--style", "none", "--warmup", "2", "--runs", "10", "--export-json", str(output)]
        + [shlex.join(command) for command in commands],
        cwd=root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return tuple(result["median"] for result in json.loads(output.read_text())["results"])
