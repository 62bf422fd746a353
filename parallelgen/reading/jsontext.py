"""JSON read strictly: nothing that another reader would take differently, each fault with its place."""

import json
import re
from collections.abc import Iterator
from itertools import islice

from parallelgen.reading.problem import Problem, quoted

_DEEPEST = 100
_LONGEST_NUMBER = 1000
_MOST_FAULTS = 100
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|NaN|-?Infinity|-?[0-9][0-9.eE+-]*', re.DOTALL)


def parse(text: str, file: str) -> tuple[object, tuple[Problem, ...]]:
    """Read a JSON text; the value is None when there are problems."""
    text = text.removeprefix("\ufeff")
    suspect = bool(_SURROGATE_ESCAPE.search(text))

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal suspect
        found = dict(pairs)
        suspect = suspect or len(found) != len(pairs)
        return found

    def constant(_: str) -> None:
        nonlocal suspect
        suspect = True

    def integer(digits: str) -> int:
        nonlocal suspect
        suspect = suspect or len(digits) > _LONGEST_NUMBER
        return int(digits[:_LONGEST_NUMBER])

    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=constant, parse_int=integer)
    except json.JSONDecodeError as error:
        if not text.strip():
            return None, (Problem(file, "", "expected a JSON object, found an empty file"),)
        what = error.msg[:1].lower() + error.msg[1:]
        return None, (Problem(file, f"line {error.lineno}, column {error.colno}", f"not valid JSON: {what}"),)
    except RecursionError:
        return None, (_too_deep(file),)
    if _depth(value) > _DEEPEST:
        return None, (_too_deep(file),)
    problems = tuple(islice(_faults(text, file), _MOST_FAULTS)) if suspect else ()
    return (None if problems else value), problems


def _too_deep(file: str) -> Problem:
    return Problem(file, "", f"nested too deeply: expected at most {_DEEPEST} levels")


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        held = (
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, (dict, list))
        )
        level = [child for items in held for child in items]
    return depth


def _faults(text: str, file: str) -> Iterator[Problem]:
    """Find, in a text that parses, what the parser lets pass; it gives no places, so walk the tokens."""
    seen: list[set[str] | None] = []
    key_next = False
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token == "{":
            seen.append(set())
        elif token == "[":
            seen.append(None)
        elif token in "]}":
            seen.pop()
        elif token.startswith('"'):
            word = json.loads(token)
            if key_next and (keys := seen[-1]) is not None:
                if word in keys:
                    yield Problem(file, _place(text, found.start()), f"duplicate key {quoted(word)}")
                keys.add(word)
            if _SURROGATE.search(word):
                message = f"{quoted(word)} holds half a surrogate pair, which is no character"
                yield Problem(file, _place(text, found.start()), message)
        elif token in ("NaN", "Infinity", "-Infinity"):
            yield Problem(
                file, _place(text, found.start()), f"not valid JSON: '{token}' is not a JSON number"
            )
        elif len(token) > _LONGEST_NUMBER and token.lstrip("-").isdigit():
            message = f"expected a number of at most {_LONGEST_NUMBER} digits, found {len(token)}"
            yield Problem(file, _place(text, found.start()), message)
        key_next = token == "{" or (token == "," and bool(seen) and seen[-1] is not None)


def _place(text: str, offset: int) -> str:
    return f"line {text.count(chr(10), 0, offset) + 1}, column {offset - text.rfind(chr(10), 0, offset)}"
