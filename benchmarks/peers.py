"""The tools that we are measured against: found, installed where that can be done, or asked for."""

import os
import shutil
import subprocess
from collections.abc import Iterable

PACKAGES = {"xargs": "findutils", "parallel": "parallel", "hyperfine": "hyperfine"}


class MissingError(Exception):
    """Say which tools are missing and how to get them."""


def require(names: Iterable[str]) -> None:
    """Install what is missing of these tools: with apt-get, as root. Raises MissingError elsewhere."""
    missing = [name for name in names if not _is_there(name)]
    if not missing:
        return
    packages = [PACKAGES[name] for name in missing]
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, check=False)
        missing = [name for name in missing if not _is_there(name)]
    if missing:
        raise MissingError(
            f"missing: {', '.join(missing)}\n"
            f"  Debian, Ubuntu: apt-get install {' '.join(PACKAGES[name] for name in missing)}\n"
            f"  macOS: brew install {' '.join(PACKAGES[name] for name in missing)}"
        )


def _is_there(name: str) -> bool:
    """Tell whether the tool is on the PATH; moreutils has another `parallel`."""
    if shutil.which(name) is None:
        return False
    if name != "parallel":
        return True
    answer = subprocess.run(
        [name, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return "GNU parallel" in answer.stdout
