"""Make projects to measure on: a git repository with a parallel directory, in a temporary folder."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


def task_names(count: int) -> list[str]:
    """Name so many tasks."""
    return [f"task-{number:05}" for number in range(1, count + 1)]


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


def make(root: Path, names: Iterable[str], *, is_tracked: bool = True) -> Path:
    """Make a project of one file and a parallel directory of these tasks, which git may track or not."""
    directory = root / DIRECTORY
    for name in ("tasks", "prompts"):
        (directory / name).mkdir(parents=True)
    (directory / "manifest.json").write_text("{}\n")
    for name in names:
        text = f"---\nid: {name}\nwave: 1\n---\n# {name}\n\n## Scope\nCREATE: {name}.txt\n"
        (directory / "tasks" / f"{name}.md").write_text(text)
        (directory / "prompts" / f"{name}.txt").write_text("Do it, then touch .claude-task-complete\n")
    (root / "README.md").write_text("# Bench\n")
    git(root, "init", "--quiet", "--template=")
    git(root, "symbolic-ref", "HEAD", "refs/heads/main")
    git(root, "config", "user.name", "Bench")
    git(root, "config", "user.email", "bench@example.invalid")
    # A gc in the background would take files from under a copy, and time from what is measured.
    git(root, "config", "gc.auto", "0")
    git(root, "add", "--", "README.md", *([DIRECTORY] if is_tracked else []))
    git(root, "commit", "--quiet", "-m", "Start")
    git(root, "repack", "-a", "-d", "--quiet")
    return root


def write_peer(root: Path, names: Iterable[str], agent: str, jobs: int) -> tuple[str, ...]:
    """Write what one would write by hand, and return the command that does the tasks with it."""
    # Beside another one it fails now and then, and may have made the branch by then.
    add = 'git worktree add -q -b "feature/$1" "../w/$1" || git worktree add -q "../w/$1" "feature/$1"'
    again = f"until {{ {add}; }} 2>/dev/null; do\n  sleep 0.05\ndone"
    script = f'set -e\n{again}\ncd "../w/$1"\nPARALLEL_TASK=$1\n{agent}\n'
    (root / ".git" / "peer.sh").write_text(script)
    return ("sh", "-c", f"printf '%s\\n' {' '.join(names)} | xargs -P{jobs} -n1 sh .git/peer.sh")


def generate(root: Path, *options: str) -> None:
    """Generate the scripts of the project with these options."""
    subprocess.run(
        [PARALLEL_RUN, DIRECTORY, "--generate-only", *options],
        cwd=root,
        env=environment(),
        capture_output=True,
        check=True,
    )


def git(root: Path, *arguments: str, given: str = "") -> str:
    """Return what git answers in the project to what it is given."""
    answer = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=environment(),
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout
