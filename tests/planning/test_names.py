import subprocess

import pytest

from parallelgen.planning.names import log_fault, name_fault
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
    "name",
    [
        "task-001\n",
        "task 1",
        "é",
        "-a",
        ".a",
        "_a",
        "",
        "a" * 201,
        "orchestrator",
        "a..b",
        "baseline",
        "checkout",
        "integration",
        "lock",
        "lock.1",
    ],
)
def test_names_refused(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize(
    "name", ["task-001-users", "0", "baseline-2", "checkout.a", "setup", "A.b_c-d", "a" * 200, "a-", "a_"]
)
def test_names_taken(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("a.1", "an attempt at 'a'"),
        ("a.setup", "setup of 'a'"),
        ("a.verify", "verify of 'a'"),
        ("a.setup.12", "setup of 'a'"),
        ("a.verify.1", "verify of 'a'"),
        ("b.setup.2", "an attempt at 'b.setup'"),
        ("b.setup.verify", "verify of 'b.setup'"),
    ],
)
def test_a_task_whose_log_is_also_that_of_another(name: str, whose: str) -> None:
    assert log_fault(name, {"a", "b.setup", name}) == f"the id '{name}' is also the log name of {whose}"


@pytest.mark.parametrize(
    "name", ["a", "c.setup", "c.1", "a.setups", "a-setup", "a.setup.x", "a.1.setup", "b.verify"]
)
def test_tasks_with_logs_of_their_own(name: str) -> None:
    assert log_fault(name, {"a", "b.setup", name}) is None
