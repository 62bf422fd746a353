from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parallelgen.running import costs, integration_text
from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.records import Recorded
from parallelgen.running.space import Space
from parallelgen.running.tail import plain
from parallelgen.running.task_text import (
    WITH_WORDS,
    commits,
    count,
    elapsed,
    log_name,
    step_of,
    task_text,
    was_begun,
)

_RUN_FACTS = (("Base Branch", "base_branch"), ("Started", "started_at"), ("Finished", "finished_at"))
_TITLES = {
    "completed": "Parallel Execution Complete",
    "interrupted": "Parallel Execution Interrupted",
}
_REASONS = {
    "cost": "The tasks have cost as much as --max-cost allows, so no more were started.",
    "limit": "A usage limit lasts longer than --limit-wait allows, so its tasks were left.",
    "integration": "Not all that the tasks have done could be integrated.",
}
_PATHS = 10


@dataclass(frozen=True)
class Found:
    """Hold what a report tells besides the state of a run, as the files below logs/ have it.

    `stopped` has for ids of tasks the processes, as `PID COMMAND`, that their agents left, `outside` the
    paths that they have changed outside their scope; `changes` tells what has changed in the project's own
    checkout. `worktree` is that of the integration, empty where it has none; `space` is what all take on
    disk.
    """

    stopped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changes: Sequence[str] = ()
    worktree: str = ""
    space: Space | None = None


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def wave_progress(state: RunState, wave: int, now: float | None = None) -> str:
    """Write the block that tells a pipe how a wave is getting on."""
    tasks = state.of_wave(wave)
    lines = [f"Wave {wave} Progress:"]
    for task in tasks:
        said = f" ({task.said})" if task.said and task.status == "running" else ""
        lines.append(f"  {task.name}: {task_text(task, now)}{said}")
    lines.append("")
    return "\n".join([*lines, f"Overall: {count(tasks)} tasks complete in Wave {wave}", ""])


def final_report(
    state: RunState, directory: str, rest: str, integrate: str, land: str, found: Found = Found()
) -> str:
    """Write the report of a run that has ended.

    `directory` is quoted for a shell at the project root; `rest` is the command that runs what is left of the
    plan, empty when nothing is; `integrate` is the command that integrates, or goes on with that, and
    `land` the one that lands the result.
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
    if found.space:
        lines += [*found.space.text(directory), ""]
    return "\n".join([*lines, *_next_steps(state, directory, rest, integrate, land)])


def _next_steps(state: RunState, directory: str, rest: str, integrate: str, land: str) -> list[str]:
    """Say what there is to do now; where all is done and nothing integrated, in two ways."""
    if state.reason == "integration" and state.integration and state.integration.status == "completed":
        # It was refused, and what is told of it is of an earlier one.
        return [f"Next step: mend what integration has met, then run: {rest or integrate}"]
    if state.integration and (not rest or state.integration.status != "completed"):
        return [integration_text.next_step(state.integration, rest or integrate, land)]
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


def status_text(recorded: Recorded, directory: str, now: float, found: Found = Found()) -> str:
    """Write what `status` prints: the run, each wave with its tasks, the integration, and what is on disk."""
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
    integrated = integration_text.part(state, f"{directory}/{integration_text.LOG}", found.worktree)
    space = found.space.text(directory) if found.space else []
    parts = [part for part in (integrated, space) if part]
    return "\n".join([*lines, *(line for part in parts for line in ["", *part])])
