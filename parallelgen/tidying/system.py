"""What the system tells of folders: who is at work in one, what is mounted there, what it takes on disk."""

import contextlib
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

_PROC = Path("/proc")


def at_work_in(folder: Path, inodes: Collection[tuple[int, int]] = ()) -> list[str]:
    """List the processes at work in a folder or below it, as `PID NAME`; none where there is no /proc.

    Those are at work there whose current folder it is, or one that has such a device and inode, or who have a
    file open there.
    """
    folder, found = folder.resolve(), []
    for process in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            here = (process / "cwd").stat()
            is_inside = (here.st_dev, here.st_ino) in inodes
            if is_inside or any(place == folder or folder in place.parents for place in _places(process)):
                found.append(f"{process.name} {(process / 'comm').read_text(errors='replace').strip()}")
    return sorted(found)


def _places(process: Path) -> Iterator[Path]:
    yield (process / "cwd").readlink()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            yield descriptor.readlink()


def mounted_in(folder: Path) -> list[str]:
    """List what is mounted at a folder or below it; nothing where the system does not tell."""
    try:
        lines = os.fsdecode((_PROC / "self" / "mountinfo").read_bytes()).split("\n")[:-1]
    except OSError:
        return []
    folder = folder.resolve()
    places = [Path(_unescape(line.split(" ")[4])) for line in lines]
    return sorted({str(place) for place in places if place == folder or folder in place.parents})


def _unescape(text: str) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), os.fsencode(text)))


def disk_use(folders: Sequence[Path]) -> int:
    """Return what folders take on disk, in bytes; what cannot be read does not count."""
    if not folders:
        return 0
    answer = subprocess.run(
        ["du", "-s", "-k", "--", *map(str, folders)],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return sum(int(line.split()[0]) for line in answer.stdout.splitlines() if line[:1].isdigit()) * 1024


def size_text(size: int) -> str:
    """Write a size on disk, in bytes, as people read it."""
    number, units = size / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while number >= 1023.5 and len(units) > 1:
        number, units = number / 1024, units[1:]
    return f"{number:.1f} {units[0]}" if units[0] != "KiB" and number < 99.95 else f"{number:.0f} {units[0]}"
