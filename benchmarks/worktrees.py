"""Many worktrees made side by side: git's own race loses none of them."""

from collections.abc import Iterator

from benchmarks import project
from benchmarks.figures import COUNT, MILLISECONDS, SECONDS, Figure
from benchmarks.process import run

_JOBS = 16


def measure(*, quick: bool) -> Iterator[Figure]:
    """Measure a run of tasks that do nothing, and how many of them have no worktree after it."""
    count = 100 if quick else 1000
    with project.scratch() as place:
        root = project.make(place / "project", project.task_names(count), is_tracked=False)
        project.generate(root, "--agent-command", project.MARK, "--max-concurrent", str(_JOBS))
        # Whatever its status: what it has done is counted.
        usage = run(project.SCRIPT, root, statuses=())
        listed = project.git(root, "worktree", "list", "--porcelain").count("\nbranch refs/heads/feature/")
        results = [path.read_text().splitlines() for path in (root / project.STATE).glob("*.result")]
        done = sum("status=completed" in lines for lines in results)
    what = f"{count:,} tasks that do nothing, -j{_JOBS}"
    yield Figure(f"{what}: worktrees that are missing", (count - listed,), 0, COUNT)
    yield Figure(f"{what}: tasks that did not complete", (count - done,), 0, COUNT)
    yield Figure(f"{what}: the whole run", (usage.wall,), unit=SECONDS)
    cpu = 1000 * usage.cpu / count
    yield Figure("the same: processor time a task, git and agent included", (cpu,), unit=MILLISECONDS)
