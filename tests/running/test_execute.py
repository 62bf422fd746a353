import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import BIN, DONE, Project, git, parallelgen, without_size

SLOW = 'touch "../started-$PARALLEL_TASK"; sleep 60 & wait'


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "parallelgen", "run", project.typed, *arguments],
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def left_over(project: Project) -> list[str]:
    """Command lines of processes that work for this project."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(project.root.parent).encode() in (entry / "environ").read_bytes() and (
                b"PARALLEL_TASK=" in (entry / "environ").read_bytes()
                or b"run-parallel.sh" in (entry / "cmdline").read_bytes()
            ):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_a_whole_run(project: Project) -> None:
    result = project.run("--agent-command", DONE)
    assert (result.returncode, result.stderr) == (0, "")
    plan, _, rest = result.stdout.partition("Estimated Worktree Space")
    assert plan.startswith("=== Parallel Execution Plan ===\n")
    assert (
        "Wave 1 Progress:\n"
        "  task-001-users: COMPLETED (1 commit)\n"
        "  task-002-orders: COMPLETED (1 commit)\n"
        "\n"
        "Overall: 2/2 tasks complete in Wave 1\n"
    ) in rest
    assert without_size(result.stdout).endswith(
        """
=== Parallel Execution Complete ===

Wave 1: 2/2 tasks completed
Wave 2: 1/1 tasks completed
Total: 3/3 tasks completed

Branches created:
  - feature/task-001-users (1 commit)
  - feature/task-002-orders (1 commit)
  - feature/task-003-api (1 commit)

Next step: /parallel-integrate --parallel-dir parallel/TS-0001-shop
       or: parallelgen integrate parallel/TS-0001-shop
"""
    )
    assert set(project.branches()) == {
        "main",
        "feature/task-001-users",
        "feature/task-002-orders",
        "feature/task-003-api",
    }
    files = git(project.root, "ls-tree", "--name-only", "feature/task-003-api").split()
    assert {"task-001.txt", "task-003.txt"} <= set(files)
    assert "task-002.txt" not in files
    assert project.execution["status"] == "completed"
    assert project.execution["failed_tasks"] == []
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert (told["status"], told["is_alive"]) == ("completed", False)
    assert [task["commits"] for task in told["tasks"]] == [1, 1, 1]
    text = parallelgen("status", project.typed, cwd=project.root).stdout
    assert "Run: COMPLETED\n" in text
    assert "  task-003-api: COMPLETED (1 commit) " in text
    assert parallelgen("check", project.typed, cwd=project.root).returncode == 0
    assert left_over(project) == []


def test_failures_are_told_and_a_retry_mends_them(project: Project) -> None:
    bad = "case $PARALLEL_TASK in *1) echo lost; exit 3 ;; esac; " + DONE
    result = project.run("--agent-command", bad)
    assert (result.returncode, result.stderr) == (1, "")
    assert "  task-001-users: FAILED (exit_code_3)\n" in result.stdout
    assert without_size(result.stdout).endswith(
        f"""
=== Parallel Execution Failed ===

Wave 1: 1/2 tasks completed
Wave 2: 0/1 tasks completed
Total: 1/3 tasks completed

Branches created:
  - feature/task-002-orders (1 commit)

Not completed:
  - task-001-users: FAILED (exit_code_3)
    step: agent
    log: {project.typed}/logs/task-001.log
    last line: lost
  - task-003-api: BLOCKED (by task-001)

Next step: parallel-run --retry-failed {shlex.quote("--agent-command=" + bad)} {project.typed}
"""
    )
    assert (project.directory / "logs" / "task-001.log").read_text() == "lost\n"
    assert project.execution["failed_tasks"] == [{"id": "task-001", "error": "exit_code_3"}]
    again = project.run("--agent-command", DONE)
    assert again.returncode == 2
    assert "ERROR: Branch already exists: feature/task-001-users\n" in again.stderr
    assert project.execution["failed_tasks"] == [{"id": "task-001", "error": "exit_code_3"}]
    retry = project.run("--agent-command", DONE, "--retry-failed")
    assert (retry.returncode, retry.stderr) == (0, "")
    assert (
        "=== Retrying Failed Tasks ===\n\n"
        "Failed tasks from previous run:\n"
        "  - task-001-users (error: exit_code_3)\n\n"
        "Creating worktree for retry...\n"
        "Launching agent...\n"
    ) in retry.stdout
    assert "Total: 3/3 tasks completed\n" in retry.stdout
    assert "  - feature/task-002-orders (1 commit)\n" in retry.stdout
    assert project.execution["failed_tasks"] == []
    assert (project.directory / "logs" / "task-001.1.log").read_text() == "lost\n"


def test_one_wave_only(project: Project) -> None:
    early = project.run("--wave", "2", "--agent-command", DONE)
    assert early.returncode == 2
    assert early.stderr == (
        "ERROR: Branch not found: feature/task-001-users\n"
        "  Wave 2 depends on it. Run the wave it belongs to first.\n"
    )
    assert not (project.directory / "scripts").exists()
    first = project.run("--wave", "1", "--agent-command", DONE)
    assert first.returncode == 0, first.stderr
    assert "Wave 2" not in first.stdout
    assert "\nNext step: parallel-run --wave 2 '--agent-command=" in first.stdout
    second = project.run("--wave", "2", "--agent-command", DONE)
    assert (second.returncode, second.stderr) == (0, "")
    assert (
        "=== Running Wave 2 Only ===\n\nChecking Wave 1 dependencies...\n  feature/task-001-users: EXISTS\n"
    ) in second.stdout
    assert "All dependencies satisfied. Proceeding with Wave 2.\n" in second.stdout
    assert "Wave 2: 1/1 tasks completed\nTotal: 1/1 tasks completed\n" in second.stdout
    assert "\nNext step: /parallel-integrate " in second.stdout


def test_a_warning_is_said_once(project: Project) -> None:
    git(project.root, "checkout", "-qb", "topic")
    result = project.run("--wave", "1", "--agent-command", DONE)
    assert result.stderr == "WARNING: Base branch is 'topic', not main or master.\n"


def test_skipped_tasks_do_not_run(project: Project) -> None:
    result = project.run("--skip", "task-002-orders", "--agent-command", DONE)
    assert result.returncode == 0, result.stderr
    assert "Wave 1: 1/1 tasks completed\n" in result.stdout
    assert "Not completed:\n  - task-002-orders: SKIPPED\n" in result.stdout
    assert "feature/task-002-orders" not in project.branches()
    assert project.execution["skipped_tasks"] == ["task-002"]


def test_force_moves_what_is_in_the_way_aside(project: Project) -> None:
    project.run("--agent-command", DONE)
    again = project.run("--agent-command", DONE, "--force")
    assert again.returncode == 0, again.stderr
    assert len([name for name in project.branches() if name.startswith("backup/")]) == 3
    assert "Total: 3/3 tasks completed\n" in again.stdout


def test_json_is_one_event_a_line(project: Project) -> None:
    result = project.run("--agent-command", DONE, "--json")
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "plan"
    assert events[0]["waves"][0] == {"wave": 1, "tasks": ["task-001", "task-002"]}
    assert events[1] == {"event": "wave", "wave": 1, "status": "started"}
    assert {
        "event": "task",
        "wave": 2,
        "task": "task-003",
        "status": "completed",
        "commits": 1,
        "name": "task-003-api",
        "branch": "feature/task-003-api",
    } in events
    assert events[-2] == {"event": "execution", "status": "completed"}
    assert events[-1]["event"] == "report"
    assert [task["status"] for task in events[-1]["tasks"]] == ["completed"] * 3


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_the_run_in_order(project: Project, number: signal.Signals, code: int) -> None:
    process = start(project, "--agent-command", SLOW, "--grace", "2")
    for name in ("task-001", "task-002"):
        wait_for(project.root.parent / "workspaces" / f"started-{name}")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    word = "Stopping: the agents have 2 seconds to end; another signal kills them.\n"
    assert (process.returncode, err) == (code, word)
    assert "=== Parallel Execution Interrupted ===\n" in out
    assert "  - task-001-users: INTERRUPTED\n" in out
    assert "  - task-003-api: PENDING\n" in out
    assert left_over(project) == []
    assert project.execution["status"] == "interrupted"
    retry = project.run("--agent-command", DONE, "--retry-failed")
    assert retry.returncode == 0, retry.stderr
    assert "Total: 3/3 tasks completed\n" in retry.stdout


def test_a_second_run_at_the_same_time_is_refused(project: Project) -> None:
    process = start(project, "--agent-command", SLOW, "--grace", "1")
    try:
        wait_for(project.root.parent / "workspaces" / "started-task-001")
        status = parallelgen("status", project.typed, cwd=project.root).stdout
        assert "Run: RUNNING (process " in status
        assert "  task-001-users: RUNNING... " in status
        before = (project.directory / "manifest.json").read_bytes()
        again = project.run("--agent-command", DONE, "--retry-failed")
        assert again.returncode == 2
        assert f"ERROR: another run of '{project.typed}' is under way\n  Process " in again.stderr
        assert (project.directory / "manifest.json").read_bytes() == before
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_an_orchestrator_that_was_killed_is_shown_as_dead(project: Project) -> None:
    # The task runners outlive it; the next run takes their tasks over.
    patient = 'touch "../started-$PARALLEL_TASK"; until [ -e ../go ]; do sleep 0.1; done; ' + DONE
    process = start(project, "--agent-command", patient, "--grace", "1")
    try:
        wait_for(project.root.parent / "workspaces" / "started-task-001")
        told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
        os.kill(int(told["run"]["pid"]), signal.SIGKILL)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 137
        assert "=== Parallel Execution Failed ===\n" in out
        dead = parallelgen("status", project.typed, cwd=project.root).stdout
        assert "Run: LOST (process " in dead
        (project.root.parent / "workspaces" / "go").touch()
        retry = project.run("--agent-command", DONE, "--retry-failed", "--grace", "1")
        assert retry.returncode == 0, retry.stderr
        assert left_over(project) == []
    finally:
        process.kill()
        process.communicate()


def test_a_closed_pipe_does_not_end_the_run(project: Project) -> None:
    command = [str(BIN / "parallelgen"), "run", project.typed, "--agent-command", DONE]
    ran = subprocess.run(
        ["sh", "-c", '{ "$@"; echo "$?" >../status; } | head -n 1', "sh", *command],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    assert (project.root.parent / "status").read_text() == "0\n"
    assert project.execution["status"] == "completed"


@pytest.mark.parametrize("width", [40, 120])
def test_a_terminal_gets_a_live_table_and_is_given_back_whole(project: Project, width: int) -> None:
    agent = "printf 'work \\033[31mred\\033[0m %0200d\\n' 0; sleep 1; " + DONE
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(width), "LINES": "24"}
    process = subprocess.Popen(
        [BIN / "parallelgen", "run", project.typed, "--agent-command", agent],
        cwd=project.root,
        env=environment,
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    shown = b"".join(chunks(main)).decode()
    assert process.wait(timeout=30) == 0
    assert width < 100 or "work red 0000" in shown
    assert "\x1b[31mred" not in shown
    assert "Wave 1 Progress" not in shown
    assert "3/3 tasks complete, 0 running" in shown
    assert "=== Parallel Execution Complete ===" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_an_interrupted_terminal_is_given_back_whole(project: Project) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [BIN / "parallelgen", "run", project.typed, "--agent-command", SLOW, "--grace", "1"],
        cwd=project.root,
        env={**os.environ, "TERM": "xterm"},
        stdin=side,
        stdout=side,
        stderr=side,
        preexec_fn=lambda: _own_terminal(side),
    )
    os.close(side)
    shown = b""
    source = chunks(main)
    while b"running" not in shown or not (project.root.parent / "workspaces" / "started-task-002").exists():
        shown += next(source)
    os.write(main, b"\x03")
    shown += b"".join(source)
    assert process.wait(timeout=30) == 130
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"=== Parallel Execution Interrupted ===" in shown
    assert left_over(project) == []


# Its first launch meets a limit of a few seconds; with each launch it costs more.
LIMITED_ONCE = (
    'echo "I begin"; facts() {{ printf "%s\\n" "$@" >"$PARALLEL_RESULT"; }}; '
    'if [ "$PARALLEL_TASK" = task-001 ] && [ ! -e ../met ]; then touch ../met; '
    "facts session=x turns=1 output_tokens=1200 cost_usd=0.25 said='a limit' "
    "resets_at=$(($(date +%s) + {seconds})); exit 75; fi; "
    "facts session=x turns=2 output_tokens=2300 cost_usd=0.5 said='$ pytest -q'; "
)


def test_a_limit_is_shown_and_the_run_goes_on_by_itself(project: Project) -> None:
    begun = time.time()
    result = project.run("--agent-command", LIMITED_ONCE.format(seconds=3) + DONE)
    assert (result.returncode, result.stderr) == (0, "")
    before, limited, rest = result.stdout.partition("\ncommand: usage limit until ")
    assert limited
    assert "  task-001-users: LIMITED (goes on in " in before + rest
    assert re.match(r"\d\d:\d\d, (goes on in [1-3]s|one task tries whether it is over)\n", rest)
    assert "\ncommand: the limit is over\n" in rest
    report = result.stdout.partition("=== Parallel Execution Complete ===\n")[2]
    assert re.search(
        r"^Wave 1: 2/2 tasks completed, \d turns, [\d.]+k tokens, \$[\d.]+$", report, re.MULTILINE
    )
    assert "  - task-003-api: 2 turns, 2.3k tokens, $0.50\n" in report
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    first = told["tasks"][0]
    assert (first["status"], first["attempt"], first["said"]) == ("completed", 1, "$ pytest -q")
    assert first["waited"] >= 2
    assert first["started"] >= int(begun)
    assert isinstance(first["total_usd"], float)
    assert told["cost"]["total_usd"] == pytest.approx(sum(task["total_usd"] for task in told["tasks"]))


def test_a_limit_that_lasts_too_long_leaves_the_task_for_later(project: Project) -> None:
    agent = LIMITED_ONCE.format(seconds=9000) + DONE
    result = project.run("--agent-command", agent, "--limit-wait", "1m", "--json")
    assert result.returncode == 1
    *_, report = [json.loads(line) for line in result.stdout.splitlines()]
    assert (report["event"], report["status"], report["reason"]) == ("report", "failed", "limit")
    first = report["tasks"][0]
    assert (first["status"], first["turns"], first["cost_usd"], first["said"]) == (
        "limited",
        1,
        0.25,
        "a limit",
    )
    assert first["until"] > time.time() + 8000
    assert report["cost"]["total_usd"] >= 0.25
    shown = parallelgen("status", project.typed, cwd=project.root).stdout
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(first["until"]))
    assert f"  task-001-users: LIMITED (until {until}) " in shown
    assert "\n    a limit\n" in shown
    again = project.run("--agent-command", agent, "--limit-wait", "1m", "--retry-failed")
    assert again.returncode == 1
    assert "A usage limit lasts longer than --limit-wait allows, so its tasks were left.\n" in again.stdout
    assert f"Not completed:\n  - task-001-users: LIMITED (until {until})\n" in again.stdout
    assert "    last line: a limit\n" in again.stdout
    assert "\nNext step: parallel-run --retry-failed " in again.stdout
    fresh = project.run("--agent-command", agent, "--limit-wait", "1m", "--retry-failed", "--fresh")
    assert fresh.returncode == 0, fresh.stdout
    assert "Total: 3/3 tasks completed, " in fresh.stdout


def test_what_cost_too_much_is_said_in_words(project: Project) -> None:
    agent = 'echo cost_usd=2 >"$PARALLEL_RESULT"; ' + DONE
    result = project.run("--agent-command", agent, "--max-concurrent", "1", "--max-cost", "1.5")
    assert result.returncode == 1
    report = result.stdout.partition("=== Parallel Execution Failed ===\n")[2]
    assert "Total: 1/3 tasks completed, $2.00\n" in report
    assert "\nThe tasks have cost as much as --max-cost allows, so no more were started.\n" in report


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_following_a_log_ends_quietly_with_a_signal(
    project: Project, number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    process = start(project, "--agent-command", "echo begun; " + SLOW, "--grace", "1")
    try:
        wait_for(project.root.parent / "workspaces" / "started-task-001")
        main, side = pty.openpty()
        follower = subprocess.Popen(
            [BIN / "parallelgen", "logs", project.typed, "task-001", "--follow"],
            cwd=project.root,
            env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
            stdin=side,
            stdout=side,
            stderr=side,
            preexec_fn=lambda: _own_terminal(side),
        )
        os.close(side)
        source = chunks(main)
        shown = b""
        while b"begun" not in shown:
            shown += next(source)
        if number == signal.SIGINT:
            os.write(main, b"\x03")
        else:
            follower.send_signal(number)
        shown += b"".join(source)
        assert follower.wait(timeout=20) == 128 + number
        assert list((tmp_path / "temporary").iterdir()) == []
        assert shown.replace(b"\r", b"").replace(b"^C", b"") == b"begun\n"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _own_terminal(side: int) -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)


def chunks(descriptor: int) -> Iterator[bytes]:
    """Read a pseudo-terminal until its other side is closed."""
    while True:
        ready, _, _ = select.select([descriptor], [], [], 30)
        assert ready, "nothing came for 30 seconds"
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            data = b""
        if not data:
            os.close(descriptor)
            return
        yield data


def test_the_demo_makes_a_project_and_runs_it(tmp_path: Path) -> None:
    result = parallelgen("demo", "here", "--max-concurrent", "5", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Max Concurrent: 5\n" in result.stdout
    assert "Total: 5/5 tasks completed\n" in result.stdout
    assert result.stdout.splitlines()[-2] == f"The project is in {tmp_path}/here"
    assert len(git(tmp_path / "here", "branch").splitlines()) == 6
    again = parallelgen("demo", "here", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr == f"error: '{tmp_path}/here' is there already and is not an empty directory\n"


def test_the_demo_runs_whatever_git_is_configured_to_do(tmp_path: Path) -> None:
    settings = "[commit]\ngpgSign\n[gpg]\nprogram=false\n[core]\nsafecrlf\nautocrlf\nhooksPath=/nowhere\n"
    watcher = f"fsmonitor=touch '{tmp_path}/asked' && false\n"
    (tmp_path / "settings").write_text(f"{settings}{watcher}[user]\nuseConfigOnly\n")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(tmp_path / "settings")}
    result = parallelgen("demo", "here", cwd=tmp_path, environment=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / "asked").exists()


def test_a_wheel_runs_the_same_demo(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("parallelgen", "templates", "examples", "pyproject.toml", "README.md", "LICENSE"):
        if (checkout / name).is_dir():
            shutil.copytree(checkout / name, copy / name)
        else:
            shutil.copy(checkout / name, copy / name)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path / "dist"),
        str(copy),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True, capture_output=True
    )
    # The dependencies are those of the venv that runs the tests; parallelgen itself is the wheel's.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    package = next((tmp_path / "venv" / "lib").glob("python*/site-packages/parallelgen"))
    for name in ("templates", "examples", "reading/schema"):
        here = checkout / "parallelgen" / name if "/" in name else checkout / name
        assert files_below(package / name) == files_below(here)
    ran = subprocess.run(
        [
            python,
            "-c",
            f"import site, sys; sys.path.append({site!r}); from parallelgen.cli import main; main()",
            "demo",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Total: 5/5 tasks completed\n" in ran.stdout


def files_below(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert found
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_project_with_every_odd_name(build: Callable[..., Project]) -> None:
    project = build(name='o\'neil "x" $(id) ü', place="-par allel/it's $HOME")
    result = parallelgen(
        "run", "--agent-command", DONE, "--workspace-root", "../w s'", "--", project.typed, cwd=project.root
    )
    assert result.returncode == 0, result.stderr
    assert "Total: 3/3 tasks completed\n" in result.stdout
    assert (project.root.parent / "w s'" / "task-003" / "task-001.txt").exists()
