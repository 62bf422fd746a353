"""A `clean` that is killed at whichever step loses nothing, and the next one finishes what it has begun."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import BIN, DONE, git
from tests.tidying import snapshot
from tests.tidying.snapshot import Snapshot
from tests.tidying.world import GOES, Part, World, attempt

# Loaded by Python as it starts: it counts what changes something, and dies before the N-th of them.
KILLER = """\
import os, signal, sys

_left = int(os.environ.get("KILL_BEFORE", "0"))
_log = None
_changes = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink"}

def _count(event, details):
    global _left
    if event == "subprocess.Popen":
        is_change = details[1][0] == "git" and "GIT_OPTIONAL_LOCKS" not in (details[3] or {})
    else:
        is_change = event in _changes or (event == "open" and str(details[1])[:1] in set("wax"))
        path = os.fsdecode(details[0]) if is_change and not isinstance(details[0], int) else "/"
        is_change = is_change and (path[0] != "/" or path.startswith(os.environ["KILL_BELOW"]))
    if not is_change:
        return
    os.write(_log, f"{event}\\n".encode())
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

if os.environ.get("KILL_LOG"):
    _log = os.open(os.environ["KILL_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.addaudithook(_count)
"""
PARTS = [
    Part(odds=("with_submodule",)),
    Part(odds=("set_up", "read_only_folder")),
    Part(history="integrated", odds=("detached",)),
    Part(status="aside", odds=("detached",)),
    Part(odds=("modified",)),
]
# Of the many files that are deleted, every so many is one before which it dies: with 1 each, in ten minutes.
STRIDE = int(os.environ.get("CLEAN_STRIDE", "60"))


class Stage:
    """A world that can be had again as it was, at the same place."""

    def __init__(self, path: Path) -> None:
        self.path, self.copy = path / "world", path / "copy"
        self.path.mkdir()
        self.world = World(self.path, with_module=True).build(PARTS, odds={"landed"})
        self.killer = path / "killer"
        self.killer.mkdir()
        (self.killer / "sitecustomize.py").write_text(KILLER)
        shutil.copytree(self.path, self.copy, symlinks=True)
        # At its place, or under the name by which it goes.
        self.expendable = {
            thing.tree.with_name(thing.tree.name + suffix) / path.relative_to(thing.tree)
            for thing in self.world.things
            for path in thing.expendable
            for suffix in ("", ".removing")
        }

    def reset(self) -> Snapshot:
        """Bring back the world as it was, and look at it."""
        attempt('chmod -R u+w "$1"; rm -rf "$1" && cp -a "$2" "$1"', self.path, self.copy)
        for record in self.world.root.glob(".git/worktrees/*/parallelgen-ready"):
            _, _, rest = record.read_text().partition("\n")
            record.write_text(f"{int(time.time())}\n{rest}")  # all that a copy holds is new
        for record in self.world.state.glob("*.result"):
            os.utime(record)
        return self.look()

    def look(self) -> Snapshot:
        return snapshot.take(self.path, self.world.root)

    def clean(self, before: int = 0) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """Clean, and die before a step; return the steps that were done as well."""
        log = self.killer / "log"
        log.unlink(missing_ok=True)
        told = {"KILL_BEFORE": str(before), "KILL_LOG": str(log), "KILL_BELOW": str(self.path)}
        answer = subprocess.run(
            [BIN / "parallelgen", "clean", self.world.project.typed, "--yes"],
            cwd=self.world.root,
            env={**os.environ, **told, "PYTHONPATH": str(self.killer)},
            capture_output=True,
            text=True,
            check=False,
        )
        return answer, log.read_text().split()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        stage = Stage(tmp_path_factory.mktemp("killed").resolve())
        yield stage
        attempt('chmod -R u+w "$1"', stage.path.parent)


def few(steps: list[str]) -> list[int]:
    """Choose before which steps to die: of those that delete, and of the others, some or all."""
    deleting = [n for n, step in enumerate(steps, 1) if step in ("os.remove", "os.rmdir", "os.chmod")]
    others = sorted({n for n, _ in enumerate(steps, 1)} - set(deleting))
    return sorted({*deleting[::STRIDE], *others[:: 1 if STRIDE == 1 else 4], len(steps)})


def values_lost(before: Snapshot, after: Snapshot, expendable: set[Path]) -> list[str]:
    """Say what is lost in the middle, when something may lie about that is to go."""
    may = ("left behind: ", "inner: ", "new ref: ", "complaint: prunable: ")
    return [line for line in snapshot.losses(before, after, expendable) if not line.startswith(may)]


def differences(taken: Snapshot, other: Snapshot) -> list[str]:
    """Say in what one end is not as another; logs of git have times in them."""
    ends = [
        {
            *(
                (str(path), *content)
                for path, content in end.files.items()
                if path.name != "parallelgen-ready"
            ),
            *end.refs.items(),
            *((str(path),) for path in end.inner),
            *((name,) for name in end.objects | end.complaints),
        }
        for end in (taken, other)
    ]
    return sorted(map(str, ends[0] ^ ends[1]))


def test_the_next_clean_finishes_what_was_killed(stage: Stage) -> None:
    before = stage.reset()
    whole, steps = stage.clean()
    assert (whole.returncode, whole.stderr) == (0, "")
    end = stage.look()
    assert not snapshot.losses(before, end, stage.expendable)
    assert not [thing for thing in stage.world.things if thing.on_tree == GOES and thing.tree.exists()]
    assert {path.name for path in stage.world.owners.parent.iterdir()} == {"lock", "owners"}
    for step in few(steps):
        before = stage.reset()
        killed, done = stage.clean(step)
        assert (killed.returncode, len(done)) == (-signal.SIGKILL, step)
        where = (step, done[-3:])
        assert not values_lost(before, stage.look(), stage.expendable), where
        for command in (("status",), ("branch",), ("worktree", "list"), ("log", "--all"), ("fsck",)):
            git(stage.world.root, *command)
        again, _ = stage.clean()
        assert (again.returncode, again.stderr) == (0, ""), (where, again)
        assert differences(stage.look(), end) == [], (where, again.stdout)


def test_what_a_run_has_made_since_stays(stage: Stage) -> None:
    stage.reset()
    _, steps = stage.clean()
    # Where a worktree is half gone: of those with the three renames of each, and where files are deleted.
    renames = [n for n, step in enumerate(steps, 1) if step == "os.rename"]
    moments = (
        renames[4 : 12 : 1 if STRIDE == 1 else 4]
        + [n for n, step in enumerate(steps, 1) if step == "os.remove"][3 :: STRIDE * 3]
    )
    for step in sorted(moments):
        stage.reset()
        stage.clean(step)
        run = stage.world.project.run("--force", "--agent-command", DONE)
        # It refuses where a worktree is not at its place, but git has it still.
        is_refused = ".removing'" in run.stderr or "is locked, and not there" in run.stderr
        assert run.returncode == 2 * is_refused, run.stdout + run.stderr
        made = stage.look()
        again, _ = stage.clean()
        assert again.returncode == 0, again
        after = stage.look()
        assert not values_lost(made, after, stage.expendable), step
        trees = [stage.world.workspaces / thing.id for thing in stage.world.things if run.returncode == 0]
        assert [tree for tree in trees if not (tree / f"{tree.name}.txt").exists()] == [], (
            step,
            again.stdout,
        )
        # Whether setup had made its ignored files cannot be told once there is another worktree in its place.
        left = [place.name for place in stage.world.workspaces.glob("*.removing")]
        assert left == [] or (
            left == ["task-002.removing"] and "task-002.removing: ignored" in again.stdout
        ), step
