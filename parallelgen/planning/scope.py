"""The Scope section of a task file: which paths a task creates, modifies and keeps away from."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_KEY = re.compile(
    r"(?:[-*+]\s+)?[*_`]*(CREATE|MODIFY|BOUNDARY)\b[*_`]*\s*(?:\([^)]*\))?\s*[*_`]*(?::[*_`]*(.*)|$)", re.I
)
_BULLET = re.compile(r"(?:[-*+]|[0-9]+[.)])\s+(.*)")
_PATH = re.compile(r"`[^`]*`\s*(?:$|[^\w\s])|\S*(?:/|\.\w)")  # as the first word of a line in a list
_BRACES = re.compile(r"\{([^{}]*)\}")
_FOLDERS = re.compile(r"(?<![^/])\*\*/")  # any number of folders
_NOTHING = ("", "[]", "none", "n/a", "-", "nothing")
_MOST_EXPANDED = 256


@dataclass(frozen=True)
class Claim:
    """Hold one path of a scope; `part` is what stands after `::`, such as ACLFilter.to_sql."""

    kind: str
    path: str
    part: str = ""


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
        path = re.sub(r"(?<=\w)[.:;]+$", "", words[0].strip("\"'")) if words else ""
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


def globs(path: str) -> list[str]:
    """Write a path of a scope as `case` of a shell matches it: there a `*` goes on over any `/`."""
    path = path.strip("/") + "/*" * path.endswith("/")
    return _expand("*" if path in ("", ".", "/*") else re.sub(r"\*\*+", "*", _FOLDERS.sub("{,*/}", path)))


def patterns(claims: Iterable[Claim], kinds: Collection[str]) -> tuple[str, ...]:
    """List what the claims of some kinds name, as words that a shell matches.

    `[id]` is the name of a folder as often as a set of letters: both are taken.
    """
    found: dict[str, None] = {}
    for claim in claims:
        for glob in globs(claim.path) if claim.kind in kinds else ():
            word = "".join(letter if letter.isprintable() and letter not in " \\" else "?" for letter in glob)
            found[re.sub(r"[][]", "?", word)] = None
            found[word] = None
    return tuple(found)
