"""The tables of docs/performance.md; all else on that page is written by hand."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


class MarkerError(Exception):
    """Say which pair of markers the page lacks."""


def table(figures: Sequence[Figure]) -> str:
    """Write figures as a Markdown table."""
    rows = [
        f"| {figure.what} | {figure.goal} | {_judged(figure)} | {figure.note} |".replace("  |", " |")
        for figure in figures
    ]
    return "\n".join(["| what | goal | measured | |", "|---|---|---|---|", *rows])


def fill(text: str, name: str, content: str) -> str:
    """Put content between the markers of this name. Raises MarkerError."""
    begin, end = f"<!-- bench {name} -->", "<!-- /bench -->"
    found = re.search(f"{re.escape(begin)}\n.*?{re.escape(end)}", text, re.DOTALL)
    if not found:
        raise MarkerError(f"{PAGE.name}: no '{begin}' with '{end}' behind it")
    return f"{text[: found.start()]}{begin}\n{content}\n{end}{text[found.end() :]}"


def machine() -> str:
    """Describe the kind of machine in a line, without its name."""
    tools = [_version("git", "--version"), _version("xargs", "--version")]
    shell = Path(os.path.realpath(shutil.which("sh") or "/bin/sh")).name
    parts = [
        f"{os.cpu_count()} cores",
        f"{platform.system()} {'.'.join(re.findall('[0-9]+', platform.release())[:3])}",
        f"sh is {shell}",
        *filter(None, tools),
        f"Python {platform.python_version()}",
    ]
    return f"Measured on: {', '.join(parts)}."


def _judged(figure: Figure) -> str:
    return figure.measured if figure.is_met else f"**{figure.measured}**"


def _version(*command: str) -> str:
    """Return the first line of what a tool says about itself; nothing when it is missing."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return next(iter(answer.stdout.splitlines()), "")
