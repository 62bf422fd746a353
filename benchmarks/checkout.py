"""Worktrees for 8 tasks on a repository of 20,000 files, against the fastest checkouts that git offers."""

import shutil
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn, ratios
from benchmarks.process import run

NEEDS = ("xargs",)
_TASKS = 8
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
_WIDE = "-c checkout.thresholdForParallelism=100 -c checkout.workers"
_REGISTER = 'for n in $tasks; do git worktree add -q --no-checkout -b "feature/$n" "../w/$n" || exit; done\n'
_FILL = "printf '%s\\n' $tasks | xargs -P{jobs} -I% git -C ../w/% {options} checkout -q -f"
# Side by side, `worktree add` fails now and then; done again, it finds the branch made.
_ADD = (
    'add() { until git worktree add -q -B "feature/$1" "../w/$1" 2>/dev/null; do sleep 0.05; done; }\n'
    "for n in $tasks; do add $n & done; wait"
)
WAYS = {
    "`worktree add` side by side": _ADD,
    "`worktree add --no-checkout` in turn, 8 checkouts side by side": _REGISTER
    + _FILL.format(jobs=_TASKS, options=""),
    "the same, 2 checkouts side by side": _REGISTER + _FILL.format(jobs=2, options=""),
    "the same, 8 checkouts with checkout.workers=2": _REGISTER
    + _FILL.format(jobs=_TASKS, options=f"{_WIDE}=2"),
}


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a whole run whose agents do nothing against each way to make the same worktrees.

    In memory, too, where there is room: what a disk takes to make a file differs from one minute to the next.
    """
    files = 3000 if quick else 20_000
    yield from _compare(None, "on disk", files, 1 if quick else 3)
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
        yield from _compare(_MEMORY, "in memory", files, 3 if quick else 7)


def _compare(where: Path | None, medium: str, files: int, rounds: int) -> Iterator[Figure]:
    with project.scratch(where) as place:
        template = project.make(place / "template", project.plain_tasks(_TASKS), files=files)
        project.generate(template, "--agent-command", project.MARK, "--max-concurrent", str(_TASKS))
        ways = {
            name: partial(_take, template, files, ["sh", "-c", _script(text)]) for name, text in WAYS.items()
        }
        first = {name: min(take(), take()) for name, take in ways.items()}
        fastest = min(first, key=first.__getitem__)
        pair = {"ours": partial(_take, template, files, list(project.SCRIPT)), "peer": ways[fastest]}
        found = in_turn(pair, rounds)
        own, other = (statistics.median(found[name]) for name in pair)
        yield Figure(
            f"{_TASKS} worktrees of {files:,} files, {medium}, against {fastest}",
            ratios(found["ours"], found["peer"]),
            1.1,
            note=f"{own:.2f} s and {other:.2f} s",
        )
        for name, seconds in first.items():
            yield Figure(f"git alone, {medium}: {name}", (seconds,), unit=" s")


def _script(text: str) -> str:
    return f"tasks='{' '.join(task.id for task in project.plain_tasks(_TASKS))}'\n{text}"


def _take(template: Path, files: int, command: list[str]) -> float:
    with project.copy_of(template) as root:
        taken = run(command, root).wall
        place = root.parent / ("w" if (root.parent / "w").exists() else "workspaces")
        last = f"src/part-{(files - 1) // 100:03}/file-{files - 1:05}.txt"
        made = [worktree for worktree in place.iterdir() if (worktree / last).exists()]
        assert len(made) == _TASKS, f"{command}: {len(made)} of {_TASKS} worktrees are whole"
        return taken
