"""Which worktrees of a parallel directory can go, and why the others stay."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parallelgen.git import Worktree, read_tie, unquoted
from parallelgen.tidying import removal
from parallelgen.tidying.content import what_holds
from parallelgen.tidying.directory import INTEGRATION, Thing
from parallelgen.tidying.files import read_files
from parallelgen.tidying.ignored import Origin
from parallelgen.tidying.survey import Survey, moved_aside, not_in
from parallelgen.tidying.system import at_work_in, mounted_in

_LATE = 2  # seconds between a time and the file that tells it


@dataclass(frozen=True)
class Own:
    """Hold a worktree of the directory: as git lists it, where it belongs, the id of its task."""

    listed: Worktree
    place: Path
    id: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.listed.path


def own(survey: Survey) -> Iterator[Own]:
    """List the worktrees of the directory."""
    for listed in survey.worktrees[1:]:
        place = removal.real_path(listed.path)
        if survey.is_our_place(place):
            yield Own(listed, place, survey.task_in(place))


def likely(survey: Survey) -> list[Path]:
    """List the worktrees that can go unless something in them speaks against it."""
    return [worktree.path for worktree in own(survey) if not any(_forbidden(survey, worktree))]


def look(survey: Survey, patterns: Sequence[str] = ()) -> Iterator[Thing]:
    """Look at the worktrees of the directory; ignored files that match patterns of gitignore hold nothing."""
    half_way = [removal.real_path(place) for _, place in removal.half_way(survey.repository)]
    for worktree in own(survey):
        if worktree.place in half_way:
            yield _thing(survey, worktree.place, worktree.listed.head).held(
                "a clean was killed over it; with --yes it is put back, and looked at"
            )
        else:  # where something has come to its place since it has the other name
            thing = _thing(survey, worktree.path, worktree.listed.head).held(*_forbidden(survey, worktree))
            yield thing if thing.reasons else _look_into(survey, worktree, thing, patterns)
    for path in survey.unlisted:
        yield _thing(survey, path).held("git does not know it: 'git worktree repair PATH' may mend that")
    for side in removal.left_over(survey.repository):
        place = removal.real_path(read_tie(side).parent)
        if survey.is_our_place(place):
            yield _thing(survey, place).held("a clean has begun to remove it; with --yes it goes on")


def _thing(survey: Survey, path: Path, commit: str = "") -> Thing:
    return Thing("worktree", survey.shown(path), commit, path=path)


def _forbidden(survey: Survey, worktree: Own) -> list[str]:
    try:
        return [reason for reason in _what_forbids(survey, worktree) if reason]
    except OSError as error:
        return [f"it cannot be looked at: {error.filename}: {error.strerror}"]


def _what_forbids(survey: Survey, worktree: Own) -> Iterator[str]:
    """Say why a worktree stays whatever is in it; what is empty is no reason."""
    path, aside = worktree.path, removal.place_of(worktree.path)
    if path == worktree.place and os.path.lexists(aside):
        yield f"something is in the way: {survey.shown(aside)}"
    _, moved = moved_aside(worktree.place.name)
    yield survey.too_young(moved) if moved else _not_completed(survey, worktree.id)
    side = survey.repository.side(path)
    if path.is_symlink():
        yield "a symbolic link"
    elif not path.exists():
        yield "not there: 'git worktree repair PATH' if you have moved it, 'git worktree prune' if not"
    elif side is None:
        yield "its '.git' does not lead to what git knows of it: 'git worktree repair' may mend that"
    elif (side / "locked").exists():
        yield f"locked {(side / 'locked').read_text(errors='replace').strip()}".strip()
    elif not moved and _is_younger(survey, side, worktree.id):
        yield "it was made after its task had completed"
    if not survey.within(worktree.listed.head, survey.keepers):
        yield not_in(survey.keepers)
    below = [str(other.path) for other in survey.worktrees if path in other.path.parents]
    yield f"has another worktree in it: {', '.join(below)}" if below else ""
    mounts = mounted_in(path)
    yield f"something is mounted in it: {', '.join(mounts)}" if mounts else ""


def _not_completed(survey: Survey, id: str) -> str:
    task = survey.directory.tasks.get(id)
    if task is None:
        return "no task of the plan has it"
    if id == INTEGRATION and survey.directory.is_running:
        return "a run is under way"
    return "" if task.status == "completed" else f"its task is {task.status}, not completed"


def _is_younger(survey: Survey, side: Path, id: str) -> bool:
    """Tell whether a worktree was made when its task had ended already: that is none of a run's."""
    record = survey.directory.state / ("integration" if id == INTEGRATION else f"{id}.result")
    with contextlib.suppress(OSError):
        return (side / "commondir").stat().st_mtime > record.stat().st_mtime
    return False


def _look_into(survey: Survey, worktree: Own, thing: Thing, patterns: Sequence[str]) -> Thing:
    """Look at what is in a worktree that nothing else holds."""
    repository, path = survey.repository, worktree.path
    side = repository.side(path)
    if side is None:
        return thing.held("its '.git' has changed")
    try:
        files = read_files(path, side)
    except OSError as error:
        return thing.held(f"it cannot be read: {error.filename}: {error.strerror}")
    # Who came through a link or from a container has another name for it.
    if found := at_work_in(path, files.folders):
        return thing.held(f"processes are in it: {', '.join(found)}")
    # Whatever comes from now on is another mark.
    commit = repository.commit("HEAD", at=path)
    within = survey.within(commit, survey.keepers)
    held = what_holds(repository, path, side, files, _origin(survey, path, side, patterns))
    thing = replace(thing, commit=commit, within=within, size=files.size, side=side, mark=files.mark)
    if len(held.reasons) == 1 and within:
        thing = replace(thing, ignored=tuple(held.ignored))
    return thing.held("" if within else not_in(survey.keepers), *held.reasons)


def _origin(survey: Survey, worktree: Path, side: Path, patterns: Sequence[str]) -> Origin:
    """Find out what lay in a worktree when setup had ended and nobody had worked there, if that is known."""
    record, origin = side / "parallelgen-ready", Origin(survey.repository.root, patterns)
    try:
        facts, (told, *lines) = record.stat(), os.fsdecode(record.read_bytes()).split("\n")[:-1]
        found = {unquoted(line[3:]) for line in lines}
        # Of a copy of the record the time is another one. That of a file may lag behind the clock.
        is_of_its_time = -1 <= facts.st_mtime - int(told) < _LATE
        is_same_clock = facts.st_dev == worktree.stat().st_dev
    except (OSError, ValueError):
        return origin
    if is_of_its_time and is_same_clock:
        return replace(origin, found=found, ready=facts.st_mtime_ns)
    return origin
