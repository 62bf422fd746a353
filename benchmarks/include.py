"""A worktree with what git ignores and .worktreeinclude names, against the fastest plain copy of the box."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn
from benchmarks.process import run

_SIZE = 10_000  # bytes of each file
_FILES_OF_A_FOLDER = 50
#: Ways to copy, of which a box may lack some: a copy on write, and one by hand.
_COPIES = ("cp -a --reflink=auto", "cp -c -R -P -p", "cp -R -P -p")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a task with a node_modules, whole, against git worktree add, a copy and the same agent."""
    count = 10_000 if quick else 50_000
    with project.scratch() as place:
        root = project.make(place / "project", project.task_names(1))
        _fill(root / "node_modules", count)
        for name in (".gitignore", ".worktreeinclude"):
            (root / name).write_text("node_modules/\n")
        project.git(root, "add", "--", ".gitignore", ".worktreeinclude")
        project.git(root, "commit", "--quiet", "-m", "Ignore and include")
        agent = f"test -d node_modules && {project.MARK}"
        project.generate(root, "--agent-command", agent)
        name = project.task_names(1)[0]
        ours = (*project.SCRIPT, "--task", name, "--force")
        ways = {}
        for copy in _known(place):
            script = (
                f"git worktree add -q -b peer/{name} ../workspaces/{name} && "
                f"{copy} node_modules ../workspaces/{name} && cd ../workspaces/{name} && {agent}"
            )
            ways[copy] = partial(take, root, count, ("sh", "-c", script))
        tried = in_turn(ways, 1)
        fastest = min(tried, key=lambda copy: tried[copy])
        found = in_turn(
            {"ours": partial(take, root, count, ours), "theirs": ways[fastest]},
            3 if quick else 5,
        )
    what = f"a worktree with {count:,} ignored files of {_SIZE // 1000} KB"
    yield Figure.against(
        f"{what}, against git worktree add and `{fastest}`", found["ours"], found["theirs"], 1.2
    )


def take(root: Path, count: int, command: tuple[str, ...]) -> float:
    """Make the worktree in one way, see that it is whole, and clear it away."""
    place = root.parent / "workspaces"
    # The box may still be writing, or removing, what the way before has left.
    subprocess.run(["sync"], check=True)
    taken = run(command, root).wall
    (worktree,) = (path for path in place.iterdir() if (path / "node_modules").is_dir())
    found = subprocess.run(
        ["find", str(worktree / "node_modules"), "-type", "f"], capture_output=True, check=True
    )
    assert found.stdout.count(b"\n") == count, f"{command}: not {count} files"
    subprocess.run(["rm", "-rf", "--", str(place), str(root / project.STATE)], check=True)
    project.git(root, "worktree", "prune")
    for branch in project.git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads").split():
        if branch != "main":
            project.git(root, "branch", "--quiet", "-D", branch)
    return taken


def _fill(place: Path, count: int) -> None:
    """Make so many files, in folders of folders as in a node_modules."""
    content = ("module.exports = {};\n" * (_SIZE // 21 + 1))[:_SIZE]
    for number in range(count):
        number_of_folder, number_in_it = divmod(number, _FILES_OF_A_FOLDER)
        folder = place / f"package-{number_of_folder // 10}" / f"lib-{number_of_folder % 10}"
        if not number_in_it:
            folder.mkdir(parents=True)
        (folder / f"{number_in_it}.js").write_text(content)


def _known(place: Path) -> list[str]:
    """List the ways to copy that work here."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        (Path(folder) / "from").write_text("x")
        return [
            copy
            for copy in _COPIES
            if shutil.which("cp")
            and not subprocess.run(
                [*copy.split(), "from", "to"], cwd=folder, capture_output=True, check=False
            ).returncode
        ]
