"""Move a branch forward to a commit, wherever it is checked out, so that nothing is lost there."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import FrameType

from parallelgen import start
from parallelgen.git import SHORT, GitError, Repository, Worktree, branch_ref, call, entries, operations
from parallelgen.landing.landing import REFUSED, LandError, Landing, Obstacle
from parallelgen.reading.problem import printable
from parallelgen.tidying.conversion import altered

_SHOWN = 10


@dataclass(frozen=True)
class Checkout:
    """Hold where the base branch is checked out (None: nowhere), and git's own folder of that place."""

    path: Path | None = None
    side: Path = Path()


def find_checkout(landing: Landing) -> Checkout | Obstacle:
    """Find out where the base branch is checked out; an obstacle where it cannot be moved there."""
    repository, ref, base = landing.repository, landing.ref, landing.base
    places = [place for place in _worktrees(repository) if place.branch == ref]
    if ref in repository.in_use():
        return Obstacle(REFUSED, f"a rebase or bisect of '{base}' is under way in some working tree")
    if len(places) > 1:
        named = " and ".join(f"'{place.path}'" for place in places)
        return Obstacle(REFUSED, f"'{base}' is checked out in more than one place: {named}")
    if not places:
        return Checkout()
    path = places[0].path
    answers = [
        call(*words, at=path).stdout.removesuffix("\n") if path.is_dir() else ""
        for words in (("rev-parse", "--absolute-git-dir"), ("symbolic-ref", "--quiet", "HEAD"))
    ]
    side = Path(answers[0])
    is_ours = side == repository.common or side.parent == repository.common / "worktrees"
    if not answers[0] or not is_ours or answers[1] != ref:
        hint = "If it is gone for good, run: git worktree prune"
        return Obstacle(REFUSED, f"'{base}' is checked out in '{path}', which is not there", hint)
    return Checkout(path, side)


def obstacles(landing: Landing, checkout: Checkout | Obstacle) -> Iterator[Obstacle]:
    """Tell what is in the way where the base branch is checked out."""
    if landing.is_landed:
        return
    if isinstance(checkout, Obstacle):
        yield checkout
        return
    path = checkout.path
    if path is None:
        return
    under_way = operations(checkout.side)
    if under_way:
        yield Obstacle(REFUSED, f"'{path}' is in the middle of something: {', '.join(under_way)}")
    carried = _carried_over(landing, path)
    changed = [name for name in _changed(landing, path) if name not in carried]
    if changed:
        text = f"'{landing.base}' is checked out in '{path}', with changes that are not committed"
        yield Obstacle(
            REFUSED, f"{text}:{_listed(changed)}", "Commit them, or put them away, and land again."
        )
    filled = [
        change.path for change in landing.changes if change.ends_submodule and _is_filled(path / change.path)
    ]
    if filled:
        text = f"'{path}' holds submodules that are none any more in what is landed"
        hint = "Clear them with git submodule deinit, or move them away, and land again."
        yield Obstacle(REFUSED, f"{text}:{_listed(filled)}", hint)
    lost = [name for name in _altered(landing, path) if name not in changed]
    if lost:
        text = (
            f"'{path}' has changes that git does not see (a filter, line ends, a flag), and would write over"
        )
        hint = "Move them away, run git checkout -- for them, and land again."
        yield Obstacle(REFUSED, f"{text}:{_listed(lost)}", hint)
    blocking = _in_the_way(landing, path)
    if blocking:
        text = f"'{path}' holds what git does not track, and what is landed has files there"
        yield Obstacle(REFUSED, f"{text}:{_listed(blocking)}", "Move them away, and land again.")
    if _merge_options(landing, path):
        key = f"branch.{landing.base}.mergeOptions"
        yield Obstacle(
            REFUSED, f"'{key}' is set, and cannot be left out of account for a branch of this name"
        )


def advance(landing: Landing, checkout: Checkout) -> int:
    """Move the base branch to the tip; return the signal that has come meanwhile, or 0.

    What has not come to its end is undone. Raises GitError, and LandError when git has ended well and the
    branch is elsewhere.
    """
    repository = landing.repository
    with _undisturbed() as caught:
        if checkout.path is None:
            words = ("update-ref", "-m", f"land: {landing.branch}", landing.ref, landing.tip, landing.old)
            repository.change(*words)
        else:
            _merge(landing, checkout.path)
    now = repository.commit(landing.ref)
    if now != landing.tip:
        ends = f"at {now[:SHORT]}, not at {landing.tip[:SHORT]}"
        raise LandError(f"error: git has merged, and '{landing.base}' is {ends}: look what has moved it")
    return caught[0] if caught else 0


def _carried_over(landing: Landing, path: Path) -> set[str]:
    """Name what a run writes in a checkout and git leaves as it is there, for no other version comes in."""
    project = landing.loaded.project
    if path.resolve() != project.root.resolve():
        return set()
    written = ("manifest.json", *(f"scripts/{name}" for name in landing.loaded.scripts))
    ours = {str(PurePosixPath(project.relative, name)) for name in written}
    return ours - {change.path for change in landing.changes}


def _in_the_way(landing: Landing, path: Path) -> list[str]:
    """List what git does not track, ignored or not, where a new file is going to be."""
    added = [change.path for change in landing.changes if change.letter == "A"]
    places = list(dict.fromkeys(place for name in added if (place := _occupied(path, name))))
    found: list[str] = []
    # So many names fit into a command line.
    for first in range(0, len(places), 500):
        words = ("--literal-pathspecs", "ls-files", "--others", "-z", "--", *places[first : first + 500])
        found += entries(landing.repository.ask(*words, at=path))
    return found


def _occupied(path: Path, name: str) -> str:
    """Return the first part of a path at which something stands that is no folder; empty for nothing."""
    parts = name.split("/")
    for count in range(1, len(parts) + 1):
        place = "/".join(parts[:count])
        there = path / place
        if not os.path.lexists(there):
            return ""
        if count == len(parts) or there.is_symlink() or not there.is_dir():
            return place
    return ""


def _altered(landing: Landing, path: Path) -> list[str]:
    """List the files that are to change and are not what git would write there now. Raises LandError."""
    places = ((change, path / change.path) for change in landing.changes if change.is_old_file)
    blobs = {change.path: change.old_blob for change, at in places if at.is_file() and not at.is_symlink()}
    try:
        return altered(landing.repository, path, blobs)
    except OSError as error:
        raise LandError(f"error: {error.filename}: cannot be compared: {error.strerror}") from error


def _is_filled(place: Path) -> bool:
    return place.is_dir() and any(place.iterdir())


def _merge(landing: Landing, path: Path) -> None:
    repository = landing.repository
    before = repository.change("write-tree", at=path)
    # Some of the strategies that `pull.twohead` may name would make a merge of what is to be a fast-forward.
    options = (*_without_options(landing), "-c", "pull.twohead=recursive")
    words = (*options, "merge", "--ff-only", "--no-overwrite-ignore", landing.tip)
    try:
        repository.change(*words, at=path)
    except GitError:
        if repository.commit(landing.ref) == landing.old:
            # Git writes the files before it moves the branch, which a hook or a lock may forbid.
            if repository.change("write-tree", at=path) != before:
                repository.change("read-tree", "-m", "-u", landing.tip, landing.old, at=path)
            else:
                _take_back(landing, path)
        raise


def _take_back(landing: Landing, path: Path) -> None:
    """Undo what git has written before it failed, as over a filter: files as the tip has them, no others."""
    for change in landing.changes:
        there = path / change.path
        is_written = os.path.lexists(there) and _blob(there, change.path, path) == change.blob
        if change.letter == "A" and is_written:
            there.unlink()
            with contextlib.suppress(OSError):
                there.parent.rmdir()
        elif change.letter != "A" and (is_written or not os.path.lexists(there)):
            call("checkout-index", "--force", "--index", "--", change.path, at=path, reads=False)


def _blob(file: Path, name: str, path: Path) -> str:
    """Hash a file as git would; empty when that fails."""
    if file.is_symlink():
        answer = call("hash-object", "--stdin", at=path, given=str(file.readlink()))
    else:
        answer = call("hash-object", f"--path={name}", "--", str(file), at=path)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _without_options(landing: Landing) -> tuple[str, str]:
    """Write the words for git that take away the options which a branch has for merges.

    A strategy among them would make a merge of what is to be a fast-forward.
    """
    return "-c", f"branch.{landing.ref.removeprefix(branch_ref(''))}.mergeOptions="


def _merge_options(landing: Landing, path: Path) -> str:
    key = _without_options(landing)[1].removesuffix("=")
    return call(*_without_options(landing), "config", "--get", key, at=path).stdout.strip()


def _worktrees(repository: Repository) -> list[Worktree]:
    """List the working trees; of a submodule git names its own folder as the main one."""
    main, *others = repository.worktrees()
    side = repository.ask("rev-parse", "--absolute-git-dir").removesuffix("\n")
    if Path(side) == repository.common:
        main = Worktree(repository.root, main.head, main.branch)
    return [main, *others]


def _changed(landing: Landing, path: Path) -> list[str]:
    """List the tracked files that differ from the last commit; what a submodule does not track is none."""
    words = ("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=untracked")
    return [entry[3:] for entry in entries(landing.repository.ask(*words, at=path))]


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return "".join(f"\n    {printable(name)}" for name in [*names[:_SHOWN], *more])


@contextmanager
def _undisturbed() -> Iterator[list[int]]:
    """Let what is under way come to its end before a signal ends us, and list it; who sends one is told."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if not caught:
            os.write(2, b"Ending as soon as git is through.\n")
        caught.append(number)

    with start.on_end(note):
        yield caught
