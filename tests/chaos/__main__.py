"""Live through many storms (python -m tests.chaos --runs 1000), or suffer every fault (--faults)."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.chaos import faults
from tests.chaos.machine import namespace
from tests.chaos.storm import Outcome, storm


def storms(seeds: Iterable[int], folder: Path, jobs: int, *, keep: bool = False) -> Iterator[Outcome]:
    """Live through the storms of these seeds, some at a time, and yield each outcome as it comes."""
    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed(
            [pool.submit(storm, seed, folder / f"storm-{seed}", keep=keep) for seed in seeds]
        ):
            yield future.result()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how many storms (default: 20)")
    parser.add_argument("--seed", type=int, help="the one seed to live through")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of storms without a violation")
    parser.add_argument(
        "--faults", action="store_true", help="no storms: each call of each command goes wrong"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="with --faults: every how many-th fault, and system call of git"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="parallelgen-chaos-"))
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in _outcomes(options, folder):
        outcomes.append(outcome)
        if outcome.violations or options.seed is not None:
            print(outcome, flush=True)
        elif len(outcomes) % 20 == 0:
            print(f"{len(outcomes)}, {time.monotonic() - begun:.0f} s", flush=True)
    print(
        f"{'faults' if options.faults else 'storms'} {_summary(outcomes)}  {time.monotonic() - begun:.0f} s"
    )
    if not namespace():
        print("(without a process namespace: a crash of the machine was only an imitation)")
    if not any(folder.iterdir()):
        folder.rmdir()
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _summary(outcomes: Sequence[Outcome]) -> str:
    totals = {
        "kills": sum(outcome.kills for outcome in outcomes),
        "machine crashes": sum(outcome.crashes for outcome in outcomes),
        "shells died": sum(outcome.shells_died for outcome in outcomes),
        "resumes": sum(outcome.resumes for outcome in outcomes),
        "looks at the manifest": sum(outcome.looks for outcome in outcomes),
        "violations": sum(len(outcome.violations) for outcome in outcomes),
        "storms with violations": sum(1 for outcome in outcomes if outcome.violations),
    }
    return "  ".join([str(len(outcomes)), *(f"{name} {number}" for name, number in totals.items())])


def _outcomes(options: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    if options.faults:
        calls = faults.list_calls(folder / "calls", steps=True)
        wanted = faults.every(calls)[:: options.every]
        if shutil.which("strace"):
            for way in faults.WAYS_WITHIN:
                wanted += faults.every_within(calls, range(1, faults.MOST_CHANGES, options.every), way)
        for _, outcome in faults.sufferings(wanted, folder, options.jobs, steps=True):
            yield outcome
        wanted = faults.of_integration(folder / "calls")[:: options.every]
        for _, outcome in faults.sufferings(wanted, folder, options.jobs, integrate=True):
            yield outcome
    else:
        seeds = range(options.first, options.first + options.runs) if options.seed is None else [options.seed]
        yield from storms(seeds, folder, options.jobs, keep=options.keep)


if __name__ == "__main__":
    sys.exit(main())
