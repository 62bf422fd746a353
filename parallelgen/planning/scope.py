"""The Scope section of a task file: which paths a task creates, modifies and keeps away from.

Ownership is told in warnings, because Scope is free text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parallelgen.planning.tasklist import Entry
from parallelgen.reading.problem import Problem, quoted

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_KEY = re.compile(
    r"(?:[-*+]\s+)?[*_`]*(CREATE|MODIFY|BOUNDARY)\b[*_`]*\s*(?:\([^)]*\))?\s*[*_`]*(?::[*_`]*(.*)|$)", re.I
)
_BULLET = re.compile(r"(?:[-*+]|[0-9]+[.)])\s+(.*)")
_PATH = re.compile(r"`|\S*[/.]")
_BRACES = re.compile(r"\{([^{}]*)\}")
_NOTHING = ("", "[]", "none", "n/a", "-", "nothing")
_MOST_EXPANDED = 256


@dataclass(frozen=True)
class Claim:
    """Hold one path of a scope; `part` is what stands after `::`, such as ACLFilter.to_sql."""

    kind: str
    path: str
    part: str = ""


Held = tuple[Entry, Claim]


def claims(body: str) -> list[Claim]:
    """Read the Scope section of a task's Markdown, in any of the forms that people write."""
    found: list[Claim] = []
    kind = ""
    for line in _section(body):
        heading = _HEADING.match(line)
        text = heading.group(2) if heading else line
        if key := _KEY.match(text):
            kind, text = key.group(1).upper(), key.group(2) or ""
        elif heading:
            kind = ""
        elif bullet := _BULLET.match(text):
            text = bullet.group(1)
        elif text and not _PATH.match(text):
            kind = ""  # prose ends a list
        if kind:
            found += [claim for item in _items(text) for claim in _claims(kind, item)]
    return list(dict.fromkeys(found))


def _section(body: str) -> Iterator[str]:
    level = 0
    for raw in body.splitlines():
        line = raw.strip()
        heading = _HEADING.match(line)
        if heading and level and len(heading.group(1)) <= level:
            level = 0
        if heading and not level and heading.group(2).strip(":*").lower() == "scope":
            level = len(heading.group(1))
        elif level and not line.startswith("```"):
            yield line


def _items(text: str) -> list[str]:
    """Split at the commas that stand outside braces, brackets and back-quotes, without the remarks."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    text = re.sub(r"(?:^|\s)\([^()]*\)", " ", text)
    items, depth, start, quote = [], 0, 0, False
    for position, letter in enumerate(text):
        quote ^= letter == "`"
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth <= 0 and not quote:
            items.append(text[start:position])
            start = position + 1
    return [*items, text[start:]]


def _claims(kind: str, item: str) -> Iterator[Claim]:
    item = item.strip()
    if item.startswith("`"):
        path = item[1:].partition("`")[0].strip()
    else:
        words = item.strip("\"'").split()
        path = words[0].strip("\"'") if words else ""
        if len(words) > 1 and not re.search(r"[/.*:]", path):
            return  # prose, not a path
    if path.lower() in _NOTHING:
        return
    path, _, part = path.partition("::")
    for expanded in _expand(path.removeprefix("./")):
        yield Claim(kind, expanded, part)


def _expand(path: str) -> list[str]:
    done: list[str] = []
    left = [path]
    while left:
        text = left.pop()
        braces = _BRACES.search(text)
        choices = braces.group(1).split(",") if braces else []
        if braces is None or len(choices) < 2 or len(done) + len(left) + len(choices) > _MOST_EXPANDED:
            done.append(text)
        else:
            left += [
                text[: braces.start()] + choice.strip() + text[braces.end() :] for choice in reversed(choices)
            ]
    return done


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
