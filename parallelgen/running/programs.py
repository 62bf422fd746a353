"""The programs of agents on this box: which are there, of which version, and what their adapters can do."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from parallelgen.agents import ABILITIES, COMMAND, Adapter
from parallelgen.running.tail import plain

_DEMO = "demo"
_PATIENCE = 10


@dataclass(frozen=True)
class Agent:
    """Hold an adapter, and what was found of its program; it is None where none is needed."""

    adapter: Adapter
    is_installed: bool | None
    version: str

    @property
    def facts(self) -> dict[str, Any]:
        """Gather what is known of it, for JSON."""
        return {
            "name": self.adapter.name,
            "program": self.adapter.program or None,
            "installed": self.is_installed,
            "version": self.version or None,
            **{ability: ability in self.adapter.abilities for ability in ABILITIES},
        }


def find(adapters: Iterable[Adapter]) -> list[Agent]:
    """Ask the programs of all adapters for their version, at the same time; the real agents come first."""
    ordered = sorted(
        adapters, key=lambda adapter: (adapter.name in (_DEMO, COMMAND), adapter.name == COMMAND)
    )
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_look_for, ordered))


def _look_for(adapter: Adapter) -> Agent:
    if not adapter.program:
        return Agent(adapter, None, "")
    path = shutil.which(adapter.program)
    return Agent(adapter, path is not None, _version(path) if path else "")


def _version(path: str) -> str:
    """Ask a program for its version, in a process group that ends with our patience; empty without one."""
    try:
        process = subprocess.Popen(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return ""
    with process:
        try:
            said, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return ""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return plain(lines[0]).strip() if lines and process.returncode == 0 else ""


def table(agents: Iterable[Agent]) -> str:
    """Write the agents as aligned columns."""
    rows = [("AGENT", "INSTALLED", "VERSION", *(ability.upper() for ability in ABILITIES))]
    for agent in agents:
        installed = "-" if agent.is_installed is None else "yes" if agent.is_installed else "no"
        can = ("yes" if ability in agent.adapter.abilities else "-" for ability in ABILITIES)
        rows.append((agent.adapter.name, installed, agent.version or "-", *can))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
