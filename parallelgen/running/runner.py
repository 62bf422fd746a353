import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Output:
    """Hold lines that came from the script together; both empty when only time has passed."""

    lines: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass
class _Stream:
    descriptor: int
    rest: bytes = b""
    lines: list[str] = field(default_factory=list)

    def read(self) -> bool:
        """Take what can be read now into lines; false at the end."""
        data = os.read(self.descriptor, 1 << 16)
        *whole, self.rest = (self.rest + data).split(b"\n")
        if not data and self.rest:
            whole, self.rest = [*whole, self.rest], b""
        self.lines += [line.decode("utf-8", "replace") for line in whole]
        return bool(data)

    def take(self) -> tuple[str, ...]:
        lines, self.lines = tuple(self.lines), []
        return lines


class Run:
    """Run a script in a session of its own, and pass on to it the signals that we get.

    A Ctrl-C in the terminal reaches us alone, so the script hears of each signal once. The script never
    outlives the `with` block: whatever ends the block, it is told to stop and waited for.
    """

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._directory = directory
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "Run":
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self._old_wakeup = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        number: int
        for number in _FORWARDED:
            # What was ignored when we were started (nohup) stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._forward)
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except BaseException:
            self._restore()
            raise
        for number in self._early:
            self._process.send_signal(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        self._process.wait()
        self._restore()

    def output(self, tick: Callable[[], float | None]) -> Iterator[Output]:
        """Yield what the script prints, as it comes, until it ends; an empty Output after `tick()` seconds.

        It ends with the script, not with the pipes: something the script left behind may hold them open.
        """
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        out, err = _Stream(process.stdout.fileno()), _Stream(process.stderr.fileno())
        with selectors.DefaultSelector() as selector:
            for stream in (out, err):
                selector.register(stream.descriptor, selectors.EVENT_READ, stream)
            selector.register(self._ours, selectors.EVENT_READ, None)
            ended = False
            while True:
                ready = selector.select(0 if ended else tick())
                for key, _ in ready:
                    if key.data is None:
                        self._ours.recv(4096)
                    elif not key.data.read():
                        selector.unregister(key.fd)
                found = Output(out.take(), err.take())
                if found.lines or found.errors or not ready:
                    yield found
                if ended and not ready:
                    return
                ended = ended or process.poll() is not None

    @property
    def status(self) -> int:
        """Give the exit status as a shell would, once the output has ended."""
        assert self._process is not None
        status = self._process.wait()
        return 128 - status if status < 0 else status

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif self._process.poll() is None:
            self._process.send_signal(number)

    def _restore(self) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        self._ours.close()
        self._theirs.close()
