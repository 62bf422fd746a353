"""What a measurement gives: ratios to a peer, or amounts, with the goal that they are held against."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Sample = TypeVar("Sample")

TIMES = "×"
COUNT = ""
PERCENT = " %"
MILLISECONDS = " ms"
SECONDS = " s"


@dataclass(frozen=True)
class Figure:
    """Hold one line of the page: what was measured, all values, the largest that the goal allows (if any)."""

    what: str
    values: tuple[float, ...]
    limit: float | None = None
    unit: str = TIMES
    note: str = ""

    @classmethod
    def against(
        cls, what: str, ours: Sequence[float], theirs: Sequence[float], limit: float | None = None
    ) -> "Figure":
        """Compare seconds that were taken in turn, pair by pair."""
        note = " and ".join(f"{significant(statistics.median(seconds))} s" for seconds in (ours, theirs))
        return cls(
            what, tuple(own / other for own, other in zip(ours, theirs, strict=True)), limit, note=note
        )

    @property
    def median(self) -> float:
        """Return the median of all values."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool:
        """Tell whether the median meets the goal; True without one."""
        return self.limit is None or self.median <= self.limit

    @property
    def goal(self) -> str:
        """Write the goal, empty without one."""
        return "" if self.limit is None else f"≤ {self.limit:g}{self.unit}"

    @property
    def measured(self) -> str:
        """Write the median, and the range of several values."""
        text = f"{significant(self.median)}{self.unit}"
        if len(self.values) > 1:
            text += f" ({significant(min(self.values))} to {significant(max(self.values))})"
        return text

    def __str__(self) -> str:
        """Write a line for the terminal."""
        verdict = "" if self.limit is None else f", goal {self.goal}: {'met' if self.is_met else 'NOT MET'}"
        return f"{self.what}: {self.measured}{verdict}" + (f"\n    {self.note}" if self.note else "")


def significant(value: float) -> str:
    """Write a number with three digits that count, and never more than three after the point."""
    if value == 0:
        return "0"
    size = abs(value)
    places = 3 if size < 0.1 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:,.{places}f}"


def in_turn(ways: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Take all ways in turn, so many times, after a round that warms the caches and does not count."""
    for take in ways.values():
        take()
    found: dict[str, list[Sample]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, take in ways.items():
            found[name].append(take())
    return found
