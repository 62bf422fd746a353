from collections.abc import Callable
from pathlib import Path

import pytest

from parallelgen.git import GitError
from parallelgen.running.project import locate, project_root
from tests.conftest import Project, git


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "shop" / "parallel" / "TS-1"
    directory.mkdir(parents=True)
    assert project_root(directory) is None
    monkeypatch.chdir(tmp_path / "shop")
    assert locate("parallel/TS-1").relative == "parallel/TS-1"
    monkeypatch.chdir(directory / "..")
    assert locate(str(directory)).root == directory.parent
    monkeypatch.chdir("/usr")
    assert locate(str(directory)).relative == "TS-1"


def test_inside_a_linked_worktree(project: Project) -> None:
    git(project.root, "worktree", "add", "-q", "../linked tree", "-b", "side")
    linked = project.root.parent / "linked tree"
    assert project_root(linked / project.typed) == linked


def test_a_root_may_be_called_anything(build: Callable[..., Project]) -> None:
    project = build(name=" a\n'b ")
    assert project_root(project.directory) == project.root


def test_a_hook_does_not_lead_us_astray(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert project_root(project.directory) == project.root


def test_another_answer_of_git_is_told(project: Project) -> None:
    (project.root / ".git" / "config").write_text("[broken")
    with pytest.raises(GitError, match="bad config"):
        project_root(project.directory)
