"""Paths with wildcards, as `case` of a shell has them: `*` is any text and `?` any letter, `/` included."""

import re
from functools import cache

_WILD = re.compile(r"[*?]")
# What has no ending is a folder, but for the Makefiles and READMEs of this world.
_FILE = re.compile(r".+\..*|.*file|[A-Z]+")


def is_glob(path: str) -> bool:
    """Tell whether there are wildcards in a path."""
    return bool(_WILD.search(path))


def beginning(path: str) -> str:
    """Return what stands before the first wildcard."""
    return _WILD.split(path, maxsplit=1)[0]


def file_name(path: str) -> str:
    """Return the last word of a path, empty where that has wildcards or may be a folder."""
    last = path.rpartition("/")[2]
    return last if not is_glob(last) and _FILE.fullmatch(last) else ""


def meet(one: str, other: str) -> bool:
    """Tell whether two paths or globs may be the same, or one in the folder that the other names."""
    if not is_glob(one) and not is_glob(other):
        return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
    return _share(one, other) or _holds(one, other) or _holds(other, one)


def _holds(folder: str, path: str) -> bool:
    """Tell whether a path may be in what may be a folder; that a name has wildcards makes it no folder."""
    if file_name(folder) or (is_glob(path) and is_glob(folder.rpartition("/")[2])):
        return False
    return _share(f"{folder}/*", path)


def _share(one: str, other: str) -> bool:
    """Tell whether there is a text that both match."""
    if not is_glob(one):
        one, other = other, one
    if not is_glob(other):
        return bool(_pattern(one).fullmatch(other))
    return _ends_agree(one, other) and _both(one, other)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(letter) or re.escape(letter) for letter in glob), re.DOTALL)


def _ends_agree(one: str, other: str) -> bool:
    """Compare what stands before the first wildcards and behind the last: most that differ, differ there."""
    first, second = beginning(one), beginning(other)
    if not (first.startswith(second) or second.startswith(first)):
        return False
    first, second = (_WILD.split(glob)[-1] for glob in (one, other))
    return first.endswith(second) or second.endswith(first)


def _both(one: str, other: str) -> bool:
    """Fill a table: row i, column j tells whether the first i letters of one and j of other share a text."""
    row = [True]
    for letter in other:
        row.append(row[-1] and letter == "*")
    for mine in one:
        before, row = row, [row[0] and mine == "*"]
        for column, letter in enumerate(other, 1):
            if mine == "*" or letter == "*":
                row.append(before[column] or row[-1])
            else:
                row.append(before[column - 1] and (mine == letter or "?" in (mine, letter)))
    return row[-1]
