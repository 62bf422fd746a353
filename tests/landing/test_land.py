"""`land`, after a whole run: real git, a real remote, and a gh that writes down what it is told."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import BIN, DONE, Project, Result, git, make_project, parallelgen
from tests.running.test_execute import wait_for

BRANCH = "integration/TS-0001-shop"
GREEN = ("--integrate", "end", "--verify-integration", "ls *.txt", "--agent-command", DONE)
Make = Callable[..., Project]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Path]:
    return {}


@pytest.fixture
def make(
    templates: dict[tuple[str, ...], Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Make:
    """Make a project in which a run has integrated; the run is made once for all tests that want it."""

    def make(*options: str) -> Project:
        words = options or GREEN
        if words not in templates:
            templates[words] = tmp_path_factory.mktemp("run")
            made = make_project(templates[words] / "shop")
            made.run(*words)
        shutil.copytree(templates[words], tmp_path, dirs_exist_ok=True, symlinks=True)
        root = tmp_path / "shop"
        for tie in (*root.glob(".git/worktrees/*/gitdir"), *tmp_path.glob("workspaces/*/.git")):
            tie.write_text(tie.read_text().replace(str(templates[words]), str(tmp_path)))
        return Project(root, root / "parallel" / "TS-0001-shop")

    return make


@pytest.fixture
def integrated(make: Make) -> Project:
    return make()


def land(project: Project, *arguments: str, cwd: Path | None = None, **environment: str) -> Result:
    words = ("land", project.typed if cwd is None else str(project.directory), *arguments)
    return parallelgen(*words, cwd=cwd or project.root, environment={**os.environ, **environment})


def at(project: Project, name: str) -> str:
    return git(project.root, "rev-parse", name).strip()


def add_remote(project: Project, name: str = "origin") -> Path:
    remote = project.root.parent / f"{name}.git"
    git(project.root, "init", "-q", "--bare", str(remote))
    git(project.root, "remote", "add", name, str(remote))
    git(project.root, "push", "-q", name, "main")
    return remote


def seen(folder: Path) -> dict[str, bytes | str]:
    """Read all files of a folder, git's own included, but for what git writes when it only looks."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def refused(project: Project, status: int, *words: str, options: tuple[str, ...] = ()) -> None:
    """Let it be refused in these words, with all as it was."""
    before = seen(project.root.parent)
    result = land(project, *options)
    assert (result.returncode, result.stdout) == (status, ""), result.stderr
    assert all(word in result.stderr for word in words), result.stderr
    after = seen(project.root.parent)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    # What git writes when it looks, or is refused.
    own = {f"shop/.git/{name}" for name in ("index", "ORIG_HEAD", "parallelgen/lock")}
    own.add(f"shop/{project.typed}/logs/pull-request.md")
    assert {name for name in changed if "/objects/" not in name} <= own
    shown = land(project, "--dry-run", *options)
    assert f"\nExit status of a landing: {status}. " in shown.stdout or status == 2


def test_it_is_landed_where_it_is_checked_out(integrated: Project) -> None:
    manifest = (integrated.directory / "manifest.json").read_bytes()
    old, tip = at(integrated, "main"), at(integrated, BRANCH)
    result = land(integrated)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        f"Landed: 'main' has moved from {old[:12]} to {tip[:12]}, 3 tasks, 6 commits.\n\n"
        f"To clean up: parallelgen clean {integrated.typed}\n"
    )
    assert at(integrated, "HEAD") == at(integrated, "main") == tip
    assert git(integrated.root, "status", "--short").split("\n") == [
        f" M {integrated.typed}/manifest.json",
        f"?? {integrated.typed}/scripts/",
        "",
    ]
    assert (integrated.directory / "manifest.json").read_bytes() == manifest
    again = land(integrated)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"'main' contains '{BRANCH}' ({tip[:12]}) already.\n")


def test_what_is_ours_and_staged_stays_staged(integrated: Project) -> None:
    git(integrated.root, "add", integrated.typed)
    staged = git(integrated.root, "diff", "--cached", "--name-only")
    assert f"{integrated.typed}/scripts/run-parallel.sh\n" in staged
    assert land(integrated).returncode == 0
    assert git(integrated.root, "diff", "--cached", "--name-only") == staged


HERE = "parallel/TS-0001-shop"
OURS = (
    f"""sed 's/"python"/"rust"/' {HERE}/manifest.json >../changed && mv ../changed {HERE}/manifest.json; """
    f"mkdir -p {HERE}/scripts; echo theirs >{HERE}/scripts/run-parallel.sh; echo more >{HERE}/scripts/more"
)


@pytest.fixture
def crossed(make: Make) -> Project:
    """Make a project in which the tasks have changed what parallelgen writes."""
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    project = make(*words, "--agent-command", f"{OURS}; {DONE}")
    assert git(project.root, "diff", "--name-only", "main", BRANCH, "--", project.typed).split() == [
        f"{project.typed}/{name}" for name in ("manifest.json", "scripts/more", "scripts/run-parallel.sh")
    ]
    return project


def test_what_is_ours_is_in_the_way_where_other_versions_of_it_are_landed(crossed: Project) -> None:
    refused(crossed, 2, "in the way", f":\n    {crossed.typed}/manifest.json: not committed\n")
    git(crossed.root, "checkout", "-q", "--", f"{crossed.typed}/manifest.json")
    (crossed.directory / "scripts" / "more").write_text("mine\n")
    names = (f"\n    {crossed.typed}/scripts/{name}: not tracked\n" for name in ("more", "run-parallel.sh"))
    refused(crossed, 2, *names)
    shutil.rmtree(crossed.directory / "scripts")
    assert land(crossed).returncode == 0
    assert crossed.manifest["technology"] == "rust"


def test_where_the_base_is_checked_out_nowhere_only_the_branch_moves(integrated: Project) -> None:
    git(integrated.root, "checkout", "-q", "--detach")
    (integrated.root / "README.md").write_text("mine\n")
    head, tip = at(integrated, "HEAD"), at(integrated, BRANCH)
    assert land(integrated).returncode == 0
    assert (at(integrated, "main"), at(integrated, "HEAD")) == (tip, head)
    assert git(integrated.root, "reflog", "-1", "--format=%gs", "main") == f"land: {BRANCH}\n"
    assert (integrated.root / "README.md").read_text() == "mine\n"


def test_a_base_with_slashes_in_another_working_tree_with_blanks(project: Project) -> None:
    git(project.root, "checkout", "-qb", "release/1.0 x".replace(" ", "_"))
    assert project.run(*GREEN).returncode == 0
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "What was generated")
    git(project.root, "checkout", "-q", "main")
    git(project.root, "branch", "-qf", "release/1.0_x", "main")
    other = project.root.parent / "a place\u00e4"
    git(project.root, "worktree", "add", "-q", str(other), "release/1.0_x")
    git(project.root, "checkout", "-q", "--detach", "HEAD@{1}")
    (other / "README.md").write_text("mine\n")
    refused(
        project, 2, f"'release/1.0_x' is checked out in '{other}', where", "\n    README.md: not committed\n"
    )
    git(other, "checkout", "-q", "README.md")
    assert land(project).returncode == 0
    assert (other / "task-003.txt").read_text() == "work\n"
    assert git(other, "status", "--short") == ""


def test_a_base_that_has_moved_is_integrated_again(integrated: Project) -> None:
    (integrated.root / "new.txt").write_text("new\n")
    git(integrated.root, "add", "new.txt")
    git(integrated.root, "commit", "-qm", "Meanwhile")
    command = f"parallelgen integrate {integrated.typed}"
    refused(integrated, 1, "error: 'main' has moved since", f"\n  {command}\n")
    assert parallelgen(*command.split()[1:], cwd=integrated.root).returncode == 0
    assert land(integrated).returncode == 0
    assert {"new.txt", "task-003.txt"} <= {path.name for path in integrated.root.iterdir()}


def test_a_base_that_has_lost_a_commit_does_not_get_it_back(project: Project) -> None:
    (project.root / "secret.txt").write_text("hunter2\n")
    git(project.root, "add", "secret.txt")
    git(project.root, "commit", "-qm", "Too much")
    assert project.run(*GREEN).returncode == 0
    lost = at(project, "main")[:12]
    git(project.root, "reset", "-q", "--keep", "HEAD~")
    refused(project, 1, f"error: 'main' has lost {lost} since, which '{BRANCH}' would bring back")


def test_commits_of_somebody_else_were_not_verified(integrated: Project) -> None:
    worktree = integrated.root.parent / "workspaces" / "integration-TS-0001-shop"
    (worktree / "task-001.txt").write_text("by hand\n")
    git(worktree, "commit", "-qam", "By hand")
    command = f"parallelgen integrate {integrated.typed}"
    refused(integrated, 1, f"error: '{BRANCH}' is not where integration has left it", command)
    assert parallelgen(*command.split()[1:], cwd=integrated.root).returncode == 0
    assert land(integrated).returncode == 0


def test_a_branch_that_was_set_back_holds_nothing_of_what_was_integrated(integrated: Project) -> None:
    worktree = integrated.root.parent / "workspaces" / "integration-TS-0001-shop"
    git(worktree, "reset", "-q", "--hard", "main")
    refused(integrated, 1, f"error: '{BRANCH}' is not where integration has left it")


def validated(project: Project, first: str, second: str = "") -> None:
    """Give the two waves their validations, in the manifest."""
    manifest, tasks = project.manifest, (["task-001", "task-002"], ["task-003"])
    manifest["waves"] = [
        {"number": number, "tasks": ids, **({"validation": command} if command else {})}
        for number, ids, command in zip((1, 2), tasks, (first, second), strict=True)
    ]
    (project.directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    if "execution" not in manifest:
        git(project.root, "commit", "-qam", "Validate")


def test_after_a_red_integration_nothing_is_landed_already(project: Project) -> None:
    validated(project, "true")
    words = ("--integrate", "end", "--verify-integration", "test ! -f task-001.txt", "--agent-command", DONE)
    assert project.run("--wave", "1", *words).returncode == 1
    refused(project, 1, "error: the latest integration has not come to a good end: failed: a check is red")


def test_the_last_check_has_to_have_seen_it(project: Project) -> None:
    validated(project, "true")
    words = ("--integrate", "wave", "--verify-integration", "ls README.md", "--agent-command", DONE)
    assert project.run("--wave", "1", *words).returncode == 0
    command = ("integrate", project.typed)
    refused(project, 1, "the check of all of it has not seen it green", "'ls README.md' ")
    assert parallelgen(*command, cwd=project.root).returncode == 0
    assert land(project).returncode == 0


@pytest.mark.parametrize("is_edited", [False, True])
def test_the_validation_of_the_last_wave_has_to_have_seen_it_as_it_is_now(
    project: Project, is_edited: bool
) -> None:
    validated(project, "ls README.md", "ls task-003.txt" if is_edited else "")
    assert project.run("--integrate", "end", "--agent-command", DONE).returncode == 0
    name, command = "wave 1", "ls README.md"
    if is_edited:
        name, command = "wave 2", "ls task-00[13].txt"
        validated(project, "false", command)
    again = ("integrate", project.typed, "--verify-integration", command)
    refused(project, 1, f"the check of {name} has not seen it green", f"--verify-integration '{command}' ")
    assert parallelgen(*again, cwd=project.root).returncode == 0
    result = land(project)
    assert (result.returncode, result.stderr) == (0, "")


def test_what_is_red_is_not_landed_and_what_is_left_out_does_not_matter(make: Make) -> None:
    project = make("--integrate", "end", "--verify-integration", "! ls task-003.txt", "--agent-command", DONE)
    refused(project, 1, "error: the latest integration has not come to a good end: failed: a check is red")
    words = ("integrate", project.typed, "--skip-culprits")
    assert parallelgen(*words, cwd=project.root).returncode == 1
    assert "task-003-api: left out, it turns the merged result red" in land(project, "--dry-run").stdout
    assert land(project).returncode == 0
    assert not (project.root / "task-003.txt").exists()
    body = (project.directory / "logs" / "pull-request.md").read_text()
    assert "| task-003-api | 2 | left out, it turns the merged result red | 1 |  |\n" in body


def test_where_there_is_nothing_to_verify_with_it_has_to_be_asked_for(make: Make) -> None:
    project = make("--integrate", "end", "--agent-command", DONE)
    refused(project, 1, "was not verified: the plan has nothing to verify it with", "--unverified")
    assert (
        parallelgen("integrate", project.typed, "--verify-integration", "ls", cwd=project.root).returncode
        == 0
    )
    assert "was seen green by a check that is not in the plan\n" in land(project, "--dry-run").stdout
    assert land(project).returncode == 0


def test_what_was_not_verified_is_landed_where_that_is_asked_for(make: Make) -> None:
    project = make("--integrate", "end", "--agent-command", DONE)
    assert land(project, "--unverified").returncode == 0
    assert (project.root / "task-003.txt").exists()


def test_where_there_is_something_to_verify_with_asking_does_not_help(make: Make) -> None:
    project = make("--integrate", "end", "--agent-command", DONE)
    words = ("--generate-only", "--verify-integration", "ls *.txt", "--agent-command", DONE)
    assert project.run(*words).returncode == 0
    words_of_it = (
        "was not verified: the check of all of it has not seen it green, and --unverified is for plans"
    )
    refused(project, 1, words_of_it, "'ls *.txt' ", options=("--unverified",))


@pytest.mark.parametrize("how", ["changed", "staged", "deleted", "added", "hidden"])
def test_changes_in_the_checkout_stand_in_the_way(integrated: Project, how: str) -> None:
    readme = integrated.root / "README.md"
    name = "README.md"
    if how == "added":
        name = "added \u00e4.txt"
        (integrated.root / name).write_text("mine\n")
        git(integrated.root, "add", "-N", name)
    elif how == "deleted":
        readme.unlink()
    else:
        readme.write_text("mine\n")
    if how == "staged":
        git(integrated.root, "add", "README.md")
        readme.write_text("# Shop\n")
    if how == "hidden":  # beside a change that git tells of
        git(integrated.root, "update-index", "--assume-unchanged", "README.md")
        name = ".gitattributes"
        (integrated.root / name).write_text("")
        git(integrated.root, "add", name)
    refused(integrated, 2, "'main' is checked out in", f":\n    {name}: not committed\n")


def test_a_submodule_that_is_elsewhere_is_a_change_and_untracked_files_in_it_are_none(
    project: Project,
) -> None:
    lib = project.root.parent / "lib"
    git(project.root.parent, "init", "-q", str(lib))
    who = ("-c", "user.name=Tess", "-c", "user.email=tess@example.invalid")
    git(lib, *who, "commit", "-q", "--allow-empty", "-m", "Start")
    git(project.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(lib), "lib")
    git(project.root, "commit", "-qm", "Add lib")
    git(lib, *who, "commit", "-q", "--allow-empty", "-m", "Newer")
    newer = git(lib, "rev-parse", "HEAD").strip()
    agent = f"git update-index --cacheinfo 160000,{newer},lib; {DONE.replace('git add .', 'git add *.txt')}"
    words = (*GREEN[:4], "--wave", "1", "--skip", "task-002", "--agent-command", agent)
    assert project.run(*words).returncode == 0
    (project.root / "lib" / "built").touch()
    git(project.root / "lib", *who, "commit", "-q", "--allow-empty", "-m", "Mine")
    refused(project, 2, ":\n    lib: not committed\n")
    git(project.root / "lib", "checkout", "-q", "HEAD~")
    result = land(project)
    assert (result.returncode, "Submodules have changed: git submodule update --init\n" in result.stdout) == (
        0,
        True,
    )
    assert git(project.root, "ls-files", "--stage", "lib").split()[1] == newer


@pytest.mark.parametrize("how", ["file", "above", "gone", "hidden"])
def test_a_repository_that_what_is_landed_would_clear_away_is_left_alone(project: Project, how: str) -> None:
    lib = project.root / "libs" / "lib"
    who = ("-c", "user.name=Tess", "-c", "user.email=tess@example.invalid")
    git(project.root, "init", "-q", str(lib))
    git(lib, *who, "commit", "-q", "--allow-empty", "-m", "Start")
    if how == "hidden":
        for key, value in (("path", "libs/lib"), ("ignore", "all")):
            git(project.root, "config", "--file", ".gitmodules", f"submodule.libs/lib.{key}", value)
        git(project.root, "add", ".gitmodules")
    git(project.root, "add", "libs/lib")
    git(project.root, "commit", "-qm", "Add lib")
    place = "libs" if how == "above" else "libs/lib"
    agent = f"git rm -qr --cached libs/lib; rm -rf {place};"
    if how in ("file", "above"):
        agent += f" mkdir -p $(dirname {place}); echo new >{place};"
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    assert project.run(*words, "--agent-command", f"{agent} {DONE}").returncode == 0
    (lib / "built").write_text("mine\n")
    refused(project, 2, "\n    libs/lib/.git: not tracked\n")
    assert (lib / "built").read_text() == "mine\n"
    lib.rename(project.root.parent / "moved")
    lib.mkdir()
    assert land(project).returncode == 0


def occupy(project: Project, how: str) -> Path:
    """Put something that git does not track where task-001.txt is going to be."""
    place = project.root / "task-001.txt"
    if how.startswith("ignored"):
        (project.root / ".git" / "info" / "exclude").write_text("task-001.txt\n")
    if how.endswith("folder"):
        place.mkdir()
        (place / "mine").write_text("mine\n")
        return place / "mine"
    if how.endswith("link"):
        place.symlink_to("nowhere")
    else:
        place.write_text("work\n" if how == "same" else "mine\n")
    return place


@pytest.mark.parametrize("how", ["ignored", "untracked", "same", "ignored folder", "folder", "ignored link"])
def test_what_git_does_not_track_is_never_written_over(integrated: Project, how: str) -> None:
    place = occupy(integrated, how)
    name = place.relative_to(integrated.root)
    refused(integrated, 2, f"\n    {name}: not tracked\n")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_hidden_changes_are_never_written_over(project: Project, flag: str) -> None:
    agent = DONE.replace("$PARALLEL_TASK.txt", "README.md")
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    assert project.run(*words, "--agent-command", agent).returncode == 0
    (project.root / "README.md").write_text("hidden\n")
    git(project.root, "update-index", flag, "README.md")
    refused(project, 2, "error: ", "README.md")
    assert (project.root / "README.md").read_text() == "hidden\n"


def test_what_a_filter_keeps_from_git_is_never_written_over(project: Project) -> None:
    agent = DONE.replace("$PARALLEL_TASK.txt", "README.md")
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    assert project.run(*words, "--agent-command", agent).returncode == 0
    git(project.root, "config", "filter.strip.clean", "grep -v OUTPUT")
    (project.root / ".git" / "info" / "attributes").write_text("README.md filter=strip\n")
    with (project.root / "README.md").open("a") as file:
        file.write("OUTPUT of ten hours\n")
    git(project.root, "add", "README.md")
    refused(project, 2, ":\n    README.md: changes that git does not see (a filter, line ends, a flag)\n")
    (project.root / "README.md").unlink()
    git(project.root, "checkout", "-q", "--", "README.md")
    assert land(project).returncode == 0


@pytest.mark.parametrize(
    "options", ["-s ours", "--squash", "--no-commit --no-ff", "--overwrite-ignore", "-q"]
)
def test_no_setting_makes_it_anything_but_a_fast_forward(integrated: Project, options: str) -> None:
    tip = at(integrated, BRANCH)
    git(integrated.root, "config", "branch.main.mergeOptions", options)
    git(integrated.root, "config", "pull.twohead", "ours")
    git(integrated.root, "config", "merge.ff", "false")
    git(integrated.root, "config", "merge.autoStash", "true")
    assert land(integrated).returncode == 0
    assert at(integrated, "main") == at(integrated, "HEAD") == tip
    assert git(integrated.root, "diff", "--stat", "HEAD", "--", ".", f":!{integrated.typed}") == ""


def test_a_branch_whose_options_cannot_be_left_out_of_account(project: Project) -> None:
    git(project.root, "checkout", "-qb", "a=b")
    assert project.run(*GREEN).returncode == 0
    git(project.root, "config", "branch.a=b.mergeOptions", "-s ours")
    refused(project, 2, "git cannot be kept from the merge options of that name")
    git(project.root, "checkout", "-q", "main")
    assert land(project).returncode == 0


def test_a_project_that_is_a_submodule_with_a_directory_with_blanks(tmp_path: Path) -> None:
    lib = make_project(tmp_path / "lib", place="parallel/a 'b")
    top = tmp_path / "top"
    git(tmp_path, "init", "-q", str(top))
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(lib.root), "lib")
    project = Project(top / "lib", top / "lib" / lib.typed)
    git(project.root, "config", "user.name", "Tess")
    git(project.root, "config", "user.email", "tess@example.invalid")
    assert project.run(*GREEN, "--workspace-root", "../../w").returncode == 0
    assert f"is checked out in '{project.root}'." in land(project, "--dry-run").stdout
    result = land(project, "--pr", PATH=gh(project))
    assert result.returncode == 0
    assert (project.root / "task-001.txt").exists()
    body = (top / "bin" / "told").read_text().splitlines()[-1]
    assert body == f"{project.typed}/logs/pull-request.md"
    assert git(lib.root, "rev-parse", "integration/a-'b") == git(project.root, "rev-parse", "main")


@pytest.mark.parametrize("what", ["repository", "pipe"])
def test_a_folder_that_becomes_a_file_is_looked_through(project: Project, what: str) -> None:
    vendor = project.root / "vendor"
    vendor.mkdir()
    (vendor / "x").write_text("tracked\n")
    git(project.root, "add", "vendor")
    git(project.root, "commit", "-qm", "Add vendor")
    agent = f"git rm -qr vendor; echo new >vendor; {DONE}"
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    assert project.run(*words, "--agent-command", agent).returncode == 0
    if what == "repository":
        git(vendor, "init", "-q")
        refused(project, 2, "\n    vendor/.git: not tracked\n")
        shutil.rmtree(vendor / ".git")
    else:
        os.mkfifo(vendor / "pipe")
        refused(project, 2, "\n    vendor/pipe: not tracked\n")
        (vendor / "pipe").unlink()
    assert land(project).returncode == 0
    assert vendor.read_text() == "new\n"


def test_a_library_that_a_run_has_changed_is_no_change(project: Project) -> None:
    assert project.run("--generate-only", "--agent", "demo").returncode == 0
    git(project.root, "add", project.typed)
    git(project.root, "commit", "-qm", "Scripts for another agent")
    assert project.run(*GREEN).returncode == 0
    assert f" D {project.typed}/scripts/lib/agents/demo.sh\n" in git(project.root, "status", "--porcelain")
    assert land(project).returncode == 0
    assert (project.root / "task-001.txt").exists()


def test_a_repository_whose_own_folder_lies_elsewhere(project: Project) -> None:
    git(project.root, "init", "-q", "--separate-git-dir", str(project.root.parent / "kept.git"))
    assert project.run(*GREEN).returncode == 0
    assert land(project).returncode == 0
    assert (project.root / "task-001.txt").exists()


def test_a_branch_that_is_another_name_of_one(project: Project) -> None:
    git(project.root, "symbolic-ref", "refs/heads/trunk", "refs/heads/main")
    assert project.run(*GREEN, "--base", "trunk").returncode == 0
    assert land(project).returncode == 0
    assert at(project, "main") == at(project, BRANCH)
    assert (project.root / "task-001.txt").exists()
    assert git(project.root, "symbolic-ref", "refs/heads/trunk") == "refs/heads/main\n"


@pytest.mark.parametrize("how", ["merge", "bisect", "rebase"])
def test_what_is_under_way_is_left_alone(integrated: Project, how: str) -> None:
    git(integrated.root, "checkout", "-q", "main")
    if how == "merge":
        git(integrated.root, "branch", "other", "main")
        (integrated.root / ".git" / "MERGE_HEAD").write_text(at(integrated, "main") + "\n")
        refused(integrated, 2, "in the middle of something: MERGE_HEAD")
    elif how == "bisect":
        git(integrated.root, "bisect", "start")
        refused(integrated, 2, "a rebase or bisect of 'main' is under way")
    else:
        git(integrated.root, "checkout", "-q", "--detach")
        folder = integrated.root / ".git" / "rebase-merge"
        folder.mkdir()
        (folder / "head-name").write_text("refs/heads/main\n")
        refused(integrated, 2, "a rebase or bisect of 'main' is under way")


def test_a_branch_that_is_in_two_places_or_in_none_that_is_there(integrated: Project) -> None:
    other = integrated.root.parent / "other"
    git(integrated.root, "worktree", "add", "-q", "--force", str(other), "main")
    refused(integrated, 2, f"'main' is checked out in '{integrated.root}' and '{other}': more than one place")
    shown = land(integrated, "--dry-run").stdout
    assert f"\nIt is checked out in '{integrated.root}' and '{other}'.\n" in shown
    git(integrated.root, "checkout", "-q", "--detach")
    other.rename(integrated.root.parent / "moved")
    refused(integrated, 2, f"'main' is checked out in '{other}', which is not there")


def test_a_branch_that_git_may_not_move_leaves_no_half_of_a_merge(integrated: Project) -> None:
    lock = integrated.root / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    old, status = at(integrated, "main"), git(integrated.root, "status", "--short")
    result = land(integrated)
    assert result.returncode == 2
    assert "main.lock" in result.stderr
    assert (at(integrated, "main"), git(integrated.root, "status", "--short")) == (old, status)
    assert not (integrated.root / "task-001.txt").exists()
    lock.unlink()
    assert land(integrated).returncode == 0


def test_a_filter_that_fails_leaves_no_half_of_a_merge(make: Make) -> None:
    change = "echo new >README.md; mkdir -p new/deep && echo x >new/deep/x && rm -f prompts/task-002.txt"
    change += f"; rm {HERE}/prompts/task-003.txt; mkdir -p {HERE}/prompts/task-003.txt/x"
    change += f"; echo x >{HERE}/prompts/task-003.txt/x/y"
    words = ("--wave", "1", "--skip", "task-002", "--integrate", "end", "--verify-integration", "true")
    project = make(*words, "--agent-command", f"{change}; {DONE}")
    (project.root / ".git" / "info" / "attributes").write_text("task-001.txt filter=bad\n")
    git(project.root, "config", "filter.bad.clean", "cat")
    git(project.root, "config", "filter.bad.smudge", "false")
    git(project.root, "config", "filter.bad.required", "true")
    names = {name for name in seen(project.root) if not name.startswith(".git/")}
    status = git(project.root, "status", "--short")
    result = land(project)
    assert (result.returncode, result.stdout) == (2, "")
    assert "smudge filter bad failed" in result.stderr
    assert git(project.root, "status", "--short") == status
    assert {name for name in seen(project.root) if not name.startswith(".git/")} == names
    git(project.root, "config", "filter.bad.required", "false")
    assert land(project).returncode == 0


def test_a_base_that_moves_between_the_look_and_the_merge(integrated: Project) -> None:
    tools = integrated.root.parent / "tools"
    tools.mkdir()
    real = shutil.which("git")
    (tools / "git").write_text(
        f"""#!/bin/sh
case " $* " in *" merge --ff-only "*) {real} commit -q --allow-empty -m Meanwhile ;; esac
exec {real} "$@"
"""
    )
    (tools / "git").chmod(0o755)
    result = land(integrated, "--json", PATH=f"{tools}:{os.environ['PATH']}")
    assert result.returncode == 1
    assert json.loads(result.stdout)["landed"] is False
    assert "error: 'main' is at " in result.stderr
    assert git(integrated.root, "log", "-1", "--format=%s") == "Meanwhile\n"
    assert not (integrated.root / "task-001.txt").exists()


@pytest.mark.parametrize("how", ["other", "hook"])
def test_a_branch_that_is_elsewhere_after_the_merge_is_told(integrated: Project, how: str) -> None:
    if how == "hook":
        hook = integrated.root / ".git" / "hooks" / "post-merge"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ngit commit -q --allow-empty -m Hooked\n")
        hook.chmod(0o755)
    tools = integrated.root.parent / "tools"
    tools.mkdir()
    real = shutil.which("git")
    (tools / "git").write_text(
        f"""#!/bin/sh
case "{how} $* " in "other "*" merge --ff-only "*) {real} checkout -q -b other ;; esac
exec {real} "$@"
"""
    )
    (tools / "git").chmod(0o755)
    result = land(integrated, "--json", PATH=f"{tools}:{os.environ['PATH']}")
    assert result.returncode == 1
    assert "error: 'main' is at " in result.stderr
    assert json.loads(result.stdout)["landed"] is (how == "hook")


def test_the_hooks_of_the_checkout_are_run(integrated: Project) -> None:
    hook = integrated.root / ".git" / "hooks" / "post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\npwd >../hooked\n")
    hook.chmod(0o755)
    assert land(integrated).returncode == 0
    assert (integrated.root.parent / "hooked").read_text() == f"{integrated.root}\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_does_not_cut_it_in_half(integrated: Project, number: signal.Signals) -> None:
    remote = add_remote(integrated)
    hook = integrated.root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] || exit 0\ntouch ../begun\nwhile [ ! -e ../go ]; do sleep 0.1; done\n'
    )
    hook.chmod(0o755)
    process = subprocess.Popen(
        [BIN / "parallelgen", "land", integrated.typed, "--push"],
        cwd=integrated.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(integrated.root.parent / "begun")
    process.send_signal(number)
    process.send_signal(number)
    (integrated.root.parent / "go").touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert out.startswith("Landed: ")
    assert at(integrated, "main") == at(integrated, BRANCH)
    assert git(remote, "rev-parse", "main") != git(integrated.root, "rev-parse", "main")


def test_it_is_pushed_and_never_by_force(integrated: Project) -> None:
    remote = add_remote(integrated)
    git(integrated.root, "config", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    tip, old = at(integrated, BRANCH), at(integrated, "main")
    preview = land(integrated, "--dry-run")
    assert "\nNext step: git push origin refs/heads/main:refs/heads/main\n" in preview.stdout
    theirs = git(integrated.root, "commit-tree", "-p", old, "-m", "Theirs", f"{old}^{{tree}}").strip()
    git(integrated.root, "push", "-q", "origin", f"{theirs}:refs/heads/main")
    result = land(integrated, "--push")
    assert result.returncode == 1
    assert (
        "error: it is landed, but not all of it is pushed: this has failed: git push origin " in result.stderr
    )
    assert at(integrated, "main") == tip
    assert git(remote, "rev-parse", "main").strip() == theirs
    git(remote, "update-ref", "refs/heads/main", old)
    again = land(integrated, "--push", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["already_landed"] is True
    assert git(remote, "rev-parse", "main").strip() == tip


def test_the_next_commands_are_those_of_the_remote_that_git_would_take(integrated: Project) -> None:
    assert "git push" not in land(integrated, "--dry-run").stdout
    refused(integrated, 2, "error: it is not known to which remote", options=("--push",))
    add_remote(integrated, "only")
    assert "\nNext step: git push only main\n" in land(integrated, "--dry-run").stdout
    add_remote(integrated, "origin")
    assert "\nNext step: git push origin main\n" in land(integrated, "--dry-run").stdout
    for key, name in (
        ("branch.main.remote", "only"),
        ("remote.pushDefault", "default"),
        ("branch.main.pushRemote", "mine's"),
    ):
        git(integrated.root, "config", key, name)
        quoted = "'mine'\"'\"'s'" if "'" in name else name
        assert f"\nNext step: git push {quoted} main\n" in land(integrated, "--dry-run").stdout


@pytest.mark.parametrize("how", ["file", "mapped", "upstream", "tag"])
def test_a_name_that_could_be_sent_elsewhere_is_written_in_full(integrated: Project, how: str) -> None:
    remote = add_remote(integrated)
    old = at(integrated, "main")
    if how == "file":
        git(integrated.root, "remote", "remove", "origin")
        file = integrated.root / ".git" / "remotes" / "origin"
        file.parent.mkdir()
        file.write_text(f"URL: {remote}\nPush: +refs/heads/main:refs/heads/main\n")
        git(integrated.root, "config", "branch.main.remote", "origin")
    elif how == "mapped":
        git(integrated.root, "config", "remote.origin.push", "refs/heads/main:refs/heads/prod")
    elif how == "upstream":
        git(integrated.root, "config", "push.default", "upstream")
        git(integrated.root, "config", "branch.main.remote", "origin")
        git(integrated.root, "config", "branch.main.merge", "refs/heads/prod")
    else:
        git(integrated.root, "tag", "main", f"{old}^{{tree}}")
    theirs = git(integrated.root, "commit-tree", "-p", old, "-m", "Theirs", f"{old}^{{tree}}").strip()
    git(remote, "fetch", "-q", str(integrated.root), theirs)
    git(remote, "update-ref", "refs/heads/main", theirs)
    assert land(integrated, "--push").returncode == 1
    assert git(remote, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/main {theirs}\n"
    git(remote, "update-ref", "refs/heads/main", old)
    assert land(integrated, "--push").returncode == 0
    tip = git(integrated.root, "rev-parse", "refs/heads/main")
    assert git(remote, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/main {tip}"


def test_the_settings_are_those_of_the_folder_in_which_it_is_pushed(integrated: Project) -> None:
    add_remote(integrated)
    worktree = integrated.root.parent / "workspaces" / "task-001"
    git(integrated.root, "config", "extensions.worktreeConfig", "true")
    git(worktree, "config", "--worktree", "remote.origin.push", "+refs/heads/*:refs/heads/*")
    shown = land(integrated, "--dry-run", cwd=worktree).stdout
    assert "\nNext step: git push origin refs/heads/main:refs/heads/main\n" in shown
    assert "\nNext step: git push origin main\n" in land(integrated, "--dry-run").stdout


@pytest.mark.parametrize("name", ["+main", "tag"])
def test_no_name_of_a_branch_is_a_word_of_git_s(project: Project, name: str) -> None:
    git(project.root, "branch", "-m", name)
    remote = project.root.parent / "origin.git"
    git(project.root, "init", "-q", "--bare", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "-q", "origin", f"refs/heads/{name}:refs/heads/main")
    theirs = git(project.root, "commit-tree", "-m", "Theirs", "HEAD^{tree}").strip()
    git(project.root, "push", "-qf", "origin", f"{theirs}:refs/heads/main")
    assert project.run(*GREEN).returncode == 0
    assert land(project, "--push").returncode == 0
    assert git(remote, "rev-parse", "main").strip() == theirs
    assert git(remote, "rev-parse", f"refs/heads/{name}").strip() == at(project, f"refs/heads/{name}")


def test_a_check_that_was_red_first_is_told(project: Project) -> None:
    check = "test -e ../../seen || { touch ../../seen; false; }"
    words = ("--integrate", "end", "--verify-integration", check, "--agent-command", DONE)
    assert project.run(*words).returncode == 0
    assert f"({check}): green, after it was red\n" in land(project, "--dry-run").stdout


def test_nothing_else_lands_or_cleans_meanwhile(integrated: Project) -> None:
    hook = integrated.root / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    others = [f"{BIN}/parallelgen {word} {integrated.typed}" for word in ("land", "clean --yes")]
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] && grep -q refs/heads/main || exit 0\n'
        f"unset GIT_DIR GIT_INDEX_FILE; for other in '{others[0]}' '{others[1]}'; do\n"
        '  $other 2>>"$PWD/said"; echo "$?" >>"$PWD/said"\ndone\n'
    )
    hook.chmod(0o755)
    assert land(integrated).returncode == 0
    lock = integrated.root / ".git" / "parallelgen" / "lock"
    refusal = f"error: cannot lock '{lock}': another clean or landing is at work\n2\n"
    assert (integrated.root / "said").read_text() == 2 * refusal
    assert at(integrated, "main") == at(integrated, BRANCH)


def test_a_remote_that_is_none_is_told(integrated: Project) -> None:
    add_remote(integrated, "one")
    add_remote(integrated, "two")
    told = "it is not known to which remote 'main' is pushed; name it:"
    told += "\n  git config branch.main.pushRemote REMOTE\n"
    refused(integrated, 2, f"error: {told}", options=("--push",))
    git(integrated.root, "config", "remote.pushDefault", "--force")
    refused(integrated, 2, f"error: {told}", options=("--push",))
    assert "git push" not in land(integrated).stdout


def gh(project: Project, status: int = 0) -> str:
    """Put a gh on the path that writes down its arguments and the file that it is given."""
    folder = project.root.parent / "bin"
    folder.mkdir()
    program = folder / "gh"
    program.write_text(
        f'''#!/bin/sh
printf "%s\\n" "$@" >"{folder}/told"
for file; do :; done
cp "$file" "{folder}/body"
exit {status}
'''
    )
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_pull_request(integrated: Project) -> None:
    remote = add_remote(integrated)
    path = gh(integrated)
    result = land(integrated, "--pr", PATH=path)
    assert result.returncode == 0
    assert git(remote, "rev-parse", BRANCH).strip() == at(integrated, "main")
    folder = integrated.root.parent / "bin"
    body = f"{integrated.typed}/logs/pull-request.md"
    assert (folder / "told").read_text().splitlines() == [
        *("pr", "create", "--base", "main", "--head", BRANCH),
        *("--title", "TS-0001: Shop", "--body-file", body),
    ]
    text = (folder / "body").read_text()
    assert text.startswith("# TS-0001: Shop\n")
    assert "| task-001-users | 1 | merged | 1 |  |\n" in text
    assert "\n- all of it (ls \\*.txt): green\n" in text


def test_a_pull_request_needs_its_program_and_tells_when_it_fails(integrated: Project) -> None:
    add_remote(integrated)
    found = {name: shutil.which(name) for name in ("git", "sh")}
    tools = integrated.root.parent / "tools"
    tools.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            if program.name != "gh" and not (tools / program.name).is_symlink():
                (tools / program.name).symlink_to(program)
    assert all(found.values())
    result = land(integrated, "--pr", PATH=str(tools))
    assert (result.returncode, result.stdout) == (2, "")
    assert "gh, which is not found" in result.stderr
    assert at(integrated, "main") != at(integrated, BRANCH)
    failed = land(integrated, "--pr", PATH=gh(integrated, 4))
    assert failed.returncode == 1
    assert "this has failed: gh pr create --base main " in failed.stderr
    assert at(integrated, "main") == at(integrated, BRANCH)


def test_commands_can_be_run_from_where_one_is(integrated: Project, tmp_path: Path) -> None:
    add_remote(integrated)
    inside = land(integrated, "--dry-run", cwd=integrated.directory / "tasks")
    assert "\nNext step: git push origin main\n" in inside.stdout
    assert " --body-file ../logs/pull-request.md\n" in inside.stdout
    outside = land(integrated, "--dry-run", cwd=tmp_path)
    root = integrated.root
    assert f"\nNext step: (cd {root} && git push origin main)\n" in outside.stdout
    assert f"\n           (cd {root} && gh pr create " in outside.stdout
    assert land(integrated, "--push", cwd=tmp_path).returncode == 0


def test_a_dry_run_shows_it_all_and_changes_nothing(integrated: Project) -> None:
    before = seen(integrated.root.parent)
    tip, old = at(integrated, BRANCH)[:12], at(integrated, "main")[:12]
    result = land(integrated, "--dry-run")
    assert result.returncode == 0
    assert result.stdout.startswith(
        f"=== Landing {integrated.typed} ===\n\n"
        f"'main' moves from {old} to {tip}, the tip of '{BRANCH}': 6 commits\n"
        f"It is checked out in '{integrated.root}'.\n\n"
        f"Commits:\n  {tip} Merge feature/task-003-api into {BRANCH}\n"
    )
    assert "\nFiles:\n  A task-001.txt\n  A task-002.txt\n  A task-003.txt\n" in result.stdout
    assert "\nTasks:\n  - task-001-users: merged\n" in result.stdout
    assert "\nChecks:\n  - all of it (ls *.txt): green\n" in result.stdout
    assert seen(integrated.root.parent) == before


def test_a_dry_run_tells_all_that_is_in_the_way(integrated: Project) -> None:
    git(integrated.root, "commit", "-q", "--allow-empty", "-m", "Meanwhile")
    (integrated.root / "README.md").write_text("mine\n")
    result = land(integrated, "--dry-run")
    assert result.returncode == 1
    assert "\nIt would not be landed:\n  'main' has moved since: " in result.stdout
    assert "\n      README.md: not committed\n" in result.stdout
    assert result.stdout.endswith("\n\nExit status of a landing: 1. Nothing has changed.\n")


def test_as_json(integrated: Project) -> None:
    add_remote(integrated)
    old, tip = at(integrated, "main"), at(integrated, BRANCH)
    shown = json.loads(land(integrated, "--dry-run", "--json").stdout)
    told = json.loads(land(integrated, "--json").stdout)
    assert (shown["landed"], shown["dry_run"], told["landed"], told["dry_run"]) == (False, True, True, False)
    assert (told["event"], told["status"], told["from"], told["to"]) == ("land", 0, old, tip)
    assert [item["path"] for item in told["files"]] == [f"task-00{number}.txt" for number in (1, 2, 3)]
    assert told["checks"] == [{"wave": "last", "command": "ls *.txt", "commit": tip}]
    assert told["push"] == ["git push origin main"]
    assert told["checkout"] == str(integrated.root)


def test_what_there_is_nothing_of_is_refused(project: Project, tmp_path: Path) -> None:
    command = f"parallelgen integrate {project.typed}"
    refused(project, 2, f"error: nothing of '{project.typed}' is integrated", command)
    assert project.run(*GREEN).returncode == 0
    git(project.root, "branch", "-qm", "main", "other")
    refused(project, 2, "error: there is no branch 'main'", command)
    git(project.root, "branch", "-qm", "other", "main")
    git(tmp_path / "workspaces" / "integration-TS-0001-shop", "checkout", "-q", "--detach")
    git(project.root, "branch", "-qD", BRANCH)
    refused(project, 2, f"error: there is no branch '{BRANCH}'", command)
    shutil.rmtree(project.root / ".git")
    refused(project, 2, "not a git repository")


def test_a_run_that_is_under_way_is_waited_for(integrated: Project) -> None:
    patient = "touch ../begun; while [ ! -e ../go ]; do sleep 0.1; done"
    process = subprocess.Popen(
        [BIN / "parallelgen", "run", integrated.typed, "--force", "--agent-command", patient],
        cwd=integrated.root,
        stdout=subprocess.DEVNULL,
    )
    wait_for(integrated.root.parent / "workspaces" / "begun")
    result = land(integrated)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert result.returncode == 2
    assert f"error: a run or integration of '{integrated.typed}' is under way" in result.stderr


def test_what_was_landed_and_cleaned_up_can_still_be_pushed(integrated: Project) -> None:
    assert land(integrated).returncode == 0
    assert parallelgen("clean", integrated.typed, "--yes", cwd=integrated.root).returncode == 0
    assert integrated.branches() == ["main"]
    remote = add_remote(integrated)
    git(remote, "update-ref", "refs/heads/main", at(integrated, "main~3"))
    refused(integrated, 2, f"error: there is no branch '{BRANCH}'", options=("--pr",))
    result = land(integrated, "--push")
    assert result.returncode == 0
    assert result.stdout.startswith(f"'main' contains '{BRANCH}' (")
    assert git(remote, "rev-parse", "main").strip() == at(integrated, "main")


def test_a_directory_that_is_the_top_of_its_repository(build: Callable[..., Project]) -> None:
    project = build(place=".")
    for name in ("tasks", "prompts", "README.md"):
        assert (project.root / name).exists()
    assert project.run(*GREEN).returncode == 0
    assert land(project).returncode == 0
    assert (project.root / "task-003.txt").exists()


def test_push_and_pull_request_exclude_each_other(project: Project) -> None:
    result = land(project, "--push", "--pr")
    assert result.returncode == 2
    assert "'--push' and '--pr' exclude each other" in result.stderr
