"""Live through many storms: python -m tests.chaos --runs 1000."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

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
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.runs) if options.seed is None else [options.seed]
    folder = Path(tempfile.mkdtemp(prefix="parallelgen-chaos-"))
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in storms(seeds, folder, options.jobs, keep=options.keep):
        outcomes.append(outcome)
        if outcome.violations or options.seed is not None:
            print(outcome, flush=True)
        elif len(outcomes) % 20 == 0:
            print(f"{len(outcomes)} storms, {time.monotonic() - begun:.0f} s", flush=True)
    print(
        f"storms {len(outcomes)}  kills {sum(o.kills for o in outcomes)}"
        f"  machine crashes {sum(o.crashes for o in outcomes)}  resumes {sum(o.resumes for o in outcomes)}"
        f"  looks at the manifest {sum(o.looks for o in outcomes)}"
        f"  violations {sum(len(o.violations) for o in outcomes)}"
        f"  in {sum(1 for o in outcomes if o.violations)} storms"
        f"  {time.monotonic() - begun:.0f} s{'' if namespace() else '  (without a process namespace)'}"
    )
    if not any(folder.iterdir()):
        folder.rmdir()
    return 1 if any(outcome.violations for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
