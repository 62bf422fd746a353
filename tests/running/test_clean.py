"""`clean`, as a person uses it: after real runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from parallelgen.cli import cli
from parallelgen.running import space
from tests.conftest import DONE, Project, Result, git, parallelgen

SPACES = "../workspaces"
NAMES = ("task-001-users", "task-002-orders", "task-003-api")


def clean(project: Project, *arguments: str) -> Result:
    return parallelgen("clean", project.typed, *arguments, cwd=project.root)


def cleaned(project: Project, *arguments: str) -> str:
    """Clean, and return what it said."""
    result = clean(project, "--yes", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def integrated(project: Project, *arguments: str) -> None:
    assert project.run("--agent-command", DONE, *arguments).returncode == 0
    assert parallelgen("integrate", project.typed, cwd=project.root).returncode == 0


def worktrees(project: Project) -> list[str]:
    """Name the linked ones."""
    listed = git(project.root, "worktree", "list", "--porcelain").splitlines()
    return [Path(line[9:]).name for line in listed if line.startswith("worktree ")][1:]


def refs(project: Project) -> list[str]:
    return git(project.root, "for-each-ref", "--format=%(refname)").split()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines_of(text: str, title: str) -> list[str]:
    """Take the lines out of a list that stand below a title."""
    part = text.partition(f"  {title}:\n")[2].split("\n")
    return [line.strip() for line in part[: next(n for n, line in enumerate(part) if line[:4] != "    ")]]


def test_a_new_user_sees_what_stays_and_why_and_nothing_happens(project: Project) -> None:
    assert (
        clean(project).stdout
        == f"{project.typed}\n  no worktree or branch of it is here\n\nNothing can go.\n"
    )
    assert project.run("--agent-command", f"echo > more; {DONE}; echo > left").returncode == 0
    before = (refs(project), worktrees(project))
    result = clean(project)
    assert result.returncode == 0
    assert lines_of(result.stdout, "stays")[0] == f"worktree {SPACES}/task-001: its commits are not in main"
    assert (
        f"branch feature/task-003-api: checked out in {SPACES}/task-003; its commits are not in main"
        in lines_of(result.stdout, "stays")
    )
    assert result.stdout.endswith("\nNothing can go.\n")
    assert cleaned(project).endswith("its commits are not in main\n")
    assert (refs(project), worktrees(project)) == before


def test_all_goes_once_it_has_landed(project: Project) -> None:
    integrated(project)
    git(project.root, "config", "branch.feature/task-001-users.description", "words")
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    listed = clean(project).stdout
    assert f"\nTo remove what can go: parallelgen clean --yes {project.typed}\n" in listed.replace(
        ". To", ".\nTo"
    )
    said = cleaned(project)
    assert lines_of(said, "removed") == lines_of(listed, "can go")
    assert "  stays:" not in said
    assert refs(project) == ["refs/heads/main"]
    assert worktrees(project) == []
    assert names_in(project.root.parent / "workspaces") == []
    assert "branch." not in git(project.root, "config", "--local", "--list")
    assert git(project.root, "fsck", "--no-progress") == ""
    assert git(project.root, "worktree", "prune", "--dry-run", "-v") == ""
    assert names_in(project.root / ".git" / "parallelgen") == ["lock", "owners"]
    assert cleaned(project) == f"{project.typed}\n  no worktree or branch of it is here\n"
    status = parallelgen("status", project.typed, cwd=project.root).stdout
    assert "Total: 3/3 tasks completed" in status
    assert "Worktrees" not in status


def test_what_only_the_integration_contains_is_kept_in_refs_that_are_not_shown(project: Project) -> None:
    integrated(project)
    tips = git(project.root, "rev-parse", *(f"feature/{name}" for name in NAMES)).split()
    (stays,) = lines_of(cleaned(project), "stays")
    assert stays == "branch integration/TS-0001-shop: its commits are not in main"
    kept = [f"refs/parallelgen/feature/{name}/{tip[:12]}" for name, tip in zip(NAMES, tips, strict=True)]
    assert refs(project) == ["refs/heads/integration/TS-0001-shop", "refs/heads/main", *kept]
    # The base moves, and with what is new there one of them conflicts.
    (project.root / "task-002.txt").write_text("mine\n")
    git(project.root, "add", "task-002.txt")
    git(project.root, "commit", "-qm", "Mine")
    again = parallelgen("integrate", project.typed, cwd=project.root)
    assert again.returncode == 1
    assert "task-002-orders: left out, it conflicts with main in task-002.txt" in again.stdout
    assert git(project.root, "merge-base", "--is-ancestor", tips[0], "integration/TS-0001-shop") == ""
    assert tips[1] in git(project.root, "log", "--format=%H", "--all")
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    # Who has been left out may be merged by hand there.
    assert lines_of(cleaned(project), "stays")[0].endswith("its task is failed, not completed")
    assert refs(project) == ["refs/heads/integration/TS-0001-shop", "refs/heads/main", kept[1]]


def test_a_branch_stays_from_which_somebody_starts_and_the_next_wave_runs(project: Project) -> None:
    integrated(project, "--wave", "1")
    stays = lines_of(cleaned(project), "stays")
    assert stays[0] == "branch feature/task-001-users: task-003 will start from it"
    assert len(stays) == 2
    assert project.branches() == ["feature/task-001-users", "integration/TS-0001-shop", "main"]
    integrated(project, "--wave", "2")
    assert "task-001.txt" in git(project.root, "ls-tree", "--name-only", "feature/task-003-api")


def test_the_next_wave_runs_after_all_has_landed_and_gone(project: Project) -> None:
    integrated(project, "--wave", "1")
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    cleaned(project)
    assert refs(project) == ["refs/heads/main"]
    integrated(project, "--wave", "2")
    assert "task-001.txt" in git(project.root, "ls-tree", "--name-only", "integration/TS-0001-shop")


def test_a_branch_that_has_changed_since_stays_until_the_base_has_it(project: Project) -> None:
    assert project.run("--agent-command", DONE).returncode == 0
    worktree = project.root.parent / "workspaces" / "task-001"
    git(worktree, "commit", "-qm", "More", "--allow-empty")
    assert parallelgen("integrate", project.typed, cwd=project.root).returncode == 0
    assert lines_of(cleaned(project), "stays")[0] == (
        "branch feature/task-001-users: "
        "it has changed since its task completed, and the base branch does not contain it"
    )
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    cleaned(project)
    assert refs(project) == ["refs/heads/main"]


IGNORED = "*.local\ncache/\nmodules/\n"


def ignoring(project: Project) -> None:
    (project.root / ".gitignore").write_text(IGNORED)
    (project.root / ".worktreeinclude").write_text("*.local\n")
    (project.root / "key.local").write_text("secret\n")
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "Ignore")


SETUP = "mkdir -p modules/a && echo 1 >modules/a/x && sleep 0.1"


def test_what_came_from_include_and_setup_holds_nothing(project: Project) -> None:
    ignoring(project)
    integrated(project, "--setup", SETUP, "--verify-integration", "test -e modules/a/x")
    assert worktrees(project) == ["integration-TS-0001-shop", "task-001", "task-002", "task-003"]
    cleaned(project)
    assert worktrees(project) == []
    assert (project.root / "key.local").read_text() == "secret\n"


WORK = {
    "key.local": "echo other >key.local",
    "modules/": "echo 2 >modules/a/x",
    "cache/": "mkdir cache && echo 3 >cache/y",
    "notes.local": "echo old >notes.local && touch -d 2001-01-01 notes.local",
}


def test_other_ignored_files_hold_the_worktree_and_are_named(build: Callable[..., Project]) -> None:
    project = build([(f"task-00{n}-x", 1, ()) for n in range(len(WORK))])
    ignoring(project)
    work = " ".join(f"task-00{n}) {command};;" for n, command in enumerate(WORK.values()))
    integrated(project, "--setup", SETUP, "--agent-command", f"case $PARALLEL_TASK in {work} esac; {DONE}")
    assert lines_of(clean(project).stdout, "stays")[: len(WORK)] == [
        f"worktree {SPACES}/task-00{n}: ignored, and neither included nor made by setup: {named}"
        for n, named in enumerate(WORK)
    ]
    cleaned(project, "--ignored", "nothing*")
    assert len(worktrees(project)) == len(WORK)
    cleaned(project, "--ignored", "modules", "--ignored", "cache/")
    assert worktrees(project) == ["task-000", "task-003"]
    cleaned(project, "--ignored", "*")
    assert worktrees(project) == []


def test_a_record_of_setup_speaks_of_one_worktree_alone(project: Project) -> None:
    ignoring(project)
    integrated(project, "--setup", SETUP)
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    trees = [project.root.parent / "workspaces" / f"task-00{number}" for number in (1, 2, 3)]
    (trees[0] / ".env").write_text("only here\n")
    for tree in trees:
        git(tree, "switch", "-q", "--detach")
    again = DONE.replace("echo work", "echo again")
    words = ("--force", "--workspace-root", "../others", "--setup", SETUP, "--agent-command", again)
    assert project.run(*words).returncode == 0
    cleaned(project)
    assert (trees[0] / ".env").read_text() == "only here\n"


def test_a_name_with_a_carriage_return_holds_nothing(project: Project) -> None:
    odd = "tracked\rfile"
    (project.root / odd).write_text("words\n")
    git(project.root, "add", odd)
    git(project.root, "commit", "-qm", "An odd name")
    integrated(project)
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    assert f"worktree {SPACES}/task-001," in str(lines_of(clean(project).stdout, "can go"))


def test_what_was_moved_aside_goes_when_it_is_old_enough(project: Project) -> None:
    ignoring(project)
    integrated(project, "--setup", SETUP)
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    assert project.run("--agent-command", "false", "--force").returncode == 1
    stays = lines_of(clean(project).stdout, "stays")
    assert sum("moved aside less than --older-than ago" in line for line in stays) == 8
    assert next(line for line in stays if "aside" not in line) == (
        f"worktree {SPACES}/task-001: its task is failed, not completed"
    )
    cleaned(project, "--older-than", "0s")
    assert worktrees(project) == ["task-001", "task-002"]
    assert refs(project) == [f"refs/heads/feature/{name}" for name in NAMES[:2]] + ["refs/heads/main"]
    again = DONE.replace("echo work", "echo again")
    assert project.run("--agent-command", again, "--retry-failed").returncode == 0


def test_a_run_names_the_clean_that_was_killed(project: Project) -> None:
    integrated(project)
    git(project.root, "merge", "-q", "integration/TS-0001-shop")
    git(project.root, "worktree", "move", f"{SPACES}/task-001", f"{SPACES}/task-001.removing")
    (project.root / ".git" / "worktrees" / "task-001" / "locked").write_text("parallelgen clean")
    result = project.run("--agent-command", DONE, "--force")
    assert result.returncode == 2
    hint = "If a 'parallelgen clean' was killed over it, 'parallelgen clean --yes' goes on."
    assert f"\n  {hint}\n" in result.stderr
    cleaned(project)
    again = DONE.replace("echo work", "echo again")
    assert project.run("--agent-command", again, "--force").returncode == 0


def test_nobody_loses_the_ground_he_stands_on(project: Project) -> None:
    integrated(project)
    sleeper = [sys.executable, "-c", "print(flush=True); input()"]
    inside = project.root.parent / "workspaces" / "task-002" / "parallel"
    with subprocess.Popen(
        sleeper, cwd=inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        stays = lines_of(cleaned(project), "stays")
        assert stays[0].startswith(f"worktree {SPACES}/task-002: processes are in it: {process.pid} ")
        assert inside.is_dir()
        process.communicate("\n")
    cleaned(project)
    assert not inside.exists()


def test_as_json(project: Project) -> None:
    integrated(project)
    listed = json.loads(clean(project, "--json").stdout)
    assert (listed["event"], listed["directory"]) == ("clean", project.typed)
    assert [thing["name"] for thing in listed["can_go"]][1:] == [
        f"{SPACES}/task-001",
        f"{SPACES}/task-002",
        f"{SPACES}/task-003",
        *(f"feature/{name}" for name in NAMES),
    ]
    assert listed["can_go"][1]["bytes"] > 0
    assert listed["can_go"][-1]["within"] == "integration/TS-0001-shop"
    (stays,) = listed["stays"]
    assert stays["reasons"] == ["its commits are not in main"]
    removed = json.loads(clean(project, "--json", "--yes").stdout)
    assert removed["removed"] == listed["can_go"]


def test_all_directories_of_a_project(project: Project) -> None:
    other = project.root / "parallel" / "TS-0002-more"
    git(project.root, "mv", project.typed, str(other))
    git(project.root, "commit", "-qm", "Move")
    second = Project(project.root, other)
    integrated(second)
    git(project.root, "merge", "-q", "integration/TS-0002-more")
    result = parallelgen("clean", "--all", "--yes", cwd=other / "tasks")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("parallel/TS-0002-more\n  removed:\n")
    assert refs(project) == ["refs/heads/main"]
    again = parallelgen("clean", "--all", cwd=project.root)
    assert again.stdout == "parallel/TS-0002-more\n  no worktree or branch of it is here\n\nNothing can go.\n"


def test_wrong_input_is_refused(project: Project, tmp_path: Path) -> None:
    for arguments, words in (
        ((), "which directory?"),
        (("nowhere",), "Invalid parallel directory 'nowhere'"),
        ((project.typed, "--older-than", "soon"), "Invalid value for '--older-than': 'soon'"),
    ):
        result = parallelgen("clean", *arguments, cwd=project.root)
        assert (result.returncode, words in result.stderr) == (2, True), result.stderr
    (tmp_path / "plain").mkdir()
    result = parallelgen("clean", "--all", cwd=tmp_path / "plain")
    assert (result.returncode, result.stderr) == (2, "error: not in a git repository: '.'\n")
    assert parallelgen("clean", "--all", cwd=project.root).stdout == "\nNothing can go.\n"


def test_report_and_status_tell_what_the_worktrees_take(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = project.run("--agent-command", f"head -c 3000000 /dev/urandom >big; {DONE}", "--wave", "1")
    (told,) = [line for line in result.stdout.splitlines() if line.startswith("Worktrees on disk: ")]
    assert told.startswith("Worktrees on disk: 2, 5.")
    assert told.endswith(" MiB")
    assert told in parallelgen("status", project.typed, cwd=project.root).stdout
    facts = json.loads(parallelgen("status", project.typed, "--json", cwd=project.root).stdout)["worktrees"]
    assert (facts["count"], facts["can_free"]) == (2, 0)
    assert 6_000_000 < facts["bytes"] < 7_000_000
    # Once it is worth it, the command is named.
    monkeypatch.setattr(space, "_WORTH_IT", 1_000_000)
    monkeypatch.chdir(project.root)
    assert "can be freed" not in CliRunner().invoke(cli, ["status", project.typed]).stdout
    git(project.root, "merge", "-q", "feature/task-001-users")
    shown = CliRunner().invoke(cli, ["status", project.typed]).stdout
    assert f"\n{told}\n  up to 2.9 MiB can be freed: parallelgen clean {project.typed}\n" in shown
    assert parallelgen("clean", project.typed, "--yes", cwd=project.root).returncode == 0
    assert "\nWorktrees on disk: 1, 2.9 MiB\n" in CliRunner().invoke(cli, ["status", project.typed]).stdout
