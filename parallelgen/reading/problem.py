import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 120


@dataclass(frozen=True)
class Problem:
    """Describe one thing wrong with the input: where it stands, what it is, what would mend it."""

    file: str
    place: str
    message: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = ": ".join(printable(part) for part in (self.file, self.place) if part)
        text = f"{self.severity}: {where}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text


def printable(text: str) -> str:
    """Escape what would break a line or a terminal: control characters and lone surrogates."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """Return so many of the lines, and one more that counts the rest."""
    return [*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])]


def quoted(text: str) -> str:
    """Put a subject between single quotes, made printable and cut to a readable length."""
    return f"'{printable(text if len(text) <= _LONGEST else text[:_LONGEST] + '...')}'"


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Sort by file, then place (`deps[2]` before `deps[10]`), and drop repetitions."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda item: (natural(item.file), natural(item.place))))


def natural(text: str) -> list[tuple[int, str]]:
    """Make a sort key that takes runs of digits as numbers."""
    parts = re.split(r"([0-9]+)", text)
    return [
        (len(part.lstrip("0")), part.lstrip("0")) if n % 2 else (-1, part) for n, part in enumerate(parts)
    ]
