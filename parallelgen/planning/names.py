"""What tasks and branches may be called, and the several words for one task: name, ids, `task-NNN` prefix."""

import re
from collections.abc import Container, Iterable, Sequence

from parallelgen.reading.problem import quoted
from parallelgen.refs import LONGEST_NAME, ref_fault

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NUMBERED = re.compile(r"task-[0-9]+(?![A-Za-z0-9])")
# logs/orchestrator.log and the like, logs/state/lock.PID
_RESERVED = re.compile(r"orchestrator|baseline|checkout|integration|lock(\..*)?")
_OF_ATTEMPT = re.compile(r"(.+)\.[0-9]+")
_OF_STEP = re.compile(r"(.+)\.(setup|verify)(?:\.[0-9]+)?")

MOST_HINTS = 20  # a hint compares one word with all the others
ALPHABET = "letters, digits, '.', '_' and '-', the first a letter or a digit"


def short(name: str) -> str:
    """Cut a name to its `task-NNN` prefix; a name without one stays whole."""
    found = NUMBERED.match(name)
    return found.group() if found else name


def name_fault(name: str) -> str | None:
    """Say why a name can be neither a task's id nor the end of its branch, if so."""
    if not _NAME.fullmatch(name):
        return f"expected {ALPHABET}"
    if len(name) > LONGEST_NAME:
        return f"expected at most {LONGEST_NAME} characters"
    if _RESERVED.fullmatch(name):
        return "this name is reserved"
    fault = ref_fault(name)
    return f"git refuses a branch that ends so: {fault}" if fault else None


def log_fault(name: str, taken: Container[str]) -> str | None:
    """Say of which task logs/NAME.log would also be a log, if so."""
    attempt, step = _OF_ATTEMPT.fullmatch(name), _OF_STEP.fullmatch(name)
    if attempt and attempt[1] in taken:
        return f"the id {quoted(name)} is also the log name of an attempt at {quoted(attempt[1])}"
    if step and step[1] in taken:
        return f"the id {quoted(name)} is also the log name of {step[2]} of {quoted(step[1])}"
    return None


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Ask whether the nearest of the known words was meant, if one is near."""
    import difflib  # which a directory without mistakes does without

    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {quoted(close[0])}?" if close else None


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
        return did_you_mean(word, same_number or known)


def ids(names: Iterable[str], aliases: Aliases) -> list[str]:
    """Choose each task's id: the prefix of its name, or the whole name where two tasks would share that."""
    return [name if aliases.shared(short(name)) else short(name) for name in names]


def _number(word: str) -> str:
    return re.sub("^task-0*", "", short(word)) if NUMBERED.match(word) else ""
