"""Short tasks, each with a worktree and a commit, against `xargs -P` and GNU parallel."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn, ratios
from benchmarks.process import Usage, run

NEEDS = ("xargs", "parallel")
AGENT = (
    'sleep 0.2; echo "$PARALLEL_TASK" >"$PARALLEL_TASK.txt"; git add "$PARALLEL_TASK.txt"; '
    f'git commit --quiet -m "$PARALLEL_TASK"; {project.MARK}'
)
_ADD = 'git worktree add -q -b "feature/$1" "../w/$1"'
# What one would write by hand. Side by side, `git worktree add` fails now and then, as it reads those that
# are just being made. The second script does it again until it works.
WORKERS = {
    "plain": f'set -e\n{_ADD}\ncd "../w/$1"\nPARALLEL_TASK=$1\n{AGENT}\n',
    "again": (
        f'set -e\nuntil {_ADD} 2>/dev/null || git worktree add -q "../w/$1" "feature/$1"; do\n  sleep 0.05\n'
        f'done\ncd "../w/$1"\nPARALLEL_TASK=$1\n{AGENT}\n'
    ),
}


@dataclass(frozen=True)
class Outcome:
    """Hold what a run took, and how many tasks have their commit on their branch."""

    usage: Usage
    done: int


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure 12 and 100 tasks of 0.2 s, 3 and 16 at a time."""
    for count, limit in [(12, 3), (12, 16)] if quick else [(12, 3), (12, 16), (100, 3), (100, 16)]:
        with project.scratch() as place:
            template = project.make(place / "template", project.plain_tasks(count))
            project.generate(template, "--agent-command", AGENT, "--max-concurrent", str(limit))
            for name, text in WORKERS.items():
                (template / ".git" / f"{name}.sh").write_text(text)
            yield from _compare(template, count, limit, 2 if quick else 7)


def _compare(template: Path, count: int, limit: int, rounds: int) -> Iterator[Figure]:
    tasks = " ".join(task.id for task in project.plain_tasks(count))
    plan = [project.DIRECTORY, "--agent-command", AGENT, "--max-concurrent", str(limit)]
    commands = {
        "script": list(project.SCRIPT),
        "parallel-run": [project.PARALLEL_RUN, *plan],
        **{
            name: ["sh", "-c", f"printf '%s\\n' {tasks} | xargs -P{limit} -n1 sh .git/{name}.sh"]
            for name in WORKERS
        },
        "parallel": ["sh", "-c", f"parallel --will-cite -j{limit} sh .git/plain.sh ::: {tasks}"],
    }
    ways = {name: partial(take, template, commands[name], name) for name in commands}
    found = in_turn(ways, rounds)
    names = {"plain": "xargs -P", "again": "xargs -P, worktree tried again", "parallel": "GNU parallel"}
    limits = {"plain": 1.15, "again": None, "parallel": 0.9}
    walls = {name: [outcome.usage.wall for outcome in outcomes] for name, outcomes in found.items()}
    for name, peer in names.items():
        values = ratios(walls["script"], walls[name])
        note = f"{_seconds(walls['script'])} and {_seconds(walls[name])}"
        done = [outcome.done for outcome in found[name]]
        if min(done) < count:
            lost = sorted(count - number for number in done)
            each = statistics.median(
                value * number / count for value, number in zip(values, done, strict=True)
            )
            note += f"; the peer lost {lost[0]} to {lost[-1]} tasks: {each:.2f}× a completed task"
        yield Figure(f"{count} tasks, -j{limit}, against {peer}", values, limits[name], note=note)
    yield Figure(
        f"{count} tasks, -j{limit}: `parallel-run` against its script",
        ratios(walls["parallel-run"], walls["script"]),
        note=f"{_seconds(walls['parallel-run'])} and {_seconds(walls['script'])}",
    )
    cpu = {
        name: 1000 * statistics.median(outcome.usage.cpu for outcome in found[name]) / count
        for name in ("script", "again")
    }
    yield Figure(
        f"{count} tasks, -j{limit}: processor time a task, git and agent included",
        tuple(1000 * outcome.usage.cpu / count for outcome in found["script"]),
        unit=" ms",
        note=f"xargs -P: {cpu['again']:.0f} ms",
    )


def take(template: Path, command: list[str], name: str) -> Outcome:
    """Run one way to its end on a fresh copy of the project, and count what it has done."""
    with project.copy_of(template) as root:
        is_ours = name in ("script", "parallel-run")
        usage = run(command, root, statuses=(0,) if is_ours else ())
        listed = project.git(
            root, "for-each-ref", "--format=%(refname:lstrip=3) %(subject)", "refs/heads/feature"
        )
        pairs = [line.split(" ", 1) for line in listed.splitlines()]
        done = sum(name == subject for name, subject in pairs)
        if is_ours:
            manifest = json.loads((root / project.DIRECTORY / "manifest.json").read_text())
            states = [task["status"] for task in manifest["execution"]["tasks"].values()]
            assert states.count("completed") == done == len(states), "our own run has lost tasks"
        return Outcome(usage, done)


def _seconds(walls: list[float]) -> str:
    return f"{statistics.median(walls):.2f} s"
