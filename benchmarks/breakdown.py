"""Where the time of a task goes that does nothing: how many processes, which programs, whose time."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import accounting, project
from benchmarks.figures import MILLISECONDS, Figure
from benchmarks.process import run

NEEDS = ()
_JOBS = "3"
_EXEC = re.compile(r'execve\("(?:[^"]*/)?([^"/]+)", .* = 0$')
_CLONE = re.compile(r"(?:clone3?|v?fork)\(.* = [0-9]+$|<\.\.\. (?:clone3?|v?fork) resumed>.* = [0-9]+$")
_EXEC_RESUMED = re.compile(r"<\.\.\. execve resumed>.* = 0$")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure what 60 tasks take beyond 20, so that what a run takes once does not count."""
    few, many = (5, 15) if quick else (20, 60)
    with project.scratch() as place:
        roots = [project.make(place / str(size), project.plain_tasks(size)) for size in (few, many)]
        for root in roots:
            project.generate(root, "--agent-command", project.MARK, "--max-concurrent", _JOBS)
        totals = [_cpu(root) for root in roots]
        shares = [accounting.git_share(root) for root in roots]
        counts = [_processes(root) for root in roots] if shutil.which("strace") else []
    extra = many - few
    total = 1000 * (totals[1] - totals[0]) / extra
    git = 1000 * (shares[1].seconds - shares[0].seconds) / extra
    yield Figure("processor time a task", (total,), unit=MILLISECONDS)
    kinds = _each(shares[0].kinds, shares[1].kinds, extra)
    yield Figure("of this, git", (git,), unit=MILLISECONDS, note=kinds)
    yield Figure("of this, we and the agent's shell", (total - git,), unit=MILLISECONDS)
    if counts:
        started = (counts[1][""] - counts[0][""]) / extra
        for count in counts:
            del count[""]
        yield Figure("processes a task", (started,), unit="", note=_each(counts[0], counts[1], extra))


def _each(few: Counter[str], many: Counter[str], extra: int) -> str:
    """Write how many there are of each a task, the most frequent first."""
    rates = {name: (number - few[name]) / extra for name, number in many.most_common()}
    return ", ".join(f"{rate:.1f} {name}" for name, rate in rates.items() if rate >= 0.05)


def _cpu(template: Path) -> float:
    with project.copy_of(template) as root:
        return run(project.SCRIPT, root).cpu


def _processes(template: Path) -> Counter[str]:
    """Count the programs that a run executes, by name, and under "" the processes that it starts."""
    with project.copy_of(template) as root, tempfile.NamedTemporaryFile("r") as log:
        trace = ["strace", "-f", "-qq", "-e", "trace=execve,clone,clone3,fork,vfork", "-o", log.name]
        run([*trace, *project.SCRIPT], root)
        found: Counter[str] = Counter()
        begun: dict[str, str] = {}
        for line in log:
            pid, _, call = line.rstrip("\n").partition(" ")
            if match := _EXEC.match(call.strip()):
                found[match[1]] += 1
            elif "<unfinished ...>" in call and "execve(" in call:
                begun[pid] = call.partition('"')[2].partition('"')[0].rpartition("/")[2]
            elif _EXEC_RESUMED.match(call.strip()):
                found[begun.pop(pid, "?")] += 1
            elif _CLONE.match(call.strip()) and "CLONE_THREAD" not in call:
                found[""] += 1
        return found
