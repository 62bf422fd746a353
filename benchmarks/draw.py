"""Draw the plans of benchmarks/plans/ anew: `python -m benchmarks.draw` writes what is there already."""

import json
import random
from dataclasses import replace

from benchmarks.graphs import PLANS, Graph, Step

# Name: tasks in each wave, limit, and the seconds that the bound is scaled to.
SHAPES = {
    "five-waves": ((3, 3, 2, 2, 1), 3, 20.0),
    "four-waves": ((2, 2, 2, 1), 3, 20.0),
    "layers": ((10, 9, 9, 8, 8, 7, 6, 3), 6, 30.0),
}
_SPREAD = 0.7  # of the logarithm: of a hundred agents the slowest takes 20 times as long as the quickest
_REACHABLE = 1.03


def draw(name: str) -> Graph:
    """Draw the plan of this name.

    The first seed is taken for which the scheduler, which knows no durations, could come near the bound if
    nothing but the agents took time: on other plans the bound says little about what we lose.
    """
    sizes, limit, seconds = SHAPES[name]
    seed = 0
    while True:
        seed += 1
        graph = _drawn(name, sizes, limit, seed)
        if graph.by_deps() <= _REACHABLE * graph.bound:
            factor = seconds / graph.bound
            steps = (replace(step, seconds=round(step.seconds * factor, 2)) for step in graph.steps)
            return Graph(name, limit, tuple(steps))


def _drawn(name: str, sizes: tuple[int, ...], limit: int, seed: int) -> Graph:
    random_numbers = random.Random(f"{name} {seed}")
    layers: list[list[Step]] = []
    for size in sizes:
        layer: list[Step] = []
        for _ in range(size):
            number = 1 + sum(map(len, layers)) + len(layer)
            layer.append(
                Step(
                    f"task-{number:03}",
                    random_numbers.lognormvariate(0, _SPREAD),
                    _deps(random_numbers, layers),
                )
            )
        layers.append(layer)
    return Graph(name, limit, tuple(step for layer in layers for step in layer))


def _deps(random_numbers: random.Random, layers: list[list[Step]]) -> tuple[str, ...]:
    """Choose one task of the layer before, and up to two of any layer before."""
    if not layers:
        return ()
    before = [step.id for layer in layers for step in layer]
    chosen = {random_numbers.choice(layers[-1]).id}
    chosen.update(random_numbers.choice(before) for _ in range(random_numbers.randrange(3)))
    return tuple(sorted(chosen))


def text(graph: Graph) -> str:
    """Write a plan as JSON, a task a line."""
    tasks = ",\n".join(
        f"    {json.dumps({'id': step.id, 'seconds': step.seconds, 'deps': list(step.deps)})}"
        for step in graph.steps
    )
    return f'{{\n  "limit": {graph.limit},\n  "tasks": [\n{tasks}\n  ]\n}}\n'


if __name__ == "__main__":
    PLANS.mkdir(exist_ok=True)
    for shape in SHAPES:
        (PLANS / f"{shape}.json").write_text(text(draw(shape)), encoding="utf-8")
