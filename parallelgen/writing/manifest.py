import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from parallelgen import ParallelgenError
from parallelgen.planning.plan import Plan

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
SCRIPT_PATH = "scripts/run-parallel.sh"


class ManifestError(ParallelgenError):
    """Say that a text is not a JSON object, so that no member of it can be replaced."""


@dataclass(frozen=True)
class _Member:
    name: str
    start: int
    value_start: int
    end: int


def replace_member(text: str, name: str, value: object) -> str:
    """Put `value` at the top-level member `name` of a JSON object and leave every other character alone.

    The value is laid out with two spaces a level from the indentation of its line, with the line ends
    of the text. A member that is absent goes before the closing brace. Raises ManifestError.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        opening, members, closing = _scan(text)
    except (ValueError, IndexError, RecursionError) as error:
        raise ManifestError(f"error: manifest.json is not a JSON object: {error}") from error
    old = next((member for member in reversed(members) if member.name == name), None)
    if old is not None:
        return text[: old.value_start] + _layout(value, _indent(text, old.start), newline) + text[old.end :]
    indent = _indent(text, members[0].start) if members and "\n" in text[opening : members[0].start] else "  "
    end = members[-1].end if members else opening + 1
    tail = text[end:closing]
    member = f"{',' if members else ''}{newline}{indent}{json.dumps(name)}: {_layout(value, indent, newline)}"
    close = "" if "\n" in tail else newline + _indent(text, opening)
    return text[:end] + member + tail + close + text[closing:]


def _scan(text: str) -> tuple[int, list[_Member], int]:
    """Find the opening brace, the members and the closing brace of the object that `text` is."""
    opening = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if text[opening] != "{":
        raise ValueError("it does not begin with '{'")
    members = list(_members(text, opening + 1))
    closing = _skip(text, members[-1].end if members else opening + 1)
    if text[closing] != "}" or _skip(text, closing + 1) != len(text):
        raise ValueError(f"unexpected text at character {closing}")
    return opening, members, closing


def _members(text: str, position: int) -> Iterator[_Member]:
    position = _skip(text, position)
    while text[position] != "}":
        name, end = _DECODER.raw_decode(text, position)
        colon = _skip(text, end)
        if not isinstance(name, str) or text[colon] != ":":
            raise ValueError(f"expected a name and a colon at character {position}")
        value_start = _skip(text, colon + 1)
        end = _DECODER.raw_decode(text, value_start)[1]
        yield _Member(name, position, value_start, end)
        position = _skip(text, end)
        if text[position] != ",":
            return
        position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _indent(text: str, position: int) -> str:
    """Return the white space that begins the line which holds `position`."""
    line = text[text.rfind("\n", 0, position) + 1 : position].removeprefix("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _layout(value: object, indent: str, newline: str) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", newline + indent)


def pending_execution(plan: Plan, old: dict[str, Any] | None = None) -> dict[str, Any]:
    """Build the `execution` block of a plan that is about to run, keeping what an earlier run left.

    Statuses, results and failed tasks of the earlier block stay for the tasks that are still planned, so
    that generating the scripts again does not forget what `--retry-failed` has to do.
    """
    old = old if isinstance(old, dict) else {}
    known = {alias for task in plan.tasks for alias in (task.id, task.name)}
    wave_status = {
        wave.get("wave"): wave.get("status") for wave in _items(old.get("waves")) if isinstance(wave, dict)
    }
    block: dict[str, Any] = {
        "status": _status(old.get("status")),
        "script_path": SCRIPT_PATH,
        "workspace_root": plan.settings.workspace_root,
        "options": {"max_concurrent": plan.settings.max_concurrent},
        "waves": [
            {
                "wave": wave.number,
                "status": _status(wave_status.get(wave.number)),
                "tasks": [task.id for task in wave.tasks],
            }
            for wave in plan.waves
        ],
        "failed_tasks": [item for item in _items(old.get("failed_tasks")) if _task_of(item) in known],
        "skipped_tasks": list(plan.settings.skip),
    }
    kept = ("base_branch", "base_commit", "started_at", "finished_at", "integration")
    block |= {key: old[key] for key in kept if key in old}
    tasks = old.get("tasks")
    if isinstance(tasks, dict):
        block["tasks"] = {id: tasks[id] for id in (task.id for task in plan.tasks) if id in tasks}
    return block


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _status(value: object) -> str:
    return value if isinstance(value, str) and value else "pending"


def _task_of(item: object) -> object:
    """Return the task that an entry of `failed_tasks` names: a plain string or {"id", "error"}."""
    name = item.get("id") if isinstance(item, dict) else item
    return name if isinstance(name, str) else None
