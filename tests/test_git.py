from collections.abc import Callable
from pathlib import Path

import pytest

from parallelgen.git import GitError, facts, project_root
from tests.conftest import Project, git


def test_facts_of_a_clean_repository(project: Project) -> None:
    found = facts(project.directory)
    assert (found.root, found.branch, found.base, found.operation) == (project.root, "main", "main", "")
    assert found.head == found.base_commit == git(project.root, "rev-parse", "HEAD").strip()
    assert found.dirty == ()
    assert found.worktrees == (project.root,)
    assert set(found.branches) == {"main"}
    assert found.has_identity
    assert found.base_has_directory
    assert found.version > (2,)
    sizes = [
        path.stat().st_size for path in project.root.rglob("*") if path.is_file() and ".git" not in path.parts
    ]
    assert found.tree_size == sum(sizes)


def test_changes_in_the_parallel_directory_do_not_count(project: Project) -> None:
    (project.directory / "logs").mkdir()
    (project.directory / "logs" / "x").touch()
    (project.directory / "manifest.json").write_text("{}")
    (project.root / "ws").mkdir()
    (project.root / "ws" / "x").touch()
    assert facts(project.directory, ignore=(project.root / "ws",)).dirty == ()
    (project.root / "new file").touch()
    (project.root / "README.md").rename(project.root / "READ ME.md")
    git(project.root, "add", "-A", "READ ME.md", "README.md")
    assert set(facts(project.directory, ignore=(project.root / "ws",)).dirty) == {"new file", "READ ME.md"}


@pytest.mark.parametrize("place", ["*", ":(top)*/[a]'*"])
def test_directory_names_are_not_patterns(build: Callable[..., Project], place: str) -> None:
    project = build(place=place)
    (project.directory / "x").touch()
    (project.root / "y").touch()
    found = facts(project.directory)
    assert found.dirty == ("y",)
    assert found.base_has_directory


def test_a_renamed_file_is_one_change(project: Project) -> None:
    (project.root / "? x").write_text("some text\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "x")
    git(project.root, "mv", "? x", "y")
    assert facts(project.directory).dirty == ("y",)


def test_the_index_is_not_touched(project: Project) -> None:
    (project.root / "README.md").touch()
    index = project.root / ".git" / "index"
    before = index.stat()
    facts(project.directory)
    assert index.stat().st_mtime_ns == before.st_mtime_ns
    assert index.stat().st_ino == before.st_ino


def test_a_base_that_is_not_checked_out(project: Project) -> None:
    git(project.root, "branch", "release")
    git(project.root, "tag", "v1")
    (project.root / "big").write_text("x" * 5000)
    git(project.root, "add", "big")
    git(project.root, "commit", "-qm", "big")
    main, release, tag = (facts(project.directory, base) for base in ("", "release", "v1"))
    assert main.tree_size is not None
    assert main.tree_size - 5000 == release.tree_size == tag.tree_size
    assert release.base_commit == tag.base_commit != main.base_commit
    assert facts(project.directory, "nowhere").base_commit == ""


def test_detached_and_unborn_heads(project: Project, tmp_path: Path) -> None:
    git(project.root, "checkout", "-q", "--detach")
    assert (facts(project.directory).branch, facts(project.directory).base) == ("", "")
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q")
    found = facts(tmp_path / "new")
    assert (found.head, found.base_commit, found.tree_size) == ("", "", None)


def test_an_operation_under_way(project: Project) -> None:
    (project.root / ".git" / "MERGE_HEAD").write_text("x")
    assert facts(project.directory).operation == "merge"


def test_no_identity(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project.root, "config", "--unset", "user.name")
    git(project.root, "config", "user.useConfigOnly", "true")
    git(project.root, "config", "--unset", "user.email")
    assert not facts(project.directory).has_identity


def test_outside_a_repository(tmp_path: Path) -> None:
    assert project_root(tmp_path) is None
    assert facts(tmp_path).root is None


def test_inside_a_linked_worktree(project: Project) -> None:
    git(project.root, "worktree", "add", "-q", "../linked tree", "-b", "side")
    linked = project.root.parent / "linked tree"
    found = facts(linked / project.typed)
    assert (found.root, found.branch) == (linked, "side")
    assert set(found.worktrees) == {project.root, linked}


def test_a_hook_does_not_lead_us_astray(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert facts(project.directory).root == project.root


def test_another_answer_of_git_is_told(project: Project) -> None:
    (project.root / ".git" / "config").write_text("[broken")
    with pytest.raises(GitError, match="bad config"):
        facts(project.directory)


def test_few_calls_for_many_tasks(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        git(project.root, "branch", f"feature/task-{number}")
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    facts(project.directory)
    assert trace.read_text().count('"event":"start"') <= 9
