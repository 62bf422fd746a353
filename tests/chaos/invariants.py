"""What must be true at the end of a storm."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping

from tests.chaos.scenario import Integration, Steps, Task
from tests.chaos.world import DIRECTORY, Entry, World, run_git

#: What an agent notes that is done: with nothing left uncommitted, or with something.
WELL = ("0", "dirty")
SETUP = ("setup", "set-up", "setup-failed")
VERIFY = ("verify", "verified", "verify-failed", "also", "also-verified", "also-failed")
#: What agents and commands note only when it must not be.
WRONG = {
    "overlap": "it began while an earlier one, or what it started, was at work",
    "unready": "the agent began where setup had not succeeded",
    "torn": "what is included was not whole",
    "unclean": "it was verified with changes that are not committed",
}
#: No storm has more.
MOST_WAVES = 4
_LINE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z \[PROGRESS\]"
    r" (execution|integration|wave=[0-9]+( task=task-[0-9]{3})?) status=[a-z_]+( [a-z_]+=[^ ]+)*"
)


def check(world: World, before: Mapping[str, str]) -> list[str]:
    """List what is wrong after the last run; `before` is the picture of the user's checkout."""
    found = []
    looks = (_commits, _verdicts, _steps, _lines, _dependencies, _manifest, _log, _litter, _branch)
    for look in looks:
        found += list(look(world))
    return found + list(_repository(world)) + checkout(world, before)


def checkout(world: World, before: Mapping[str, str]) -> list[str]:
    """List what has changed in the user's checkout and base branch."""
    now = world.picture()
    names = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    return [f"the user's checkout has changed: {names}"] if names else []


def completed(world: World) -> list[str]:
    """List the tasks whose last result is `completed`."""
    missing = not_completed(world)
    return [task.id for task in world.scenario.tasks if task.id not in missing]


def not_completed(world: World) -> list[str]:
    """List the tasks whose last result is not `completed`."""
    return [
        task.id
        for task in world.scenario.tasks
        if world.record(f"{task.id}.result").get("status") != "completed"
    ]


def unfinished(world: World) -> list[str]:
    """List the tasks that did not complete, and not because agent, command or dependency said so."""
    entries = world.entries()
    found: list[str] = []
    excused: set[str] = set()
    integration = world.scenario.integration
    # A wave that cannot be merged whole is the last.
    is_ended = bool(integration and integration.when == "wave" and not_integrated(world))
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        if result.get("status") == "completed":
            continue
        if is_ended:
            # What came later was not tried again.
            fine = True
        elif result.get("error") == "merge_conflict":
            fine = _shares(world, task)
        elif result.get("status") == "failed":
            noted = [entry for entry in entries if entry[1] == task.id]
            fine = result.get("error") in _excuses(
                world.scenario.steps, task, noted, result.get("attempt", "")
            )
        else:
            fine = result.get("status") == "blocked" and result.get("by") in excused & set(task.deps)
        if fine:
            excused.add(task.id)
        else:
            found.append(task.id)
    return found


def _excuses(steps: Steps, task: Task, noted: list[Entry], attempt: str) -> set[str]:
    """Return the errors with which this attempt may have ended, by what its agent and commands have noted."""
    found = set()
    here = [(word, detail) for word, _, number, detail in noted if str(number) == attempt]
    ends = [
        (index, str(number), detail) for index, (word, _, number, detail) in enumerate(noted) if word == "end"
    ]
    index, ended, said = ends[-1] if ends else (0, "", "")
    if ended == attempt and said not in ("97", *WELL):
        found.add("no_marker" if said == "no_marker" else f"exit_code_{said}")
    for error, words in (("setup", SETUP), ("verify", VERIFY)):
        last = next((entry for entry in reversed(here) if entry[0] in words), ("", ""))
        # What has changed what it had to verify is found out after the last.
        is_sly = error == "verify" and ("verify-failed", "sly") in here
        if (last[0].endswith("-failed") and last[1] != "97") or is_sly:
            found.add(error)
    if said in WELL:
        # A verify that was killed may have changed what it had to verify.
        is_sly = any(word.endswith("-failed") and detail == "sly" for word, _, _, detail in noted[index:])
        if task.has_verify and not steps.commit_leftovers and (said == "dirty" or is_sly):
            found.add("uncommitted")
        has_commits = any(word == "commit" for word, _, _, _ in noted)
        if steps.require_commits and not has_commits and not (said == "dirty" and steps.commit_leftovers):
            found.add("no_commits")
    return found


def _verdicts(world: World) -> Iterator[str]:
    entries = world.entries()
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        if result.get("status") == "completed":
            noted = [entry for entry in entries if entry[1] == task.id]
            for fault in _faults_of_completed(world, task, noted, result):
                yield f"{task.id} is called completed, and {fault}: {result}"
    for id_ in unfinished(world):
        yield f"{id_} is neither completed nor failed by its agent: {world.record(f'{id_}.result')}"


def _faults_of_completed(
    world: World, task: Task, noted: list[Entry], result: dict[str, str]
) -> Iterator[str]:
    """Say what a completed task lacks: the word of its agent, and that of each verify on its commit."""
    steps = world.scenario.steps
    lasts = [index for index, entry in enumerate(noted) if entry[0] in ("begin", "end")]
    last = lasts[-1] if lasts else 0
    word, _, attempt, said = noted[last] if lasts else ("", "", 0, "")
    if word != "end" or said not in WELL:
        yield f"its agent did not say so, but {word} {said}"
    elif not task.has_verify and str(attempt) != result["attempt"]:
        yield f"its agent said so in attempt {attempt}"
    elif said == "dirty" and task.has_verify and not steps.commit_leftovers:
        yield "its agent had left something uncommitted"
    tip = world.git("rev-parse", f"refs/heads/feature/{task.name}").strip()
    for step, success in (("verify", "verified"), ("also", "also-verified")):
        if step in task.commands and (success, tip) not in [(entry[0], entry[3]) for entry in noted[last:]]:
            yield f"{step} has not succeeded on its commit {tip}"
    if result.get("tip") != tip:
        yield f"its branch is at {tip}"
    if steps.require_commits and result.get("commits", "0") == "0":
        yield "it has no commits"
    if steps.commit_leftovers and world.git("ls-tree", "--name-only", tip, "left-by-setup"):
        yield "what setup had left was committed"


def _steps(world: World) -> Iterator[str]:
    """Check what the commands have noted: in the order of the steps, on what is whole, and each its own."""
    entries = world.entries()
    tasks = {task.id: task for task in world.scenario.tasks}
    # Whether the agent has begun since the setup succeeded.
    begun: dict[str, bool] = {}
    for word, task, attempt, detail in entries:
        if word in WRONG:
            yield f"{task}: {WRONG[word]} in attempt {attempt} ({detail})"
        elif word in ("setup", "verify", "also"):
            whose = "own" if task in tasks and (word in tasks[task].own or word == "also") else "run"
            if detail != whose:
                yield f"{task}: attempt {attempt} ran {word} of {detail}, not of {whose}"
        if word == "again" and begun.get(task):
            yield f"{task}: setup ran again in attempt {attempt}, where an agent had begun after it"
        if word in ("begin", "set-up"):
            begun[task] = word == "begin"
    if not world.scenario.steps.has_baseline:
        if any(task == "baseline" for _, task, _, _ in entries):
            yield "there was a baseline"
        return
    last = "verified" if "verify" in world.scenario.steps.baseline else "set-up"
    for word, task, _, _ in entries:
        if task != "baseline":
            yield f"{word} of {task} came before the baseline had succeeded"
        if task != "baseline" or word == last:
            break


def _lines(world: World) -> Iterator[str]:
    """Check the order of each task's progress lines, of which a crash may take some."""
    order = ("started", "setup", "running", "verifying")
    reached: dict[str, int] = {}
    for line in (world.logs / "orchestrator.log").read_text().splitlines():
        found = re.search(r" task=([^ ]+) status=([a-z]+)", line)
        if not found or found[2] not in order:
            continue
        rank = order.index(found[2])
        if rank and reached.get(found[1], -1) >= rank:
            yield f"orchestrator.log has '{found[2]}' where {found[1]} was further: {line}"
        reached[found[1]] = rank


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


def _dependencies(world: World) -> Iterator[str]:
    """Check that each completed attempt began on top of all work of its dependencies."""
    # The last time: where nothing but the verdict was missing, a later attempt launches none.
    began = {task: commit for word, task, _, commit in world.entries() if word == "begin"}
    tips = dict(
        line.split()
        for line in world.git(
            "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"
        ).splitlines()
    )
    names = {task.id: task.name for task in world.scenario.tasks}
    for task in world.scenario.tasks:
        result = world.record(f"{task.id}.result")
        start = began.get(task.id)
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
    records = {
        task.id: world.record(f"{task.id}.result").get("status", "pending") for task in world.scenario.tasks
    }
    if found != records:
        yield f"manifest.json says {found}, the records say {records}"
    run = world.record("run").get("status")
    wanted = "failed" if not_completed(world) else "completed"
    if run == "failed" and world.record("run").get("reason") == "integration":
        wanted = run
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
    for name in world.folder.glob("workspaces/*/*.included"):
        yield f"left of include: {name}"
    for path in world.folder.glob("workspaces/baseline-*"):
        # A crash may leave what was being removed, under the number of a process.
        if not path.suffix[1:].isdecimal():
            yield f"left of the baseline: {path.name}"
    known = {"logs", "manifest.json", "prompts", "scripts", "tasks"}
    for path in world.directory.iterdir():
        if path.name not in known:
            yield f"left in the parallel directory: {path.name}"


def _repository(world: World) -> Iterator[str]:
    try:
        fsck = world.git("fsck", "--no-dangling", "--no-progress")
        listed = world.git("worktree", "list", "--porcelain")
        status = world.git("status", "--porcelain", "--", ".", f":(exclude){DIRECTORY}")
        changed = world.git("status", "--porcelain", "--", DIRECTORY)
    except subprocess.CalledProcessError as error:
        yield f"{' '.join(error.cmd)}: {error.stdout}"
        return
    if fsck:
        yield f"git fsck: {fsck}"
    if "prunable" in listed:
        yield f"git worktree list: {listed}"
    if status:
        yield f"the user's checkout has changed: {status}"
    if changed not in ("", f" M {DIRECTORY}/manifest.json\n"):
        yield f"the user's checkout has changed: {changed}"


# --- what was merged into one branch


def _shares(world: World, task: Task) -> bool:
    """Tell whether two who change the same file may meet in what the task begins with."""
    integration, tasks = world.scenario.integration, world.scenario.tasks
    sharers = [other for other in tasks if "share" in other.acts[0] and other.wave <= task.wave]
    return integration is not None and len(sharers) + integration.moves.count("share") > 1


def branch_name(world: World) -> str:
    """Name the branch of what was merged."""
    return f"refs/heads/integration/{world.directory.name}"


def _resolve(world: World, name: str) -> str:
    try:
        return world.git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
    except subprocess.CalledProcessError:
        return ""


def _left_out(world: World) -> dict[str, tuple[str, str]]:
    """Read which tasks were left out: why, and over whom."""
    found = {}
    for entry in world.record("integration").get("left_out", "").split():
        task, error, *who = entry.split(":")
        found[task] = (error, who[0].partition("=")[2] if who else "")
    return found


def _merged(world: World) -> list[str]:
    return world.record("integration").get("merged", "").split()


def has_killed_checks(world: World) -> bool:
    """Tell whether a check was killed, which may name the wrong task, or a setup has failed."""
    words = [word for word, task, _, _ in world.entries() if task == "integration"]
    if "setup-failed" in words:
        return True
    return words.count("check") > words.count("green") + words.count("red")


def not_integrated(world: World) -> list[str]:
    """List what the latest integration did not bring in; what it says of itself when it says no more."""
    record = world.record("integration")
    if not record or record.get("status") == "completed":
        return []
    return list(_left_out(world)) or [f"integration {record.get('status')}"]


def disintegrated(world: World, *, full: bool = False) -> list[str]:
    """List what is wrong with how the latest integration ended.

    `full`: it was over all that has completed; else, one that has failed may have ended before.
    """
    integration, done = world.scenario.integration, completed(world)
    record = world.record("integration")
    if not integration or not done or (integration.when == "no" and not full):
        return []
    if record.get("status") not in ("completed", "failed"):
        return [f"the integration has not ended: {record}"]
    tip = _resolve(world, branch_name(world))
    left_out, merged = _left_out(world), _merged(world)
    found = []
    if record.get("tip", "") != tip:
        found.append(f"{branch_name(world)} is at {tip}, the record says {record}")
    tasks = {task.id: task for task in world.scenario.tasks}
    here = set(world.git("rev-list", tip or "main").split())
    commits = {id_: _resolve(world, f"refs/heads/feature/{tasks[id_].name}") for id_ in done}
    found += [f"{id_} is called merged, and is not" for id_ in merged if commits.get(id_) not in here]
    if (record["status"] == "completed") != (not left_out and set(merged) >= set(done)):
        full = full or integration.when == "end"
        if full or record["status"] == "completed":
            found.append(f"the integration is {record['status']}: {merged}, not {left_out}, of {done}")
    names = _files(world, tip)
    # What was kept without a check may be red: the next check cannot tell who of them is.
    ended = not _is_green(names, integration)
    for id_, (error, who) in left_out.items():
        stood = id_ in merged
        if id_ not in done:
            found.append(f"{id_} is left out, and has not completed")
            continue
        if error == "validation":
            ended = ended or not integration.skip_culprits
            fine = not _is_green(names | _files(world, commits[id_]), integration)
        elif error == "conflict":
            rival = "refs/heads/main" if who == "main" else commits.get(who, "")
            fine = not stood and (who == "main" or who in merged) and _conflict(world, rival, commits[id_])
        elif error == "dependency":
            fine = not stood and who in left_out and who in tasks[id_].deps
        else:
            fine = False
        if not fine:
            found.append(f"{id_} is left out for {error} {who}, where {merged} are in")
        if stood and not (error == "validation" and integration.last):
            found.append(f"{id_} is both merged and left out for {error}")
    missing = [id_ for id_ in done if id_ not in left_out and id_ not in merged]
    if missing and not ended and (full or integration.when == "end"):
        found.append(f"{missing} are neither merged nor left out: {record}")
    return found


def _files(world: World, commit: str) -> frozenset[str]:
    return frozenset(world.git("ls-tree", "--name-only", commit).split()) if commit else frozenset()


def _is_green(names: frozenset[str], integration: Integration) -> bool:
    """Tell what the checks say of these files, as agent.sh does."""
    red = [name for name in names if name.startswith("red-wave-")]
    red += [name for name in names if name.startswith("red-last-") and integration.last]
    return not red and sum(name.startswith("pair-") for name in names) < 2


def _conflict(world: World, one: str, other: str) -> bool:
    try:
        world.git("merge-tree", "--write-tree", one, other)
    except subprocess.CalledProcessError as error:
        return error.returncode == 1
    return False


def _branch(world: World) -> Iterator[str]:
    """Check each step of the branch of what was merged, and the worktree that is left of it."""
    integration, name = world.scenario.integration, branch_name(world)
    tip = _resolve(world, name)
    if not integration or not tip:
        return
    entries = world.entries()
    seen = {detail for word, _, _, detail in entries if word == "green"}
    base = set(world.git("rev-list", "main").split())
    # Tasks without a commit of their own have the tip of another.
    waves: dict[str, set[int]] = {}
    for task in world.scenario.tasks:
        waves.setdefault(_resolve(world, f"refs/heads/feature/{task.name}"), set()).add(task.wave)
    for commit in reversed(world.git("reflog", "show", "--format=%H", name).split()):
        step = commit
        while step not in base:
            first, *merged = world.git("rev-list", "--parents", "--max-count=1", step).split()[1:]
            if len(merged) != 1 or (merged[0] not in waves and merged[0] not in base):
                yield f"{name} moved to {commit}, where {step} is no merge of a task"
                break
            tree = world.git("rev-parse", f"{step}^{{tree}}").strip()
            own = waves.get(merged[0], {0})
            # The check of a later wave counts as well; the base has no wave.
            if any(f"{tree}:{whose}" in seen for whose in ("last", *range(min(own), MOST_WAVES + 1))):
                break
            if own <= integration.checked or (integration.last and integration.when != "wave"):
                yield f"{name} moved to {commit}, and nobody has seen {step} green"
                break
            step = first
    worktree = world.folder / "workspaces" / f"integration-{world.directory.name}"
    if worktree.exists():
        head = run_git(worktree, world.environment, "symbolic-ref", "HEAD").strip()
        changed = run_git(worktree, world.environment, "status", "--porcelain", "--untracked-files=no")
        if head != name or changed:
            yield f"the worktree of {name} is on {head}: {changed}"
