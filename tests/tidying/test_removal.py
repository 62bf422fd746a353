"""What comes between the look at a worktree and its end, and what other users of the machine do meanwhile."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parallelgen.git import GitError, Repository
from parallelgen.tidying import refs, removal
from parallelgen.tidying.directory import Thing as Look
from parallelgen.tidying.files import read_files
from tests.conftest import Result, git, parallelgen
from tests.tidying.world import Part, Thing, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).build([Part(), Part()])


def clean(world: World, *arguments: str) -> Result:
    return parallelgen("clean", world.project.typed, *arguments, cwd=world.root)


def listed(world: World) -> list[str]:
    text = git(world.root, "worktree", "list", "--porcelain")
    return [line for line in text.splitlines() if not line.startswith("HEAD")]


def remove(world: World, thing: Thing, mark: str = "") -> None:
    mark = mark or read_files(thing.tree, thing.side).mark
    removal.remove(Repository.at(world.root), thing.tree, thing.side, mark)


def test_who_has_changed_it_since_has_it_back_as_it_was(world: World) -> None:
    thing, before = world.things[0], listed(world)
    with pytest.raises(removal.NotRemovedError, match="it has changed"):
        remove(world, thing, "another one")
    assert listed(world) == before
    assert git(thing.tree, "status", "--porcelain") == ""
    assert clean(world, "--yes").returncode == 0
    assert not thing.tree.exists()


def test_what_comes_into_it_later_is_not_removed_and_stops_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing, other = world.things
    place = removal.place_of(thing.tree)

    def write_late(*_: object) -> list[str]:
        (place / "src" / "late.txt").write_text("late\n")
        return []

    monkeypatch.setattr(removal, "at_work_in", write_late)
    with pytest.raises(OSError, match="it has come or changed since"):
        remove(world, thing)
    for _ in range(2):
        assert "a clean has begun to remove it" in clean(world).stdout
        result = clean(world, "--yes")
        assert (result.returncode, result.stderr) == (
            1,
            f"ERROR: it has come or changed since the worktree was looked at: {place}/src/late.txt\n",
        )
        assert (place / "src" / "late.txt").read_text() == "late\n"
        assert not other.tree.exists()
    (place / "src" / "late.txt").unlink()
    assert clean(world, "--yes").returncode == 0
    assert not place.exists()
    assert not list((world.root / ".git" / "parallelgen").glob("removing*"))


def test_a_folder_that_is_moved_into_what_is_left_is_not_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = world.things[0]
    stuff = world.path / "stuff"
    stuff.mkdir()
    (stuff / "older.txt").write_text("older\n")
    place = removal.place_of(thing.tree)
    monkeypatch.setattr(removal, "_clear", interrupt)
    with pytest.raises(KeyboardInterrupt):
        remove(world, thing)
    stuff.rename(place / "src" / "stuff")
    result = clean(world, "--yes")
    moved = f"{place}/src/stuff"
    assert (result.returncode, result.stderr) == (
        1,
        f"ERROR: it has come or changed since the worktree was looked at: {moved}\n",
    )
    assert Path(moved, "older.txt").read_text() == "older\n"


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_who_moves_it_meanwhile_keeps_it_as_git_knows_it(world: World) -> None:
    thing, mark = world.things[0], read_files(world.things[0].tree, world.things[0].side).mark
    git(world.root, "worktree", "move", str(thing.tree), str(world.path / "mine"))
    before = listed(world)
    with pytest.raises(removal.NotRemovedError, match="has been moved"):
        remove(world, thing, mark)
    assert listed(world) == before


def test_a_branch_stays_that_is_checked_out_meanwhile(world: World) -> None:
    thing = world.things[0]
    git(thing.tree, "switch", "-q", "--detach")
    found = Look("branch", thing.branch, git(world.root, "rev-parse", thing.branch).strip())
    git(world.root, "switch", "-q", thing.branch)
    with pytest.raises(GitError, match="checked out meanwhile"):
        refs.delete(Repository.at(world.root), found, None)
    assert git(world.root, "rev-parse", "HEAD").strip() == found.commit


def test_a_ref_that_is_no_commit_stays(world: World) -> None:
    blob = git(world.root, "rev-parse", "HEAD:README.md").strip()
    git(world.root, "update-ref", "refs/parallelgen/none/blob", blob)
    assert "ref refs/parallelgen/none/blob: its commits are not in main" in clean(world, "--yes").stdout


def test_where_the_base_branch_is_gone_nothing_counts_in_its_place(world: World) -> None:
    git(world.root, "switch", "-q", "-c", "look")
    git(world.root, "branch", "-q", "-D", "main")
    result = clean(world, "--yes")
    assert (
        f"worktree ../workspaces/{world.things[0].id}: its commits are not in any base branch"
        in result.stdout
    )
    assert world.things[0].tree.exists()


def test_no_name_reaches_the_terminal_as_it_is_and_few_patterns_do(world: World) -> None:
    thing = world.things[0]
    for number in range(30):
        (thing.tree / f"d{number}" / "build").mkdir(parents=True)
        (thing.tree / f"d{number}" / "build" / "out").touch()
    (thing.tree / "\x1b.log").touch()
    hint = clean(world).stdout.splitlines()[-1]
    assert hint.endswith("add --ignored '\\x1b.log' --ignored build/")


@contextmanager
def at_work(code: str, folder: Path) -> Iterator[int]:
    """Let a process be at work there."""
    command = [sys.executable, "-c", f"{code}; print(flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        yield process.pid
        process.communicate("\n")


def test_processes_are_seen_that_have_a_file_open_or_came_through_a_link(world: World) -> None:
    moved = world.workspaces.rename(world.path / "other-disk")
    world.workspaces.symlink_to(moved)
    one, other = world.things
    with at_work("0", moved / one.id), at_work(f"kept = open('{other.tree}/README.md')", world.path) as pid:
        result = clean(world, "--yes")
        assert (result.returncode, result.stderr) == (0, "")
        assert f"worktree ../workspaces/{one.id}: processes are in it: " in result.stdout
        assert f"worktree ../workspaces/{other.id}: processes are in it: {pid} " in result.stdout
        assert (moved / one.id / "README.md").is_file()
        assert (moved / other.id / "README.md").is_file()
    assert clean(world, "--yes").returncode == 0
    assert list(moved.iterdir()) == []


def test_a_project_that_was_moved_and_is_reached_by_a_link(tmp_path: Path) -> None:
    world = World(tmp_path / "home").build([Part()])
    (tmp_path / "home").rename(tmp_path / "disk")
    (tmp_path / "home").symlink_to("disk")
    assert clean(world, "--yes").returncode == 0
    assert list(world.workspaces.iterdir()) == []
    assert {path.name for path in world.owners.parent.iterdir()} == {"lock", "owners"}


def test_a_worktree_that_somebody_has_made_after_the_run_is_not_the_run_s(world: World) -> None:
    thing = world.things[0]
    assert clean(world, "--yes").returncode == 0
    git(world.root, "worktree", "add", "-q", str(thing.tree), "-b", thing.branch)
    result = clean(world, "--yes")
    assert f"worktree ../workspaces/{thing.id}: it was made after its task had completed" in result.stdout
    assert thing.tree.exists()


def test_a_worktree_s_name_alone_makes_it_none_of_ours(world: World) -> None:
    mine = world.path / "mine.removing"
    git(world.root, "worktree", "add", "-q", str(mine), "-b", "mine\u2028too")
    assert clean(world, "--yes").returncode == 0
    assert mine.exists()


def test_a_record_of_setup_that_was_copied_is_not_believed(world: World) -> None:
    thing = world.things[0]
    (thing.tree / "build").mkdir()
    (thing.tree / "build" / "only-copy").write_text("only\n")
    (thing.side / "parallelgen-ready").touch()
    assert f"worktree ../workspaces/{thing.id}: ignored" in clean(world, "--yes").stdout
    assert (thing.tree / "build" / "only-copy").exists()


def test_records_that_are_broken_stop_nobody_else(world: World) -> None:
    one, other = world.things
    (one.tree / "build").mkdir()
    (one.tree / "build" / "out").touch()
    (one.side / "parallelgen-ready").write_text('1\n!! "\\"\n')
    left = world.owners.parent / "removing" / "left"
    left.mkdir(parents=True)
    place = world.path / "left.removing"
    place.mkdir()
    (place / ".git").write_text(f"gitdir: {world.root}/.git/worktrees/left\n")
    (left / "gitdir").write_text(f"{place}/.git\n")
    (left / "compared").touch()
    result = clean(world, "--yes")
    assert (result.returncode, result.stderr) == (1, f"ERROR: it cannot be read: {left}/compared\n")
    assert one.tree.exists()
    assert not other.tree.exists()


def test_what_lies_in_git_s_own_folder_and_words_in_the_marker_hold_it(world: World) -> None:
    one, other = world.things
    git(one.tree, "update-ref", "MY_HEAD", "HEAD")
    (one.side / "hooks").mkdir()
    (other.tree / ".claude-task-complete").write_text("All is done, but for the tests.\n")
    stays = clean(world, "--yes").stdout
    assert "in git's own folder of it: MY_HEAD, hooks" in stays
    assert "ignored, and neither included nor made by setup: .claude-task-complete" in stays


def test_directories_that_are_gone_or_broken_are_named_and_stop_no_other(world: World) -> None:
    gone, broken = (world.root / "parallel" / name for name in ("TS-0007-gone", "TS-0008-broken"))
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    for directory in (gone, broken):
        git(world.root, "branch", f"feature/of-{directory.name}")
        world.own(f"feature/of-{directory.name}", str(directory))
    result = parallelgen("clean", "--all", "--yes", cwd=world.root)
    assert result.returncode == 2
    assert "ERROR: 'parallel/TS-0008-broken' has errors: all of it stays as it is\n" in result.stderr
    assert result.stdout.endswith(
        "parallel/TS-0007-gone\n  stays:\n    branch feature/of-TS-0007-gone: its directory is gone\n"
    )
    assert not world.things[0].tree.exists()


def test_a_repository_stays_whatever_pattern_speaks_of_the_folder_around_it(world: World) -> None:
    one, other = world.things
    git(one.tree, "clone", "-q", "--bare", ".", "build/bare.git")
    git(other.tree, "init", "-q", "build/dep")
    stays = clean(world, "--yes", "--ignored", "*").stdout
    assert "repositories of their own: build/bare.git/" in stays
    assert "repositories of their own: build/dep/" in stays


def test_a_worktree_that_git_has_forgotten_is_named_and_keeps_its_branch(world: World) -> None:
    thing = world.things[0]
    shutil.rmtree(thing.side)
    stays = clean(world, "--yes").stdout
    assert f"worktree ../workspaces/{thing.id}: git does not know it" in stays
    assert f"branch {thing.branch}: it may be checked out in ../workspaces/{thing.id}" in stays
    assert thing.tree.exists()
