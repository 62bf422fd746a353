"""What a worktree holds that is nowhere else: each file of it is accounted for, or holds it."""

import filecmp
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from parallelgen.agents import MARKER
from parallelgen.git import GitError, Repository, call, operations
from parallelgen.tidying.filters import altered

_SHOWN = 3
_GITLINK = "160000"
_OWN_REFS = ("refs/worktree", "refs/bisect", "refs/rewritten")
_Stats = Mapping[str, os.stat_result]


@dataclass(frozen=True)
class Files:
    """Hold what lies below a folder, but for the folders, by its path from there, with what the system says.

    `links` counts the names that a file has there, `size` is what it takes on disk, in bytes; `mark` is a new
    one as soon as anything below has changed.
    """

    stats: _Stats
    links: Mapping[int, int]
    size: int
    mark: str


@dataclass(frozen=True)
class Origin:
    """Say of which ignored files it is known that they are nobody's work.

    Those older than `ready`, when setup had ended and nobody had worked yet (in nanoseconds; 0: not known);
    those that lie in `checkout` as well; and those that match one of `patterns`, as gitignore has them.
    """

    ready: int
    checkout: Path
    patterns: Sequence[str] = ()


def read_files(*folders: Path) -> Files:
    """List what is below a folder, and measure it; of more folders only the mark tells. Raises OSError."""
    stats: dict[str, os.stat_result] = {}
    links: Counter[int] = Counter()
    size, seen, mark = 0, set(), hashlib.sha256()
    for folder in folders:
        for path, facts in _walk(folder, ""):
            # What git rewrites by itself when it looks at a worktree that has been moved.
            if folder is not folders[0] and path in ("gitdir", "gitdir.new"):
                continue
            told = (facts.st_mode, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            mark.update(f"{path!r}{told}".encode())
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                size += facts.st_blocks * 512
            links[facts.st_ino] += 1
            if folder is folders[0] and not stat.S_ISDIR(facts.st_mode):
                stats[path] = facts
    return Files(stats, links, size, mark.hexdigest())


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = prefix + entry.name
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{path}/")


def what_holds(repository: Repository, worktree: Path, side: Path, files: Files, origin: Origin) -> list[str]:
    """Say what would be lost with a worktree, of which `side` is git's own folder; nothing when it can go."""
    try:
        refs = repository.ask("for-each-ref", "--format=%(refname)", *_OWN_REFS, at=worktree).split()
        held = [f"refs of its own: {_some(refs)}"] if refs else []
        held += _account(repository, worktree, side, files.stats, origin, "")
        return held + _commits_of_modules(repository, side)
    except (GitError, OSError) as error:
        return [f"it cannot be told what is in it: {str(error).removeprefix('error: ')}"]


def _account(
    repository: Repository, worktree: Path, side: Path, stats: _Stats, origin: Origin, prefix: str
) -> list[str]:
    """Account for the files of a working tree: of the worktree, or of the submodule at `prefix` in it."""
    top = worktree / prefix
    index = _entries(repository.ask("ls-files", "-v", "--stage", "-z", at=top))
    tracked = {path: facts.split(" ") for facts, _, path in (entry.partition("\t") for entry in index)}
    options = (
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignored=matching",
        "--ignore-submodules=none",
    )
    changes = _entries(repository.ask("status", "--porcelain", *options, at=top))
    ignored = {change[3:] for change in changes if change.startswith("!! ")}
    changed = {change[3:] for change in changes if not change.startswith("!! ")}
    inner: dict[str, dict[str, os.stat_result]] = {
        f"{path}/": {} for path, facts in tracked.items() if facts[1] == _GITLINK
    }
    own = {}
    for path, facts in stats.items():
        if inner and (module := _cover(inner, path)):
            inner[module][path.removeprefix(module)] = facts
        else:
            own[path] = facts
    ours = {".git"} if prefix else {".git", MARKER}
    rest = [path for path in own if path not in tracked and path not in ours and not _cover(changed, path)]
    # git shows no changes of these; it takes them for what it was told that they are.
    hidden = [
        path for path in own if path in tracked and (tracked[path][0] == "S" or tracked[path][0].islower())
    ]
    unseen = [path for path in rest if not _cover(ignored, path)]
    is_known = _known(repository, top, prefix, own, tracked, origin)
    unknown = {_cover(ignored, path) for path in rest if _cover(ignored, path) and not is_known(path)}
    found = {
        "under way": operations(side),
        "not committed": changed,
        "git was told not to look at": hidden,
        "git does not see": unseen,
        "a filter keeps a part of it out of git": altered(
            repository, top, [path for path in own if path in tracked and stat.S_ISREG(own[path].st_mode)]
        ),
        "ignored, and neither included nor made by setup": unknown,
    }
    held = [
        f"{what}: {_some(prefix + name for name in names if name)}" for what, names in found.items() if names
    ]
    for module, files in inner.items():
        if files:
            held += _account_module(repository, worktree, side, files, origin, prefix + module)
    return held


def _account_module(
    repository: Repository, worktree: Path, side: Path, stats: _Stats, origin: Origin, prefix: str
) -> list[str]:
    answer = repository.ask("rev-parse", "--absolute-git-dir", at=worktree / prefix)
    own = Path(answer.removesuffix("\n"))
    if ".git" not in stats or side / "modules" not in own.parents:
        return [f"a repository of its own: {prefix}"]
    return _account(repository, worktree, own, stats, origin, prefix)


def _known(
    repository: Repository, top: Path, prefix: str, stats: _Stats, tracked: Iterable[str], origin: Origin
) -> Callable[[str], bool]:
    """Return what tells of an ignored file whether it is nobody's work."""
    allowed: set[str] = set()
    if origin.patterns:
        patterns = [word for pattern in origin.patterns for word in ("--exclude", pattern)]
        allowed = set(_entries(repository.ask("ls-files", "-z", "--others", "--ignored", *patterns, at=top)))
    links = Counter(facts.st_ino for facts in stats.values() if facts.st_nlink > 1)
    busy = {folder for path in tracked for folder in _folders(path)}

    @cache
    def has_come(folder: str) -> bool:
        """Tell whether it may have been moved here since: the files in it keep their times then."""
        facts = (top / folder).lstat()
        # Where people work a folder changes all the time, but then both of its times are the same.
        is_moved = folder not in busy or facts.st_ctime_ns != facts.st_mtime_ns
        return is_moved and facts.st_ctime_ns >= origin.ready

    def is_known(path: str) -> bool:
        facts = stats[path]
        # A link made elsewhere, by a package manager say, counts as a change; there the file stays.
        changed = facts.st_mtime_ns if facts.st_nlink > links[facts.st_ino] > 0 else facts.st_ctime_ns
        return (
            (changed < origin.ready and not any(map(has_come, _folders(path))))
            or bool(_cover(allowed, path))
            or _is_same(top / path, origin.checkout / prefix / path, facts)
        )

    return is_known


def _is_same(path: Path, other: Path, facts: os.stat_result) -> bool:
    """Tell whether the same lies at another place as well."""
    try:
        there = other.lstat()
        if stat.S_IFMT(there.st_mode) != stat.S_IFMT(facts.st_mode) or there.st_ino == facts.st_ino:
            return False
        if stat.S_ISLNK(facts.st_mode):
            return path.readlink() == other.readlink()
        return stat.S_ISREG(facts.st_mode) and filecmp.cmp(path, other, shallow=False)
    except OSError:
        return False


def _commits_of_modules(repository: Repository, side: Path) -> list[str]:
    """Say which submodules of a worktree have commits that neither their remote has nor the main checkout."""
    modules = side / "modules"
    held = []
    for folder, below, files in os.walk(modules):
        if "HEAD" not in files or "objects" not in below:
            continue
        below[:] = [name for name in below if name == "modules"]
        name = os.path.relpath(folder, modules)
        refs = call("--git-dir", folder, "for-each-ref", "--format=%(objectname)", at=side).stdout
        head = call("--git-dir", folder, "rev-parse", "--quiet", "--verify", "HEAD^{commit}", at=side).stdout
        places = [(folder, "--remotes"), (str(repository.common / "modules" / name), "--all")]
        if not any(_has_all(place, refs + head, ref, side) for place, ref in places):
            held.append(f"commits that are nowhere else in the submodule {name}")
    return held


def _has_all(repository: str, commits: str, refs: str, at: Path) -> bool:
    """Tell whether all that these commits contain can be reached from such refs of a repository."""
    command = ("--git-dir", repository, "rev-list", "--max-count=1", "--stdin", "--not", refs)
    answer = call(*command, at=at, given=commits)
    return answer.returncode == 0 and not answer.stdout


def _cover(entries: Collection[str], path: str) -> str:
    """Return the entry that is the path, or a folder above it with a slash behind; empty for none."""
    if path in entries:
        return path
    end = len(path)
    while (end := path.rfind("/", 0, end)) >= 0:
        if path[: end + 1] in entries:
            return path[: end + 1]
    return ""


def _folders(path: str) -> Iterator[str]:
    """List the folders above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path


def _entries(text: str) -> list[str]:
    return text.split("\0")[:-1]


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
