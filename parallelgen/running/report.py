import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parallelgen.running import costs, integration_text
from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.records import Recorded
from parallelgen.running.tail import plain

_RUN_FACTS = (("Base Branch", "base_branch"), ("Started", "started_at"), ("Finished", "finished_at"))
WITH_WORDS = ("running", "limited", "failed", "interrupted", "lost")  # of these the last word is shown
COMMANDS = ("setup", "verify")  # the steps with a log of their own
_ERRORS_OF_STEP = {
    "worktree": "worktree",
    "merge_conflict": "worktree",
    "merge_failed": "worktree",
    "prompt_missing": "worktree",
    "include": "include",
    "setup": "setup",
    "verify": "verify",
}
_TITLES = {
    "completed": "Parallel Execution Complete",
    "interrupted": "Parallel Execution Interrupted",
}
_REASONS = {
    "cost": "The tasks have cost as much as --max-cost allows, so no more were started.",
    "limit": "A usage limit lasts longer than --limit-wait allows, so its tasks were left.",
    "integration": "Not all that the tasks have done could be integrated.",
}
_DAY = 86400
_PATHS = 10


@dataclass(frozen=True)
class Found:
    """Hold what a report tells besides the state of a run, as the files below logs/ have it.

    `stopped` has for ids of tasks the processes, as `PID COMMAND`, that their agents left, `outside` the
    paths that they have changed outside their scope; `changes` tells what has changed in the project's own
    checkout. `worktree` is that of the integration, empty where it has none.
    """

    stopped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: Sequence[str] = ()
    worktree: str = ""


def commits(number: int) -> str:
    """Say how many commits in words."""
    return f"{number} commit" if number == 1 else f"{number} commits"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def task_text(task: TaskState, now: float | None = None) -> str:
    """Say in capitals what became of a task, with the detail that belongs to it.

    `now` makes a countdown of the time until which a limit holds it back.
    """
    if task.status == "running":
        return f"RUNNING ({task.step})..." if task.step not in ("", "agent") else "RUNNING..."
    word = task.status.upper()
    details = []
    struck = f"in {task.step}" if _was_struck(task) and task.step not in ("", "agent") else ""
    if task.error or struck:
        details.append(f"{task.error} {struck}".strip())
    if task.until is not None:
        details.append(_goes_on(task.until, now))
    if task.by:
        details.append(f"by {task.by}")
    if task.commits is not None and (task.status == "completed" or task.commits):
        details.append(commits(task.commits))
    if task.uncommitted and task.error != "uncommitted":
        details.append(f"{task.uncommitted} uncommitted")
    return f"{word} ({', '.join(details)})" if details else word


def _goes_on(until: int, now: float | None) -> str:
    if now is None:
        return f"until {_local(until, 0)}"
    return f"goes on in {duration(until - now)}" if until > now else "goes on soon"


def agent_text(agent: str, until: int, now: float) -> str:
    """Say until when a limit holds back an agent."""
    rest = f"goes on in {duration(until - now)}" if until > now else "one task tries whether it is over"
    return f"{agent}: usage limit until {_local(until, now)}, {rest}"


def _local(until: int, now: float) -> str:
    """Write a time on the clock of whoever reads it, with the day when it is not of the next hours."""
    return time.strftime("%H:%M" if abs(until - now) < _DAY else "%Y-%m-%d %H:%M", time.localtime(until))


def _was_struck(task: TaskState) -> bool:
    """Tell whether a task ended in the middle of a step by what came from outside it."""
    return task.status in ("interrupted", "lost") or task.error in ("timeout", "lost")


def step_of(task: TaskState) -> str:
    """Name the step in which a task is, or that it did not get beyond; empty when nobody has told."""
    if task.status == "running" or _was_struck(task):
        return task.step
    if task.error in _ERRORS_OF_STEP:
        return _ERRORS_OF_STEP[task.error]
    return (task.step or "agent") if task.error else ""


def log_name(task: TaskState) -> str:
    """Name the log that tells what a task does, or why it did not complete."""
    step = step_of(task)
    return f"{task.id}.{step}.log" if step in COMMANDS else f"{task.id}.log"


def wave_progress(state: RunState, wave: int, now: float | None = None) -> str:
    """Write the block that tells a pipe how a wave is getting on."""
    tasks = state.of_wave(wave)
    lines = [f"Wave {wave} Progress:"]
    for task in tasks:
        said = f" ({task.said})" if task.said and task.status == "running" else ""
        lines.append(f"  {task.name}: {task_text(task, now)}{said}")
    lines.append("")
    return "\n".join([*lines, f"Overall: {count(tasks)} tasks complete in Wave {wave}", ""])


def final_report(state: RunState, directory: str, rest: str, integrate: str, found: Found = Found()) -> str:
    """Write the report of a run that has ended.

    `directory` is quoted for a shell at the project root; `rest` is the command that runs what is left of the
    plan, empty when nothing is; `integrate` is the command that integrates, or goes on with that.
    """
    tasks = tuple(state.tasks.values())
    lines = [f"=== {_TITLES.get(state.status, 'Parallel Execution Failed')} ===", ""]
    for number in state.waves:
        of_wave = state.of_wave(number)
        lines.append(f"Wave {number}: {count(of_wave)} tasks completed{_with(costs.sum_text(of_wave))}")
    lines += [f"Total: {count(tasks)} tasks completed{_with(costs.sum_text(tasks))}", ""]
    if state.reason in _REASONS:
        lines += [_REASONS[state.reason], ""]
    created = [task for task in tasks if task.status == "completed" or task.commits]
    if created:
        lines.append("Branches created:")
        lines += [f"  - {task.branch} ({commits(task.commits or 0)})" for task in created] + [""]
    idle = [task for task in tasks if task.status == "completed" and task.commits == 0]
    if idle:
        lines += ["Completed without a commit:", *(f"  - {task.name}" for task in idle), ""]
    left = [task for task in tasks if task.uncommitted]
    if left:
        lines.append("Uncommitted work left in worktrees:")
        lines += [f"  - {task.name} ({_left(task)})" for task in left] + [""]
    stopped = [
        f"  - {task.name}: {line.strip()}" for task in tasks for line in found.stopped.get(task.id, ())
    ]
    if stopped:
        lines += ["Processes that agents left running, and that were stopped:", *stopped, ""]
    outside = [line for task in tasks if task.outside for line in _outside(task, found)]
    if outside:
        lines += ["Changed outside the scope of the task:", *outside, ""]
    if found.changes:
        lines.append("WARNING: The project's own checkout has changed:")
        lines += [f"  {line}" for line in found.changes] + [""]
    paid = [f"  - {task.name}: {text}" for task in tasks if (text := costs.task_text(task))]
    if paid:
        lines += ["What the tasks have cost:", *paid, ""]
    missing = [task for task in tasks if task.status != "completed"]
    if missing:
        lines.append("Not completed:")
        lines += [line for task in missing for line in _missing(task, directory)] + [""]
    integrated = integration_text.part(state, f"{directory}/{integration_text.LOG}", found.worktree)
    if integrated:
        lines += [*integrated, ""]
    return "\n".join([*lines, *_next_steps(state, directory, rest, integrate)])


def _next_steps(state: RunState, directory: str, rest: str, integrate: str) -> list[str]:
    """Say what there is to do now; where all is done and nothing integrated, in two ways."""
    if state.integration and (not rest or state.integration.status != "completed"):
        return [integration_text.next_step(state.integration, rest or integrate)]
    if rest:
        return [f"Next step: {rest}"]
    return [f"Next step: /parallel-integrate --parallel-dir {directory}", f"       or: {integrate}"]


def _outside(task: TaskState, found: Found) -> Iterator[str]:
    """List the first of the paths that a task has changed outside its scope."""
    paths = found.outside.get(task.id, ())
    yield f"  - {task.name} ({'1 path' if task.outside == 1 else f'{task.outside} paths'})"
    yield from (f"    {plain(path)}" for path in paths[:_PATHS])
    if 0 < len(paths[:_PATHS]) < task.outside:
        yield f"    and {task.outside - len(paths[:_PATHS])} more"


def count(tasks: Iterable[TaskState]) -> str:
    """Say how many tasks are completed of those that are not skipped."""
    meant = [task for task in tasks if task.status != "skipped"]
    return f"{sum(task.status == 'completed' for task in meant)}/{len(meant)}"


def _left(task: TaskState) -> str:
    verified = task.status == "completed" and task.step == "verify"
    return _files(task.uncommitted) + ("; they were there when it was verified" if verified else "")


def _with(text: str) -> str:
    return f", {text}" if text else ""


def _missing(task: TaskState, directory: str) -> Iterator[str]:
    """Say of a task why it did not complete, and where that is told."""
    yield f"  - {task.name}: {task_text(task)}"
    if was_begun(task):
        if step := step_of(task):
            yield f"    step: {step}"
        yield f"    log: {directory}/logs/{log_name(task)}"
        if task.said:
            yield f"    last line: {task.said}"


def was_begun(task: TaskState) -> bool:
    """Tell whether a task has got as far as a log in this run."""
    return task.status not in ("pending", "blocked", "skipped")


def generated_text(directory: str, shell_directory: str, integrate: str) -> str:
    """Write what `--generate-only` ends with; the second name is quoted for a shell at the project root.

    `integrate` is the command that integrates, empty where the run does that.
    """
    more = f"  or: {integrate}\n" if integrate else ""
    return f"""=== Scripts Generated ===

Created:
  - {directory}/scripts/run-parallel.sh (orchestrator)
  - {directory}/scripts/monitor-live.sh (live dashboard)
  - {directory}/logs/ (for agent output)

To execute manually:
  1. Open a new terminal
  2. cd to project root
  3. Run: ./{shell_directory}/scripts/run-parallel.sh

To monitor (in another terminal):
  ./{shell_directory}/scripts/monitor-live.sh

Override concurrency:
  MAX_CONCURRENT=5 ./{shell_directory}/scripts/run-parallel.sh

After completion:
  /parallel-integrate --parallel-dir {shell_directory}
{more}"""


def status_text(recorded: Recorded, directory: str, now: float, worktree: str = "") -> str:
    """Write what `status` prints: the run, each wave with its tasks, and the integration in its worktree."""
    if not recorded.has_started:
        return f"No run of {directory} has started."
    state, run = recorded.state, recorded.run
    detail = ""
    if state.status == "lost":
        detail = f" (process {run.get('pid', '?')} is gone; use '--retry-failed' to continue)"
    elif recorded.is_alive:
        detail = f" (process {run.get('pid', '?')})"
    lines = [f"Parallel Dir: {directory}", f"Run: {state.status.upper()}{detail}"]
    lines += [f"{label}: {run[key]}" for label, key in _RUN_FACTS if key in run]
    if state.reason in _REASONS:
        lines.append(_REASONS[state.reason])
    # Nobody goes on when nobody is there.
    countdown = now if recorded.is_alive else None
    for number, status in state.waves.items():
        tasks = state.of_wave(number)
        lines += [
            "",
            f"Wave {number}: {status} ({count(tasks)} tasks completed){_with(costs.sum_text(tasks))}",
        ]
        for task in tasks:
            attempt = f" attempt {task.attempt}" if task.attempt > 1 else ""
            paid = _with(costs.task_text(task))
            lines.append(
                f"  {task.name}: {task_text(task, countdown)}{elapsed(task, now, ' ')}{attempt}{paid}"
            )
            if task.said and task.status in WITH_WORDS:
                lines.append(f"    {task.said}")
    tasks = tuple(state.tasks.values())
    lines += ["", f"Total: {count(tasks)} tasks completed{_with(costs.sum_text(tasks))}"]
    integrated = integration_text.part(state, f"{directory}/{integration_text.LOG}", worktree)
    return "\n".join([*lines, *(["", *integrated] if integrated else [])])


def elapsed(task: TaskState, now: float, before: str = "") -> str:
    """Say how long a task has been at work; empty when it never was."""
    seconds = task.elapsed(now)
    return "" if seconds is None else f"{before}{duration(seconds)}"


def duration(seconds: float) -> str:
    """Write a time span in the two largest units that it needs."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minute}m {second:02}s" if minute else f"{second}s"
