"""Which tasks may meet in a file, told in warnings: a scope is free text, and written before the work."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from parallelgen.planning.globs import beginning, file_name, is_glob, meet
from parallelgen.planning.scope import Claim, globs
from parallelgen.planning.tasklist import Entry
from parallelgen.reading.problem import Problem, quoted

_MOST = 10  # warnings of one task that say no more than that it may meet others
_PARTS = "name the part that each changes (path::Name), or move one to another wave"
_FILES = "name the files of each, or move one to another wave"
_LAST = "\U0010ffff"


class Held(NamedTuple):
    """Hold who claims a path: its place in the plan, and the claim."""

    rank: int
    entry: Entry
    claim: Claim


def conflicts(
    entries: Sequence[Entry], waves: Sequence[int | None], scopes: Sequence[Sequence[Claim]]
) -> Iterator[Problem]:
    """Find paths that two tasks create, and tasks of one wave that may make or change the same file."""
    created: dict[str, Held] = {}
    touched: dict[int, dict[str, list[Held]]] = {}
    told: set[tuple[int, int]] = set()
    for rank, (entry, wave, claims) in enumerate(zip(entries, waves, scopes, strict=True)):
        for claim in claims:
            held = Held(rank, entry, claim)
            if claim.kind == "CREATE":
                first = created.setdefault(claim.path, held)
                if first.rank != rank:
                    told.add((first.rank, rank))
                    yield _warning(
                        entry, f"{quoted(claim.path)} is created by {quoted(first.entry.id)} as well"
                    )
            if claim.kind != "BOUNDARY" and wave is not None:
                of_wave = touched.setdefault(wave, {})
                for path in globs(claim.path):
                    of_wave.setdefault(path, []).append(held)
    for of_wave in touched.values():
        for holders in of_wave.values():
            if len(holders) > 1:
                yield from _same_path(holders, told)
        yield from _near_paths(of_wave, told)


def _same_path(holders: Sequence[Held], told: set[tuple[int, int]]) -> Iterator[Problem]:
    """Compare the claims to one path: a part excludes what is in it, the whole file all of its parts."""
    owners: dict[tuple[str, ...], Held] = {}
    for held in sorted(holders, key=lambda held: len(_names(held.claim))):
        names = _names(held.claim)
        around = (owners.get(names[:length]) for length in range(len(names) + 1))
        other = next((owner for owner in around if owner and owner.rank != held.rank), None)
        owners.setdefault(names, held)
        if other is None:
            continue
        if held.claim.kind == other.claim.kind == "CREATE" and held.claim.path == other.claim.path:
            continue  # that has been told
        told.add(_pair(held, other))
        if names and _names(other.claim):
            what = quoted(f"{held.claim.path}::{held.claim.part}")
            message = f"{what} is, in whole or in part, changed by {quoted(other.entry.id)} as well"
            yield _warning(held.entry, message)
        else:
            whole, other = (other, held) if names else (held, other)
            path, name = quoted(whole.claim.path), quoted(other.entry.id)
            yield _warning(whole.entry, f"{path} is changed by {name} of the same wave as well", _PARTS)


def _near_paths(of_wave: Mapping[str, Sequence[Held]], told: set[tuple[int, int]]) -> Iterator[Problem]:
    """Compare paths that differ, for tasks of which nothing has been told."""
    count: Counter[int] = Counter()
    for path, other in _candidates(of_wave):
        mine, yours = of_wave[path], of_wave[other]
        if len(mine) == len(yours) == 1 and count[max(mine[0].rank, yours[0].rank)] == _MOST:
            continue  # of thousands that all meet most end here
        found = [pair for pair in _clashes(mine, yours) if _pair(*pair) not in told]
        if not found or not meet(path, other):
            continue
        for pair in found:
            first, later = sorted(pair, key=lambda held: held.rank)
            if _pair(*pair) in told or count[later.rank] == _MOST:
                continue
            told.add(_pair(*pair))
            count[later.rank] += 1
            theirs = f"{quoted(first.claim.path)} of {quoted(first.entry.id)}, of the same wave"
            yield _warning(later.entry, f"{quoted(later.claim.path)} may meet {theirs}", _FILES)


def _candidates(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pair the paths that can meet by what stands before their wildcards, and by the names of their files."""
    rows = sorted((beginning(path), not is_glob(path), path) for path in paths)
    by_name: dict[str, list[tuple[str, bool, str]]] = {}
    for row in rows:
        by_name.setdefault(file_name(row[2]), []).append(row)
    for row in rows:
        start, is_plain, path = row
        within = f"{start}/" if is_plain else start
        name = file_name(path)
        for those in (by_name[name], by_name.get("", [])) if name and not is_plain else (rows,):
            first = bisect_left(those, (within,)) if is_plain else bisect_right(those, row)
            for _, _, other in those[first : bisect_left(those, (within + _LAST,), first)]:
                yield path, other


def _clashes(mine: Sequence[Held], yours: Sequence[Held]) -> Iterator[tuple[Held, Held]]:
    """Pair each claim with the first of the other path's that it does not get along with."""
    for these, those in ((mine, yours), (yours, mine)):
        for held in these:
            other = next((other for other in those if other.rank != held.rank and _clash(held, other)), None)
            if other:
                yield held, other
        if len(mine) == len(yours) == 1:
            return


def _clash(held: Held, other: Held) -> bool:
    """Tell whether claims to one file exclude each other."""
    depth = min(len(_names(held.claim)), len(_names(other.claim)))
    return _names(held.claim)[:depth] == _names(other.claim)[:depth]


def _names(claim: Claim) -> tuple[str, ...]:
    return tuple(claim.part.split(".")) if claim.part else ()


def _pair(held: Held, other: Held) -> tuple[int, int]:
    return min(held.rank, other.rank), max(held.rank, other.rank)


def _warning(entry: Entry, message: str, hint: str | None = None) -> Problem:
    return Problem(entry.file.path, "scope", message, hint, "warning")
