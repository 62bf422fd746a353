"""What has become of the integration, as its lines tell; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from parallelgen.running.lines import Event, number

LAST = "last"  # the check after the last wave


@dataclass(frozen=True)
class LeftOut:
    """Hold a task that is left out, and why.

    A conflict is one with another task or the base branch (`rival`), in `files`, which are names with commas
    between; `by` is the dependency that is left out.
    """

    id: str
    error: str
    rival: str = ""
    by: str = ""
    files: str = ""


@dataclass(frozen=True)
class Integration:
    """Hold the state of the integration; times in seconds on the clock of whoever folds.

    `status` is running, completed, failed, interrupted or lost. `total` tasks have completed; `merged` are
    those in the branch of which a line has told, `told` is how many the script has counted, None while it
    merges; `tip` is the commit of the branch. `verifying` is the wave whose validation runs, or LAST; empty
    when nothing does. `flaky` names the checks that were red and then green. `error` is why it ended, unless
    `left_out` tells; `culprit` what turns it red, when that stood on the branch since before.
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
    error: str = ""
    culprit: str = ""

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
            error="",
            culprit="",
        )
    if event.status == "verifying":
        return replace(now, verifying=fields.get("wave") or LAST)
    if event.status == "verified":
        red_first = (fields.get("wave") or LAST,) if fields.get("flaky") == "1" else ()
        return replace(now, verifying="", flaky=_distinct(now.flaky + red_first))
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
        verifying=fields.get("verifying", "") if event.status == "running" else "",
        started=number(fields.get("started")) or now.started,
        finished=number(fields.get("finished")) or at,
        error=fields.get("error", ""),
        culprit=fields.get("by", ""),
    )


def add_record(told: Integration, recorded: Integration | None) -> Integration:
    """Return what is recorded of the latest integration, with what the lines of all of a run have told.

    Of earlier runs the record alone tells; of a check that was flaky after an earlier wave the lines.
    """
    return replace(recorded, flaky=_distinct(told.flaky + recorded.flaky)) if recorded else told


def with_files(now: Integration, lines: Iterable[str]) -> Integration:
    """Add the files of conflicts, which are told as `ID file, file` a line."""
    files = {id: names for id, _, names in (line.partition(" ") for line in lines)}
    left_out = [
        replace(left, files=files.get(left.id, "")) if left.error == "conflict" else left
        for left in now.left_out
    ]
    return replace(now, left_out=tuple(left_out))


def read_left_out(fields: Mapping[str, str]) -> LeftOut:
    """Read which task is left out, and why."""
    return LeftOut(*(fields.get(key, "") for key in ("task", "error", "with", "by")))


def _distinct(checks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checks))


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
