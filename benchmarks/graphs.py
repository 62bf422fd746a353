"""The plans of benchmarks/plans/: what no schedule can beat, and what list schedules reach on paper."""

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PLANS = Path(__file__).parent / "plans"


@dataclass(frozen=True)
class Step:
    """Hold one task of a plan: how many seconds its agent takes, and what it waits for."""

    id: str
    seconds: float
    deps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Hold a plan whose tasks stand after their dependencies, and how many may run at a time."""

    name: str
    limit: int
    steps: tuple[Step, ...]

    @cached_property
    def waves(self) -> dict[str, int]:
        """Give each task the first wave that it can be in."""
        found: dict[str, int] = {}
        for step in self.steps:
            found[step.id] = 1 + max((found[dep] for dep in step.deps), default=0)
        return found

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Count the tasks in the longest chain that waits for each, as the scheduler does."""
        found = dict.fromkeys((step.id for step in self.steps), 0)
        for step in reversed(self.steps):
            for dep in step.deps:
                found[dep] = max(found[dep], found[step.id] + 1)
        return found

    @property
    def critical_path(self) -> float:
        """Add up the longest chain."""
        ends: dict[str, float] = {}
        for step in self.steps:
            ends[step.id] = step.seconds + max((ends[dep] for dep in step.deps), default=0.0)
        return max(ends.values())

    @property
    def bound(self) -> float:
        """Return what no schedule can beat: the longest chain, or all work shared evenly."""
        return max(self.critical_path, sum(step.seconds for step in self.steps) / self.limit)

    def by_deps(self) -> float:
        """Return the makespan when a task starts once its dependencies are done, longest chain first."""
        return self._simulate(self.steps, lambda step: -self.ranks[step.id])

    def by_waves(self) -> float:
        """Return the makespan when a wave starts once the one before it has ended."""
        total = 0.0
        for wave in sorted(set(self.waves.values())):
            # With the waves before it over, nothing of a wave waits for anything.
            steps = tuple(Step(step.id, step.seconds) for step in self.steps if self.waves[step.id] == wave)
            total += self._simulate(steps, lambda step: 0)
        return total

    def _simulate(self, steps: tuple[Step, ...], priority: Callable[[Step], int]) -> float:
        """Run the steps on paper, `limit` at a time, of those that are ready the first by priority."""
        waiting, running, done, now = list(steps), list[tuple[float, str]](), set[str](), 0.0
        while waiting or running:
            ready = sorted((step for step in waiting if done.issuperset(step.deps)), key=priority)
            for step in ready[: self.limit - len(running)]:
                waiting.remove(step)
                heapq.heappush(running, (now + step.seconds, step.id))
            now, ended = heapq.heappop(running)
            done.add(ended)
        return now


def load(path: Path) -> Graph:
    """Read one plan."""
    value = json.loads(path.read_text(encoding="utf-8"))
    steps = (Step(task["id"], task["seconds"], tuple(task["deps"])) for task in value["tasks"])
    return Graph(path.stem, value["limit"], tuple(steps))


def load_all() -> list[Graph]:
    """Read all plans, the smaller ones first."""
    return sorted(map(load, PLANS.glob("*.json")), key=lambda graph: len(graph.steps))
