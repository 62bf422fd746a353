"""What a repository holds of a parallel directory: what of it can go, and what stays, and why."""

import calendar
import contextlib
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from parallelgen.git import Ref, Repository, Worktree, branch_name, branch_ref, read_tie
from parallelgen.tidying import removal
from parallelgen.tidying.content import what_holds
from parallelgen.tidying.files import read_files
from parallelgen.tidying.ignored import Origin
from parallelgen.tidying.owners import read_owners, where
from parallelgen.tidying.system import at_work_in, mounted_in

INTEGRATION = ".integration"
BASELINE = ".baseline"
KEPT = "refs/parallelgen/"
_HEADS = branch_ref("")
_BACKUP = "backup/"
_LATE = 2  # seconds between a time and the file that tells it
# So ends what --force has moved aside, with a dash more for each in the same second.
_MOVED = re.compile(r"(.+)[.-](\d{8}T\d{6}Z)-*")


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


class Survey:
    """Look at what a repository holds of a parallel directory, as it is at this moment. Raises GitError.

    What was moved aside must have been so for `least_age` seconds; ignored files that match `patterns`, as
    gitignore has them, hold nothing.
    """

    def __init__(
        self, repository: Repository, directory: Directory, least_age: int, patterns: Sequence[str] = ()
    ) -> None:
        self._repository = repository
        self._directory = directory
        self._least_age = least_age
        self._patterns = patterns
        self._owners = read_owners(repository)
        self._listed = repository.worktrees()
        self._refs = {ref.name: ref for ref in repository.refs()}

    def own_worktrees(self) -> Iterator[tuple[Worktree, Path, str]]:
        """List the worktrees of the directory: as git does, where each belongs, and the id of its task."""
        for worktree in self._listed[1:]:
            path = removal.real_path(worktree.path)
            id = self._id(path.name)
            if self._is_ours(where(path), id):
                yield worktree, path, id

    def likely(self) -> list[Path]:
        """List the worktrees that can go unless something in them speaks against it."""
        return [
            worktree.path
            for worktree, path, id in self.own_worktrees()
            if not any(self._forbidden(worktree, path, id))
        ]

    def worktrees(self) -> Iterator[Thing]:
        """Look at the worktrees of the directory."""
        half_way = [removal.real_path(place) for _, place in removal.half_way(self._repository)]
        for worktree, path, id in self.own_worktrees():
            if path in half_way:
                thing = Thing("worktree", self._shown(path), worktree.head, path=path)
                yield thing.held("a clean was killed over it; with --yes it is put back, and looked at")
            else:  # where something has come to its place since it has the other name
                thing = Thing("worktree", self._shown(worktree.path), worktree.head, path=worktree.path)
                yield self._look_at(thing.held(*self._forbidden(worktree, path, id)), id)
        for path in self._unlisted:
            yield Thing("worktree", self._shown(path), "", path=path).held(
                "git does not know it: 'git worktree repair PATH' may mend that"
            )
        for side in removal.left_over(self._repository):
            path = removal.real_path(read_tie(side).parent)
            if self._is_ours(where(path), self._id(path.name)):
                yield Thing("worktree", self._shown(path), "", path=path).held(
                    "a clean has begun to remove it; with --yes it goes on"
                )

    @cached_property
    def _unlisted(self) -> list[Path]:
        """The worktrees that are there, and are not in git's list."""
        listed = {where(removal.real_path(worktree.path)) for worktree in self._listed}
        paths = [Path(thing) for thing in self._owners if thing.startswith("/") and thing not in listed]
        there = [path for path in paths if os.path.lexists(path / ".git")]
        return [path for path in there if self._is_ours(str(path), self._id(path.name))]

    def _forbidden(self, worktree: Worktree, place: Path, id: str) -> list[str]:
        try:
            return list(self._what_forbids(worktree, place, id))
        except OSError as error:
            return [f"it cannot be looked at: {error.filename}: {error.strerror}"]

    def _what_forbids(self, worktree: Worktree, place: Path, id: str) -> Iterator[str]:
        """Say why a worktree stays whatever is in it; this is where it belongs."""
        path = worktree.path
        if path == place and os.path.lexists(removal.place_of(path)):
            yield f"something is in the way: {self._shown(removal.place_of(path))}"
        moved = _MOVED.fullmatch(place.name)
        yield self._too_young(moved[2]) if moved else self._not_completed(id)
        side = self._repository.side(path)
        if path.is_symlink():
            yield "a symbolic link"
        elif not path.exists():
            yield "not there: 'git worktree repair PATH' if you have moved it, 'git worktree prune' if not"
        elif side is None:
            yield "its '.git' does not lead to what git knows of it: 'git worktree repair' may mend that"
        elif (side / "locked").exists():
            yield f"locked {(side / 'locked').read_text(errors='replace').strip()}".strip()
        elif not moved and self._is_younger(side, id):
            yield "it was made after its task had completed"
        if not self._within(worktree.head, self._keepers):
            yield _not_in(self._keepers)
        below = [other.path for other in self._listed if path in other.path.parents]
        for what, found in (
            ("has another worktree in it", map(str, below)),
            ("something is mounted in it", mounted_in(path)),
            ("processes are in it", at_work_in(path)),
        ):
            if text := ", ".join(found):
                yield f"{what}: {text}"

    def _is_younger(self, side: Path, id: str) -> bool:
        """Tell whether a worktree was made when its task had ended already: that is none of a run's."""
        record = self._state / ("integration" if id == INTEGRATION else f"{id}.result")
        with contextlib.suppress(OSError):
            return (side / "commondir").stat().st_mtime > record.stat().st_mtime
        return False

    def _look_at(self, thing: Thing, id: str) -> Thing:
        """Look at what is in a worktree, unless it stays already."""
        if thing.reasons:
            return thing
        side = self._repository.side(thing.path)
        if side is None:
            return thing.held("its '.git' has changed")
        try:
            files = read_files(thing.path, side)
        except OSError as error:
            return thing.held(f"it cannot be read: {error.filename}: {error.strerror}")
        # Who came through a link or from a container has another name for it.
        if found := at_work_in(thing.path, files.folders):
            return thing.held(f"processes are in it: {', '.join(found)}")
        # Whatever comes from now on is another mark.
        commit = self._repository.commit("HEAD", at=thing.path)
        within = self._within(commit, self._keepers)
        origin = Origin(self._ready(thing.path, id), self._repository.root, self._patterns)
        held = what_holds(self._repository, thing.path, side, files, origin)
        thing = replace(thing, commit=commit, within=within, size=files.size, side=side, mark=files.mark)
        if len(held.reasons) == 1 and within:
            thing = replace(thing, ignored=tuple(held.ignored))
        return thing.held("" if within else _not_in(self._keepers), *held.reasons)

    def _ready(self, path: Path, id: str) -> int:
        """Return when setup had ended in a worktree and nobody had worked there; 0 when that is not known."""
        # Of one that a killed clean has left under another name it is not known any more.
        is_own = not _MOVED.fullmatch(path.name) and path == removal.real_path(path)
        record = self._state / f"{id if is_own else path.name}.ready"
        try:
            facts, told = record.stat(), int(record.read_text())
            is_same_clock = facts.st_dev == path.stat().st_dev
        except (OSError, ValueError):
            return 0
        # Of a copy of the record the time is another one. That of a file may lag behind the clock.
        return facts.st_mtime_ns if is_same_clock and -1 <= facts.st_mtime - told < _LATE else 0

    def refs(self, leaving: Collection[Path] = ()) -> Iterator[Thing]:
        """Look at the branches and other refs of the directory, as if worktrees at these paths were gone."""
        uses = self._uses(leaving)
        for ref in self._refs.values():
            name = branch_name(ref.name)
            id = self._id_of_branch(name)
            if ref.name.startswith(KEPT) and self._is_kept_for_us(ref.name.removeprefix(KEPT)):
                keepers = [self.base] if self.base else []
                within = self._within(ref.commit, keepers)
                yield Thing("ref", ref.name, ref.commit, within).held(
                    uses.get(ref.name, ""), "" if within else _not_in(keepers)
                )
            elif ref.name.startswith(_HEADS) and self._is_ours(name, id):
                keepers = [keeper for keeper in self._keepers if keeper != ref]
                within = self._within(ref.commit, keepers)
                yield Thing("branch", name, ref.commit, within).held(
                    uses.get(ref.name, ""),
                    "" if within else _not_in(keepers),
                    *self._what_holds_branch(ref, name, id, within),
                )

    def _what_holds_branch(self, ref: Ref, name: str, id: str, within: Ref | None) -> Iterator[str]:
        task = self._directory.tasks.get(id)
        for path in self._unlisted:
            if id and id == self._id(path.name):
                yield f"it may be checked out in {self._shown(path)}, which git does not know"
        if moved := _MOVED.fullmatch(name) if name.startswith(_BACKUP) else None:
            yield self._too_young(moved[2])
        elif id == INTEGRATION:
            yield "a run is under way" if self._directory.is_running else ""
        elif task and within:
            # The integration may be made anew, from what is recorded.
            if within != self.base and ref.commit != task.tip:
                yield "it has changed since its task completed, and the base branch does not contain it"
            waiting = [
                other
                for other, needs in self._directory.tasks.items()
                if id in needs.deps and needs.status != "completed"
            ]
            # A run knows the base branch as it was when it began.
            if waiting and (within != self.base or self._directory.is_running):
                yield f"{', '.join(waiting)} will start from it"

    def _uses(self, leaving: Collection[Path]) -> dict[str, str]:
        """Say for which refs, by full name, there is a use that does not depend on what they contain."""
        uses = dict.fromkeys(self._repository.in_use(), "an operation is under way on it")
        for folder in set(self._owners.values()):
            if base := read_record(Path(folder, "logs", "state", "run")).get("base_branch"):
                # As people have typed it.
                for name in (branch_ref(base), self._repository.full_name(base)):
                    uses[name] = f"the base branch of {self._shown(Path(folder))}"
        if self.base:
            uses[self.base.name] = "the base branch"
        for ref in self._refs.values():
            if ref.target:
                uses |= {ref.name: f"it stands for {ref.target}", ref.target: f"{ref.name} stands for it"}
        for worktree in self._listed:
            if worktree.branch and worktree.path not in leaving:
                uses[worktree.branch] = f"checked out in {self._shown(worktree.path)}"
        return uses

    @cached_property
    def base(self) -> Ref | None:
        """The base branch; None when it is not known."""
        name = branch_ref(self._directory.base)
        if name not in self._refs and self._directory.base:
            name = self._repository.full_name(self._directory.base)
        return self._refs.get(name)

    @cached_property
    def _keepers(self) -> list[Ref]:
        """The refs that count: what the base branch or that of the integration contains needs no other."""
        name = self._directory.integration
        ours = self._refs.get(branch_ref(name)) if self._is_ours(name, INTEGRATION) else None
        return [ref for ref in (self.base, ours) if ref]

    def _within(self, commit: str, keepers: Sequence[Ref]) -> Ref | None:
        """Return the first of these refs that contains a commit."""
        return next((ref for ref in keepers if self._repository.contains(commit, ref.commit)), None)

    def _is_kept_for_us(self, name: str) -> bool:
        """Tell whether refs/parallelgen/NAME was kept for a branch of this directory, or for no task."""
        branch, _, word = name.rpartition("/")
        if branch in self._owners:
            return self._is_ours(branch, self._id_of_branch(branch))
        known = {folder for owner in self._owners.values() for folder in Path(owner).glob("tasks/*.md")}
        return not any(path.stem == word or path.stem.startswith(f"{word}-") for path in known)

    def _is_ours(self, thing: str, id: str) -> bool:
        """Tell whether this directory has made a thing, if need be under a name that it had before."""
        owner = self._owners.get(thing)
        if owner is None or owner == where(self._directory.path):
            return owner is not None
        has_moved = not Path(owner, "manifest.json").exists()
        return has_moved and bool(id) and (self._state / f"{id}.start").exists()

    @property
    def _state(self) -> Path:
        return self._directory.path / "logs" / "state"

    def _id(self, folder: str) -> str:
        """Find the task whose worktree has this name, also when it was moved aside; empty for none."""
        moved = _MOVED.fullmatch(folder)
        name = moved[1] if moved else folder
        own = {f"{id[1:]}-{self._directory.path.name}": id for id in (INTEGRATION, BASELINE)}
        return own.get(name) or (name if name in self._directory.tasks else "")

    def _id_of_branch(self, branch: str) -> str:
        """Find the task whose branch has this name, also when it was moved aside; empty for none."""
        moved = _MOVED.fullmatch(branch.removeprefix(_BACKUP)) if branch.startswith(_BACKUP) else None
        if branch == self._directory.integration or (moved and moved[1] == INTEGRATION[1:]):
            return INTEGRATION
        name = moved[1] if moved else branch.removeprefix(self._directory.prefix)
        return next((id for id, task in self._directory.tasks.items() if task.name == name), "")

    def _not_completed(self, id: str) -> str:
        task = self._directory.tasks.get(id)
        if task is None:
            return "no task of the plan has it"
        if id == INTEGRATION and self._directory.is_running:
            return "a run is under way"
        return "" if task.status == "completed" else f"its task is {task.status}, not completed"

    def _too_young(self, when: str) -> str:
        age = time.time() - calendar.timegm(time.strptime(when, "%Y%m%dT%H%M%SZ"))
        return "" if age >= self._least_age else "moved aside less than --older-than ago"

    def _shown(self, path: Path) -> str:
        return os.path.relpath(path, self._repository.root)


def _not_in(keepers: Sequence[Ref]) -> str:
    return (
        f"its commits are not in {' or '.join(branch_name(ref.name) for ref in keepers) or 'any base branch'}"
    )


def read_record(path: Path) -> dict[str, str]:
    """Read a record that the scripts have written, `key=value` a line; nothing where there is none."""
    try:
        text = os.fsdecode(path.read_bytes())
    except OSError:
        return {}
    return dict(line.partition("=")[::2] for line in text.split("\n"))
