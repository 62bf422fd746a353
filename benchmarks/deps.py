"""How much sooner a plan ends with `--schedule deps`, and how far from what no schedule can beat."""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import graphs, project
from benchmarks.figures import Figure, in_turn, ratios
from benchmarks.process import run

NEEDS = ()
# The prompt is how long the agent takes; it commits, so that there is something to merge.
_AGENT = (
    'read -r seconds; sleep "$seconds"; echo "$PARALLEL_TASK" >"$PARALLEL_TASK.txt"; '
    f'git add "$PARALLEL_TASK.txt"; git commit --quiet -m "$PARALLEL_TASK"; {project.MARK}'
)


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure the makespan of each plan."""
    for graph in graphs.load_all()[: 1 if quick else None]:
        tasks = [
            project.Task(step.id, step.deps, graph.waves[step.id], f"{step.seconds}\n")
            for step in graph.steps
        ]
        with project.scratch() as place:
            templates = {}
            for how in ("deps", "waves"):
                root = templates[how] = project.make(place / how, tasks)
                limit = ("--max-concurrent", str(graph.limit))
                project.generate(root, "--agent-command", _AGENT, "--schedule", how, *limit)
            ways = {how: partial(_take, root) for how, root in templates.items()}
            yield from _figures(graph, in_turn(ways, 1 if quick else 3))


def _figures(graph: graphs.Graph, found: dict[str, list[float]]) -> Iterator[Figure]:
    what = f"{len(graph.steps)} tasks in {max(graph.waves.values())} waves, -j{graph.limit}"
    deps, waves = (statistics.median(found[how]) for how in ("deps", "waves"))
    yield Figure(
        f"`--schedule deps`, {what}: against the bound",
        tuple(taken / graph.bound for taken in found["deps"]),
        1.1,
        note=f"{deps:.1f} s; bound {graph.bound:.1f} s, this order on paper {graph.by_deps():.1f} s",
    )
    yield Figure(
        f"the same against barriers ({waves:.1f} s)",
        ratios(found["deps"], found["waves"]),
        note=f"ends {waves - deps:.1f} s sooner; on paper {graph.by_waves() - graph.by_deps():.1f} s",
    )


def _take(template: Path) -> float:
    with project.copy_of(template) as root:
        return run(project.SCRIPT, root).wall
