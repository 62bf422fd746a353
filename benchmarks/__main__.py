import argparse
import signal
import sys
from types import FrameType
from typing import NoReturn

from benchmarks import decide, idle, include, integrate, log, page, startup, throughput, worktrees
from benchmarks.figures import Figure
from benchmarks.process import adopt_orphans

GROUPS = {
    "startup": startup.measure,
    "throughput": throughput.measure,
    "include": include.measure,
    "decide": decide.measure,
    "log": log.measure,
    "integrate": integrate.measure,
    "worktrees": worktrees.measure,
    "idle": idle.measure,
}


def main() -> int:
    """Measure the groups that are asked for; end with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--write", action="store_true", help=f"write the tables of docs/{page.PAGE.name}")
    arguments = parser.parse_args()
    names = arguments.names or list(GROUPS)
    for name in names:
        if name not in GROUPS:
            parser.error(f"there is no '{name}': expected {', '.join(GROUPS)}")
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    adopt_orphans()
    print(page.machine(), flush=True)
    missed = 0
    for name in names:
        print(f"\n{name}", flush=True)
        figures: list[Figure] = []
        for figure in GROUPS[name](quick=arguments.quick):
            print(f"  {figure}", flush=True)
            figures.append(figure)
        missed += sum(not figure.is_met for figure in figures)
        if arguments.write:
            _write(name, figures, quick=arguments.quick)
    print(f"\n{missed} goals missed" if missed else "\nall goals met")
    return 1 if missed else 0


def _write(name: str, figures: list[Figure], *, quick: bool) -> None:
    """Refresh one table of the page at once: a later group may fail."""
    text = page.PAGE.read_text(encoding="utf-8")
    remark = "\n\nMeasured with `QUICK=1`: smaller sizes, fewer rounds." if quick else ""
    text = page.fill(text, name, page.table(figures) + remark)
    page.PAGE.write_text(page.fill(text, "machine", page.machine()), encoding="utf-8")


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End as after a Ctrl-C, so that everything is stopped and removed on the way."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
