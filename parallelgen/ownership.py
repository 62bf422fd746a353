"""Who may write which file: the ownership rules of the format, as warnings, for Scope is free text."""

from collections.abc import Iterator, Sequence

from parallelgen.problem import Problem, quoted
from parallelgen.scope import Claim, claims
from parallelgen.tasklist import Entry

Held = tuple[Entry, Claim]


def conflicts(entries: Sequence[Entry], waves: Sequence[int | None]) -> Iterator[Problem]:
    """Find paths that two tasks create, and paths that two tasks of one wave change.

    Paths are compared as they are written: `a/*.py` and `a/b.py` count as different.
    """
    created: dict[str, Entry] = {}
    touched: dict[tuple[int, str], list[Held]] = {}
    for entry, wave in zip(entries, waves, strict=True):
        for claim in claims(entry.file.body):
            if claim.kind == "CREATE":
                first = created.setdefault(claim.path, entry)
                if first is not entry:
                    yield _warning(entry, f"{quoted(claim.path)} is created by {quoted(first.id)} as well")
            if claim.kind != "BOUNDARY" and wave is not None:
                touched.setdefault((wave, claim.path), []).append((entry, claim))
    for held in touched.values():
        if len(held) > 1:
            yield from _shared(held)


def _shared(held: list[Held]) -> Iterator[Problem]:
    modified = [item for item in held if item[1].kind == "MODIFY"]
    whole = [item for item in modified if not item[1].part]
    for entry, claim in whole:
        other = next((other for other, _ in held if other is not entry), None)
        if other:
            message = f"{quoted(claim.path)} is changed by {quoted(other.id)} of the same wave as well"
            yield _warning(
                entry, message, "name the part that each changes (path::Name), or move one to another wave"
            )
    owners: dict[tuple[str, ...], Entry] = {}
    for entry, claim in sorted(modified, key=lambda item: item[1].part.count(".")):
        if claim.part:
            names = tuple(claim.part.split("."))
            around = [owners.get(names[:length]) for length in range(1, len(names) + 1)]
            other = next((owner for owner in around if owner and owner is not entry), None)
            if other:
                where = f"{claim.path}::{claim.part}"
                yield _warning(
                    entry, f"{quoted(where)} is, in whole or in part, changed by {quoted(other.id)} as well"
                )
            owners.setdefault(names, entry)


def _warning(entry: Entry, message: str, hint: str | None = None) -> Problem:
    return Problem(entry.file.path, "scope", message, hint, "warning")
