from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from parallelgen.reading import schemas

NAMES = ("manifest", "task")


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid_and_describe_every_field(name: str) -> None:
    Draft202012Validator.check_schema(schemas.load(name))
    for path, schema in fields(schemas.load(name), name):
        assert schema.get("description"), path


def fields(schema: Mapping[str, Any], path: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = [(path, schema)]
    for key, inner in schema.get("properties", {}).items():
        found += fields(inner, f"{path}.{key}")
    return found + (fields(schema["items"], f"{path}[]") if "items" in schema else [])


KEYS = [
    "waves",
    "tasks",
    "files",
    "number",
    "id",
    "deps",
    "wave",
    "timeout",
    "validation",
    "prompt_file",
    "x",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.floats(0, 2)
    | st.sampled_from(["", "task-001", "a b", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_every_refusal_can_be_told(name: str, value: dict[str, object]) -> None:
    errors = [str(problem) for problem in schemas.problems(name, value, "f")]
    assert bool(errors) == (not Draft202012Validator(schemas.load(name)).is_valid(value))


def test_true_is_no_number() -> None:
    (found,) = schemas.problems("task", {"wave": True}, "f")
    assert found.message == "expected a whole number, found true"
