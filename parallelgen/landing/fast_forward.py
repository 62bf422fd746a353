"""Move a branch forward to a commit, wherever it is checked out, so that nothing is lost there."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from parallelgen import start
from parallelgen.git import GITLINK, SHORT, GitError, branch_name, call, entries, operations
from parallelgen.landing.landing import REFUSED, Change, LandError, Landing, Obstacle
from parallelgen.reading.problem import printable, shortened
from parallelgen.tidying.conversion import altered

_SHOWN = 10
_HINT = """Restore it, move it away or, of a submodule, run: git submodule deinit; and land again.
  Or commit it, and integrate again."""


def find_checkouts(landing: Landing) -> dict[Path, Path | None]:
    """Find where the base branch is checked out, with git's own folder of that; None where it is gone."""
    common, found = landing.repository.common, dict[Path, Path | None]()
    words = ("rev-parse", "--symbolic-full-name", "HEAD", "--absolute-git-dir", "--show-toplevel")
    for listed in (tree.path for tree in landing.repository.worktrees() if tree.branch == landing.ref):
        # Of the main working tree git may list its own folder: of a submodule's, or when that lies elsewhere.
        places = [listed, landing.repository.root] if listed == common else [listed]
        answers = [call(*words, at=place).stdout.split("\n") for place in places if place.is_dir()]
        told = next((lines for lines in answers if len(lines) == 4), ["", "", str(listed), ""])
        head, side, top, _ = told
        is_ours = Path(side) in (common, common / "worktrees" / Path(side).name)
        found[Path(top)] = Path(side) if is_ours and head == landing.ref else None
    return found


def obstacles(landing: Landing, checkouts: Mapping[Path, Path | None]) -> Iterator[Obstacle]:
    """Tell what is in the way where the base branch is checked out. Raises GitError, LandError."""
    places = "' and '".join(map(str, checkouts))
    where = f"'{landing.base}' is checked out in '{places}'"
    if landing.ref in landing.repository.in_use():
        yield Obstacle(REFUSED, f"a rebase or bisect of '{landing.base}' is under way in some working tree")
    if len(checkouts) > 1:
        yield Obstacle(REFUSED, f"{where}: more than one place")
        return
    for path, side in checkouts.items():
        if side is None:
            yield Obstacle(
                REFUSED, f"{where}, which is not there; if it is gone for good:", "git worktree prune"
            )
            return
        if under_way := operations(side):
            yield Obstacle(REFUSED, f"{where}, in the middle of something: {', '.join(under_way)}")
        if "=" in landing.ref:
            yield Obstacle(REFUSED, f"{where}, and git cannot be kept from the merge options of that name")
        try:
            found = [f"{printable(name)}: {what}" for name, what in _in_the_way(landing, path)]
        except OSError as error:
            raise LandError(f"error: {error.filename}: cannot be compared: {error.strerror}") from error
        if found:
            lines = [f"{where}, where this is in the way:", *shortened(found, _SHOWN)]
            yield Obstacle(REFUSED, "\n    ".join(lines), _HINT)


def _in_the_way(landing: Landing, path: Path) -> Iterator[tuple[str, str]]:
    """Name what is not committed, and what else a merge would write over, each with what it is."""
    ask, project = landing.repository.ask, landing.loaded.project
    # What a submodule does not track is no change of it.
    words = ("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=untracked")
    changed = {entry[3:] for entry in entries(ask(*words, at=path))}
    # What a run writes or removes git leaves as it is, as long as no other version comes in.
    written = ("manifest.json", *(f"scripts/{name}" for name in landing.loaded.scripts))
    ours = {str(PurePosixPath(project.relative, name)) for name in written}
    ours |= {name for name in changed if name.startswith(f"{project.relative}/scripts/lib/")}
    changed -= ours - {change.path for change in landing.changes}
    yield from ((name, "not committed") for name in sorted(changed))
    blobs, hidden = {}, "changes that git does not see (a filter, line ends, a flag)"
    known = {change.path for change in landing.changes if change.letter != "A"}
    others: dict[str, None] = {}
    for change in landing.changes:
        place = path / change.path
        if change.letter in ("A", "T") or change.old_mode == GITLINK != change.mode:
            others |= dict.fromkeys(name for name in _lie_at(path, change.path) if name not in known)
        if not change.old_mode.startswith("100"):
            continue
        if place.is_file() and not place.is_symlink():
            blobs[change.path] = change.old_blob
        elif os.path.lexists(place) and change.path not in changed:
            yield change.path, hidden
    yield from ((name, hidden) for name in altered(landing.repository, path, blobs) if name not in changed)
    yield from ((name, "not tracked") for name in others)


def _lie_at(top: Path, name: str) -> Iterator[str]:
    """List what lies where a file is going to be, or in a folder there, a repository as well, or above it."""
    for part in (*reversed(PurePosixPath(name).parents[:-1]), PurePosixPath(name)):
        if os.path.lexists(top / part) and not _is_folder(top / part):
            yield str(part)
            return
    place = top / name
    if place.is_dir():
        for below, folders, files in os.walk(place):
            links = [each for each in folders if not _is_folder(Path(below, each)) or each == ".git"]
            folders[:] = [each for each in folders if each not in links]
            yield from (str(Path(below, each).relative_to(top)) for each in [*links, *files])


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def advance(landing: Landing, path: Path | None) -> int:
    """Move the base branch to the tip; return the signal that has come meanwhile, or 0.

    `path` is where it is checked out, None for nowhere. What has not come to its end is undone. Raises
    GitError, and LandError when the branch is elsewhere in the end.
    """
    repository, caught = landing.repository, list[int]()
    before = repository.change("write-tree", at=path) if path else ""
    # Some of the options and strategies make a merge of what is to be a fast-forward.
    options = ("-c", f"branch.{branch_name(landing.ref)}.mergeOptions=", "-c", "pull.twohead=recursive")
    if path:
        words = [*options, "merge", "--ff-only", "--no-overwrite-ignore", landing.tip]
    else:
        words = ["update-ref", "-m", f"land: {landing.branch}", landing.ref, landing.tip, landing.old]
    with start.on_end(lambda number, _: caught.append(number)):
        try:
            repository.change(*words, at=path)
        except GitError as error:
            if repository.commit(landing.ref) == landing.old:
                lost = _take_back(landing, path, before) if path else []
                names = "".join(f"\n  not put back: {printable(name)}" for name in lost)
                raise GitError(f"{error}{names}") from error
    now = repository.commit(landing.ref)
    if now != landing.tip:
        ends = f"at {now[:SHORT]}, not at {landing.tip[:SHORT]}"
        raise LandError(f"error: '{landing.base}' is {ends}: look what has moved it meanwhile")
    return caught[0] if caught else 0


def _take_back(landing: Landing, path: Path, before: str) -> list[str]:
    """Undo what git has written before something stopped it, and list what could not be put back.

    `before` is the tree that the index held then.
    """
    if call("symbolic-ref", "--quiet", "HEAD", at=path).stdout.strip() != landing.ref:
        return []  # somebody has checked out another branch
    if landing.repository.change("write-tree", at=path) != before:
        # It writes all files before it moves the branch, which a hook or a lock may forbid.
        landing.repository.change("read-tree", "-m", "-u", landing.tip, landing.old, at=path)
        return []
    lost = []
    # Where a folder has taken the place of a file, the folder goes first.
    for change in sorted(landing.changes, key=lambda change: change.letter != "A"):
        place, is_written = path / change.path, _is_written(change, path)
        if change.letter == "A" and is_written:
            place.unlink()
            with contextlib.suppress(OSError):
                os.removedirs(place.parent)
        elif change.letter != "A" and (is_written or not os.path.lexists(place)):
            words = ("checkout-index", "--force", "--index", "--", change.path)
            lost += [change.path] if call(*words, at=path, reads=False).returncode else []
    return lost


def _is_written(change: Change, path: Path) -> bool:
    """Tell whether a file is there as the tip has it."""
    place = path / change.path
    if place.is_symlink():
        answer = call("hash-object", "--stdin", at=path, given=str(place.readlink()))
    elif place.is_file():
        answer = call("hash-object", f"--path={change.path}", "--", change.path, at=path)
    else:  # a pipe would be read for ever
        return False
    return answer.stdout.strip() == change.blob
