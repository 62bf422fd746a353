"""The ends of files that grow, and the last line of a log, fit to be shown anywhere."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")
_LONGEST = 4096
# Control sequences and strings of ECMA-48, then whatever other control characters there are.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[^\x20-\x7e\xa0-\U0010ffff]"
)


class Ends:
    """Read the ends of files of a folder, each again only when the file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, Callable[[bytes], Any]], tuple[tuple[int, int, int], Any]] = {}

    def read(self, name: str, parse: Callable[[bytes], Found]) -> Found | None:
        """Return what `parse` makes of the end of a file; None when there is no such file."""
        try:
            with (self._folder / name).open("rb") as file:
                facts = os.fstat(file.fileno())
                seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
                known = self._known.get((name, parse))
                if known and known[0] == seen:
                    found: Found = known[1]
                    return found
                file.seek(max(0, facts.st_size - _LONGEST))
                found = parse(file.read(_LONGEST))
        except OSError:
            return None
        self._known[name, parse] = (seen, found)
        return found


def last_line(data: bytes, with_json: bool = True) -> str:
    """Return the last line with something to see in it, without control characters.

    What the script says of the end of a command counts only where the command has said nothing. Without JSON
    no object of a stream is shown, nor the rest of one at the beginning.
    """
    ours = ""
    lines = re.split("[\r\n]+", data.decode("utf-8", "replace"))
    if not with_json:
        lines = [line for line in lines[len(data) == _LONGEST :] if not line.lstrip().startswith("{")]
    for line in reversed(lines):
        text = plain(line.replace("\t", " ")).strip()
        if text and not text.startswith("[run-parallel.sh: "):
            return text
        ours = ours or text
    return ours


def plain(text: str) -> str:
    """Take out of a line what would move the cursor, colour or ring."""
    return _CONTROL.sub("", text)
