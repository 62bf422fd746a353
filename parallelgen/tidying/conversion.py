"""What git converts on its way into a commit and out of it, and would not bring back as it is."""

import filecmp
import tempfile
from collections.abc import Mapping
from pathlib import Path

from parallelgen.git import GitError, Repository

_AT_ONCE = 500  # so many files are checked out to be compared


def altered(repository: Repository, top: Path, blobs: Mapping[str, str]) -> list[str]:
    """List the files of a working tree, given with their blobs, of which a checkout would make others.

    Raises GitError, OSError.
    """
    # Where names are a line each, or quoted, some cannot be told.
    plain = [path for path in blobs if "\n" not in path and "\r" not in path and path[0] != '"']
    given = "".join(f"{path}\n" for path in plain)
    hashes = repository.ask("hash-object", "--no-filters", "--stdin-paths", at=top, given=given).split()
    same = {path for path, told in zip(plain, hashes, strict=True) if told == blobs[path]}
    others = [path for path in blobs if path not in same]
    found = []
    for first in range(0, len(others), _AT_ONCE):
        found += _unlike(repository, top, others[first : first + _AT_ONCE])
    return found


def _unlike(repository: Repository, top: Path, paths: list[str]) -> list[str]:
    """List those of the files that are not as a checkout would make them."""
    with tempfile.TemporaryDirectory() as folder:
        given = "".join(f"{path}\0" for path in paths)
        try:
            repository.ask("checkout-index", "-z", "--stdin", f"--prefix={folder}/", at=top, given=given)
            return [path for path in paths if not filecmp.cmp(Path(folder, path), top / path, shallow=False)]
        except GitError:  # of one at which it was told not to look, or over a filter
            half = len(paths) // 2
    return _unlike(repository, top, paths[:half]) + _unlike(repository, top, paths[half:]) if half else paths
