"""What filters take out of files on their way into git, and so is in no commit though git sees no change."""

import filecmp
import tempfile
from collections.abc import Iterable
from pathlib import Path

from parallelgen.git import Repository, call

_WITHOUT = ("unspecified", "unset", "set", "lfs")  # lfs keeps all that it takes out


def altered(repository: Repository, top: Path, paths: Iterable[str]) -> list[str]:
    """List the files of a working tree that a checkout would not bring back as they are. Raises GitError."""
    clean = call("config", "--get-regexp", r"^filter\.(.*)\.(clean|process)$", at=top).stdout
    if all(line.startswith("filter.lfs.") for line in clean.splitlines()):
        return []
    given = "".join(f"{path}\0" for path in paths)
    told = repository.ask("check-attr", "-z", "--stdin", "filter", at=top, given=given).split("\0")
    filtered = [path for path, name in zip(told[::3], told[2::3], strict=False) if name not in _WITHOUT]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        given = "".join(f"{path}\0" for path in filtered)
        repository.ask("checkout-index", "-z", "--stdin", f"--prefix={place}/", at=top, given=given)
        return [path for path in filtered if not filecmp.cmp(place / path, top / path, shallow=False)]
