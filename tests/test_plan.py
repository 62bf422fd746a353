from pathlib import Path

import pytest

from parallelgen.plan import Plan, Settings, build, parse_duration, resolve_id
from parallelgen.source import read
from tests.directories import directory, task

EXAMPLE = Path(__file__).parent.parent / "examples/inventory/parallel/TS-0042-inventory-system"


@pytest.fixture
def inventory() -> Plan:
    return build(read(EXAMPLE))


def test_the_example_of_the_specification(inventory: Plan) -> None:
    assert (inventory.title, inventory.tech_spec) == ("TS-0042-inventory-system", "TS-0042")
    assert [[found.name for found in wave.tasks] for wave in inventory.waves] == [
        ["task-001-users", "task-002-products", "task-003-shared"],
        ["task-004-orders", "task-005-api"],
    ]
    orders = inventory.task("task-004")
    assert (orders.branch, orders.deps) == ("feature/task-004-orders", ("task-001", "task-002"))
    assert inventory.settings == Settings()


def test_every_prompt_of_the_example_keeps_the_contract(inventory: Plan) -> None:
    for found in inventory.tasks:
        text = (EXAMPLE / found.prompt).read_text()
        assert "git commit" in text
        assert "touch .claude-task-complete" in text
        assert f"parallel/{inventory.title}/tasks/{found.name}.md" in text


def test_settings_are_taken(inventory: Plan) -> None:
    assert build(read(EXAMPLE), Settings(max_concurrent=9)).settings.max_concurrent == 9


def test_a_directory_with_errors_has_no_plan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no plan"):
        build(read(directory(tmp_path / "d", {"task-001": "no frontmatter"})))


def test_an_unknown_task_is_a_key_error(inventory: Plan) -> None:
    with pytest.raises(KeyError):
        inventory.task("task-009")


@pytest.mark.parametrize(
    ("text", "seconds"), [("1", 1), ("5400", 5400), ("45s", 45), ("90m", 5400), ("2h", 7200), ("1d", 86400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "-1", "1.5h", "90 m", "90M", "m", "1h30m", "٣", "999d", "1\n", "9" * 99]
)
def test_durations_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as '90m', found '"):
        parse_duration(text)


@pytest.mark.parametrize("word", ["task-004", "task-004-orders"])
def test_a_task_is_found_by_each_of_its_words(inventory: Plan, word: str) -> None:
    assert resolve_id(inventory, word) == "task-004"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("task-0O4", "unknown task 'task-0O4'; did you mean 'task-004'?"),
        ("task-04", "unknown task 'task-04'; did you mean 'task-004'?"),
        ("task-004-order", "unknown task 'task-004-order'; did you mean 'task-004-orders'?"),
        ("zebra", "unknown task 'zebra'"),
        ("", "unknown task ''"),
    ],
)
def test_words_that_name_no_task(inventory: Plan, word: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        resolve_id(inventory, word)
    assert str(caught.value) == message


def test_a_hint_goes_by_the_number_first(tmp_path: Path) -> None:
    plan = build(read(directory(tmp_path / "d", {"task-002": task(), "task-22": task()})))
    with pytest.raises(ValueError, match="did you mean 'task-002'"):
        resolve_id(plan, "task-2")


def test_dependencies_come_in_plan_order(tmp_path: Path) -> None:
    waves = [{"number": number, "tasks": [f"task-{number}"]} for number in (2, 1, 3)]
    texts = {"task-1": task(), "task-2": task(), "task-3": task("deps: [task-2, task-1]")}
    plan = build(read(directory(tmp_path / "d", texts, {"waves": waves})))
    assert plan.task("task-3").deps == ("task-1", "task-2")


def test_a_prefix_that_two_tasks_share_is_ambiguous(tmp_path: Path) -> None:
    plan = build(read(directory(tmp_path / "d", {"task-001-a": task(), "task-001-b": task()})))
    assert resolve_id(plan, "task-001-b") == "task-001-b"
    with pytest.raises(ValueError, match="ambiguous task 'task-001'; it may be 'task-001-a' or 'task-001-b'"):
        resolve_id(plan, "task-001")


@pytest.mark.parametrize(
    ("manifest", "frontmatter", "expected"),
    [
        ({"tech_spec": {"id": "TS-0001"}}, "", "TS-0001"),
        ({"tech_spec": "TS-0001: the title"}, "", "TS-0001: the title"),
        ({"tech_spec_id": "TS-0001"}, "tech_spec: TS-0002", "TS-0001"),
        ({"metadata": {"tech_spec": "docs/TS-0001-x.md"}}, "", "TS-0001"),
        ({"sources": {"tech_spec": "docs/TS-0001-x.md"}}, "tech_spec: TS-0002", "TS-0002"),
        ({"sources": {"tech_spec": "docs/spec.md"}}, "", "docs/spec.md"),
        ({"tech_spec": {"id": " TS\n1 "}}, "", "TS 1"),
        ({}, "", "TS-0042"),
    ],
)
def test_where_the_tech_spec_comes_from(
    tmp_path: Path, manifest: dict[str, object], frontmatter: str, expected: str
) -> None:
    root = directory(tmp_path / "TS-0042-x", {"task-001": task(frontmatter)}, manifest)
    assert build(read(root)).tech_spec == expected
