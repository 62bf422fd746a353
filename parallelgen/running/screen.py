from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Screen:
    """Hold the ways to print that the command line lends to a run."""

    say: Callable[[str], None]
    complain: Callable[[str], None]
    can_redraw: bool = False
