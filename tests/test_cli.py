import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from parallelgen import __version__
from parallelgen.agents import Adapter
from parallelgen.running import programs
from tests.conftest import DONE, Project, git, make_project, parallelgen


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below the root with its inode, mode and bytes: what must not change."""
    found = {}
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(facts.st_mode) else b""
        found[str(path)] = (facts.st_mtime_ns, facts.st_mode, data)
    return found


def test_version_and_help_come_fast_and_import_little() -> None:
    here = Path.cwd()
    assert parallelgen("--version", cwd=here).stdout == f"parallelgen {__version__}\n"
    shown = parallelgen("--help", cwd=here).stdout
    assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines() if line[2] != " "] == [
        "run",
        "integrate",
        "land",
        "clean",
        "validate",
        "plan",
        "check",
        "status",
        "logs",
        "agents",
        "schema",
        "demo",
    ]
    code = (
        "import sys; from parallelgen.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'jinja2', 'yaml', 'jsonschema', 'rich', 'parallelgen.planning.plan'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_parallel_run_is_parallelgen_run(project: Project) -> None:
    one = parallelgen("run", project.typed, "--dry-run", cwd=project.root)
    other = parallelgen(project.typed, "--dry-run", cwd=project.root, name="parallel-run")
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
    assert (
        "Usage: parallel-run [OPTIONS] DIR"
        in parallelgen("--help", cwd=project.root, name="parallel-run").stdout
    )


def test_dry_run_shows_the_plan_and_changes_no_byte(project: Project) -> None:
    (project.root / "README.md").touch()  # makes git want to refresh its index
    before = snapshot(project.root)
    result = project.run("--dry-run", "--agent-command", "true")
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout == (
        """=== Parallel Execution Plan ===

Parallel Dir: parallel/TS-0001-shop
Tech Spec: TS-0001
Base Branch: main
Max Concurrent: 3
Agent: true

Wave 1 (2 tasks, parallel):
  - task-001-users    -> ../workspaces/task-001 (feature/task-001-users)
  - task-002-orders   -> ../workspaces/task-002 (feature/task-002-orders)

Wave 2 (1 task):
  - task-003-api      -> ../workspaces/task-003 (feature/task-003-api)

Total Tasks: 3
Estimated Worktree Space: ~3KB (3 worktrees x ~1KB)

Dry run complete. No files modified.
"""
    )
    assert snapshot(project.root) == before


def test_dry_run_warns_in_the_words_of_the_specification(project: Project) -> None:
    (project.root / "new").touch()
    git(project.root, "branch", "feature/task-001-users")
    (project.root.parent / "workspaces" / "task-001").mkdir(parents=True)
    result = project.run("--dry-run", "--agent-command", "no-such-agent -x")
    assert result.returncode == 0
    assert [line for line in result.stderr.splitlines() if not line.startswith("  ")] == [
        "WARNING: Uncommitted changes detected. Consider committing or stashing.",
        "WARNING: Worktree '../workspaces/task-001' already exists.",
        "WARNING: Branch already exists: feature/task-001-users",
        "WARNING: Agent command not found: 'no-such-agent'",
    ]


def test_a_run_stops_before_anything_is_written(project: Project) -> None:
    (project.root / "new").touch()
    git(project.root, "worktree", "add", "-q", "-b", "feature/task-001-users", "../workspaces/task-001")
    before = snapshot(project.root)
    result = project.run(PATH="/usr/bin:/bin")
    assert result.returncode == 2
    assert result.stderr == (
        "ERROR: Uncommitted changes in working directory\n"
        "  Run 'git stash' or commit changes before parallel execution.\n"
        "ERROR: Worktree already exists: ../workspaces/task-001\n"
        "  Run 'git worktree remove ../workspaces/task-001' or use --force.\n"
        "ERROR: Branch already exists: feature/task-001-users\n"
        "  Previous execution was interrupted. Use '--retry-failed' to continue.\n"
        "ERROR: Claude CLI not found\n"
        "  Install Claude Code CLI: https://claude.ai/code\n"
    )
    assert snapshot(project.root) == before


def test_tasks_that_do_not_run_are_in_nobodys_way(project: Project) -> None:
    git(project.root, "branch", "feature/task-001-users")
    for option in ("--skip=task-001", "--wave=2"):
        errors = project.run("--dry-run", "--agent-command", "true", option).stderr
        assert errors == ""


def test_other_things_that_stand_in_the_way(project: Project) -> None:
    def complaint() -> str:
        return project.run("--agent-command", "true").stderr

    git(project.root, "config", "user.useConfigOnly", "true")
    git(project.root, "config", "--unset", "user.email")
    assert complaint().startswith("ERROR: git does not know who you are\n  Set user.name")
    git(project.root, "config", "user.email", "a@b.invalid")
    merge = project.root / ".git" / "MERGE_HEAD"
    merge.write_text(git(project.root, "rev-parse", "HEAD"))
    assert "ERROR: A git operation is under way (MERGE_HEAD)\n  Finish or abort it first.\n" in complaint()
    merge.unlink()
    assert "ERROR: base branch not found: 'nowhere'\n" in project.run("--base", "nowhere").stderr
    git(project.root, "checkout", "-q", "--detach")
    assert complaint().startswith("ERROR: HEAD is detached\n  Check out the base branch, or name it")


@pytest.mark.skipif(os.geteuid() != 0, reason="claude refuses only root")
def test_root_needs_a_sandbox_for_claude(project: Project, tmp_path: Path) -> None:
    claude = tmp_path / "bin" / "claude"
    claude.parent.mkdir()
    claude.write_text("#!/bin/sh\n")
    claude.chmod(0o755)
    path = f"{claude.parent}:{os.environ['PATH']}"
    result = project.run(PATH=path)
    assert result.returncode == 2
    assert "ERROR: claude refuses --dangerously-skip-permissions as root\n  Set IS_SANDBOX=1" in result.stderr
    assert project.run("--dry-run", PATH=path, IS_SANDBOX="1").stderr == ""
    assert "IS_SANDBOX" in project.run("--dry-run", PATH=path, IS_SANDBOX="true").stderr


def test_a_base_that_lacks_the_directory_or_is_no_main_branch_is_worth_a_warning(project: Project) -> None:
    git(project.root, "checkout", "-q", "-b", "topic")
    git(project.root, "rm", "-rq", "--cached", "parallel")
    git(project.root, "commit", "-qm", "Forget")
    assert project.run("--dry-run", "--agent-command", "true").stderr.splitlines() == [
        "WARNING: Base branch is 'topic', not main or master.",
        f"WARNING: '{project.typed}' is not in the base commit; the worktrees will lack it. "
        "Consider committing it.",
    ]


def test_generate_only_writes_everything_and_says_what(project: Project) -> None:
    result = project.run("--generate-only", "--agent-command", DONE)
    assert result.returncode == 0
    text = f"""=== Scripts Generated ===

Created:
  - {project.typed}/scripts/run-parallel.sh (orchestrator)
"""
    assert text in result.stdout
    advice = f"/parallel-integrate --parallel-dir {project.typed}\n"
    assert result.stdout.endswith(f"{advice}  or: parallelgen integrate {project.typed}\n\n")
    for name in ("run-parallel.sh", "monitor-live.sh"):
        assert (project.directory / "scripts" / name).stat().st_mode & 0o777 == 0o755
    assert (project.directory / "logs" / ".gitignore").read_text() == "*\n"
    assert project.execution["status"] == "pending"
    assert list(project.manifest)[:4] == ["technology", "sources", "tech_spec", "tasks"]
    before = snapshot(project.directory)
    project.run("--generate-only", "--agent-command", DONE)
    assert snapshot(project.directory) == before


def test_the_commands_that_generate_only_prints_can_be_typed(build: Callable[..., Project]) -> None:
    project = build(place="-par'allel/it $(touch x)")
    result = parallelgen(
        "run", "--generate-only", "--agent-command", DONE, "--", project.typed, cwd=project.root
    )
    assert result.returncode == 0, result.stderr
    lines = [line.strip().removeprefix("3. Run: ") for line in result.stdout.splitlines()]
    command = next(line for line in lines if line.startswith("MAX_CONCURRENT=5 "))
    ran = subprocess.run(
        ["sh", "-c", f"{command} --dry-run"], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "Max Concurrent: 5\n" in ran.stdout
    words = shlex.split(next(line for line in lines if line.startswith("or: ")))
    assert words == ["or:", "parallelgen", "integrate", "--", project.typed]
    assert not (project.root / "x").exists()
    merging = parallelgen(
        "run", "--generate-only", "--integrate", "end", "--", project.typed, cwd=project.root
    )
    assert merging.stdout.rpartition("After completion:\n  ")[2].startswith("/parallel-integrate ")
    assert "parallelgen integrate" not in merging.stdout


@pytest.mark.parametrize(
    "missing", [("manifest.json",), ("prompts/", "tasks/"), ("manifest.json", "prompts/", "tasks/")]
)
def test_an_invalid_directory(project: Project, missing: tuple[str, ...]) -> None:
    for name in missing:
        (project.directory / name).rename(project.root / name)
    result = project.run()
    assert result.returncode == 2
    indent = f"ERROR: manifest.json not found in '{project.typed}'\n  " if len(missing) == 1 else ""
    assert result.stderr == (
        f"ERROR: Invalid parallel directory '{project.typed}'\nMissing: {' | '.join(missing)}\n\n"
        f"{indent}Run '/parallel-decompose' first to create task specifications.\n"
    )


def test_every_problem_is_shown_and_nothing_is_written(project: Project) -> None:
    (project.directory / "prompts" / "task-001.txt").unlink()
    task = project.directory / "tasks" / "task-003-api.md"
    task.write_text(task.read_text().replace("task-001", "task-0O1"))
    before = snapshot(project.root)
    for command in ("run", "validate", "plan", "check", "status"):
        result = parallelgen(command, project.typed, cwd=project.root)
        assert result.returncode == 2
        assert result.stdout == ""
        assert "error: tasks/task-003-api.md: deps[0]: unknown task 'task-0O1'\n" in result.stderr
        assert result.stderr.count("error: ") == 2
    assert snapshot(project.root) == before
    found = parallelgen("validate", project.typed, "--format", "json", cwd=project.root)
    assert found.returncode == 2
    assert {"file", "place", "message", "hint", "severity"} == set(json.loads(found.stdout)[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-concurrent", "0"], "'--max-concurrent': '0' is not a positive whole number"),
        (["--max-concurrent", "-1"], "'--max-concurrent': '-1' is not a positive whole number"),
        (["--max-concurrent", "2.0"], "'--max-concurrent': '2.0' is not a positive whole number"),
        (["--max-concurrent", "٣"], "'--max-concurrent': '٣' is not a positive whole number"),
        (["--timeout", "soon"], "'--timeout': 'soon' is not a duration"),
        (["--grace", "x"], "'--grace': 'x' is not a whole number"),
        (["--retries", "-1"], "'--retries': '-1' is not a whole number"),
        (["--halt", "later"], "'--halt': 'later' is not never, soon or now"),
        (["--schedule", "dag"], "'--schedule': 'dag' is not waves or deps"),
        (["--max-log-size", "1T"], "'--max-log-size': '1T' is not a size"),
        (["--wave", "7"], "'--wave': there is no wave 7; the waves are 1, 2"),
        (["--skip", "task-004"], "did you mean"),
        (["--agent-command", "a\nb"], "expected one line without"),
        (["--setup", "a\nb"], "'--setup': expected one line without"),
        (["--verify", "pytest ("], "'--verify': sh refuses it: "),
        (["--verify-timeout", "soon"], "'--verify-timeout': 'soon' is not a duration"),
        (["--agent", "gpt"], "'--agent': 'gpt' is not claude, codex, demo, gemini or opencode"),
        (["--wat"], "No such option"),
        (["--fresh"], "'--fresh' needs '--retry-failed'"),
        (["--fresh", "--force", "--dry-run"], "'--fresh' needs '--retry-failed'"),
    ],
)
def test_usage_errors(project: Project, arguments: list[str], words: str) -> None:
    result = project.run(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: parallelgen run [OPTIONS] DIR\n")
    assert words in result.stderr
    assert not (project.directory / "scripts").exists()


def test_the_environment_stands_for_options_and_the_option_wins(project: Project) -> None:
    result = project.run(MAX_CONCURRENT="lots")
    assert result.returncode == 2
    assert "'MAX_CONCURRENT': 'lots' is not a positive whole number" in result.stderr
    assert "Max Concurrent: 7\n" in project.run("--dry-run", MAX_CONCURRENT="7").stdout
    assert "Max Concurrent: 2\n" in project.run("--dry-run", "--max-concurrent=2", MAX_CONCURRENT="7").stdout
    assert "Max Concurrent: 3\n" in project.run("--dry-run", MAX_CONCURRENT="").stdout


def test_skip_takes_ids_and_names(project: Project) -> None:
    shown = project.run("--dry-run", "--skip", "task-003-api, task-001,").stdout
    assert [line.split()[1] for line in shown.splitlines() if " -> " in line] == ["task-002-orders"]
    assert "(1 worktree x" in shown


def test_check_tells_stale_scripts_from_fresh_ones(project: Project) -> None:
    def check() -> tuple[int, str]:
        result = parallelgen("check", f"{project.typed}/", cwd=project.root)
        assert result.stderr == ""
        return result.returncode, result.stdout

    code, text = check()
    assert code == 1
    assert text.startswith(f"{project.typed}/scripts/run-parallel.sh: not there; ")
    options = ("--max-concurrent", "5", "--agent-command", "it's 'quoted' $x", "--skip", "task-002-orders")
    project.run("--generate-only", "--timeout", "90m", *options, SKIP_TASKS="task-001")
    assert check() == (0, "")
    assert (
        parallelgen(
            "check", project.typed, cwd=project.root, environment={**os.environ, "GRACE": "9"}
        ).returncode
        == 0
    )
    script = project.directory / "scripts" / "run-parallel.sh"
    script.chmod(0o644)
    assert check() == (1, f"{project.typed}/scripts/run-parallel.sh: mode: not executable\n")
    script.chmod(0o755)
    task = project.directory / "tasks" / "task-003-api.md"
    task.write_text(task.read_text().replace("deps: [task-001]", "deps: [task-002]"))
    code, text = check()
    assert code == 1
    changed = [line for line in text.splitlines() if line.startswith(("+ ", "- ", "-task", "+task"))]
    assert len(changed) == 2, text


def test_check_with_a_header_that_nobody_can_read(project: Project) -> None:
    project.run("--generate-only")
    script = project.directory / "scripts" / "run-parallel.sh"
    for line in ("parallel-run 'open", "parallel-run --wat x"):
        script.write_text(f"#!/bin/sh\n#   {line}\n")
        result = parallelgen("check", project.typed, cwd=project.root)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


OLD = """\
#!/bin/sh
# Generated by parallelgen 0.1.0; make it again with
#   parallel-run --generate-only --grace=3 {}
# --- scheduler: the loop
"""


def test_scripts_of_an_older_version_are_told_and_replaced(project: Project) -> None:
    script = project.directory / "scripts" / "run-parallel.sh"
    script.parent.mkdir()
    script.write_text(OLD.format(project.typed))
    found = parallelgen("check", project.typed, cwd=project.root)
    command = f"parallel-run --generate-only --grace=3 {project.typed}"
    assert (found.returncode, found.stdout, found.stderr) == (
        1,
        f"{project.typed}/scripts/run-parallel.sh: of an older version; make it again with: {command}\n",
        "",
    )
    # What asks the script does not ask that one.
    assert "has started" in parallelgen("status", project.typed, cwd=project.root).stdout
    assert project.run("--dry-run").stdout.startswith("=== Parallel Execution Plan ===\n")
    assert "# --- scheduler:" in script.read_text()
    assert parallelgen(*shlex.split(command)[1:], cwd=project.root, name="parallel-run").returncode == 0
    assert parallelgen("check", project.typed, cwd=project.root).returncode == 0


def test_the_plan_event_names_what_will_run(project: Project) -> None:
    def plan(*arguments: str) -> dict[str, object]:
        result = project.run("--dry-run", "--json", "--agent-command", "true", *arguments)
        first, last = map(json.loads, result.stdout.splitlines())
        assert last == {"event": "dry_run"}
        assert isinstance(first, dict)
        return first

    assert plan("--skip", "task-002", "--max-concurrent", "5") == {
        "event": "plan",
        "directory": project.typed,
        "tech_spec": "TS-0001",
        "base_branch": "main",
        "max_concurrent": 5,
        "skip": ["task-002"],
        "waves": [{"wave": 1, "tasks": ["task-001"]}, {"wave": 2, "tasks": ["task-003"]}],
    }
    assert plan("--wave", "2")["waves"] == [{"wave": 2, "tasks": ["task-003"]}]
    git(project.root, "checkout", "-q", "--detach")
    assert plan()["base_branch"] == ""


def test_nothing_stays_in_the_folder_for_temporary_files(project: Project, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    for arguments in (["run", "--dry-run"], ["run"], ["plan"], ["status"]):
        parallelgen(*arguments, project.typed, cwd=project.root, environment=environment)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_plan_formats(project: Project) -> None:
    def plan(form: str) -> str:
        result = parallelgen("plan", project.typed, "--format", form, cwd=project.root)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert plan("text") == project.run("--dry-run").stdout.partition("Dry run")[0]
    assert json.loads(plan("json"))
    assert "task-001" in plan("mermaid")
    assert plan("dot").startswith("digraph")


@pytest.mark.parametrize("kind", ["manifest", "task"])
def test_schemas_are_json_schemas(kind: str) -> None:
    shown = json.loads(parallelgen("schema", kind, cwd=Path.cwd()).stdout)
    assert shown["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_status_before_any_run(project: Project) -> None:
    result = parallelgen("status", project.typed, cwd=project.root)
    assert (result.returncode, result.stdout) == (0, f"No run of {project.typed} has started.\n")
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert told["status"] is None
    assert [task["status"] for task in told["tasks"]] == ["pending"] * 3


def test_status_reads_the_settings_of_the_scripts(project: Project) -> None:
    project.run("--generate-only", "--branch-prefix", "agents/")
    told = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)
    assert told["tasks"][0]["branch"] == "agents/task-001-users"
    script = project.directory / "scripts" / "run-parallel.sh"
    script.write_text("#!/bin/sh\n#   parallel-run 'open\n")
    assert parallelgen("status", project.typed, cwd=project.root).returncode == 0


def agent(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_agents_are_listed_with_what_they_can_do(tmp_path: Path) -> None:
    agent(tmp_path / "bin", "claude", "cat; printf '2.1.330 \\033[1m(Claude Code)\\033[0m\\nnews\\n'")
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    shown = parallelgen("agents", cwd=tmp_path, environment=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    head, first, *others = shown.stdout.splitlines()
    assert head.split() == ["AGENT", "INSTALLED", "VERSION", "ACTIVITY", "RESUME", "LIMITS", "COST"]
    assert first.split() == ["claude", "yes", "2.1.330", "(Claude", "Code)", "yes", "yes", "yes", "yes"]
    assert first.index("yes  ", 15) == head.index("ACTIVITY")
    assert others[-2].split() == ["demo", "-", "-", "yes", "-", "-", "-"]
    assert others[-1].split()[:3] == ["command", "-", "-"]
    told = json.loads(parallelgen("agents", "--json", cwd=tmp_path, environment=environment).stdout)
    assert [item["name"] for item in told] == [line.split()[0] for line in (first, *others)]
    assert told[0] == {
        "name": "claude",
        "program": "claude",
        "installed": True,
        "version": "2.1.330 (Claude Code)",
        "activity": True,
        "resume": True,
        "limits": True,
        "cost": True,
    }
    assert (told[-2]["installed"], told[-2]["version"], told[-2]["program"]) == (None, None, None)


def test_an_agent_that_does_not_tell_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PATIENCE", 0.5)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    known = Adapter("hangs", "hangs_program=hangs\nhangs_can='limits'\n")
    agent(tmp_path / "bin", "hangs", "sleep 60 & echo $! >pid; wait; echo 1.0")
    agent(tmp_path / "bin", "fails", "echo oops; exit 3")
    monkeypatch.chdir(tmp_path)
    others = [Adapter(name, f"{name}_program={name}\n") for name in ("fails", "absent")]
    hangs, fails, absent = programs.find([known, *others])
    assert (absent.is_installed, absent.version) == (False, "")
    assert (fails.is_installed, fails.version) == (True, "")
    assert (hangs.is_installed, hangs.version) == (True, "")
    left = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    # Where nobody looks after orphans they stay as zombies.
    assert not left.exists() or left.read_text().rpartition(")")[2].split()[0] in "ZX"
    assert programs.table([hangs]).splitlines()[1].split() == ["hangs", "yes", "-", "-", "-", "yes", "-"]


def test_logs_are_relayed(project: Project) -> None:
    project.run("--wave", "1", "--agent-command", "printf 'one\\033[31m\\ntwo\\n'; " + DONE)
    for words in (("task-001",), ("task-001-users", "--follow")):
        result = parallelgen("logs", project.typed, *words, cwd=project.root)
        assert (result.returncode, result.stderr) == (0, ""), words
        assert result.stdout.startswith("one\ntwo\n")
    result = parallelgen("logs", project.typed, "task-003", cwd=project.root)
    assert (result.returncode, result.stderr) == (2, "ERROR: task-003 has no log\n")
    result = parallelgen("logs", project.typed, "task-009", cwd=project.root)
    assert result.returncode == 2
    assert "Invalid value for 'TASK': unknown task 'task-009'" in result.stderr


def test_directories_are_found_however_they_are_named(tmp_path: Path) -> None:
    project = make_project(tmp_path / "the 'project' ü", place='parallel/TS 1 é "x"')
    git(project.root, "worktree", "add", "-q", "-b", "side", "../other")
    linked = tmp_path / "other"
    (tmp_path / "link").symlink_to(project.root)
    for typed, cwd in [
        (f"{project.typed}/", project.root),
        (".", project.directory),
        (str(project.directory), tmp_path),
        ("../" + project.directory.name, project.directory / ".." / project.directory.name),
        (f"link/{project.typed}", tmp_path),
        (project.typed, linked),
    ]:
        result = parallelgen("run", typed, "--dry-run", "--agent-command", "true", cwd=cwd)
        assert result.returncode == 0, result.stderr
        assert f"Parallel Dir: {project.typed}\n" in result.stdout
        expected = "side" if cwd == linked else "main"
        assert f"Base Branch: {expected}\n" in result.stdout


def test_outside_a_repository(project: Project, tmp_path: Path) -> None:
    (project.root / ".git").rename(tmp_path / "gone")
    result = project.run("--dry-run")
    assert result.returncode == 0
    assert result.stderr.startswith(f"WARNING: git finds no project: '{project.directory}'\n")
    assert "Base Branch: -\n" in result.stdout
    assert "Estimated Worktree Space: unknown (3 worktrees)\n" in result.stdout
    failed = project.run()
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"ERROR: git finds no project: '{project.directory}'\n")
    planned = parallelgen("plan", project.typed, cwd=project.root)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "Total Tasks: 3\n" in planned.stdout
    assert project.run("--generate-only").returncode == 0
    assert parallelgen("check", project.typed, cwd=project.root).returncode == 0


def test_a_folder_that_cannot_be_written_is_an_error_and_no_traceback(project: Project) -> None:
    (project.directory / "scripts").write_text("")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "odd")
    result = project.run("--agent-command", DONE)
    assert result.returncode == 2
    assert "error: scripts: expected a folder, found a file" in result.stderr
    assert "Traceback" not in result.stderr
