"""What git converts on its way into a commit and out of it, and would not bring back as it is."""

import filecmp
import tempfile
from collections.abc import Mapping
from pathlib import Path

from parallelgen.git import Repository, entries, write


def altered(repository: Repository, top: Path, files: Mapping[str, tuple[str, int]]) -> list[str]:
    """List the tracked files of a working tree of which a checkout would make others; for each blob and size.

    Those are looked at that have a filter, or another size than their blob. Raises GitError, OSError.
    """
    blobs = "".join(f"{blob}\n" for blob, _ in files.values())
    sizes = repository.ask("cat-file", "--batch-check=%(objectsize)", at=top, given=blobs).split("\n")
    names = "".join(f"{path}\0" for path in files)
    told = entries(repository.ask("check-attr", "-z", "--stdin", "filter", at=top, given=names))
    return [
        path
        for (path, (blob, size)), kept, name in zip(files.items(), sizes, told[2::3], strict=False)
        if (kept != str(size) or name not in ("unspecified", "unset", "set"))
        and not _is_as_checked_out(top, path, blob)
    ]


def _is_as_checked_out(top: Path, path: str, blob: str) -> bool:
    """Tell whether a checkout of this blob would give the file that is there."""
    with tempfile.NamedTemporaryFile() as made:
        is_made = write(made, "cat-file", "--filters", f"--path={path}", blob, at=top)
        return is_made and filecmp.cmp(made.name, top / path, shallow=False)
