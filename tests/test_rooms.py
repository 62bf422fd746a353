"""The packages follow the data: each may import those before it, never one behind."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "parallelgen"
ROOMS = ["reading", "planning", "writing", "tidying", "running", "landing"]
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield what of ours a module imports, wherever in it: `reading.source` and the like."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("parallelgen.") for name in names if name.startswith("parallelgen."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    found = {name.partition(".")[0] for name in imports(path)}
    room = path.relative_to(PACKAGE).parts[0]
    if room in ROOMS:
        assert found & {"cli", *ROOMS[ROOMS.index(room) + 1 :]} == set()
    elif room != "cli.py":  # what all may import imports none of them
        assert found & {"cli", *ROOMS} == set()
    if room == "reading":
        assert "settings" not in found


def test_every_module_is_in_a_room() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {
        "__init__.py",
        "agents.py",
        "cli.py",
        "git.py",
        "refs.py",
        "settings.py",
        "start.py",
    }
    assert {path.parent.name for path in MODULES} == {"parallelgen", *ROOMS}


def test_the_reader_sees_imports_that_stand_in_functions() -> None:
    assert "running.execute.execute" in set(imports(PACKAGE / "cli.py"))


def test_no_module_but_the_last_knows_click() -> None:
    for path in MODULES:
        assert "import click" not in path.read_text(encoding="utf-8") or path.name == "cli.py"
