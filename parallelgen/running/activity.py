"""What agents do and have cost, as the files below logs/ tell while they work."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from parallelgen.running.progress import RunState, TaskState, costs
from parallelgen.running.tail import Ends, last_line, plain
from parallelgen.running.task_text import COMMANDS, log_name, step_of, was_begun

_LONGEST = 200


class Activity:
    """Look at what the tasks of a run say and cost; a file is read again only when it has changed."""

    def __init__(self, logs: Path) -> None:
        self._files = Ends(logs)
        self._over: dict[str, tuple[TaskState, TaskState]] = {}

    def look(self, state: RunState) -> RunState:
        """Return the state with what its tasks have said last, and what they have cost so far."""
        return replace(state, tasks={id: self._look(task) for id, task in state.tasks.items()})

    def _look(self, task: TaskState) -> TaskState:
        known = self._over.get(task.id)
        if known and known[0] is task:
            return known[1]
        record = self._files.read(f"state/{task.id}.session", _record) or {}
        if not record and not was_begun(task):
            return task
        looked = self._with(task, record)
        if task.is_over:  # its files do not change any more
            self._over[task.id] = (task, looked)
        return looked

    def _with(self, task: TaskState, record: Mapping[str, str]) -> TaskState:
        said = self._said(task, record)[:_LONGEST] if was_begun(task) else ""
        return replace(task, said=said, **costs(record, task))

    def _said(self, task: TaskState, record: Mapping[str, str]) -> str:
        """Find the last word: of setup or verify in its log, of an agent where the script has read it."""
        if step_of(task) in COMMANDS:
            return self._files.read(log_name(task), last_line) or ""
        # The script cuts by bytes.
        said = plain(record.get("said", "")).strip().rstrip("\ufffd")
        if said or task.status == "completed":
            return said
        return self._files.read(log_name(task), _last_words) or ""


def _record(data: bytes) -> dict[str, str]:
    lines = data.decode("utf-8", "replace").split("\n")
    return {key: value for key, found, value in (line.partition("=") for line in lines) if found}


def _last_words(data: bytes) -> str:
    return last_line(data, with_json=False)
