"""Who uses the processor in a run: git, the agents, or we."""

import os
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks import project
from benchmarks.process import run

# Stands in for git on the PATH and notes what git used. It is slow itself, but that is not in the account.
_WRAPPER = """\
#!{python} -IS
import os, sys
pid = os.posix_spawn({git!r}, ["git", *sys.argv[1:]], os.environ)
_, status, used = os.wait4(pid, 0)
log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, f"{{used.ru_utime + used.ru_stime:.6f}} {{' '.join(sys.argv[1:])}}\\n".encode())
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""
_COMMAND = re.compile(r"(?:-[cC] \S+ )*(\S+)")


@dataclass(frozen=True)
class Share:
    """Hold the processor time of all git commands of a run, how many there were, and how many of which."""

    seconds: float
    calls: int
    kinds: Counter[str]


def git_share(template: Path) -> Share:
    """Run the script of a project with a git that accounts for itself."""
    git = shutil.which("git")
    assert git, "git is missing"
    with project.copy_of(template) as root:
        log, wrapper = root.parent / "git.log", root.parent / "bin" / "git"
        wrapper.parent.mkdir()
        python = getattr(sys, "_base_executable", sys.executable)
        wrapper.write_text(_WRAPPER.format(python=python, git=git, log=str(log)))
        wrapper.chmod(0o755)
        run(project.SCRIPT, root, variables={"PATH": f"{wrapper.parent}:{os.environ['PATH']}"})
        lines = log.read_text().splitlines()
    kinds = Counter(match[1] for line in lines if (match := _COMMAND.match(line.partition(" ")[2])))
    return Share(sum(float(line.split(" ", 1)[0]) for line in lines), len(lines), kinds)
