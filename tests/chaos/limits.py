"""Nights with usage limits (python -m tests.chaos.limits --nights 500).

An account is limited at random moments and for random times, while the machine crashes in between.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings
from parallelgen.writing import generate, render
from tests.chaos.claude import PRICE, STEPS
from tests.chaos.machine import Machine
from tests.chaos.world import parse_record, patient, run_git

_DIRECTORY = "parallel/P"
_TASKS = 5
_PATIENCE = 90.0  # seconds that a night may take


@dataclass
class Night:
    """Hold what became of one night; `late`: seconds from each end of a limit that was told to a launch."""

    seed: int
    limits: int = 0
    pauses: int = 0
    crashes: int = 0
    charged: int = 0
    lost: int = 0
    unfounded: int = 0
    late: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """Hold a line of the ledger."""

    word: str
    at: float
    task: str
    attempt: int
    session: str


def night(seed: int, folder: Path) -> Night:
    """Live through a night; its folder is kept when something is wrong."""
    dice, found = random.Random(seed), Night(seed)
    _build(folder, dice)
    begun = time.time()
    windows = _windows(dice, begun)
    (folder / "windows").write_text("".join(f"{begin} {end} {told}\n" for begin, end, told in windows))
    crashes = sorted(
        dice.uniform(begin - 0.3, end + 1)
        for begin, end, _ in windows
        for _ in range(dice.choice((0, 0, 1, 2)))
    )
    machine = Machine(f"night-{seed}-{time.time_ns()}")
    starts = []
    try:
        for number in range(len(crashes) + 2):
            starts.append(time.time())
            name = f"run-{number}"
            script = folder / "project" / _DIRECTORY / "scripts" / "run-parallel.sh"
            options = ["--retry-failed"] if number else []
            argv = ["sh", str(script), *options]
            machine.start(name, argv, _environment(folder), folder / "project", folder / f"{name}.txt")
            left = crashes.pop(0) - time.time() if crashes else _PATIENCE
            if machine.wait(name, max(0.2, left)) is not None or (not crashes and left == _PATIENCE):
                break
            machine.crash()
            found.crashes += 1
            machine = Machine(f"night-{seed}-{time.time_ns()}")
            time.sleep(dice.uniform(0, 0.5))
        status = machine.ended.get(name)
        if status == 1 and found.crashes:
            # What a crash has cut off counts as a failure of its task only without --retries.
            name = "last"
            machine.start(
                name,
                [*argv[:2], "--retry-failed"],
                _environment(folder),
                folder / "project",
                folder / "last.txt",
            )
            status = machine.wait(name, _PATIENCE)
        if status != 0:
            found.wrong.append(f"the last run ended with {status}")
    finally:
        machine.crash()
    _look(folder, found, windows, starts)
    if not found.wrong:
        shutil.rmtree(folder)
    return found


def _windows(dice: random.Random, begun: float) -> list[tuple[float, float, bool]]:
    """Draw the limits of a night, one after the other."""
    windows, at = [], begun + dice.uniform(0.2, 3)
    for _ in range(dice.choice((0, 1, 2, 2, 3))):
        end = at + dice.uniform(0.3, 5)
        windows.append((at, end, dice.random() < 0.6))
        at = end + dice.uniform(0.1, 3)
    return windows


def _build(folder: Path, dice: random.Random) -> None:
    project = folder / "project"
    directory = project / _DIRECTORY
    for place in (directory / "prompts", folder / "sessions", folder / "bin"):
        place.mkdir(parents=True)
    (folder / "ledger").touch()
    program = folder / "bin" / "claude"
    stand_in = Path(__file__).with_name("claude.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{stand_in}" "{folder}" "$@"\n')
    program.chmod(0o755)
    tasks: list[Task] = []
    for number in range(1, _TASKS + 1):
        id = f"task-{number:03}"
        (directory / "prompts" / f"{id}.txt").write_text(f"Do {id}.\n")
        deps = (tasks[0].id,) if number == _TASKS else ()
        tasks.append(Task(id, id, 2 if deps else 1, deps, None, f"prompts/{id}.txt"))
    (directory / "manifest.json").write_text(json.dumps({"tasks": {}}))
    plan = Plan(
        "P",
        "",
        (Wave(1, tuple(tasks[:-1])), Wave(2, (tasks[-1],))),
        Settings(max_concurrent=dice.choice((1, 2, 4))),
    )
    generate.write_scripts(directory / "scripts", render.scripts(plan, _DIRECTORY))
    script = directory / "scripts" / "run-parallel.sh"
    script.write_text(patient(script.read_text()))
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Start")):
        run_git(project, _environment(folder), *arguments)


def _environment(folder: Path) -> Mapping[str, str]:
    who = {
        f"GIT_{who}_{what}": "tess@example.invalid"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    return who | {
        "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "IS_SANDBOX": "1",
        "WORKSPACE_ROOT": "../workspaces",
    }


def _look(folder: Path, found: Night, windows: list[tuple[float, float, bool]], starts: list[float]) -> None:
    """Compare the records with the ledger."""
    entries = [
        Entry(word, float(at), task, int(attempt), session)
        for word, at, task, attempt, session in map(str.split, (folder / "ledger").read_text().splitlines())
    ]
    state = folder / "project" / _DIRECTORY / "logs" / "state"
    refused = [entry.at for entry in entries if entry.word == "refused"]
    found.limits = sum(any(begin <= at < end for at in refused) for begin, end, _ in windows)
    for number in range(1, _TASKS + 1):
        id = f"task-{number:03}"
        of_task = [entry for entry in entries if entry.task == id]
        record = parse_record(state / f"{id}.result")
        if record.get("status") != "completed":
            found.lost += 1
            found.wrong.append(f"{id}: {record.get('status')}")
            continue
        # A launch that a crash has cut off costs an attempt, as does a crash before it.
        launches = sum(entry.word in ("begin", "resume") for entry in of_task)
        ends = sum(entry.word in ("end", "gone") for entry in of_task)
        charged = int(record["attempt"]) - 1 - found.crashes if launches == ends else 0
        charged = max(charged, int(record["attempt"]) - 1 - (launches - ends) - _struck(folder, id))
        if charged > 0:
            found.charged += charged
            found.wrong.append(
                f"{id}: attempt {record['attempt']} after {launches - ends} launches that were cut off"
            )
        sessions = {entry.session for entry in of_task if entry.word == "step"}
        paid = sum(entry.word == "step" for entry in of_task) * PRICE
        if abs(float(record.get("total_usd", 0)) - paid) > 1e-6 and launches == ends:
            found.wrong.append(f"{id}: cost {record.get('total_usd')}, paid {paid:.2f}")
        if len(sessions) > 1 and launches == ends:
            found.wrong.append(f"{id}: {len(sessions)} sessions")
        # After the end of its agent a crash may still cost a task its verdict.
        if record["attempt"] == "1" and paid > STEPS * PRICE + 1e-9 and launches == ends:
            found.wrong.append(f"{id}: {paid / PRICE:.0f} steps")
    log = (state.parent / "orchestrator.log").read_text()
    found.pauses = log.count("agent=claude status=limited")
    if found.pauses and not refused:
        found.unfounded += found.pauses
        found.wrong.append("a pause without a limit")
    for begin, end, told in windows:
        if not told or not any(begin <= at < end for at in refused):
            continue
        # The service tells whole seconds; who starts again only later cannot be back before.
        back = [entry.at for entry in entries if entry.word == "resume" and entry.at >= end]
        if back:
            since = max([int(end) + 1, *(at for at in starts if at <= back[0])])
            found.late.append(back[0] - since)


def _struck(folder: Path, id: str) -> int:
    """Count the times that a task was found without a verdict because its runner died."""
    return sum(f"{id} (error: lost)" in path.read_text() for path in folder.glob("*.txt")) + sum(
        f"{id}: its runner died" in path.read_text() for path in folder.glob("*.txt")
    )


def _summary(nights: Sequence[Night]) -> str:
    late = sorted(seconds for found in nights for seconds in found.late) or [0.0]
    return (
        f"{len(nights)} nights, {sum(found.limits for found in nights)} limits, "
        f"{sum(found.crashes for found in nights)} crashes: "
        f"{sum(found.charged for found in nights)} attempts charged, "
        f"{sum(found.lost for found in nights)} tasks lost, "
        f"{sum(found.unfounded for found in nights)} pauses without a limit; "
        f"the first agent back after {late[len(late) // 2]:.1f} s, at most {late[-1]:.1f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.limits", description=__doc__)
    parser.add_argument("--nights", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--jobs", type=int, default=3, help="how many at a time (default: 3)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parallelgen-nights-"))
    seeds = range(options.first, options.first + options.nights)
    with ThreadPoolExecutor(options.jobs) as pool:
        nights = list(pool.map(lambda seed: night(seed, folder / f"night-{seed}"), seeds))
    for found in nights:
        for text in found.wrong:
            print(f"night {found.seed}: {text} ({folder / f'night-{found.seed}'})")
    print(_summary(nights))
    if not any(folder.iterdir()):
        folder.rmdir()
    return 1 if any(found.wrong for found in nights) else 0


if __name__ == "__main__":
    sys.exit(main())
