"""The script is asked, wherever it is not on disk: what comes back, and that nothing stays."""

import os
import tempfile
from pathlib import Path

import pytest

from parallelgen.running.project import Project
from parallelgen.running.script import Answer, ask, environment, read_plan
from parallelgen.writing.render import read_library

TEXT = """=== Parallel Execution Plan ===

Parallel Dir: parallel/x
Tech Spec: TS-0001
Base Branch: main
Max Concurrent: 3

Wave 1 (2 tasks, parallel):
  - task-001-users    -> ../work spaces/task-001 (feature/task-001-users)
  - task-002   -> ../work spaces/task-002 (feature/task-002)

Total Tasks: 2
Estimated Worktree Space: ~3KB (3 worktrees x ~1KB)

"""
END = "Dry run complete. No files modified.\n"


def test_the_plan_tells_its_base_and_tasks() -> None:
    assert read_plan(TEXT + END) == ("main", ["task-001-users", "task-002"])
    assert read_plan(TEXT.replace("Branch: main", "Branch: -")) == ("", ["task-001-users", "task-002"])
    assert read_plan("") == ("", [])


def test_the_plan_ends_the_same_way_in_each_mode() -> None:
    plans = {Answer(0, text, "").plan for text in (TEXT + END, TEXT, TEXT.rstrip("\n") + "\n")}
    assert plans == {TEXT.rstrip("\n") + "\n"}
    assert Answer(2, "", "ERROR: x\n").plan == ""


def test_the_script_is_asked_from_a_folder_that_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("GRACE", "5")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "it's root" / "p").mkdir(parents=True)
    script = (
        'cat "${0%/*}"/lib/*.sh | wc -c; pwd; printf "%s\\n" "${GRACE-none}" "$@"; echo oops >&2; exit 3\n'
    )
    project = Project(tmp_path / "it's root", tmp_path / "it's root" / "p", "p")
    answer = ask(script, project, "--wave", "2")
    assert answer.status == 3
    assert answer.complained == "oops\n"
    size, *lines = answer.said.splitlines()
    assert int(size) == sum(len(text.encode()) for text in read_library().values())
    assert lines == [str(project.root), "none", "--directory", str(project.directory), "--wave", "2"]
    assert os.listdir(tmp_path / "tmp") == []  # noqa: PTH208


def test_a_signal_is_a_status_as_in_a_shell(tmp_path: Path) -> None:
    answer = ask("kill -9 $$\n", Project(tmp_path, tmp_path, "p"))
    assert answer.status == 137


def test_variables_that_are_in_the_script_already_are_taken_out() -> None:
    given = {"MAX_CONCURRENT": "1", "SKIP_TASKS": "x", "IS_SANDBOX": "1", "PATH": "/bin"}
    assert environment(given) == {"IS_SANDBOX": "1", "PATH": "/bin"}
