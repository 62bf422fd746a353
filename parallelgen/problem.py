from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """Describe one thing wrong with the input: where it stands, what it is, what would mend it."""

    file: str
    place: str
    message: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.place) if part)
        text = f"{self.severity}: {where}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text
