from pathlib import Path

import pytest

from parallelgen.planning.plan import Plan, build
from parallelgen.reading.source import read
from parallelgen.settings import OptionError, Settings
from tests.directories import directory, plan_of, task

EXAMPLE = Path(__file__).parents[2] / "examples/inventory/parallel/TS-0042-inventory-system"


def skipped(root: Path, *words: str) -> tuple[str, ...]:
    return plan_of(root, Settings(skip=words, given={"skip": "--skip"})).settings.skip


@pytest.fixture
def inventory() -> Plan:
    return plan_of(EXAMPLE)


def test_the_example_of_the_specification(inventory: Plan) -> None:
    assert (inventory.title, inventory.tech_spec) == ("TS-0042-inventory-system", "TS-0042")
    assert [[found.name for found in wave.tasks] for wave in inventory.waves] == [
        ["task-001-users", "task-002-products", "task-003-shared"],
        ["task-004-orders", "task-005-api"],
    ]
    orders = inventory.tasks[3]
    assert (inventory.branch(orders), orders.deps) == ("feature/task-004-orders", ("task-001", "task-002"))
    assert inventory.settings == Settings()


def test_every_prompt_of_the_example_keeps_the_contract(inventory: Plan) -> None:
    for found in inventory.tasks:
        text = (EXAMPLE / found.prompt).read_text()
        assert "git commit" in text
        assert "touch .claude-task-complete" in text
        assert f"parallel/{inventory.title}/tasks/{found.name}.md" in text


def test_settings_are_taken(inventory: Plan) -> None:
    assert plan_of(EXAMPLE, Settings(max_concurrent=9)).settings.max_concurrent == 9


def test_a_directory_with_errors_has_no_plan(tmp_path: Path) -> None:
    planned = build(read(directory(tmp_path / "d", {"task-001": "no frontmatter"})))
    assert planned.plan is None
    assert len(planned.problems) == 1


@pytest.mark.parametrize("word", ["task-004", "task-004-orders"])
def test_a_task_to_skip_is_found_by_each_of_its_words(word: str) -> None:
    assert skipped(EXAMPLE, word) == ("task-004",)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("task-0O4", "unknown task 'task-0O4'; did you mean 'task-004'?"),
        ("task-04", "unknown task 'task-04'; did you mean 'task-004'?"),
        ("task-004-order", "unknown task 'task-004-order'; did you mean 'task-004-orders'?"),
        ("zebra", "unknown task 'zebra'"),
    ],
)
def test_words_that_name_no_task(word: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        skipped(EXAMPLE, word)
    assert str(caught.value) == f"Invalid value for '--skip': {message}"


def test_tasks_to_skip_come_once_and_in_plan_order() -> None:
    assert skipped(EXAMPLE, "task-004", "task-001", "task-004-orders") == ("task-001", "task-004")


def test_a_hint_goes_by_the_number_first(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", {"task-002": task(), "task-22": task()})
    with pytest.raises(OptionError, match="did you mean 'task-002'"):
        skipped(root, "task-2")


def test_dependencies_come_in_plan_order(tmp_path: Path) -> None:
    waves = [{"number": number, "tasks": [f"task-{number}"]} for number in (2, 1, 3)]
    texts = {"task-1": task(), "task-2": task(), "task-3": task("deps: [task-2, task-1]")}
    plan = plan_of(directory(tmp_path / "d", texts, {"waves": waves}))
    assert plan.tasks[2].deps == ("task-1", "task-2")


def test_a_prefix_that_two_tasks_share_is_ambiguous(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", {"task-001-a": task(), "task-001-b": task()})
    assert skipped(root, "task-001-b") == ("task-001-b",)
    words = "ambiguous task 'task-001'; it may be 'task-001-a' or 'task-001-b'"
    with pytest.raises(OptionError, match=words):
        skipped(root, "task-001")


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
    assert plan_of(root).tech_spec == expected
