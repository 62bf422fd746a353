"""`integrate`: with a script that says what ours would say, then with ours."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from parallelgen.cli import cli
from parallelgen.planning.plan import Plan
from parallelgen.settings import Settings
from parallelgen.writing import render
from tests.conftest import BIN, DONE, Project, git, parallelgen, without_size
from tests.running.test_execute import left_over, wait_for

TASKS = """\
wave=1 task=task-001 status=completed commits=1 finished=900
wave=1 task=task-002 status=completed commits=1 finished=900
wave=2 task=task-003 status=completed commits=1 finished=900
"""
LIVE = """\
[PROGRESS] integration status=started branch=integration/TS-0001-shop tasks=3
[PROGRESS] integration status=left_out task=task-003 error=conflict with=task-001
[PROGRESS] integration status=merged task=task-002
task-001 has nothing to merge.
[PROGRESS] integration status=failed merged=2/3 branch=integration/TS-0001-shop tip=abc
"""
RECORD = """\
integration status=failed merged=2/3 branch=integration/TS-0001-shop tip=abc started=1000 finished=1001
integration status=merged task=task-001
integration status=merged task=task-002
integration status=left_out task=task-003 error=conflict with=task-001
integration status=verified wave=1 flaky=1
"""


def says(monkeypatch: pytest.MonkeyPatch, live: str, status: int, record: str) -> None:
    """Let the script say this, end so, and have this recorded afterwards."""
    text = f"""
[ "$3" = --status ] && cat <<'END' && exit
{TASKS}{record}
END
[ "$3" = --integrate-now ] || exit 99
cat <<'END'
{live.removesuffix(chr(10))}
END
echo WARNING: in words >&2
exit {status}
"""
    monkeypatch.setattr(render, "render", lambda *_: text)


def integrate(project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(project.root)
    return CliRunner().invoke(cli, ["integrate", project.typed, *arguments])


def test_it_is_followed_and_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root.parent / "workspaces" / "integration-TS-0001-shop").mkdir(parents=True)
    state = project.directory / "logs" / "state"
    state.mkdir(parents=True)
    (state / "integration.conflicts").write_text("task-003 a.txt, \x1b[2Jb.txt\n")
    says(monkeypatch, LIVE, 1, RECORD)
    result = integrate(project, monkeypatch, "--skip-culprits", "--verify-integration", "make test")
    assert (result.exit_code, result.stderr) == (1, "WARNING: in words\n")
    again = f"parallelgen integrate '--verify-integration=make test' --skip-culprits {project.typed}"
    assert (
        result.stdout
        == f"""\
Integration: merging into integration/TS-0001-shop, 3 tasks completed
Integration: task-003-api is left out: it conflicts with task-001-users
Integration: merged task-002-orders

task-001 has nothing to merge.
Integration: failed, 2/3 tasks merged

=== Integration Failed ===

Integration: failed, 2/3 tasks merged, 1 left out
  branch: integration/TS-0001-shop (abc)
  worktree: ../workspaces/integration-TS-0001-shop
  log: {project.typed}/logs/integration.log
  flaky: wave 1 was red, and then green
  - task-001-users: merged
  - task-002-orders: merged
  - task-003-api: left out, it conflicts with task-001-users in a.txt, b.txt

Next step: mend that, then run: {again}
"""
    )
    assert not (project.directory / "scripts").exists()
    assert [path.name for path in state.iterdir()] == ["integration.conflicts"]


def test_the_worktree_has_the_name_of_the_directory_and_not_of_the_branch(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree = project.root.parent / "workspaces" / "integration-TS-0001 shop"
    worktree.mkdir(parents=True)
    directory = project.directory.rename(project.directory.with_name("TS-0001 shop"))
    says(monkeypatch, LIVE, 1, RECORD.replace("/TS-0001-shop", "/TS-0001-shop-"))
    monkeypatch.chdir(project.root)
    result = CliRunner().invoke(cli, ["integrate", str(directory.relative_to(project.root))])
    assert "\n  worktree: ../workspaces/integration-TS-0001 shop\n" in result.stdout


def test_as_json(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, LIVE, 1, RECORD)
    result = integrate(project, monkeypatch, "--json")
    assert result.exit_code == 1
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["integration"] * 3 + ["message", "integration", "report"]
    assert events[-1] == {
        "event": "report",
        "status": "failed",
        "branch": "integration/TS-0001-shop",
        "tip": "abc",
        "tasks": 3,
        "flaky": ["1"],
        "started": 1000,
        "finished": 1001,
        "merged": ["task-001", "task-002"],
        "left_out": [{"id": "task-003", "error": "conflict", "with": "task-001"}],
        "not_reached": [],
    }


def test_one_that_is_green_leads_to_a_merge(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    done = "integration status=completed merged=3/3 branch=integration/TS-0001-shop tip=abc\n"
    says(monkeypatch, f"[PROGRESS] {done}", 0, done)
    result = integrate(project, monkeypatch)
    assert result.exit_code == 0
    assert "\n=== Integration Complete ===\n" in result.stdout
    assert result.stdout.endswith("\nNext step: parallelgen land parallel/TS-0001-shop\n")


@pytest.mark.parametrize(
    ("status", "recorded", "title"),
    [
        (130, "interrupted", "Interrupted"),
        (143, "running", "Interrupted"),
        (137, "lost", "Failed"),
        (1, "", "Failed"),
    ],
)
def test_one_that_did_not_come_to_its_end(
    project: Project, monkeypatch: pytest.MonkeyPatch, status: int, recorded: str, title: str
) -> None:
    record = f"integration status={recorded} merged=0/3 branch=b started=1000\n" if recorded else ""
    says(monkeypatch, LIVE.splitlines()[0], status, record)
    result = integrate(project, monkeypatch)
    assert result.exit_code == status
    assert f"\n=== Integration {title} ===\n" in result.stdout
    assert "  - task-001-users: not reached\n" in result.stdout
    assert result.stdout.endswith(f"parallelgen integrate {project.typed}\n")


def test_a_refusal_is_shown_as_it_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "", 2, "")
    result = integrate(project, monkeypatch)
    assert (result.exit_code, result.stdout.strip(), result.stderr) == (2, "", "WARNING: in words\n")


def test_the_settings_are_those_of_the_scripts_unless_others_are_given(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run("--generate-only", "--verify-timeout=5m", "--grace=7", "--setup=:").returncode == 0
    found: dict[str, Settings] = {}

    def look(_: str, plan: Plan, __: str) -> str:
        found["settings"] = plan.settings
        return "exit 2\n"

    monkeypatch.setattr(render, "render", look)
    monkeypatch.setenv("GRACE", "8")
    assert integrate(project, monkeypatch, "--verify-timeout", "1h", "--setup=").exit_code == 2
    chosen = found["settings"]
    assert (chosen.verify_timeout, chosen.grace, chosen.setup) == (3600, 8, "")
    result = integrate(project, monkeypatch, "--verify-integration", "fi")
    assert result.exit_code == 2
    assert "Invalid value for '--verify-integration': " in result.stderr


PATIENT = """
[ "$3" = --status ] && exit
count=0
stop() {
  count=$((count + 1))
  echo "signal $count"
  [ "$count" -lt 2 ] || {
    echo "[PROGRESS] integration status=interrupted merged=0/3 branch=b"
    kill "$sleeper"
    exit $((128 + $1))
  }
}
trap 'stop 1' HUP
trap 'stop 2' INT
trap 'stop 15' TERM
sleep 60 &
sleeper=$!
echo begun
while :; do wait "$sleeper"; done
"""
PATCHED = """\
from parallelgen.cli import main
from parallelgen.writing import render
render.render = lambda *_: {!r}
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on_and_nothing_stays(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PATCHED.format(PATIENT), "integrate", project.typed],
        cwd=project.root,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in ("begun\n", "signal 1\n"):
        assert process.stdout.readline() == line
        process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    title = "=== Integration Interrupted ==="
    assert out.startswith(f"signal 2\nIntegration: interrupted, 0/3 tasks merged\n\n{title}\n")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_run_that_integrates_at_its_end(project: Project) -> None:
    result = project.run("--integrate", "end", "--verify-integration", "ls *.txt", "--agent-command", DONE)
    assert (result.returncode, result.stderr) == (0, "")
    assert "\nIntegration: all of it is green\n" in result.stdout
    branch, place = "integration/TS-0001-shop", "../workspaces/integration-TS-0001-shop"
    tip = git(project.root, "rev-parse", branch)[:12]
    shown = without_size(result.stdout)
    assert shown.endswith(
        f"""
Integration: completed, 3/3 tasks merged
  branch: {branch} ({tip})
  worktree: {place}
  - task-001-users: merged
  - task-002-orders: merged
  - task-003-api: merged

Next step: parallelgen land {project.typed}
"""
    )
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert told["integration"]["merged"] == ["task-001", "task-002", "task-003"]
    assert f"  worktree: {place}\n" in parallelgen("status", project.typed, cwd=project.root).stdout
    assert project.run("--generate-only", "--agent-command", DONE).returncode == 0
    assert project.execution["integration"]["tip"][:12] == tip  # type: ignore[index]
    more = parallelgen("integrate", project.typed, "--verify-integration", "false", cwd=project.root)
    assert more.returncode == 1
    assert "\nIntegration: failed: a check is red, 3/3 tasks merged\n" in more.stdout
    again = f"parallelgen integrate --verify-integration=false {project.typed}"
    assert more.stdout.endswith(f"\nNext step: mend that, then run: {again}\n")
    culprit = parallelgen(
        "integrate", project.typed, "--verify-integration", "! ls task-002.txt", cwd=project.root
    )
    assert culprit.returncode == 1
    words = "failed, task-002-orders turns it red and is on the branch since before, 3/3 tasks merged"
    for shown in (culprit.stdout, parallelgen("status", project.typed, cwd=project.root).stdout):
        assert f"\nIntegration: {words}\n" in shown
        assert "\n  - task-002-orders: merged, and turns it red\n" in shown
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert (told["integration"]["error"], told["integration"]["culprit"]) == ("validation", "task-002")
    flaky = parallelgen(
        "integrate",
        project.typed,
        "--verify-integration",
        "ls ../red || { >../red; false; }",
        cwd=project.root,
    )
    assert flaky.returncode == 0
    for shown in (flaky.stdout, parallelgen("status", project.typed, cwd=project.root).stdout):
        assert "\n  flaky: all of it was red, and then green\n" in shown
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert told["integration"]["flaky"] == ["last"]


# Those of the first wave write the same file.
SAME = DONE.replace("work", '"$PARALLEL_TASK"', 1).replace("$PARALLEL_TASK.txt", "$PARALLEL_WAVE.txt")


@pytest.mark.parametrize("when", ["wave", "end"])
def test_a_run_that_fails_by_a_conflict_names_both_tasks(project: Project, when: str) -> None:
    result = project.run("--integrate", when, "--agent-command", SAME, "--json")
    assert result.returncode == 1
    *_, execution, report = [json.loads(line) for line in result.stdout.splitlines()]
    assert execution == {"event": "execution", "status": "failed", "reason": "integration"}
    assert (report["event"], report["status"], report["reason"]) == ("report", "failed", "integration")
    left = {"id": "task-002", "error": "conflict", "with": "task-001", "files": "1.txt"}
    assert report["integration"]["left_out"] == [left]
    assert report["integration"]["merged"] == ["task-001"] + ["task-003"] * (when == "end")
    again = project.run("--integrate", when, "--agent-command", SAME, "--retry-failed")
    assert again.returncode == 1
    # What was merged before, the lines of this run do not tell.
    merged = "  - task-001-users: merged\n"
    left_out = f"{merged}  - task-002-orders: left out, it conflicts with task-001-users in 1.txt\n"
    assert left_out in again.stdout
    assert left_out in parallelgen("status", project.typed, cwd=project.root).stdout
    assert "\nNot all that the tasks have done could be integrated.\n" in again.stdout
    step = again.stdout.splitlines()[-1]
    # After a wave there is more to run than the integration.
    assert step.startswith("Next step: mend that, then run: parallel")
    assert ("--retry-failed" in step) is (when == "wave")


def test_one_wave_that_is_red_is_not_followed_by_the_next(project: Project) -> None:
    result = project.run("--integrate", "wave", "--wave", "1", "--agent-command", SAME)
    assert result.returncode == 1
    again = f"parallelgen integrate {project.typed}"
    assert result.stdout.endswith(f"\nNext step: mend that, then run: {again}\n")


def test_where_nothing_has_completed_nothing_is_done(project: Project) -> None:
    result = parallelgen("integrate", project.typed, cwd=project.root)
    words = f"Nothing was done: no task of '{project.typed}' has completed.\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_hangs_is_stopped_with_it(project: Project, number: signal.Signals) -> None:
    assert project.run("--grace", "1", "--agent-command", DONE).returncode == 0
    hangs = "touch ../hangs; sleep 60 & wait"
    process = subprocess.Popen(
        [BIN / "parallelgen", "integrate", project.typed, "--verify-integration", hangs],
        cwd=project.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(project.root.parent / "workspaces" / "hangs")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "\n=== Integration Interrupted ===\n" in out
    assert f"  log: {project.typed}/logs/integration.log\n" in out
    assert left_over(project) == []


def test_what_a_task_has_changed_outside_its_scope(project: Project) -> None:
    task = project.directory / "tasks" / "task-001-users.md"
    task.write_text(f"{task.read_text()}\n## Scope\nCREATE: users.py\n")
    git(project.root, "commit", "-qam", "Give it a scope")
    result = project.run("--wave", "1", "--agent-command", DONE)
    assert result.returncode == 0
    part = "\nChanged outside the scope of the task:\n  - task-001-users (1 path)\n    task-001.txt\n"
    assert part in result.stdout
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert [task["outside"] for task in told["tasks"]] == [1, 0, 0]
