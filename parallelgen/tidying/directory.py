"""What decides of a parallel directory what may go, and what of it that was looked at."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parallelgen.git import Ref

INTEGRATION = ".integration"
BASELINE = ".baseline"


@dataclass(frozen=True)
class Task:
    """Hold of a task what decides what may go: `deps` are ids, `tip` the commit with which it completed."""

    name: str
    deps: Sequence[str] = ()
    status: str = "pending"
    tip: str = ""


@dataclass(frozen=True)
class Directory:
    """Hold of a parallel directory what decides what may go.

    `tasks` has the tasks of the plan by id, and INTEGRATION and BASELINE, which are done as tasks are; `base`
    and `integration` are branches, as people name them; with `prefix` the branches of tasks begin.
    """

    path: Path
    tasks: Mapping[str, Task]
    base: str
    prefix: str
    integration: str
    is_running: bool = False

    @property
    def state(self) -> Path:
        """The folder of what its runs have recorded."""
        return self.path / "logs" / "state"


@dataclass(frozen=True)
class Thing:
    """Hold a worktree, branch or other ref (`kind`), and the reasons for which it stays: with none it can go.

    `name` is what people call it, `within` the ref that contains its `commit`. A worktree is at `path` and
    takes `size` bytes; `side` is git's own folder of it, and `mark` tells how both were when looked at.
    Where nothing but ignored files holds it `ignored` are the patterns that let them go.
    """

    kind: str
    name: str
    commit: str
    within: Ref | None = None
    reasons: tuple[str, ...] = ()
    path: Path = Path()
    size: int = 0
    ignored: tuple[str, ...] = ()
    side: Path = Path()
    mark: str = ""

    def held(self, *reasons: str) -> "Thing":
        """Return it with more reasons to stay; one that is empty is none."""
        return replace(self, reasons=self.reasons + tuple(reason for reason in reasons if reason))


def read_record(path: Path) -> dict[str, str]:
    """Read a record that the scripts have written, `key=value` a line; nothing where there is none."""
    try:
        text = os.fsdecode(path.read_bytes())
    except OSError:
        return {}
    return dict(line.partition("=")[::2] for line in text.split("\n"))
