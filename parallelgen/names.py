"""What tasks, branches and paths may be called."""

import posixpath
import re
import unicodedata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
NUMBERED = re.compile(r"task-[0-9]+(?![A-Za-z0-9])")
_NEVER_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_LONGEST_NAME = 200  # a branch is a file of at most 255 bytes, and git adds '.lock' to it
_RESERVED = ("orchestrator",)  # logs/orchestrator.log is the run's own log

ALPHABET = "letters, digits, '.', '_' and '-', the first a letter or a digit"


def short(name: str) -> str:
    """Cut a name to its `task-NNN` prefix; a name without one stays whole."""
    found = NUMBERED.match(name)
    return found.group() if found else name


def name_fault(name: str) -> str | None:
    """Say why a name can be neither a task's id nor the end of its branch, if so."""
    if not _NAME.fullmatch(name):
        return f"expected {ALPHABET}"
    if len(name) > _LONGEST_NAME:
        return f"expected at most {_LONGEST_NAME} characters"
    if name in _RESERVED:
        return "this name is reserved"
    fault = ref_fault(f"feature/{name}")
    return f"git refuses the branch 'feature/{name}': {fault}" if fault else None


def ref_fault(ref: str) -> str | None:
    """Say why git would refuse a branch of this name, by the rules of git-check-ref-format(1)."""
    parts = ref.split("/")
    rules = (
        (not all(parts), "a part of it is empty"),
        (any(part.startswith(".") for part in parts), "a part of it begins with '.'"),
        (any(part.endswith(".lock") for part in parts), "a part of it ends with '.lock'"),
        (".." in ref, "it holds '..'"),
        (ref.endswith("."), "it ends with '.'"),
        ("@{" in ref, "it holds '@{'"),
        (ref == "@", "it is '@'"),
        (ref.startswith("-"), "it begins with '-'"),
        (
            _NEVER_IN_REF.search(ref) is not None,
            "it holds white space, a control character or one of ~^:?*[\\",
        ),
    )
    return next((fault for broken, fault in rules if broken), None)


def path_fault(path: str) -> str | None:
    """Say why a path cannot stand in the plan, where `read -r` takes it from the end of a line."""
    if not path:
        return "expected a path, found an empty string"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in path):
        return "a path may not hold newlines or other control characters"
    if path != path.strip():
        return "a path may not begin or end with white space"
    if path.startswith("/"):
        return "expected a path relative to the parallel directory, found an absolute one"
    if posixpath.normpath(path).split("/")[0] == "..":
        return "the path leaves the parallel directory"
    return None
