import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

from parallelgen import ParallelgenError


class WriteError(ParallelgenError):
    """Say which file could not be written and why."""


def write_if_changed(path: Path, text: str, mode: int | None = None) -> bool:
    """Write `text` at `path` in one step and say whether anything changed.

    The text goes to a temporary name in the same folder and is renamed, so that a reader (or a shell that
    is running the old script) never sees half of it. `mode` None keeps the mode of the file. A symbolic
    link is written through. Raises WriteError.
    """
    try:
        target = Path(os.path.realpath(path))
        old = target.stat() if target.exists() else None
        wanted = mode if mode is not None else (stat.S_IMODE(old.st_mode) if old else 0o644)
        data = text.encode("utf-8", "surrogateescape")
        if old and stat.S_IMODE(old.st_mode) == wanted and target.read_bytes() == data:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data, wanted)
    except OSError as error:
        raise WriteError(f"error: {path}: cannot write: {error.strerror}") from error
    return True


def _replace(target: Path, data: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_text(path: Path) -> str:
    """Read a file as it is: no translation of line ends, undecodable bytes kept as surrogates."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def diff(name: str, old: str, new: str) -> str:
    """Return a unified diff from what is on disk to what would be generated; empty when they are equal."""
    import difflib  # which a run does without

    lines = difflib.unified_diff(_lines(old), _lines(new), f"{name} (on disk)", f"{name} (generated now)")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Split at line feeds alone; str.splitlines would also split at form feeds and U+2028."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
