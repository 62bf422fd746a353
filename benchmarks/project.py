"""Make projects to measure on: a git repository with a parallel directory, in a temporary folder."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import environment

PYTHON = sys.executable
PARALLEL_RUN = str(Path(sys.executable).parent / "parallel-run")
PARALLELGEN = str(Path(sys.executable).parent / "parallelgen")
DIRECTORY = "parallel/TS-0001"
SCRIPT = ("sh", f"{DIRECTORY}/scripts/run-parallel.sh")
MONITOR = ("sh", f"{DIRECTORY}/scripts/monitor-live.sh")
STATE = f"{DIRECTORY}/logs/state"
MARK = ": >.claude-task-complete"


@dataclass(frozen=True)
class Task:
    """Hold what a task file says, and the prompt."""

    id: str
    deps: tuple[str, ...] = ()
    wave: int = 1
    prompt: str = "Do it.\n"


def plain_tasks(count: int, wave_size: int = 0) -> list[Task]:
    """Make tasks without dependencies, or in waves of this size, each task with one in the wave before."""
    size = wave_size or count
    names = [f"task-{number:05}" for number in range(1, count + 1)]
    return [
        Task(name, (names[index - size],) if index >= size else (), index // size + 1)
        for index, name in enumerate(names)
    ]


@contextmanager
def scratch(where: Path | None = None) -> Iterator[Path]:
    """Lend a temporary folder, in the usual place or in this one."""
    place = Path(tempfile.mkdtemp(prefix="parallelgen-bench-", dir=where)).resolve()
    try:
        yield place
    finally:
        remove = ["rm", "-rf", "--", str(place)]
        try:
            subprocess.run(remove, check=True)
        except BaseException:
            # A signal that comes just now must not leave half of it.
            subprocess.run(remove, check=False)
            raise


@contextmanager
def copy_of(template: Path) -> Iterator[Path]:
    """Lend a fresh copy of a project, in a folder of its own where the worktrees find room."""
    with scratch(template.parent) as place:
        root = place / "project"
        subprocess.run(["cp", "-Rp", "--", str(template), str(root)], check=True)
        # To git all files of a copy look changed, until it has looked.
        git(root, "update-index", "-q", "--refresh")
        yield root


def make(root: Path, tasks: Iterable[Task], *, files: int = 1, is_tracked: bool = True) -> Path:
    """Make a project with this many files beside the parallel directory, which git may track or not."""
    directory = root / DIRECTORY
    for name in ("tasks", "prompts"):
        (directory / name).mkdir(parents=True)
    (directory / "manifest.json").write_text("{}\n")
    for task in tasks:
        (directory / "tasks" / f"{task.id}.md").write_text(
            f"---\nid: {task.id}\nwave: {task.wave}\ndeps: [{', '.join(task.deps)}]\n---\n"
            f"# {task.id}\n\n## Scope\nCREATE: {task.id}.txt\n"
        )
        (directory / "prompts" / f"{task.id}.txt").write_text(task.prompt)
    for number in range(files):
        file = root / "src" / f"part-{number // 100:03}" / f"file-{number:05}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 100)
    git(root, "init", "--quiet", "--template=")
    git(root, "symbolic-ref", "HEAD", "refs/heads/main")
    git(root, "config", "user.name", "Bench")
    git(root, "config", "user.email", "bench@example.invalid")
    # A gc in the background would take files from under a copy, and time from what is measured.
    git(root, "config", "gc.auto", "0")
    git(root, "add", "--", "src", *([DIRECTORY] if is_tracked else []))
    git(root, "commit", "--quiet", "-m", "Start")
    git(root, "repack", "-a", "-d", "--quiet")
    return root


def generate(root: Path, *options: str) -> None:
    """Generate the scripts of the project with these options."""
    subprocess.run(
        [PARALLEL_RUN, DIRECTORY, "--generate-only", *options],
        cwd=root,
        env=environment(),
        capture_output=True,
        check=True,
    )


def git(root: Path, *arguments: str) -> str:
    """Return what git answers in the project."""
    answer = subprocess.run(
        ["git", *arguments], cwd=root, env=environment(), capture_output=True, text=True, check=True
    )
    return answer.stdout
