"""How git is called: with nobody at a terminal, and under settings that let it hide nothing."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from parallelgen import ParallelgenError

# A hook hands these down; they would turn the question to the repository of the hook.
_LOCAL = (
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
_SETTINGS = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.quotePath=false",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "status.renames=false",
    "diff.ignoreSubmodules=none",
    "i18n.logOutputEncoding=UTF-8",
    "log.showSignature=false",
    "submodule.recurse=false",
    "merge.autoStash=false",
    "advice.graftFileDeprecated=false",  # we name an empty one
)
# What a person says of history with grafts and replacements is not what the next clone will have.
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": ":",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
}
_READS = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
GITLINK = "160000"  # the mode of a submodule
SHORT = 12  # digits of a commit, as people are shown it
_HEADS = "refs/heads/"
_USAGE = 129  # how git ends that does not know an option
# What stands in git's folder of a working tree as long as an operation is under way there.
_OPERATIONS = (
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)


# And what it keeps there besides: of a working tree, and of a repository.
_OF_TREE = re.compile(
    "HEAD|ORIG_HEAD|REBASE_HEAD|FETCH_HEAD|AUTO_MERGE|(COMMIT|TAG)_EDITMSG|(MERGE|SQUASH)_MSG|MERGE_RR|index|sharedindex[.].*"
    "|commondir|gitdir([.]new)?|locked([.]new)?|compared|logs|refs|reftable|modules|config[.]worktree"
    "|parallelgen-ready|fsmonitor--daemon.*"
)
_OF_REPOSITORY = re.compile(
    "config|description|hooks|info|objects|packed-refs|branches|worktrees|shallow|lfs"
)


class GitError(ParallelgenError):
    """Say what git answered when it could not do what it was asked."""


@dataclass(frozen=True)
class Ref:
    """Hold a ref: its full name, the object, and the ref that it stands for, when it is symbolic."""

    name: str
    commit: str
    target: str = ""


@dataclass(frozen=True)
class Worktree:
    """Hold a working tree as git lists it; `branch` is a full name, empty where none is checked out."""

    path: Path
    head: str = ""
    branch: str = ""


def environment(**more: str) -> dict[str, str]:
    """Return our environment without what would turn git to another repository."""
    return {key: value for key, value in os.environ.items() if key not in _LOCAL} | more


def call(*arguments: str, at: Path, given: str = "", reads: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; where it only reads it takes no lock and fetches nothing. Raises GitError.

    What changes something comes to its end whatever becomes of us: no Ctrl-C reaches it, and no pipe breaks.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            answer = subprocess.run(
                _command(arguments),
                cwd=at,
                env=environment(**_ENVIRONMENT, **(_READS if reads else {})),
                input=given.encode("utf-8", "surrogateescape"),
                start_new_session=not reads,
                stdout=out,
                stderr=err,
                check=False,
            )
        except OSError as error:
            raise _not_started(error, at) from error
        return subprocess.CompletedProcess(answer.args, answer.returncode, _all_of(out), _all_of(err))


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    # Not as text: a name may have a carriage return in it.
    return file.read().decode("utf-8", "surrogateescape")


def _command(arguments: Sequence[str]) -> list[str]:
    return ["git", *(word for setting in _SETTINGS for word in ("-c", setting)), *arguments]


def _not_started(error: OSError, at: Path) -> GitError:
    if isinstance(error, FileNotFoundError) and at.is_dir():
        return GitError("error: git not found")
    return GitError(f"error: git: {error.strerror}: '{at}'")


@dataclass(frozen=True)
class Repository:
    """Know a repository: `root` is the working tree from which we look, `common` what all of them share."""

    root: Path
    common: Path

    @classmethod
    def at(cls, root: Path) -> "Repository":
        """Find the repository of a working tree. Raises GitError."""
        answer = _check(call("rev-parse", "--git-common-dir", at=root))
        return cls(root, (root / answer.removesuffix("\n")).resolve())

    def ask(self, *arguments: str, at: Path | None = None, given: str = "") -> str:
        """Return what git prints; nothing is changed. Raises GitError."""
        return _check(call(*arguments, at=at or self.root, given=given))

    def change(self, *arguments: str, at: Path | None = None, given: str = "") -> str:
        """Let git change something, and return what it prints. Raises GitError."""
        return _check(call(*arguments, at=at or self.root, given=given, reads=False))

    def commit(self, name: str, at: Path | None = None) -> str:
        """Return the commit that a name stands for; empty when there is none."""
        answer = call("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}", at=at or self.root)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def full_name(self, name: str) -> str:
        """Return the full name of the ref that a person calls so; empty when there is none."""
        answer = call("rev-parse", "--symbolic-full-name", name, at=self.root)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def refs(self, *below: str) -> list[Ref]:
        """List the refs, of the whole repository or below these names. Raises GitError."""
        text = self.ask("for-each-ref", "--format=%(refname) %(objectname) %(symref)", *below)
        return [Ref(*line.split(" ")) for line in text.split("\n")[:-1]]

    def contains(self, commit: str, other: str) -> bool:
        """Tell whether all that a commit contains can be reached from another one."""
        answer = call("rev-list", "--max-count=1", commit, "--not", other, "--", at=self.root)
        return bool(commit and other) and answer.returncode == 0 and not answer.stdout

    def worktrees(self) -> list[Worktree]:
        """List the working trees, the main one first. Raises GitError."""
        form = ["-z"]
        for _ in range(10):
            answer = call("worktree", "list", "--porcelain", *form, at=self.root)
            if answer.returncode == 0:
                break
            if answer.returncode == _USAGE:  # before git 2.36
                form = []
            else:  # it has met one in the making
                time.sleep(0.1)
        return list(_read_worktrees(_check(answer), "\0" if form else "\n"))

    def side(self, worktree: Path) -> Path | None:
        """Find git's own folder of a linked working tree; None where the two are not tied to each other."""
        answer = call("rev-parse", "--absolute-git-dir", at=worktree) if worktree.is_dir() else None
        if answer is None or answer.returncode:
            return None
        side = Path(answer.stdout.removesuffix("\n"))
        is_tied = side.parent == self.common / "worktrees" and read_tie(side).parent == worktree
        return side if is_tied and (worktree / ".git").is_file() else None

    def in_use(self) -> set[str]:
        """List the branches, by full name, on which an operation is under way in some working tree."""
        found: set[str] = set()
        for side in (self.common, *(self.common / "worktrees").glob("*")):
            for name in (
                "rebase-merge/head-name",
                "rebase-apply/head-name",
                "rebase-merge/update-refs",
                "BISECT_START",
            ):
                for line in _lines(side / name):
                    found |= {line, f"{_HEADS}{line}"}
        return found


def operations(side: Path) -> list[str]:
    """List what is under way in the working tree of which this is git's own folder."""
    return [name for name in _OPERATIONS if (side / name).exists()]


def strangers(side: Path) -> list[str]:
    """List what lies in git's own folder of a working tree or repository and is not known to be git's."""
    known = set(operations(side))
    is_repository = (side / "objects").is_dir() and not (side / "commondir").exists()
    names = {path.name for path in side.iterdir()} - known
    if not is_repository and "info" in names:
        names |= {f"info/{path.name}" for path in (side / "info").iterdir()}
        names -= {"info", "info/sparse-checkout"}
    return [
        name
        for name in sorted(names)
        if not _OF_TREE.fullmatch(name) and not (is_repository and _OF_REPOSITORY.fullmatch(name))
    ]


def read_tie(side: Path) -> Path:
    """Read where git expects the `.git` of a linked working tree, from its own folder; `.` for nowhere."""
    lines = _lines(side / "gitdir")
    return Path(os.path.normpath(side / lines[0])) if lines else Path()


def entries(text: str) -> list[str]:
    """Part what git has printed with -z."""
    return text.split("\0")[:-1]


def unquoted(path: str) -> str:
    """Return a path that git has printed without -z, and quoted where it is odd, as it is."""
    if not path.startswith('"'):
        return path
    return os.fsdecode(os.fsencode(path[1:-1]).decode("unicode_escape").encode("latin-1"))


def branch_name(ref: str) -> str:
    """Return the name of a branch as people write it."""
    return ref.removeprefix(_HEADS)


def branch_ref(name: str) -> str:
    """Return the full name of a branch."""
    return _HEADS + name


def _lines(path: Path) -> list[str]:
    try:
        return os.fsdecode(path.read_bytes()).removesuffix("\n").split("\n")
    except OSError:
        return []


def _check(answer: subprocess.CompletedProcess[str]) -> str:
    if answer.returncode:
        said = answer.stderr.strip().removeprefix("fatal: ") or f"status {answer.returncode}"
        raise GitError(f"error: git: {said}")
    return answer.stdout


def _read_worktrees(text: str, end: str) -> Iterator[Worktree]:
    for block in text.split(2 * end):
        facts = dict(line.partition(" ")[::2] for line in block.split(end))
        if "worktree" in facts:
            yield Worktree(Path(facts["worktree"]), facts.get("HEAD", ""), facts.get("branch", ""))
