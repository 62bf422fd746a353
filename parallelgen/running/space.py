"""What the worktrees of a parallel directory take on disk, and what of that could be freed."""

from dataclasses import dataclass
from typing import Any

from parallelgen.git import GitError, Repository
from parallelgen.running.clean import OLDER_THAN, directory_of
from parallelgen.running.records import Recorded
from parallelgen.running.script import Loaded
from parallelgen.settings import parse_duration
from parallelgen.tidying import worktrees
from parallelgen.tidying.survey import Survey
from parallelgen.tidying.system import disk_use, size_text

_WORTH_IT = 1 << 30


@dataclass(frozen=True)
class Space:
    """Hold how many worktrees there are, what they take, and what `clean` may free of that; sizes in bytes.

    `can_free` is 0 where it is less than a gigabyte; what is in a worktree was not looked at.
    """

    worktrees: int
    size: int
    can_free: int = 0

    def text(self, directory: str) -> list[str]:
        """Say what they take; name the command that frees some of it when that is worth it."""
        lines = [f"Worktrees on disk: {self.worktrees}, {size_text(self.size)}"]
        if self.can_free:
            lines.append(f"  up to {size_text(self.can_free)} can be freed: parallelgen clean {directory}")
        return lines

    def facts(self) -> dict[str, Any]:
        """Gather the same for JSON."""
        return {"count": self.worktrees, "bytes": self.size, "can_free": self.can_free}


def measure(loaded: Loaded, recorded: Recorded) -> Space | None:
    """Measure the worktrees of a directory; None where there are none."""
    try:
        repository = Repository.at(loaded.project.root)
        directory = directory_of(repository, loaded, recorded)
        survey = Survey(repository, directory, parse_duration(OLDER_THAN))
        paths = [worktree.path for worktree in worktrees.own(survey) if worktree.path.is_dir()]
        size = disk_use(paths)
        can_go = disk_use(worktrees.likely(survey)) if size > _WORTH_IT else 0
    except (GitError, OSError):
        return None
    return Space(len(paths), size, can_go if can_go > _WORTH_IT else 0) if paths else None
