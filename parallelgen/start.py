"""How we were started is not up to us: what a command needs of its process, whatever started it."""

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TextIO

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class _Output(io.FileIO):
    """Write to a standard descriptor; once nobody takes it (a closed pipe, a full disk), go on in silence."""

    def write(self, data: Any, /) -> int:
        """Write all that can be written now, and wait where it is nothing."""
        with contextlib.suppress(OSError):
            while (count := super().write(data)) is None:
                select.select([], [self], [])
            return count
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, self.fileno())
        os.close(quiet)
        return memoryview(data).nbytes


def prepare() -> None:
    """Have three open descriptors, files that their owner can use, and children whose end is told."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
    sys.stdout, sys.stderr = _stream(sys.stdout, 1), _stream(sys.stderr, 2)
    os.umask(os.umask(0o077) & ~0o700)
    # Where they are ignored, so they are in our children: no status, no news of a task, no timeout.
    for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@contextlib.contextmanager
def on_end(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have the signals that are to end us handled so for a while; what was ignored stays ignored."""
    numbers = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    old = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


def _stream(old: TextIO | None, descriptor: int) -> io.TextIOWrapper:
    raw = _Output(descriptor, "w", closefd=False)
    # A file name need not be text in the encoding of the terminal.
    return io.TextIOWrapper(
        io.BufferedWriter(raw), old.encoding if old else "utf-8", "backslashreplace", line_buffering=True
    )
