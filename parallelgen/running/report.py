from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.records import Recorded

_RUN_FACTS = (("Base Branch", "base_branch"), ("Started", "started_at"), ("Finished", "finished_at"))
_TITLES = {
    "completed": "Parallel Execution Complete",
    "interrupted": "Parallel Execution Interrupted",
}


def commits(number: int) -> str:
    """Say how many commits in words."""
    return f"{number} commit" if number == 1 else f"{number} commits"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def task_text(task: TaskState) -> str:
    """Say in capitals what became of a task, with the detail that belongs to it."""
    if task.status == "running":
        return "RUNNING..."
    word = task.status.upper()
    details = []
    if task.error:
        details.append(task.error)
    if task.by:
        details.append(f"by {task.by}")
    if task.commits is not None and (task.status == "completed" or task.commits):
        details.append(commits(task.commits))
    if task.uncommitted:
        details.append(f"{task.uncommitted} uncommitted")
    return f"{word} ({', '.join(details)})" if details else word


def wave_progress(state: RunState, wave: int) -> str:
    """Write the block that tells a pipe how a wave is getting on."""
    tasks = state.of_wave(wave)
    lines = [f"Wave {wave} Progress:", *(f"  {task.name}: {task_text(task)}" for task in tasks), ""]
    return "\n".join([*lines, f"Overall: {count(tasks)} tasks complete in Wave {wave}", ""])


def final_report(
    state: RunState,
    directory: str,
    rest: str,
    stopped: Mapping[str, Iterable[str]] = MappingProxyType({}),
    changes: Sequence[str] = (),
) -> str:
    """Write the report of a run that has ended.

    `directory` is quoted for a shell at the project root; `rest` is the command that runs what is left of the
    plan, empty when nothing is. `stopped` has for the names of tasks the processes, as `PID COMMAND`, that
    their agents left; `changes` tells what has changed in the project's own checkout.
    """
    tasks = tuple(state.tasks.values())
    lines = [f"=== {_TITLES.get(state.status, 'Parallel Execution Failed')} ===", ""]
    for number in state.waves:
        of_wave = state.of_wave(number)
        lines.append(f"Wave {number}: {count(of_wave)} tasks completed")
    lines += [f"Total: {count(tasks)} tasks completed", ""]
    created = [task for task in tasks if task.status == "completed" or task.commits]
    if created:
        lines.append("Branches created:")
        lines += [f"  - {task.branch} ({commits(task.commits or 0)})" for task in created] + [""]
    left = [task for task in tasks if task.uncommitted]
    if left:
        lines.append("Uncommitted work left in worktrees:")
        lines += [f"  - {task.name} ({_files(task.uncommitted)})" for task in left] + [""]
    if stopped:
        lines.append("Processes that agents left running, and that were stopped:")
        lines += [f"  - {name}: {line.strip()}" for name, left in stopped.items() for line in left] + [""]
    if changes:
        lines += ["WARNING: The project's own checkout has changed:", *(f"  {line}" for line in changes), ""]
    missing = [task for task in tasks if task.status != "completed"]
    if missing:
        lines.append("Not completed:")
        lines += [f"  - {task.name}: {task_text(task)}{_log(task, directory)}" for task in missing] + [""]
    lines.append(f"Next step: {rest or f'/parallel-integrate --parallel-dir {directory}'}")
    return "\n".join(lines)


def count(tasks: Iterable[TaskState]) -> str:
    """Say how many tasks are completed of those that are not skipped."""
    meant = [task for task in tasks if task.status != "skipped"]
    return f"{sum(task.status == 'completed' for task in meant)}/{len(meant)}"


def _log(task: TaskState, directory: str) -> str:
    if task.status in ("pending", "blocked", "skipped"):
        return ""
    return f"\n    log: {directory}/logs/{task.id}.log"


def generated_text(directory: str, shell_directory: str) -> str:
    """Write what `--generate-only` ends with; the second name is quoted for a shell at the project root."""
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
"""


def status_text(recorded: Recorded, directory: str, now: float) -> str:
    """Write what `status` prints: the run, then each wave with its tasks."""
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
    for number, status in state.waves.items():
        lines += ["", f"Wave {number}: {status} ({count(state.of_wave(number))} tasks completed)"]
        for task in state.of_wave(number):
            attempt = f" attempt {task.attempt}" if task.attempt > 1 else ""
            lines.append(f"  {task.name}: {task_text(task)}{_elapsed(task, now)}{attempt}")
    return "\n".join([*lines, "", f"Total: {count(state.tasks.values())} tasks completed"])


def _elapsed(task: TaskState, now: float) -> str:
    if task.started is None:
        return ""
    end = task.finished if task.finished is not None else now
    return f" {duration(end - task.started)}" if task.finished is not None or task.status == "running" else ""


def duration(seconds: float) -> str:
    """Write a time span in the two largest units that it needs."""
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minute:02}m"
    return f"{minute}m {second:02}s" if minute else f"{second}s"
