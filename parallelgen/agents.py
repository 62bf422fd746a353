"""The agents that are known by name: the adapters among the templates, each a shell file of the same name."""

import re
from dataclasses import dataclass
from functools import cache

from parallelgen import shipped

#: The file that an agent leaves in the root of its worktree when its task is complete.
MARKER = ".claude-task-complete"
#: The adapter of any shell command, which every script has, because a variable may name one.
COMMAND = "command"
ABILITIES = ("activity", "resume", "limits", "cost")


@dataclass(frozen=True)
class Adapter:
    """Hold what an adapter says of itself: the program that it needs, if any, and its abilities."""

    name: str
    text: str

    @property
    def program(self) -> str:
        """Name the program; empty when the agent needs none."""
        return self._value("program")

    @property
    def abilities(self) -> tuple[str, ...]:
        """List which of ABILITIES it has."""
        return tuple(self._value("can").split())

    def _value(self, key: str) -> str:
        found = re.search(f"^{self.name}_{key}='?([^'\n]*)'?$", self.text, re.MULTILINE)
        return found[1] if found else ""


@cache
def adapters() -> dict[str, Adapter]:
    """Read the adapters, by name."""
    paths = sorted((shipped("templates") / "lib" / "agents").glob("[!.]*.sh"))
    return {path.stem: Adapter(path.stem, path.read_text("utf-8")) for path in paths}


def names() -> tuple[str, ...]:
    """List the names that `--agent` knows."""
    return tuple(name for name in adapters() if name != COMMAND)
