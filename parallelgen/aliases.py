"""The several words for one task: its name, its ids and their `task-NNN` prefix."""

import difflib
import re
from collections.abc import Iterable

from parallelgen.names import NUMBERED, short
from parallelgen.problem import quoted

MOST_HINTS = 20  # a hint compares one word with all the others


class UnresolvedError(ValueError):
    """Report a word that names no task, or several; `hint` may say which was meant."""

    def __init__(self, message: str, hint: str | None, *, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.ambiguous = ambiguous


class Aliases:
    """Find a task, given as an index, by any word that names it.

    A whole word comes before a prefix, so `task-001` is the task of that name even beside `task-001-users`. A
    long word names a task known by its short form alone, as where files are called task-001.md.
    """

    def __init__(self, words: Iterable[Iterable[str]]) -> None:
        self._whole: dict[str, list[int]] = {}
        self._short: dict[str, list[int]] = {}
        self._bare: set[str] = set()
        self._names: list[str] = []
        self._hints = 0
        for index, given in enumerate(words):
            named = dict.fromkeys(given)
            self._names.append(max(named, key=len))
            for word in named:
                self._whole.setdefault(word, []).append(index)
            for prefix in {short(word) for word in named}:
                self._short.setdefault(prefix, []).append(index)
            if len(named) == 1:
                self._bare.update(word for word in named if word == short(word))

    def shared(self, prefix: str) -> bool:
        """Tell whether a prefix would name two tasks."""
        return len(self._short.get(prefix, ())) > 1

    def find(self, word: str) -> int:
        """Return the index of the one task of this name; raise UnresolvedError."""
        found = self._whole.get(word) or self._short.get(word)
        if not found and short(word) in self._bare:
            found = self._short[short(word)]
        if not found:
            raise UnresolvedError(f"unknown task {quoted(word)}", self._hint(word))
        if len(found) > 1:
            some = " or ".join(quoted(self._names[index]) for index in found[:5])
            rest = " or another" if len(found) > 5 else ""
            raise UnresolvedError(f"ambiguous task {quoted(word)}", f"it may be {some}{rest}", ambiguous=True)
        return found[0]

    def _hint(self, word: str) -> str | None:
        self._hints += 1
        if self._hints > MOST_HINTS or len(word) > 200:
            return None
        known = [*self._short, *self._whole]
        same_number = [name for name in known if _number(name) == _number(word)] if _number(word) else []
        close = difflib.get_close_matches(word, same_number or known, 1)
        return f"did you mean {quoted(close[0])}?" if close else None


def ids(names: Iterable[str], aliases: Aliases) -> list[str]:
    """Choose each task's id: the prefix of its name, or the whole name where two tasks would share that."""
    return [name if aliases.shared(short(name)) else short(name) for name in names]


def _number(word: str) -> str:
    return re.sub("^task-0*", "", short(word)) if NUMBERED.match(word) else ""
