"""The script is asked, wherever it is not on disk: what comes back, and that nothing stays."""

import os
import tempfile
from pathlib import Path

import pytest

from parallelgen.planning.plan import Plan
from parallelgen.running import script
from parallelgen.running.project import Project
from parallelgen.running.script import Answer, Loaded, Options, ScriptError, environment, read_plan
from parallelgen.writing import render

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


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    root = tmp_path / "it's root"
    (root / "p").mkdir(parents=True)
    return Loaded(Project(root, root / "p", "p"), Plan("TS", "", ()))


def becomes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(render, "render", lambda *_: text)


def test_the_script_is_asked_from_a_folder_that_goes_again(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRACE", "5")
    becomes(
        monkeypatch,
        'cd "${0%/*}"/lib && find -L . -name "*.sh" -exec cat {} + | wc -c; cd "$OLDPWD"; pwd\n'
        'printf "%s\\n" "${GRACE-none}" "$@"; echo oops >&2; exit 3\n',
    )
    answer = loaded.ask("--wave", "2")
    assert (answer.status, answer.complained) == (3, "oops\n")
    size, *lines = answer.said.splitlines()
    project = loaded.project
    library = render.template_folder() / render.LIBRARY
    assert int(size) == sum((library / name).stat().st_size for name in render.library(loaded.plan))
    assert lines == [str(project.root), "none", "--directory", str(project.directory), "--wave", "2"]
    assert os.listdir(tempfile.gettempdir()) == []  # noqa: PTH208


def test_a_signal_is_a_status_as_in_a_shell(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    becomes(monkeypatch, "kill -9 $$\n")
    assert loaded.ask().status == 137
    assert loaded.relay() == 137


def test_the_script_speaks_in_our_place(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    becomes(monkeypatch, 'shift 2; echo "$@"; echo oops >&2; exit 3\n')
    assert loaded.relay("--logs", "task-001", "--follow") == 3
    assert capfd.readouterr() == ("--logs task-001 --follow\n", "oops\n")
    monkeypatch.setattr(script, "shell", lambda: "/nowhere/sh")
    with pytest.raises(ScriptError):
        loaded.relay()


def test_the_options_that_the_script_takes_as_well() -> None:
    assert Options(retry_failed=True, fresh=True).arguments == ["--retry-failed", "--fresh"]
    assert Options(wave=2, force=True, as_json=True).arguments == ["--wave", "2", "--force"]


def test_variables_that_are_in_the_script_already_are_taken_out() -> None:
    given = {"MAX_CONCURRENT": "1", "SKIP_TASKS": "x", "IS_SANDBOX": "1", "PATH": "/bin"}
    assert environment(given) == {"IS_SANDBOX": "1", "PATH": "/bin"}
