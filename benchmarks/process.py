"""Run commands, account for every process that they start, and leave none behind."""

import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SET_CHILD_SUBREAPER = 36  # prctl(2)
_GRACE = 30.0
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PYTHONDONTWRITEBYTECODE")
_TICKS = os.sysconf("SC_CLK_TCK")
_ours: list["subprocess.Popen[bytes]"] = []


class CommandError(Exception):
    """Say which command ended otherwise than it should have, and its last words."""


@dataclass(frozen=True)
class Usage:
    """Hold what a command took, all that it started included: seconds by the clock and of the processor."""

    wall: float
    cpu: float
    status: int


def adopt_orphans() -> None:
    """Become the parent of every orphan below us, so that its time is counted and it can be stopped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def environment(**extra: str) -> dict[str, str]:
    """Let nothing in that would change a measurement, such as settings of git or of our scripts."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} | extra


def run(
    command: Sequence[str],
    directory: Path,
    statuses: tuple[int, ...] = (0,),
    variables: Mapping[str, str] | None = None,
) -> Usage:
    """Run a command to its end.

    Raises CommandError for an exit status that is not among `statuses`; with none given, any will do.
    """
    with tempfile.TemporaryFile() as errors:
        before, begin = _cpu_of_children(), time.perf_counter()
        with started(command, directory, variables, errors.fileno()) as process:
            status = process.wait()
            wall = time.perf_counter() - begin
        if statuses and status not in statuses:
            errors.seek(0)
            words = errors.read().decode("utf-8", "replace").strip()[-2000:]
            raise CommandError(f"{' '.join(command)}: status {status}\n{words}")
    return Usage(wall, _cpu_of_children() - before, status)


@contextmanager
def started(
    command: Sequence[str],
    directory: Path,
    variables: Mapping[str, str] | None = None,
    errors: int = subprocess.DEVNULL,
    terminal: int | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command in a session of its own; whatever ends the block, nothing of it is left running.

    With a terminal, the descriptor of one, that becomes the session's.
    """
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment(**(variables or {})),
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=subprocess.DEVNULL if terminal is None else terminal,
        stderr=errors if terminal is None else terminal,
        start_new_session=True,
        preexec_fn=None if terminal is None else _take_terminal,
    )
    _ours.append(process)
    try:
        yield process
    finally:
        # Who outlives a parent that we end now is nobody's but process 1's, where we cannot adopt.
        below = {pid: _start_of(pid) for pid in descendants(process.pid)}
        try:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE)
        finally:
            # Even when another Ctrl-C ends the wait; but what another block has started, that one ends.
            _ours.remove(process)
            for pid in (pid for pid, start in below.items() if start and _start_of(pid) == start):
                _kill(pid)
            _kill_below({other.pid for other in _ours})
            process.wait()


def _kill_below(spared: set[int]) -> None:
    """Kill, by their numbers, all processes below us but the spared ones, and wait for our children."""
    while below := descendants(os.getpid(), spared):
        for pid in below:
            _kill(pid)
        for pid in below:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _start_of(pid: int) -> list[str]:
    """Return what tells a process from a later one of its number, its start time; empty when it is gone."""
    return _stat(pid)[19:20]


def _take_terminal() -> None:
    """Make standard input the controlling terminal of the session that has just begun."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def descendants(pid: int, spared: Collection[int] = ()) -> list[int]:
    """List the processes below one, without the spared ones and what is below these."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents().items():
        if child not in spared:
            children.setdefault(parent, []).append(child)
    found, left = [], list(children.get(pid, ()))
    while left:
        found.append(left.pop())
        left += children.get(found[-1], ())
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of the children that it has waited for; 0 when gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def _cpu_of_children() -> float:
    """Return the processor time of all that we have waited for, what these have waited for included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on, which is the state (proc(5))."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    return []


def _parents() -> dict[int, int]:
    """Return the parent of each process."""
    if not Path("/proc/self/stat").exists():
        answer = subprocess.run(
            ["ps", "-A", "-o", "pid=", "-o", "ppid="], capture_output=True, text=True, check=True
        )
        pairs = (line.split() for line in answer.stdout.splitlines())
        return {int(pid): int(parent) for pid, parent in pairs if int(parent) != 1}
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return {pid: int(fields[1]) for pid in pids if (fields := _stat(pid))}
