import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parallelgen.plan import Plan
from parallelgen.progress import RunState, TaskState, begin

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Recorded:
    """Hold what logs/state/ tells about the latest run; `run` and `owner` are records, empty when absent.

    The status of `state` is `lost` when the records say running and the orchestrator is gone.
    """

    state: RunState
    run: Mapping[str, str]
    owner: Mapping[str, str]
    is_alive: bool

    @property
    def has_started(self) -> bool:
        """Tell whether there was ever a run."""
        return bool(self.run or self.owner) or any(
            task.status != "pending" for task in self.state.tasks.values()
        )


def read(directory: Path, plan: Plan, execution: object = None) -> Recorded:
    """Read the records of the latest run of a parallel directory.

    In a fresh clone, which has no records, the manifest's `execution` block tells what became of each task.
    """
    folder = directory / "logs" / "state"
    run, owner = read_record(folder / "run"), read_owner(folder)
    alive = is_alive(owner)
    blank = begin(plan)
    told = execution.get("tasks") if isinstance(execution, dict) and not run else None
    told = told if isinstance(told, dict) else {}
    tasks = {task.id: _task(folder, task, told.get(task.id)) for task in blank.tasks.values()}
    status = run.get("status", "running" if alive else "pending")
    if status == "running" and not alive:
        status = "lost"
    waves = {
        number: _wave_status([task for task in tasks.values() if task.wave == number])
        for number in blank.waves
    }
    return Recorded(RunState(tasks, waves, status), run, owner, alive)


def read_owner(folder: Path) -> dict[str, str]:
    """Read the lock record of the orchestrator that is at work, else of one that died; empty without any."""
    locks = [read_record(path) for path in sorted(folder.glob("lock.*"))]
    return next((lock for lock in locks if is_alive(lock)), locks[0] if locks else {})


def read_record(path: Path) -> dict[str, str]:
    """Read `key=value` lines; empty when there is no such record."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


def _task(folder: Path, task: TaskState, told: object) -> TaskState:
    task = replace(task, status="pending")
    start, result = read_record(folder / f"{task.id}.start"), read_record(folder / f"{task.id}.result")
    if not start and not result and isinstance(told, dict) and told.get("status") != "running":
        result = {key: str(value) for key, value in told.items()}
    record = result or start
    if not record:
        return task
    status = result.get("status") or ("running" if is_alive(start) else "lost")
    return replace(
        task,
        status=status,
        attempt=_number(record.get("attempt") or record.get("attempts")) or 1,
        commits=_number(record.get("commits")),
        uncommitted=_number(record.get("uncommitted")) or 0,
        error=record.get("error", ""),
        by=record.get("by", ""),
        started=_number(record.get("started")),
        finished=_number(record.get("finished")),
    )


def _wave_status(tasks: list[TaskState]) -> str:
    statuses = {task.status for task in tasks}
    if statuses <= {"pending"}:
        return "pending"
    if statuses <= {"completed", "skipped"}:
        return "completed"
    if "interrupted" in statuses and "running" not in statuses:
        return "interrupted"
    return "running" if statuses & {"running", "pending"} else "failed"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def is_alive(record: Mapping[str, str]) -> bool:
    """Tell whether the process of a record runs and is still the one that wrote it."""
    pid = _number(record.get("pid"))
    if not pid:
        return False
    now = _identity(pid)
    return bool(now) and record.get("identity") in (None, "", now)


def _identity(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when it is gone or a zombie.

    The scripts make the same string: boot, and field 22 of proc(5) or what `ps -o lstart` prints.
    """
    if not Path("/proc/self/stat").exists():
        return _identity_of_ps(pid)
    fields = _stat_of(pid)
    return "" if not fields or fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


def _boot() -> str:
    """Return what tells this boot, or this start of a container, from the next: both number anew."""
    first = _stat_of(1)
    return f"{_BOOT_ID.read_text().strip()}-{first[19]}" if first and _BOOT_ID.exists() else ""


def _stat_of(pid: int) -> list[str]:
    """Return the fields of proc(5)'s stat from the third on; the name before them may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return []


def _identity_of_ps(pid: int) -> str:
    for fields in (["-o", "stat=", "-o", "lstart="], ["-o", "stat="]):
        command = ["env", "LC_ALL=C", "TZ=UTC0", "ps", *fields, "-p", str(pid)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.match(r" *[^Z\s]\S* *(.*?) *$", answer.stdout.rstrip())
        if answer.returncode == 0:
            return re.sub(" +", "_", f"since {found[1]}") if found else ""
    return ""


def facts(recorded: Recorded) -> dict[str, Any]:
    """Gather what is known of the latest run, for JSON."""
    return {
        "status": recorded.state.status if recorded.has_started else None,
        "is_alive": recorded.is_alive,
        "run": dict(recorded.run),
        "waves": {str(wave): text for wave, text in recorded.state.waves.items()},
        "tasks": task_facts(recorded.state),
    }


def task_facts(state: RunState) -> list[dict[str, Any]]:
    """List what is known of each task, for JSON; facts that do not apply are left out."""
    return [
        {key: value for key, value in vars(task).items() if value not in (None, "")}
        for task in state.tasks.values()
    ]
