import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings
from parallelgen.writing.manifest import ManifestError, pending_execution, replace_member

PLAN = Plan(
    "TS-0042",
    "TS-0042",
    (
        Wave(1, (Task("task-001", "task-001-users", 1, (), None, "p1"),)),
        Wave(2, (Task("task-002", "task-002-api", 2, ("task-001",), None, "p2"),)),
    ),
)


def test_value_is_replaced_and_the_rest_stays_byte_for_byte() -> None:
    text = '\ufeff{ "a" : [1,2 ],\r\n\t"execution":{"x": 1} ,\r\n "z":1e5}'
    assert replace_member(text, "execution", [1]) == (
        '\ufeff{ "a" : [1,2 ],\r\n\t"execution":[\r\n\t  1\r\n\t] ,\r\n "z":1e5}'
    )


def test_member_is_inserted_before_the_closing_brace() -> None:
    assert replace_member('{\n    "a": 1\n}\n', "b", {"c": 2}) == (
        '{\n    "a": 1,\n    "b": {\n      "c": 2\n    }\n}\n'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "b": 1\n}'),
        ("{ }", '{\n  "b": 1 \n}'),
        ("{\n}\n", '{\n  "b": 1\n}\n'),
        ('{"a": {"b": 2}}', '{"a": {"b": 2},\n  "b": 1\n}'),
    ],
)
def test_insertion_into_small_objects(text: str, expected: str) -> None:
    assert replace_member(text, "b", 1) == expected


def test_letters_stay_letters() -> None:
    assert replace_member('{"a": 1}', "a", "\u00e9") == '{"a": "\u00e9"}'


def test_only_the_top_level_member_is_meant() -> None:
    text = '{"a": {"execution": 1}, "b": "\\"execution\\": 2", "execution": 3}'
    assert replace_member(text, "execution", 4) == text.replace("3", "4")


def test_a_name_may_be_written_with_escapes() -> None:
    assert replace_member('{"\\u0065xecution": 3}', "execution", 4) == '{"\\u0065xecution": 4}'


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a" 1}', "{} x", '{"a": 1,, }', "null"])
def test_what_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        replace_member(text, "a", 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
LAYOUT = st.sampled_from([None, 0, 1, 2, 4, "\t"])


@given(st.dictionaries(st.text(), JSON), LAYOUT, st.sampled_from(["\n", "\r\n"]), st.booleans(), JSON)
def test_any_object_keeps_its_other_members_and_their_text(
    members: dict[str, Any], indent: int | str | None, newline: str, bom: bool, value: Any
) -> None:
    text = json.dumps(members, indent=indent).replace("\n", newline)
    text = ("\ufeff" if bom else "") + text + newline
    new = replace_member(text, "execution", value)
    assert json.loads(new.removeprefix("\ufeff")) == {**members, "execution": value}
    assert "\n" not in new.replace("\r\n", "") or newline == "\n"
    again = replace_member(new, "execution", "X")
    assert replace_member(again, "execution", value) == new
    if "execution" not in members:
        assert again.startswith(text.rstrip("}\r\n \t")) or not members


def test_block_of_a_first_run_is_that_of_the_specification() -> None:
    assert pending_execution(PLAN, None) == {
        "status": "pending",
        "script_path": "scripts/run-parallel.sh",
        "workspace_root": "../workspaces",
        "options": {"max_concurrent": 3},
        "waves": [
            {"wave": 1, "status": "pending", "tasks": ["task-001"]},
            {"wave": 2, "status": "pending", "tasks": ["task-002"]},
        ],
        "failed_tasks": [],
        "skipped_tasks": [],
    }


def test_block_keeps_what_an_earlier_run_left_of_tasks_that_are_still_planned() -> None:
    old = {
        "status": "failed",
        "waves": [{"wave": 1, "status": "completed"}, "odd"],
        "failed_tasks": [{"id": "task-002", "error": "timeout"}, "task-001-users", "task-009", {"id": []}],
        "base_commit": "abc",
        "integration": {"status": "completed", "merged": ["task-001"]},
        "tasks": {"task-001": {"status": "completed", "commits": 2}, "task-009": {}},
    }
    block = pending_execution(Plan("x", "", PLAN.waves, Settings(skip=("task-001",))), old)
    assert block["status"] == "failed"
    assert [wave["status"] for wave in block["waves"]] == ["completed", "pending"]
    assert block["failed_tasks"] == [{"id": "task-002", "error": "timeout"}, "task-001-users"]
    assert block["skipped_tasks"] == ["task-001"]
    assert block["base_commit"] == "abc"
    assert block["integration"] == old["integration"]
    assert block["tasks"] == {"task-001": {"status": "completed", "commits": 2}}


@pytest.mark.parametrize("old", ["text", [], {"waves": 3, "failed_tasks": {}, "tasks": [], "status": 5}])
def test_block_survives_an_earlier_block_of_any_shape(old: Any) -> None:
    assert pending_execution(PLAN, old) == pending_execution(PLAN, None)
