"""Many branches merged into one, without a check, against the two git commands that each of them takes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn
from benchmarks.process import run

_PEERS = {
    "merge-tree": (
        "tip=$(git rev-parse main)\n"
        'while read -r branch; do\n  tree=$(git merge-tree --write-tree "$tip" "$branch")\n'
        '  tip=$(git commit-tree -p "$tip" -p "$branch" -m "Merge $branch" "$tree")\n'
        'done <.git/branches-of-tasks\ngit update-ref "refs/heads/$1" "$tip"\n'
    ),
    "merge": (
        'git worktree add -q -b "$1" ../w main\n'
        'while read -r branch; do\n  git -C ../w merge -q --no-ff -m "Merge $branch" "$branch"\n'
        "done <.git/branches-of-tasks\n"
    ),
}
_BRANCH = f"integration/{Path(project.DIRECTORY).name}"
OURS = (*project.SCRIPT, "--integrate-now")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure the merge of 512 branches of one file each."""
    count = 64 if quick else 512
    with project.scratch() as place:
        template = make(place / "template", count)
        ways = {"ours": partial(take, template, OURS)}
        ways |= {name: partial(take, template, peer(name)) for name in _PEERS}
        found = in_turn(ways, 3 if quick else 7)
    what = f"{count} branches of one file each"
    yield Figure.against(
        f"{what}, against `git merge-tree` and `git commit-tree`", found["ours"], found["merge-tree"], 1.3
    )
    yield Figure.against(f"{what}, against `git merge` in a worktree", found["ours"], found["merge"])


def make(root: Path, count: int) -> Path:
    """Make a project whose tasks have completed, each with a commit of one file on its branch."""
    names = project.task_names(count)
    project.make(root, names)
    project.generate(root)
    base = project.git(root, "rev-parse", "main").strip()
    commits = [
        f"commit refs/heads/feature/{name}\ncommitter Bench <bench@example.invalid> 1000 +0000\n"
        f"data {len(name)}\n{name}\nfrom {base}\nM 100644 inline {name}.txt\ndata {len(name)}\n{name}\n"
        for name in names
    ]
    # Loose, as agents leave them.
    project.git(
        root, "-c", "fastimport.unpackLimit=1000000", "fast-import", "--quiet", given="".join(commits)
    )
    state = root / project.STATE
    state.mkdir(parents=True)
    (state / "run").write_text(f"status=completed\nbase_branch=main\nbase_commit={base}\n")
    for name in names:
        (state / f"{name}.result").write_text("status=completed\nattempt=1\ncommits=1\n")
    (root / ".git" / "branches-of-tasks").write_text("".join(f"feature/{name}\n" for name in names))
    return root


def peer(name: str) -> tuple[str, ...]:
    """Return the command that merges the branches as one would by hand."""
    return ("sh", "-ec", _PEERS[name], "sh", _BRANCH)


def take(template: Path, command: tuple[str, ...]) -> float:
    """Merge in one way on a fresh copy of the project, and see that every branch is in."""
    with project.copy_of(template) as root:
        taken = run(command, root).wall
        wanted = len((root / ".git" / "branches-of-tasks").read_text().split())
        merges = int(project.git(root, "rev-list", "--count", "--first-parent", "--merges", _BRANCH))
        files = project.git(root, "ls-tree", "--name-only", _BRANCH).count("task-")
        assert merges == files == wanted, f"{command}: {merges} merges, {files} files"
        return taken
