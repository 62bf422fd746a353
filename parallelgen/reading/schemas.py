"""The JSON Schemas of the input, and what they find wrong."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from parallelgen.reading.problem import Problem, quoted

_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
}


def text(name: str) -> str:
    """Return the text of a schema, `manifest` or `task`."""
    return (Path(__file__).parent / "schema" / f"{name}.schema.json").read_text("utf-8")


@cache
def load(name: str) -> Mapping[str, Any]:
    """Return a schema, `manifest` or `task`, as a value that must not be changed."""
    schema: Mapping[str, Any] = json.loads(text(name))
    return schema


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(load(name))


def problems(name: str, value: object, file: str) -> list[Problem]:
    """Describe everything in a value that its schema forbids."""
    return [
        Problem(file, _place(error.absolute_path), _message(error))
        for error in _validator(name).iter_errors(value)
    ]


def _place(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _message(error: Any) -> str:
    found = _found(error.instance)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if error.message.startswith(f"{key!r} is"))
        return f"missing key '{missing}'"
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        words = [_WORDS[kind] for kind in kinds if kind != "null"]
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
