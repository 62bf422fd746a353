"""What must be true at the end of a storm."""

import json
import re
import subprocess
from collections.abc import Iterator

from tests.chaos.world import DIRECTORY, World

_LINE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z \[PROGRESS\]"
    r" (execution|wave=[0-9]+( task=task-[0-9]{3})?) status=[a-z]+( [a-z_]+=[^ ]+)*"
)


def check(world: World, base: str) -> list[str]:
    """List what is wrong after the last run; `base` is the commit that was checked out before the first."""
    found = []
    for look in (_commits, _verdicts, _overlaps, _dependencies, _manifest, _log, _litter):
        found += list(look(world))
    return found + list(_repository(world, base))


def not_completed(world: World) -> list[str]:
    """List the tasks whose last result is not `completed`."""
    return [
        task.id
        for task in world.scenario.tasks
        if world.record(f"{task.id}.result").get("status") != "completed"
    ]


def unfinished(world: World) -> list[str]:
    """List the tasks that did not complete, and not because their agent, or that of a dependency, said so."""
    said = {task: (attempt, detail) for word, task, attempt, detail in world.entries() if word == "end"}
    found: list[str] = []
    excused: set[str] = set()
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        attempt, reason = said.get(task.id, (0, ""))
        expected = reason if reason == "no_marker" else f"exit_code_{reason}"
        if result.get("status") == "completed":
            continue
        if result.get("status") == "failed" and result.get("attempt") == str(attempt) and reason != "97":
            fine = result.get("error") == expected
        else:
            fine = result.get("status") == "blocked" and result.get("by") in excused & set(task.deps)
        if fine:
            excused.add(task.id)
        else:
            found.append(task.id)
    return found


def _verdicts(world: World) -> Iterator[str]:
    ends = {(task, attempt): detail for word, task, attempt, detail in world.entries() if word == "end"}
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        if result.get("status") == "completed" and ends.get((task.id, int(result["attempt"]))) != "0":
            yield f"{task.id} is called completed, and its agent did not say so: {result}"
    for id_ in unfinished(world):
        yield f"{id_} is neither completed nor failed by its agent: {world.record(f'{id_}.result')}"


def _commits(world: World) -> Iterator[str]:
    names = {task.id: task.name for task in world.scenario.tasks}
    reachable: dict[str, set[str]] = {}
    for word, task, attempt, commit in world.entries():
        if word != "commit":
            continue
        if task not in reachable:
            patterns = (f"refs/heads/feature/{names[task]}", f"refs/heads/backup/{names[task]}-*")
            tips = world.git("for-each-ref", "--format=%(objectname)", *patterns).split()
            reachable[task] = set(world.git("rev-list", *tips).split()) if tips else set()
        if commit not in reachable[task]:
            yield f"{task}: commit {commit} of attempt {attempt} is lost"


def _overlaps(world: World) -> Iterator[str]:
    for word, task, attempt, _ in world.entries():
        if word == "overlap":
            yield f"{task}: attempt {attempt} began while an earlier one, or what it started, was at work"


def _dependencies(world: World) -> Iterator[str]:
    """Check that each completed attempt began on top of all work of its dependencies."""
    began = {
        (task, str(attempt)): commit for word, task, attempt, commit in world.entries() if word == "begin"
    }
    tips = dict(
        line.split()
        for line in world.git(
            "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"
        ).splitlines()
    )
    names = {task.id: task.name for task in world.scenario.tasks}
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        start = began.get((task.id, result.get("attempt", "")))
        if result.get("status") != "completed" or start is None:
            continue
        for dep in task.deps:
            tip = tips.get(f"feature/{names[dep]}")
            if tip is None:
                yield f"{task.id} completed without a branch of {dep}"
            elif tip not in world.git("rev-list", start).split():
                yield f"{task.id} completed without the work of {dep}"


def _manifest(world: World) -> Iterator[str]:
    text = world.manifest.read_text()
    execution = json.loads(text).get("execution", {})
    if "tasks" not in execution:
        yield f"manifest.json does not say what became of the tasks: {text}"
        return
    found = {task: member["status"] for task, member in execution["tasks"].items()}
    records = {task.id: world.record(f"{task.id}.result").get("status") for task in world.scenario.tasks}
    if found != records:
        yield f"manifest.json says {found}, the records say {records}"
    wanted = "failed" if not_completed(world) else "completed"
    run = world.record("run").get("status")
    if not execution["status"] == run == wanted:
        yield f"the run is {execution['status']} in manifest.json and {run} in its record, not {wanted}"
    failed = sorted(item["id"] for item in execution["failed_tasks"])
    if failed != sorted(task for task, status in records.items() if status == "failed"):
        yield f"failed_tasks is {failed}, the records say {records}"


def _log(world: World) -> Iterator[str]:
    path = world.logs / "orchestrator.log"
    lines = path.read_text().split("\n") if path.exists() else ["there is none"]
    if lines[-1]:
        yield f"orchestrator.log ends in the middle of a line: {lines[-1]!r}"
    for line in lines[:-1]:
        if not _LINE.fullmatch(line):
            yield f"orchestrator.log has a line that is not whole: {line!r}"


def _litter(world: World) -> Iterator[str]:
    for path in (world.root / ".git").rglob("*.lock"):
        yield f"a stale lock: {path.relative_to(world.root)}"
    for path in world.state.glob("lock*"):
        yield f"a stale lock: logs/state/{path.name}"
    known = {"logs", "manifest.json", "prompts", "scripts", "tasks"}
    for path in world.directory.iterdir():
        if path.name not in known:
            yield f"left in the parallel directory: {path.name}"


def _repository(world: World, base: str) -> Iterator[str]:
    try:
        fsck = world.git("fsck", "--no-dangling", "--no-progress")
        listed = world.git("worktree", "list", "--porcelain")
        head = world.git("symbolic-ref", "HEAD") + world.git("rev-parse", "HEAD")
        status = world.git("status", "--porcelain", "--", ".", f":(exclude){DIRECTORY}")
        changed = world.git("status", "--porcelain", "--", DIRECTORY)
    except subprocess.CalledProcessError as error:
        yield f"{' '.join(error.cmd)}: {error.stdout}"
        return
    if fsck:
        yield f"git fsck: {fsck}"
    if "prunable" in listed:
        yield f"git worktree list: {listed}"
    if head != f"refs/heads/main\n{base}" or status:
        yield f"the user's checkout has changed: {head} {status}"
    if changed not in ("", f" M {DIRECTORY}/manifest.json\n"):
        yield f"the user's checkout has changed: {changed}"
