"""Run on a full disk or without permission, then resume when that is over.

    python -m tests.chaos.hardship FOLDER NAME

prints the violations as JSON. It mounts things: run it in a mount namespace of its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos import invariants
from tests.chaos.faults import hear, small
from tests.chaos.storm import LIMIT, Outcome, Voyage
from tests.chaos.watch import Watch
from tests.chaos.world import World

#: What is on a small disk, and how many KiB are free from the start (None: enough until an agent has begun).
DISKS: dict[str, tuple[str, int | None]] = {
    **{f"logs-{free}": ("logs", free) for free in (0, 12, 32)},
    **{f"all-{free}": (".", free) for free in (0, 12, 32)},
    "logs-late": ("logs", None),
    "all-late": (".", None),
}
#: Which folders cannot be written.
READ_ONLY = {
    "readonly-all": "parallel/TS-0007-storm",
    "readonly-logs": "parallel/TS-0007-storm/logs",
    "readonly-state": "parallel/TS-0007-storm/logs/state",
    "readonly-git": ".git",
    "readonly-workspaces": "../workspaces",
}
NAMES = (*DISKS, *READ_ONLY)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _fill(folder: Path, free: int) -> Path:
    """Fill the disk of this folder, but for so many KiB, and return the file to remove."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            size = file.tell()
        file.truncate(max(0, size - free * 1024))
    return ballast


def _suffer(world: World, voyage: Voyage, name: str) -> list[str]:
    """Run with the hardship of this name, and lift it."""
    if name in READ_ONLY:
        place = (world.root / READ_ONLY[name]).resolve()
        place.mkdir(parents=True, exist_ok=True)
        _mount("--bind", place, place)
        _mount("-o", "remount,ro,bind", place)
        # A machine has the mounts that there are when it is switched on.
        voyage.crash()
        run = voyage.start()
        found = hear(voyage, run, voyage.await_end(run))
        subprocess.run(["umount", place], check=True)
        voyage.crash()
        return found
    _, free = DISKS[name]
    world.logs.mkdir(exist_ok=True)
    ballast = None if free is None else _fill(world.logs, free)
    run = voyage.start()
    if ballast is None:
        _wait(lambda: bool(world.entries()))
        ballast = _fill(world.logs, 0)
    found = hear(voyage, run, voyage.await_end(run))
    ballast.unlink()
    return found


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)


def main(folder: Path, name: str) -> None:
    world = World(folder, small(seconds=0.3))
    if name in DISKS:
        place = world.directory / DISKS[name][0]
        place.mkdir(parents=True)
        _mount("-t", "tmpfs", "-o", "size=512k,mode=755", "tmpfs", place)
    world.build()
    outcome = Outcome(world.scenario)
    watch = Watch(world)
    voyage = Voyage(world, outcome)
    try:
        outcome.violations += _suffer(world, voyage, name)
        voyage.peaceful()
    finally:
        voyage.machine.crash()
        watch.close()
    outcome.violations += [*watch.violations, *invariants.check(world, voyage.before)]
    if missing := invariants.not_completed(world):
        outcome.violations.append(f"not completed in the end: {missing}")
    output = [path.read_text() for path in sorted(folder.glob("run-*.txt"))]
    print(json.dumps({"violations": outcome.violations, "events": outcome.events, "output": output}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
