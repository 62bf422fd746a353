"""Whether ten times the tasks cost ten times as much: generating, and running tasks that do nothing."""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import accounting, project
from benchmarks.figures import MEGABYTES, MILLISECONDS, Figure, in_turn, ratios
from benchmarks.process import Usage, peak_memory, run

NEEDS = ()
_JOBS = "16"


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure `--generate-only` of up to 10,000 tasks, and runs of up to 5,000."""
    yield from _generating((10, 100, 300, 1000) if quick else (10, 100, 1000, 10_000), 2 if quick else 5)
    yield from _running((40, 200) if quick else (1000, 5000), 1 if quick else 3)


def _generating(sizes: tuple[int, ...], rounds: int) -> Iterator[Figure]:
    with project.scratch() as place:
        roots = {size: project.make(place / str(size), project.plain_tasks(size, 100)) for size in sizes}
        command = [project.PARALLEL_RUN, project.DIRECTORY, "--generate-only", "--agent-command", "true"]
        # The first round writes the scripts, the others find them written, each alike for all sizes.
        found = in_turn({str(size): partial(run, command, root) for size, root in roots.items()}, rounds)
    each = {size: [usage.wall / size for usage in found[str(size)]] for size in sizes}
    told = ", ".join(f"{1000 * statistics.median(each[size]):.2g} ms at {size:,}" for size in sizes)
    yield Figure(
        f"`--generate-only`: a task at {sizes[-1]:,} against {sizes[-2]:,}",
        ratios(each[sizes[-1]], each[sizes[-2]]),
        1.2,
        note=told,
    )
    start = statistics.median(usage.cpu for usage in found[str(sizes[0])])
    net = {size: [(usage.cpu - start) / size for usage in found[str(size)]] for size in sizes[-2:]}
    yield Figure(
        "the same in processor time, without that of the smallest", ratios(net[sizes[-1]], net[sizes[-2]])
    )


def _running(sizes: tuple[int, int], rounds: int) -> Iterator[Figure]:
    few, many = sizes
    peaks: dict[str, int] = {}
    with project.scratch() as place:
        roots = {
            str(size): project.make(place / str(size), project.plain_tasks(size), is_tracked=False)
            for size in sizes
        }
        for root in roots.values():
            project.generate(root, "--agent-command", project.MARK, "--max-concurrent", _JOBS)
        found = in_turn({size: partial(_take, root, size, peaks) for size, root in roots.items()}, rounds)
        git = accounting.git_share(roots[str(few)])
    wall = {size: [usage.wall / int(size) for usage in found[size]] for size in roots}
    cpu = {size: [1000 * usage.cpu / int(size) for usage in found[size]] for size in roots}
    what = f"run of `true`, -j{_JOBS}: a task at {many:,} against {few:,}"
    for name, each, unit in (("by the clock", wall, 1000), ("of processor time", cpu, 1)):
        middle = [unit * statistics.median(each[size]) for size in roots]
        yield Figure(
            f"{what}, {name}",
            ratios(each[str(many)], each[str(few)]),
            1.2,
            note=f"{middle[1]:.1f} ms and {middle[0]:.1f} ms",
        )
    for size in roots:
        yield Figure(
            f"the same: our own processor time a task beyond git's, {int(size):,} tasks",
            tuple(each - 1000 * git.seconds / few for each in cpu[size]),
            25,
            MILLISECONDS,
            f"all: {statistics.median(cpu[size]):.1f} ms; git: {1000 * git.seconds / few:.1f} ms, "
            f"{git.calls / few:.1f} commands",
        )
    yield Figure(
        f"the same: memory of the scheduler at {many:,} tasks", (peaks[str(many)] / 1024,), 10, MEGABYTES
    )


def _take(template: Path, size: str, peaks: dict[str, int]) -> Usage:
    def watch(pid: int) -> None:
        peaks[size] = max(peaks.get(size, 0), peak_memory(pid))

    with project.copy_of(template) as root:
        usage = run(project.SCRIPT, root, watch=watch)
        results = (root / project.STATE).glob("*.result")
        done = sum("status=completed" in record.read_text().splitlines() for record in results)
        assert done == int(size), f"{done} of {size} tasks are completed"
        return usage
