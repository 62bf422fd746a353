"""The YAML frontmatter of a task file, without the parts of YAML that surprise.

Values are built from parser events, not by a loader: aliases, anchors and duplicate keys can be refused with
their place, nothing recurses, and plain scalars are read as in the core schema of YAML 1.2, so that `on`,
`1:30` and `2025-01-01` stay text.
"""

import re
from collections.abc import Iterable

import yaml

from parallelgen.reading.problem import Problem, quoted

_LONGEST = 256 * 1024
_DEEPEST = 50
_FENCE = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _RefusedError(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str, file: str) -> tuple[dict[str, object] | None, str, tuple[Problem, ...]]:
    """Split a task file into frontmatter (None when there are problems) and Markdown."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    if first.rstrip() != "---":
        return None, text, (Problem(file, "line 1", "no frontmatter: expected '---' on the first line"),)
    end = _FENCE.search(rest)
    if end is None:
        return None, "", (Problem(file, "line 1", "unclosed frontmatter: expected a second line '---'"),)
    head, body = rest[: end.start()], rest[end.end() + 1 :]
    if len(head) > _LONGEST:
        return None, body, (Problem(file, "", f"expected at most {_LONGEST} characters of frontmatter"),)
    try:
        value = _build(yaml.parse(head, Loader=_LOADER))
    except _RefusedError as refusal:
        return None, body, (Problem(file, f"line {refusal.line + 2}", str(refusal)),)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 2}, column {mark.column + 1}" if mark else ""
        what = " ".join(filter(None, (error.context, error.problem)))
        return None, body, (Problem(file, place, f"not valid YAML: {what}"),)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the loader in Python lets chr() fail
        what = str(error).splitlines()[0]
        return None, body, (Problem(file, "", f"not valid YAML: {what}"),)
    if value is None:
        return {}, body, ()
    if not isinstance(value, dict):
        return None, body, (Problem(file, "line 2", "expected the frontmatter to be a mapping (key: value)"),)
    return value, body, ()


class _Frame:
    """A collection being built; `key` is the mapping's key that waits for its value."""

    def __init__(self, items: dict[str, object] | list[object]) -> None:
        self.items = items
        self.key: str | None = None

    def add(self, value: object) -> None:
        if isinstance(self.items, list):
            self.items.append(value)
        elif self.key is not None:
            self.items[self.key] = value
            self.key = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.items, dict) and self.key is None


def _build(events: Iterable[yaml.Event]) -> object:
    root = _Frame([])
    frames = [root]
    for event in events:
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(line, "anchors (&) and aliases (*) are not supported: write the value out")
        if isinstance(event, yaml.ScalarEvent):
            top = frames[-1]
            if not top.wants_key:
                top.add(_scalar(event, line))
            elif event.value in top.items:
                raise _RefusedError(line, f"duplicate key {quoted(event.value)}")
            else:
                top.key = event.value
        elif isinstance(event, yaml.CollectionStartEvent):
            if frames[-1].wants_key:
                raise _RefusedError(line, "expected a plain key, found a list or a mapping")
            if len(frames) > _DEEPEST:
                raise _RefusedError(line, f"nested too deeply: expected at most {_DEEPEST} levels")
            frames.append(_Frame({} if isinstance(event, yaml.MappingStartEvent) else []))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = frames.pop()
            frames[-1].add(done.items)
    assert isinstance(root.items, list)
    return root.items[0] if root.items else None


def _scalar(event: yaml.ScalarEvent, line: int) -> object:
    text: str = event.value
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _RefusedError(line, f"{quoted(text)} holds half a surrogate pair, which is no character")
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        raise _RefusedError(line, f"tags ({event.tag}) are not supported")
    if not event.implicit[0]:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
