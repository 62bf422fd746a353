"""Short tasks, each with a worktree and a commit, against `xargs -P` with a script that does no more."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import project
from benchmarks.figures import Figure, in_turn
from benchmarks.process import run

_COUNT, _JOBS = 12, 3
AGENT = (
    'sleep 0.2; echo "$PARALLEL_TASK" >"$PARALLEL_TASK.txt"; git add "$PARALLEL_TASK.txt"; '
    f'git commit --quiet -m "$PARALLEL_TASK"; {project.MARK}'
)


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure 12 tasks of 0.2 s, 3 at a time."""
    names = project.task_names(_COUNT)
    with project.scratch() as place:
        template = project.make(place / "template", names)
        project.generate(template, "--agent-command", AGENT, "--max-concurrent", str(_JOBS))
        peer = project.write_peer(template, names, AGENT, _JOBS)
        ways = {"ours": partial(take, template, project.SCRIPT), "theirs": partial(take, template, peer)}
        found = in_turn(ways, 3 if quick else 15)
    yield Figure.against(f"{_COUNT} tasks, -j{_JOBS}, against xargs -P", found["ours"], found["theirs"], 1.3)


def take(template: Path, command: tuple[str, ...]) -> float:
    """Run one way to its end on a fresh copy of the project, and see that every task has left its commit."""
    with project.copy_of(template) as root:
        taken = run(command, root).wall
        wanted = len(list((root / project.DIRECTORY / "tasks").iterdir()))
        subjects = project.git(root, "for-each-ref", "--format=%(subject)", "refs/heads/feature").splitlines()
        assert sum(subject.startswith("task-") for subject in subjects) == wanted, f"{command}: {subjects}"
        if command == project.SCRIPT:
            manifest = json.loads((root / project.DIRECTORY / "manifest.json").read_text())
            assert all(task["status"] == "completed" for task in manifest["execution"]["tasks"].values())
        return taken
