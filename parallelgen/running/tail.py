"""The end of a log, as one line that can be shown anywhere."""

import os
import re
from pathlib import Path

_LONGEST = 4096
# Control sequences and strings of ECMA-48, then whatever other control characters there are.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[^\x20-\x7e\xa0-\U0010ffff]"
)


class Tails:
    """Read the last lines of logs, each again only when the file has changed."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._known: dict[str, tuple[tuple[int, int], str]] = {}

    def read(self, name: str) -> str:
        """Return the last line of a log with something to see in it; empty when there is none."""
        try:
            with (self._logs / name).open("rb") as file:
                facts = os.fstat(file.fileno())
                seen = (facts.st_mtime_ns, facts.st_size)
                known = self._known.get(name)
                if known and known[0] == seen:
                    return known[1]
                file.seek(max(0, facts.st_size - _LONGEST))
                line = last_line(file.read(_LONGEST))
        except OSError:
            return ""
        self._known[name] = (seen, line)
        return line


def last_line(data: bytes) -> str:
    """Return the last line with something to see in it, without control characters.

    What the script says of the end of a command counts only where the command has said nothing.
    """
    ours = ""
    for line in reversed(re.split("[\r\n]+", data.decode("utf-8", "replace"))):
        text = plain(line.replace("\t", " ")).strip()
        if text and not text.startswith("[run-parallel.sh: "):
            return text
        ours = ours or text
    return ours


def plain(text: str) -> str:
    """Take out of a line what would move the cursor, colour or ring."""
    return _CONTROL.sub("", text)
