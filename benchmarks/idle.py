"""What waiting costs: the scheduler and all our processes while agents sleep, and the monitor."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import project
from benchmarks.figures import PERCENT, Figure
from benchmarks.process import cpu_seconds, descendants, started

_ROWS, _COLUMNS = 60, 120
_SETTLE = 5
# Of 50 tasks 20 are done at once; the others write a line a second.
_BUSY = (
    f"case $PARALLEL_TASK in task-000[01]* | task-00020) {project.MARK} ;; "
    "*) while :; do date; sleep 1; done ;; esac"
)
_STREAM = "while :; do echo I will now change one line more; sleep 1; done"


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure 3 agents that sleep, and 3 that write, for 10 minutes each, and a busy monitor for 2."""
    yield from _scheduler("sleep", "sleep 3600", 60 if quick else 600)
    yield from _scheduler("write a line a second", _STREAM, 60 if quick else 600)
    yield from _monitor(20 if quick else 120)


def _scheduler(what: str, agent: str, seconds: int) -> Iterator[Figure]:
    with project.scratch() as place:
        root = project.make(place / "project", project.task_names(3))
        project.generate(root, "--agent-command", agent, "--max-concurrent", "3")
        with started(project.SCRIPT, root) as process:
            agents = _wait_for_agents(root, 3)
            time.sleep(_SETTLE)
            begin = [cpu_seconds(process.pid), _ours(process.pid, agents)]
            time.sleep(seconds)
            end = [cpu_seconds(process.pid), _ours(process.pid, agents)]
        shares = [100 * (after - before) / seconds for before, after in zip(begin, end, strict=True)]
        what = f"while 3 agents {what} for {seconds} s"
        yield Figure(f"scheduler, {what}: of a core", (shares[0],), 0.05, PERCENT)
        yield Figure(f"all our processes, {what}: of a core", (shares[1],), 0.1, PERCENT)


def _monitor(seconds: int) -> Iterator[Figure]:
    with project.scratch() as place:
        root = project.make(place / "project", project.task_names(50))
        project.generate(root, "--agent-command", _BUSY, "--max-concurrent", "12")
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", _ROWS, _COLUMNS, 0, 0))
        try:
            with started(project.SCRIPT, root):
                _wait_for_agents(root, 32)
                with started(project.MONITOR, root, {"TERM": "xterm"}, terminal=terminal) as monitor:
                    shown = _read_for(master, _SETTLE)
                    begin = cpu_seconds(monitor.pid)
                    _read_for(master, seconds)
                    share = 100 * (cpu_seconds(monitor.pid) - begin) / seconds
                    assert monitor.poll() is None, "the monitor has ended early"
                    assert b"task-00032" in shown, "the monitor does not show the tasks"
        finally:
            os.close(master)
            os.close(terminal)
        yield Figure(f"monitor, 50 tasks, 12 running, {seconds} s: of a core", (share,), 1, PERCENT)


def _wait_for_agents(root: Path, count: int) -> set[int]:
    """Wait until so many agents have been started, and return their process ids."""
    records: list[Path] = []
    while len(records) < count:
        time.sleep(0.2)
        # An empty one is about to be written.
        records = [path for path in sorted((root / project.STATE).glob("*.agent")) if path.stat().st_size]
    found = (re.search("^pid=([0-9]+)$", record.read_text(), re.MULTILINE) for record in records)
    return {int(match[1]) for match in found if match}


def _ours(pid: int, agents: set[int]) -> float:
    """Add up the processor time of the scheduler and all below it but the agents, dead children included."""
    return sum(map(cpu_seconds, [pid, *descendants(pid, agents)]))


def _read_for(terminal: int, seconds: float) -> bytes:
    """Take what is printed on a terminal, so that who prints never waits, for so long."""
    end, shown = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            shown += os.read(terminal, 1 << 16)
    return shown
