"""What there is below a folder: bytes of files, objects that something reaches, refs; and what was lost."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Neither may history pretend, nor may looking change anything.
_PLAINLY = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_OURS = re.compile(r"refs/(heads/(feature|backup|integration)/(?!bills)|parallelgen/)")


def look(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask git, without a change to anything."""
    return subprocess.run(
        ["git", "-c", "core.fsmonitor=false", *arguments],
        cwd=directory,
        env={**os.environ, **_PLAINLY},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


@dataclass(frozen=True)
class Snapshot:
    """`files` and `inner` (those of git) are kind and blob by path, `objects` what refs and indexes reach."""

    files: dict[Path, tuple[str, str]]
    inner: dict[Path, tuple[str, str]]
    objects: frozenset[str]
    refs: dict[str, str]
    repositories: frozenset[Path]
    complaints: frozenset[str]

    @property
    def everything(self) -> dict[Path, tuple[str, str]]:
        return {**self.files, **self.inner}


def take(path: Path, root: Path) -> Snapshot:
    """Look at all that lies below a path, where `root` is the project's own checkout."""
    repositories = frozenset(_repositories(path))
    files: dict[Path, tuple[str, str]] = {}
    inner: dict[Path, tuple[str, str]] = {}
    for folder, below, names in os.walk(path):
        where = Path(folder)
        is_inner = any(parent in repositories for parent in (where, *where.parents))
        for name in (*names, *(name for name in below if (where / name).is_symlink())):
            (inner if is_inner else files)[where / name] = _content(where / name)
    objects = frozenset(name for repository in repositories for name in _reachable(repository))
    refs = look(root, "for-each-ref", "--format=%(refname) %(objectname) %(symref)")
    assert refs.returncode == 0, refs.stderr
    return Snapshot(
        files,
        inner,
        objects,
        dict(line.split(" ", 1) for line in refs.stdout.splitlines()),
        repositories,
        frozenset(_complaints(root)),
    )


def losses(before: Snapshot, after: Snapshot, expendable: set[Path]) -> list[str]:
    """Say what was lost, left behind or touched between two looks; `expendable` are files that may go."""
    found = [f"object lost: {name}" for name in before.objects - after.objects]
    found += [f"repository lost: {path}" for path in _own(before) - after.repositories]
    for path, content in before.files.items():
        now = after.files.get(path)
        is_safe = now is None and (content[1] in after.objects or path in expendable or _is_tie(path, after))
        if now != content and not is_safe:
            found.append(f"{'changed' if now else 'lost'}: {path}")
    found += [f"left behind: {path}" for path in after.files.keys() - before.files.keys()]
    for name, value in before.refs.items():
        if after.refs.get(name, "" if _OURS.match(name) else "nothing") not in ("", value):
            found.append(f"ref: {name}: {value} -> {after.refs.get(name)}")
    # What is contained in the integration alone is kept by a ref of ours.
    new = after.refs.keys() - before.refs.keys()
    found += [f"new ref: {name}" for name in new if not name.startswith("refs/parallelgen/")]
    found += [f"complaint: {line}" for line in after.complaints - before.complaints]
    return found + list(_inner_changes(before, after))


def _own(snapshot: Snapshot) -> frozenset[Path]:
    """List the repositories that are no part of a worktree's own side, as those of submodules are."""
    return frozenset(path for path in snapshot.repositories if "modules" not in path.parts)


def _inner_changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Find what has changed in git's folders, but that worktrees and branches of ours are gone."""
    for path in before.inner.keys() | after.inner.keys():
        if before.inner.get(path) == after.inner.get(path):
            continue
        inside = path.as_posix().partition("/.git/")[2]
        if inside.startswith(
            ("parallelgen/", "refs/heads/", "refs/parallelgen/", "logs/refs/", "packed-refs")
        ):
            continue
        if path not in after.inner and inside.startswith("worktrees/"):
            side = path.parents[len(Path(inside).parts) - 3]
            if not side.exists():
                continue
        yield f"inner: {path}"


def _repositories(path: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(path):
        if folder.endswith("/parallelgen/removing"):  # by a clean that was killed
            names.clear()
        if {"objects", "refs"} <= set(names) and (Path(folder) / "HEAD").is_file():
            yield Path(folder)


def _content(path: Path) -> tuple[str, str]:
    kind, content = (
        ("link", os.fsencode(path.readlink())) if path.is_symlink() else ("file", path.read_bytes())
    )
    return kind, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _reachable(repository: Path) -> Iterator[str]:
    """List what refs, HEADs, refs of single worktrees and indexes reach."""
    names = [
        path.read_text().strip()
        for folder in ("worktree", "bisect", "rewritten")
        for path in repository.glob(f"worktrees/*/refs/{folder}/**/*")
        if path.is_file()
    ]
    # The repository of a submodule may name a working tree that is not there.
    place = ("--git-dir", str(repository), "--work-tree", str(repository))
    answer = look(repository, *place, "rev-list", "--objects", "--all", "--indexed-objects", *names)
    assert answer.returncode == 0, answer.stderr
    return (line.partition(" ")[0] for line in answer.stdout.splitlines())


def _is_tie(path: Path, after: Snapshot) -> bool:
    """Tell whether it tied a folder to a repository which is gone with all that was in it."""
    return path.name == ".git" and not any(path.parent in other.parents for other in after.files)


def _complaints(root: Path) -> Iterator[str]:
    check = look(root, "fsck", "--no-dangling", "--no-progress")
    told = f"{check.stdout}\n{check.stderr}".splitlines()
    yield from (line for line in told if line and not line.startswith("hint:"))
    if check.returncode:
        yield f"fsck: status {check.returncode}"
    listed = look(root, "worktree", "list", "--porcelain")
    if listed.returncode:
        yield f"worktree list: {listed.stderr}"
    for block in listed.stdout.split("\n\n"):
        if "\nprunable" in block:
            yield f"prunable: {block.splitlines()[0]}"
