"""What git lets a branch be called."""

import re

# A branch is a file of at most 255 bytes, and git adds '.lock' to it.
LONGEST_NAME = 200
LONGEST_PREFIX = 50
_NEVER_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")


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
