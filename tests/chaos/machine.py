"""A machine of our own to crash: a process namespace where the box allows one, and the processes in it.

Nothing outside can be hit: a signal goes through a pidfd, to a process whose environment was seen to carry
the mark of this storm after the pidfd was opened.
"""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARK = "PARALLELGEN_TEST_ID"
_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@cache
def namespace() -> tuple[str, ...]:
    """Return the command that gives a process namespace of its own, or nothing where that is not allowed."""
    try:
        found = (
            subprocess.run([*_UNSHARE, "true"], capture_output=True, timeout=10, check=False).returncode == 0
        )
    except OSError:
        found = False
    return _UNSHARE if found else ()


@dataclass(frozen=True)
class Process:
    """Hold what /proc says of one process."""

    pid: int
    inner: int
    command: str
    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.inner} {self.kind}: {self.command}"


class Machine:
    """A machine that can be switched off."""

    def __init__(self, mark: str) -> None:
        self.mark = f"{MARK}={mark}".encode()
        self.ended: dict[str, int] = {}
        self.started: dict[str, int] = {}
        self._told: queue.Queue[None] = queue.Queue()
        self._process = subprocess.Popen(
            [*namespace(), sys.executable, "-I", "-S", Path(__file__).with_name("init.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, name, number = line.split()
            (self.started if word == "started" else self.ended)[name] = int(number)
            self._told.put(None)

    def start(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], folder: Path, output: Path
    ) -> None:
        """Start a command; `ended` will hold its status under this name."""
        assert self._process.stdin is not None
        mark, _, value = self.mark.decode().partition("=")
        request = [name, argv, {**environment, mark: value}, str(folder), str(output)]
        self._process.stdin.write(json.dumps(request) + "\n")

    def wait(self, name: str, seconds: float) -> int | None:
        """Wait for the end of a command; None when it has not ended in time."""
        end = time.monotonic() + seconds
        while name not in self.ended:
            try:
                self._told.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                return None
        return self.ended[name]

    def processes(self) -> list[Process]:
        """List the processes that carry our mark."""
        found = []
        for entry in os.listdir("/proc"):  # noqa: PTH208  # as below
            if entry.isdigit() and (process := self._look(int(entry))):
                found.append(process)
        return found

    def _look(self, pid: int) -> Process | None:
        try:
            environment = _read(f"/proc/{pid}/environ").split(b"\0")
            if self.mark not in environment:
                return None
            command = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
            status = dict(line.split(":\t", 1) for line in _read(f"/proc/{pid}/status").decode().splitlines())
        except (OSError, ValueError):
            return None
        if "Z" in status["State"]:
            return None
        inner = int(status.get("NSpid", str(pid)).split()[-1])
        if inner in self.started.values() and "run-parallel.sh" in command:
            kind = "scheduler"
        elif any(value.startswith(b"PARALLEL_MARK=") for value in environment):
            kind = "agent"
        else:
            kind = "shell" if "run-parallel.sh" in command else "tool"
        return Process(pid, inner, command, status["Name"], kind)

    def strike(self, process: Process, number: signal.Signals) -> bool:
        """Signal a process, if it is still the one that was seen."""
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:
            return False
        try:
            if not self._look(process.pid):
                return False
            signal.pidfd_send_signal(handle, number)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True

    def crash(self) -> None:
        """Switch the machine off: everything in it dies at once, and this object is of no more use."""
        if not namespace():
            self._freeze()
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        end = time.monotonic() + 10
        while left := self.processes():
            if time.monotonic() > end:
                raise RuntimeError(f"cannot end {left}")
            for process in left:
                self.strike(process, signal.SIGKILL)
            select.select([], [], [], 0.01)

    def _freeze(self) -> None:
        """Stop every process before the first is killed, as near to a power cut as it can be."""
        seen: set[int] = set()
        while new := [process for process in self.processes() if process.pid not in seen]:
            for process in new:
                self.strike(process, signal.SIGSTOP)
                seen.add(process.pid)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  # three times as fast as Path, and there are many
        return file.read()
