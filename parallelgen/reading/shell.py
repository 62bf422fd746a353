"""What sh finds wrong with a command, which it reads and does not run."""

import os
import re
import subprocess
from functools import cache

_PLACE = re.compile(r"^(?:[\w./-]+: )?(?:line )?(?:[0-9]+: )?")


@cache
def fault(command: str) -> str | None:
    """Say in the words of the box's sh why it refuses a command; None when it takes it, or is not there."""
    try:
        answer = subprocess.run(
            ["sh", "-n"],
            input=f"{command}\n".encode("utf-8", "replace"),
            # The same words for everybody, and no functions or files of a bash in them.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError:
        return None
    if not answer.returncode:
        return None
    said = answer.stderr.decode("utf-8", "replace").splitlines()
    return _PLACE.sub("", said[0]) if said else f"it ends with status {answer.returncode}"
