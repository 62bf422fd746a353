"""What has become of the integration, as its lines tell; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from parallelgen.running.lines import Event, number

LAST = "last"  # the check after the last wave


@dataclass(frozen=True)
class LeftOut:
    """Hold a task that is left out, and why.

    A conflict is one with another task or the base branch (`rival`); `by` is the dependency that is left out.
    """

    id: str
    error: str
    rival: str = ""
    by: str = ""


@dataclass(frozen=True)
class Integration:
    """Hold the state of the integration; times in seconds on the clock of whoever folds.

    `status` is running, completed, failed, interrupted or lost. `total` tasks have completed; `merged` are
    those in the branch of which a line has told, `told` is how many the script has counted, None while it
    merges; `tip` is the commit of the branch. `verifying` is the wave whose validation runs, or LAST; empty
    when nothing does. `flaky` names the checks that were red and then green.
    """

    status: str = "running"
    branch: str = ""
    tip: str = ""
    told: int | None = None
    total: int | None = None
    merged: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    verifying: str = ""
    flaky: tuple[str, ...] = ()
    started: float | None = None
    finished: float | None = None

    @property
    def count(self) -> int:
        """Say how many tasks are in the branch."""
        return len(self.merged) if self.told is None else self.told

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended, in order or not."""
        return self.status != "running"


def fold(known: Integration | None, event: Event, at: float | None) -> Integration:
    """Return the state after an event that came at the time `at`, unless it tells its own times.

    With `--integrate wave` it starts after each wave anew, and what was merged stays so.
    """
    now, fields = known or Integration(), event.fields
    if event.status == "started":
        return replace(
            now,
            status="running",
            branch=fields.get("branch", ""),
            told=None,
            total=number(fields.get("tasks")),
            started=at,
            finished=None,
        )
    if event.status == "verifying":
        return replace(now, verifying=fields.get("wave") or LAST)
    if event.status == "verified":
        red_first = (fields.get("wave") or LAST,) if fields.get("flaky") == "1" else ()
        return replace(now, verifying="", flaky=now.flaky + red_first)
    if event.status in ("merged", "left_out"):
        return _move(now, event.status, fields) if fields.get("task") else now
    count, _, total = fields.get("merged", "").partition("/")
    return replace(
        now,
        status=event.status,
        branch=fields.get("branch", now.branch),
        tip=fields.get("tip", now.tip),
        told=number(count),
        total=number(total) or now.total,
        verifying="",
        started=number(fields.get("started")) or now.started,
        finished=number(fields.get("finished")) or at,
    )


def read_left_out(fields: Mapping[str, str]) -> LeftOut:
    """Read which task is left out, and why."""
    return LeftOut(*(fields.get(key, "") for key in ("task", "error", "with", "by")))


def _move(now: Integration, status: str, fields: Mapping[str, str]) -> Integration:
    """Put a task where the line says that it is; a merge that was taken back is none."""
    id = fields["task"]
    merged = tuple(other for other in now.merged if other != id)
    left_out = tuple(other for other in now.left_out if other.id != id)
    if status == "merged":
        merged = (*merged, id)
    else:
        left_out = (*left_out, read_left_out(fields))
    return replace(now, merged=merged, left_out=left_out)
