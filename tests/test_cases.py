"""Cases as data: each folder of tests/cases holds a parallel directory and what is to be said of it.

`input/` is the directory; `problems.txt` the problems, if there are any; `plan.json` the plan, if none is an
error. `UPDATE_CASES=1 pytest tests/test_cases.py` writes the two anew: read the diff like code.
"""

import os
from pathlib import Path

import pytest

from parallelgen.planning.plan import build
from parallelgen.reading.source import read
from parallelgen.writing import graph

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/input"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path) -> None:
    planned = build(read(case / "input"))
    expect(case / "problems.txt", "".join(f"{problem}\n" for problem in planned.problems))
    expect(case / "plan.json", graph.json(planned.plan) if planned.plan else "")


def expect(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_CASES"):
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text, encoding="utf-8")
    assert text == (path.read_text(encoding="utf-8") if path.exists() else "")


def test_there_are_cases() -> None:
    assert len(CASES) > 20
