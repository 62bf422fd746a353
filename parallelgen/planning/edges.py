"""What a task waits for: dependencies found, cycles named, waves computed."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from parallelgen.planning.names import UnresolvedError
from parallelgen.planning.tasklist import Entry, TaskList
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import MANIFEST

Edges = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Order:
    """Hold, for each entry by index, what it depends on (ascending) and its wave (None: there is none)."""

    deps: tuple[tuple[int, ...], ...]
    waves: tuple[int | None, ...]
    problems: tuple[Problem, ...]


def arrange(tasks: TaskList) -> Order:
    """Resolve the dependencies of all tasks and give each its wave."""
    problems: list[Problem] = []
    placed = [dict(_resolve(tasks, entry, "deps", problems, "error")) for entry in tasks.entries]
    deps = tuple(tuple(sorted(found)) for found in placed)
    cycles, levels = _sort(deps)
    for cycle in cycles:
        chain = " -> ".join(tasks.entries[index].id for index in [*cycle, cycle[0]])
        following = cycle[1 % len(cycle)]
        place = placed[cycle[0]][following]
        problems.append(Problem(tasks.entries[cycle[0]].file.path, place, f"dependency cycle: {chain}"))
    waves: list[int | None] = [None] * len(tasks.entries)
    for index in levels:
        waves[index] = _wave(tasks.entries[index], [waves[dep] for dep in deps[index]], problems)
    for index, entry in enumerate(tasks.entries):
        for dep, place in placed[index].items():
            own, needed = waves[index], waves[dep]
            if own is not None and needed is not None and needed >= own:
                which = "the same wave" if needed == own else "a later wave"
                other = quoted(tasks.entries[dep].id)
                message = f"{other} is in {which} ({needed}): expected one before wave {own}"
                problems.append(Problem(entry.file.path, place, message))
    problems += _contradictions(tasks, deps)
    return Order(deps, tuple(waves), tuple(problems))


def _resolve(
    tasks: TaskList, entry: Entry, key: str, problems: list[Problem], severity: Literal["error", "warning"]
) -> Iterator[tuple[int, str]]:
    value = (entry.file.meta or {}).get(key)
    words = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    for position, word in enumerate(words if isinstance(words, list) else ()):
        place = f"{key}[{position}]" if isinstance(value, list) else key
        if not isinstance(word, str) or not word:
            continue
        try:
            yield tasks.aliases.find(word.strip()), place
        except UnresolvedError as fault:
            problems.append(Problem(entry.file.path, place, str(fault), fault.hint, severity))


def _wave(entry: Entry, before: list[int | None], problems: list[Problem]) -> int | None:
    meta = entry.file.meta
    listed, own = _whole(entry.number), _whole((meta or {}).get("wave"))
    if listed and own and listed != own:
        message = f"wave {own} here, but wave {listed} in {MANIFEST} ({entry.place})"
        problems.append(Problem(entry.file.path, "wave", message))
    if listed or own:
        return listed or own
    if meta is None or None in before or meta.get("wave") is not None or entry.number is not None:
        return None
    return 1 + max((wave for wave in before if wave is not None), default=0)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 1 <= value <= 100_000 and value == int(value) else None


def _sort(deps: Edges) -> tuple[list[list[int]], list[int]]:
    """Return a cycle through the first task of each knot, and the tasks outside them in dependency order."""
    waiting = [len(found) for found in deps]
    needed_by: list[list[int]] = [[] for _ in deps]
    for index, found in enumerate(deps):
        for dep in found:
            needed_by[dep].append(index)
    order = deque(index for index, count in enumerate(waiting) if not count)
    done: list[int] = []
    while order:
        done.append(order.popleft())
        for index in needed_by[done[-1]]:
            waiting[index] -= 1
            if not waiting[index]:
                order.append(index)
    knots = _knots(deps, needed_by, [index for index, count in enumerate(waiting) if count])
    return [_shortest(deps, knot) for knot in knots], done


def _knots(deps: Edges, needed_by: Edges, left: list[int]) -> list[set[int]]:
    """Part the tasks left over into the strongly connected components that hold a cycle (Kosaraju)."""
    finished: list[int] = []
    seen = set(range(len(deps))) - set(left)
    for start in left:
        stack = [(start, iter(deps[start]))] if start not in seen else []
        seen.add(start)
        while stack:
            index, rest = stack[-1]
            following = next((dep for dep in rest if dep not in seen), None)
            if following is None:
                finished.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(deps[following])))
    open_ends = set(left)
    knots: list[set[int]] = []
    for start in reversed(finished):
        if start not in open_ends:
            continue
        knot, reach = set(), [start]
        open_ends.discard(start)
        while reach:
            index = reach.pop()
            knot.add(index)
            nearer = [other for other in needed_by[index] if other in open_ends]
            open_ends.difference_update(nearer)
            reach += nearer
        if len(knot) > 1 or start in deps[start]:
            knots.append(knot)
    return knots


def _shortest(deps: Edges, knot: set[int]) -> list[int]:
    start = min(knot)
    came_from: dict[int, int] = {}
    reach = deque([start])
    while reach:
        index = reach.popleft()
        for dep in deps[index]:
            if dep == start:
                path = [index]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if dep in knot and dep not in came_from:
                came_from[dep] = index
                reach.append(dep)
    raise AssertionError("a knot holds a cycle through each of its tasks")


def _contradictions(tasks: TaskList, deps: Edges) -> list[Problem]:
    """Compare `blocks`, the same edges seen from the other side, with `deps`, which rule."""
    problems: list[Problem] = []
    held = [set(found) for found in deps]
    for index, entry in enumerate(tasks.entries):
        for blocked, place in _resolve(tasks, entry, "blocks", problems, "warning"):
            other = tasks.entries[blocked]
            if index not in held[blocked] and other.file.meta is not None:
                message = f"{quoted(other.id)} does not list {quoted(entry.id)} in its deps, which decide"
                problems.append(Problem(entry.file.path, place, message, None, "warning"))
    return problems
