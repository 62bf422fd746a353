"""What one decision of the scheduler costs when the plan is large, by the awk that it is made with."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import MILLISECONDS, Figure, in_turn
from benchmarks.process import environment, run

# Each awk, as it is called, and how many milliseconds it may take.
_AWKS = {"mawk": 50, "gawk": 300, "original-awk": 300, "busybox": 300}
_TASKS, _DEPENDENCIES, _WAVE, _SLOTS = 1000, 5000, 100, 16
_DECIDE = Path(__file__).parent.parent / "templates" / "lib" / "decide.sh"


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure the end of a task in the middle of a run of 1,000 tasks with 5,000 dependencies."""
    with project.scratch() as place:
        (place / "facts").write_text(facts(_TASKS // 2))
        ways = {}
        for awk in filter(shutil.which, _AWKS):
            box = place / awk
            box.mkdir()
            (box / "awk").symlink_to(shutil.which(awk) or awk)
            ways[awk] = partial(take, place, f"{box}:{environment()['PATH']}")
        found = in_turn(ways, 5 if quick else 25)
    for awk, seconds in found.items():
        what = f"a decision on {_TASKS:,} tasks with {_DEPENDENCIES:,} dependencies, {awk}"
        yield Figure(what, tuple(1000 * each for each in seconds), _AWKS[awk], MILLISECONDS)


def take(place: Path, path: str) -> float:
    """Decide on the facts in that folder, with the awk on this PATH."""
    command = ["sh", "-c", '. "$1" && decide <facts >decisions', "sh", str(_DECIDE)]
    taken = run(command, place, variables={"PATH": path}).wall
    decisions = (place / "decisions").read_text().splitlines()
    assert [line.split(" ", 1)[0] for line in decisions] == ["report", "start"], decisions
    return taken


def facts(done: int) -> str:
    """Write what `decide` is told when the last of so many tasks has just completed, and others run."""
    names = project.task_names(_TASKS)
    plan, waiting = [], _DEPENDENCIES
    for index, name in enumerate(names):
        before = index // _WAVE * _WAVE
        # Spread evenly over what can have any.
        count = -(-waiting // (_TASKS - index)) if before else 0
        waiting -= count
        deps = [names[before - 1 - (index + step) % _WAVE] for step in range(count)]
        plan.append(f"{name} {name} {1 + index // _WAVE} {','.join(deps) or '-'} - prompts/{name}.txt")
    assert waiting == 0
    states = [
        f"wave={1 + index // _WAVE} task={name} status=completed attempt=1 commits=3 started=1700000000 "
        "started_at=2023-11-14T22:13:20Z finished=1700000900 finished_at=2023-11-14T22:28:20Z"
        for index, name in enumerate(names[:done])
    ]
    waves = "".join(f"{number} " for number in range(1, done // _WAVE + 1))
    settings = {
        "now": "1700001000",
        "slots": str(_SLOTS),
        "schedule": "deps",
        "halt": "never",
        "retries": "1",
        "retry_delay": "5",
        "stopping": "",
        "only_wave": "",
        "running": " ".join(names[done : done + _SLOTS - 1]),
        "ended": names[done - 1],
        "again": "",
        "skip": "",
        "branches": "",
        "opened": f"{waves}{done // _WAVE + 1}",
        "closed": waves,
    }
    given = [f"{key}={value}" for key, value in settings.items()]
    return "\n".join([*given, *states, *plan, "end"]) + "\n"
