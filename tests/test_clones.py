"""What git and archives do to committed scripts: line ends, modes."""

import subprocess
from pathlib import Path

import pytest

from parallelgen.writing import render
from tests.conftest import DONE, Project, git, parallelgen

SETTINGS = ["core.autocrlf=true", "core.fileMode=false", "core.symlinks=false"]


@pytest.fixture
def committed(project: Project) -> Project:
    """Make a project whose scripts are committed."""
    project.run("--generate-only", "--agent-command", DONE)
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "Plan")
    return project


def clone(project: Project, place: Path, *settings: str) -> Project:
    options = [word for setting in settings for word in ("-c", setting)]
    git(project.root, "clone", "-q", *options, ".", str(place))
    for name in ("user.name", "user.email"):
        git(place, "config", name, git(project.root, "config", name).strip())
    return Project(place, place / project.typed)


def check(project: Project) -> tuple[int, list[str]]:
    result = parallelgen("check", project.typed, cwd=project.root)
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


def start(project: Project, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", f"{project.typed}/scripts/{name}", *arguments],
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_scripts_of_a_clone_are_whole_and_run(committed: Project, tmp_path: Path, setting: str) -> None:
    cloned = clone(committed, tmp_path / "clone" / "shop", setting)
    assert check(cloned) == (0, [])
    assert start(cloned, render.RUN).returncode == 0
    again = cloned.run("--agent-command", DONE, "--branch-prefix", "again/", "--workspace-root", "../again")
    assert again.returncode == 0, again.stderr
    assert {"feature/task-003-api", "again/task-003-api"} <= set(cloned.branches())


def test_an_archive_that_keeps_no_modes(committed: Project) -> None:
    for name in (render.RUN, render.MONITOR):
        (committed.directory / "scripts" / name).chmod(0o644)
    shown = f"{committed.typed}/scripts"
    assert check(committed) == (
        1,
        [f"{shown}/{name}: mode: not executable" for name in (render.RUN, render.MONITOR)],
    )
    git(committed.root, "commit", "-qam", "Lose the modes")
    assert start(committed, render.RUN).returncode == 0
    assert start(committed, render.MONITOR, "--once").returncode == 0
    assert committed.run("--force", "--agent-command", DONE).returncode == 0
    assert check(committed) == (0, [])


def test_line_ends_that_changed_are_told_in_a_line_for_each_file(committed: Project, tmp_path: Path) -> None:
    git(committed.root, "rm", "-q", f"{committed.typed}/scripts/.gitattributes")
    git(committed.root, "commit", "-qm", "Tidy up")
    cloned = clone(committed, tmp_path / "clone" / "shop", "core.autocrlf=true")
    code, lines = check(cloned)
    files = [render.RUN, render.MONITOR, *(f"lib/{name}" for name in render.read_library())]
    files += [f"lib/agents/{name}.sh" for name in ("claude", "command")]
    changed = [f"{cloned.typed}/scripts/{name}: line ends: CRLF in place of LF" for name in files]
    attributes = f"{cloned.typed}/scripts/.gitattributes: not there; generate it with --generate-only"
    assert (code, sorted(lines)) == (1, sorted([attributes, *changed]))
    task = cloned.directory / "scripts" / "lib" / "task.sh"
    task.write_bytes(task.read_bytes() + b"true\r\n")
    assert f"{cloned.typed}/scripts/lib/task.sh: not the released one" in check(cloned)[1]
    assert cloned.run("--generate-only", "--agent-command", DONE).returncode == 0
    assert check(cloned) == (0, [])
