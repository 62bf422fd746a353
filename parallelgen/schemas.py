"""The JSON Schemas of the input, and what they find wrong."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from parallelgen.problem import Problem, quoted

NAMES = ("manifest", "task")

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "object": ((dict,), "an object"),
    "array": ((list,), "a list"),
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "null": ((type(None),), "null"),
}


def text(name: str) -> str:
    """Return the text of a schema, `manifest` or `task`."""
    return (Path(__file__).parent / "schema" / f"{name}.schema.json").read_text("utf-8")


@cache
def load(name: str) -> Mapping[str, Any]:
    """Return a schema, `manifest` or `task`, as a value that must not be changed."""
    schema: Mapping[str, Any] = json.loads(text(name))
    return schema


def problems(name: str, value: object, file: str) -> list[Problem]:
    """Describe everything in a value that its schema forbids.

    jsonschema takes 0.2 s to import and milliseconds a task, so it is only asked to describe what `conforms`,
    which knows just the keywords that our schemas use, has turned down.
    """
    if conforms(load(name), value):
        return []
    return [
        Problem(file, _place(error.absolute_path), _message(error))
        for error in _validator(name).iter_errors(value)
    ]


def conforms(schema: Mapping[str, Any], value: object) -> bool:
    """Tell whether a value meets a schema of ours; False when in doubt."""
    if "type" in schema:
        allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if isinstance(value, bool) or not any(isinstance(value, _TYPES[kind][0]) for kind in allowed):
            return False
    if isinstance(value, str):
        return (
            len(value) >= schema.get("minLength", 0)
            and re.search(schema.get("pattern", ""), value) is not None
        )
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return "items" not in schema or all(conforms(schema["items"], item) for item in value)
    if isinstance(value, dict):
        members = schema.get("properties", {})
        return all(key in value for key in schema.get("required", ())) and all(
            conforms(members[key], value[key]) for key in members.keys() & value.keys()
        )
    return True


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load(name))


def _place(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _message(error: Any) -> str:
    found = _found(error.instance)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if error.message.startswith(f"{key!r} is"))
        return f"missing key '{missing}'"
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        words = [_TYPES[kind][1] for kind in kinds if kind != "null"]
        return f"expected {' or '.join(words)}, found {found}"
    if error.validator in ("minimum", "maximum"):
        return f"expected a number from {error.schema['minimum']} to {error.schema['maximum']}, found {found}"
    return f"expected {error.schema.get('title', 'text')}, found {found}"


def _found(value: object) -> str:
    if isinstance(value, str):
        return quoted(value) if value else "an empty string"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
