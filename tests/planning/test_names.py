import subprocess

import pytest

from parallelgen.planning.names import name_fault
from parallelgen.refs import ref_fault

REFS = [
    "a",
    "a.b",
    "a..b",
    ".a",
    "a.",
    "a.lock",
    "a.lock.b",
    "a.lock/b",
    "a@{b",
    "@",
    "a@",
    "a b",
    "a\tb",
    "a~b",
    "a^",
]
REFS += [
    "a:b",
    "a?b",
    "a*",
    "a[b",
    "a\\b",
    "/a",
    "a/",
    "a//b",
    "a/.b",
    "-a",
    "a/-b",
    "é",
    "a\x7f",
    "a{b",
    "",
    "HEAD-x",
]


@pytest.mark.parametrize("ref", REFS)
def test_branch_names_are_those_of_git(ref: str) -> None:
    option = "--allow-onelevel" if ref == "@" else "--branch"  # which takes '@' for HEAD
    answer = subprocess.run(["git", "check-ref-format", option, ref], capture_output=True, check=False)
    assert (ref_fault(ref) is None) == (answer.returncode == 0)


@pytest.mark.parametrize(
    "name", ["task-001\n", "task 1", "é", "-a", ".a", "_a", "", "a" * 201, "orchestrator", "a..b"]
)
def test_names_refused(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["task-001-users", "0", "A.b_c-d", "a" * 200, "a-", "a_"])
def test_names_taken(name: str) -> None:
    assert name_fault(name) is None
