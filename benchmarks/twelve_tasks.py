"""Time 12 tasks of 0.2 s, 3 at a time, each with a worktree and a commit of its own, against `xargs -P3`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGENT = (
    'sleep 0.2; echo "$PARALLEL_TASK" >"$PARALLEL_TASK.txt"; git add "$PARALLEL_TASK.txt"; '
    'git commit --quiet -m "$PARALLEL_TASK"; touch .claude-task-complete'
)
WORKER = f'git worktree add -q -b "feature/$1" "../w/$1" && cd "../w/$1" && PARALLEL_TASK=$1 && {AGENT}'
TASKS = [f"task-{number:03}" for number in range(1, 13)]
ROUNDS = 5


def make_project(root: Path) -> Path:
    """Make a git repository with a parallel directory of twelve tasks, and return that directory."""
    directory = root / "parallel" / "TS-0001"
    for name in ("tasks", "prompts"):
        (directory / name).mkdir(parents=True)
    (directory / "manifest.json").write_text("{}\n")
    for task in TASKS:
        (directory / "tasks" / f"{task}.md").write_text(
            f"---\nid: {task}\nwave: 1\ndeps: []\n---\n# {task}\n"
        )
        (directory / "prompts" / f"{task}.txt").write_text("Do it.\n")
    for command in (
        ["init", "--quiet"],
        ["symbolic-ref", "HEAD", "refs/heads/main"],
        ["config", "user.name", "Bench"],
        ["config", "user.email", "bench@example.invalid"],
        ["add", "-A"],
        ["commit", "--quiet", "-m", "Start"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return directory


def parallelgen(root: Path, directory: Path) -> list[str]:
    """Run everything, planning and generating included."""
    return [str(Path(sys.executable).parent / "parallelgen"), "run", str(directory), "--agent-command", AGENT]


def script(root: Path, directory: Path) -> list[str]:
    """Run a script that was generated before."""
    subprocess.run([*parallelgen(root, directory), "--generate-only"], check=True, capture_output=True)
    return ["sh", str(directory / "scripts" / "run-parallel.sh")]


def xargs(root: Path, directory: Path) -> list[str]:
    """Run what one would write by hand; its worktrees get in each other's way now and then."""
    return ["sh", "-c", f"printf '%s\\n' {' '.join(TASKS)} | xargs -P3 -I% sh -c '{WORKER}' sh %"]


def measure(name: str) -> tuple[float, int]:
    """Return the time of one run in seconds and how many tasks have a commit."""
    place = Path(tempfile.mkdtemp(prefix="parallelgen-bench-"))
    try:
        root = place / "project"
        directory = make_project(root)
        command = {"run-parallel.sh": script, "parallelgen run": parallelgen, "xargs -P3": xargs}[name](
            root, directory
        )
        begin = time.perf_counter()
        subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        taken = time.perf_counter() - begin
        log = subprocess.run(
            ["git", "log", "--format=%s", "--branches"], cwd=root, capture_output=True, text=True, check=True
        )
        return taken, len(set(log.stdout.split()) & set(TASKS))
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull}
    print(f"12 tasks of 0.2 s, 3 at a time; the arithmetic limit is 0.80 s; best of {ROUNDS}")
    for name in ("xargs -P3", "run-parallel.sh", "parallelgen run"):
        runs = [measure(name) for _ in range(ROUNDS)]
        best, fewest = min(taken for taken, _ in runs), min(done for _, done in runs)
        print(f"{name:<16} {best:5.2f} s  {fewest:3} tasks done")
