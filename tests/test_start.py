"""Nothing about the start of a command is taken for granted."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import BIN, DONE, Project, Result, git

CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]
FULL = [">/dev/full", "2>/dev/full", ">/dev/full 2>&1"]


def start(project: Project, text: str, *arguments: str) -> Result:
    """Let a shell start parallelgen, which is "$@" in its text, with these arguments."""
    command = ["sh", "-c", text, "sh", str(BIN / "parallelgen"), *arguments]
    return subprocess.run(
        command, cwd=project.root, capture_output=True, text=True, timeout=60, check=False, stdin=None
    )


@pytest.mark.parametrize("redirect", [*CLOSED, *FULL, "| :"])
def test_output_that_goes_nowhere_changes_neither_status_nor_the_other_stream(
    project: Project, redirect: str
) -> None:
    for status, *arguments in (
        (0, "--help"),
        (0, "--version"),
        (0, "run", project.typed, "--dry-run"),
        (0, "status", project.typed),
        (1, "check", project.typed),
        (2, "run", project.typed, "--nope"),
        (2, "validate", "nowhere"),
    ):
        usual = start(project, '"$@"', *arguments)
        found = start(project, f'{{ "$@"; echo "$?" >../status; }} {redirect}', *arguments)
        assert (usual.returncode, int((project.root.parent / "status").read_text())) == (status, status)
        assert found.stdout in ("", usual.stdout)
        assert found.stderr in ("", usual.stderr)


@pytest.mark.parametrize("redirect", [*CLOSED, *FULL])
def test_a_run_without_descriptors_runs(project: Project, redirect: str) -> None:
    agent = f"cat >got; {DONE}"
    assert start(project, f'"$@" {redirect}', "run", project.typed, "--agent-command", agent).returncode == 0
    got = git(project.root, "show", "feature/task-003-api:got")
    assert got == "Do task-003-api, then touch .claude-task-complete\n"
    assert git(project.root, "status", "--porcelain").split() == [
        "M",
        f"{project.typed}/manifest.json",
        "??",
        f"{project.typed}/scripts/",
    ]


def test_a_descriptor_that_does_not_block_gets_every_byte(project: Project) -> None:
    code = "import os, sys; os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])"
    # The pipe is nearly full, and read late.
    text = f"{{ yes | head -c 65000; python3 -c '{code}' \"$@\"; }} | {{ sleep 1; cat; }}"
    usual = start(project, '"$@"', "schema", "manifest")
    assert start(project, text, "schema", "manifest").stdout.endswith(f"\n{usual.stdout}")


def test_signals_that_are_ignored_hide_no_status(project: Project) -> None:
    (project.root / "new").touch()
    code = (
        "from signal import *; signal(SIGCHLD, SIG_IGN); import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    )
    text = f"trap '' USR1 USR2; python3 -c '{code}' \"$@\""
    found = start(project, text, "run", project.typed, "--agent-command", DONE)
    assert (found.returncode, found.stderr[:28]) == (2, "ERROR: Uncommitted changes i")
    assert not (project.directory / "scripts").exists()


@pytest.mark.parametrize("mask", ["0", "077", "0177", "0777"])
def test_the_owner_can_use_what_is_written(project: Project, mask: str) -> None:
    found = start(project, f'umask {mask}; "$@"', "run", project.typed, "--agent-command", DONE)
    assert (found.returncode, found.stderr) == (0, "")
    for folder in ("logs", "scripts", "scripts/lib"):
        assert (project.directory / folder).stat().st_mode & 0o700 == 0o700


def test_the_current_folder_may_be_gone(project: Project, tmp_path: Path) -> None:
    text = 'mkdir ../gone; cd ../gone; rmdir ../gone; "$@"'
    where = str(project.directory)
    assert start(project, text, "run", where, "--agent-command", DONE).returncode == 0
    (project.root / ".git").rename(tmp_path / "git")
    assert start(project, text, "plan", where).returncode == 0
    assert start(project, text, "demo", "here").stderr == "error: the current folder is gone\n"
    assert start(project, text, "status", project.typed).returncode == 2


def test_a_box_may_have_no_home_no_such_locale_and_no_such_temporary_folder(project: Project) -> None:
    text = 'env -i PATH=":bin:$PATH" LC_ALL=xx_XX.UTF-8 TMPDIR=/nowhere "$@"'
    found = start(project, text, "run", project.typed, "--agent-command", DONE)
    assert (found.returncode, "Traceback" in found.stderr) == (0, False)
