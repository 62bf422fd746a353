"""Look all the time at what must be true all the time."""

import hashlib
import json
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from tests.chaos.invariants import WELL
from tests.chaos.world import Entry, World

#: What an agent, a command or a baseline notes first.
BEGINS = ("begin", "setup", "verify", "also")
#: After these the agent has to work again.
CALLS_BACK = {"verify", "uncommitted", "no_commits"}


class Watch:
    """A thread that reads the manifest and the results over and over, and keeps what is wrong with them."""

    def __init__(self, world: World) -> None:
        self.violations: list[str] = []
        self.looks = 0
        self._world = world
        #: Tasks that were seen completed, with the number of ledger lines just after that.
        self._completed: dict[str, int] = {}
        #: How long the ledger was when `.steps` said that a task was set up, or that its agent had worked.
        self._set_up: dict[str, set[int]] = defaultdict(set)
        self._worked: dict[str, set[int]] = defaultdict(set)
        #: Task, attempt and error of each result that was seen.
        self._errors: set[tuple[str, int, str]] = set()
        #: How long the ledger was when a feedback of this time was first seen.
        self._called_back: dict[str, dict[int, int]] = defaultdict(dict)
        self._proven: int | None = None
        #: How long the ledger was when a tree with a check was first seen recorded as green.
        self._green: dict[str, int] = {}
        self._keys = _keys(world)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_always, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look for the last time."""
        self._over.set()
        self._thread.join()
        self._look()
        entries = self._world.entries()
        begins: dict[str, int] = {}
        for number, (word, task, _, _) in enumerate(entries):
            if word in BEGINS:
                begins[task] = number
        for task, seen in self._completed.items():
            if begins.get(task, -1) >= seen:
                self._add(f"{task} had completed, and ran again")
        if self._proven is not None and begins.get("baseline", -1) >= self._proven:
            self._add("the baseline had succeeded, and was tried again")
        self._check_again(entries)
        for number, (word, _, _, detail) in enumerate(entries):
            tree, _, whose = detail.partition(":")
            if word == "check" and number >= self._green.get(f"{tree} {self._keys[whose]}", number + 1):
                self._add(f"{detail} was checked again, after it was recorded as green")

    def _check_again(self, entries: list[Entry]) -> None:
        """Check that no step whose success was recorded came a second time."""
        ended: dict[str, tuple[int, int]] = {}
        set_up: dict[str, int] = {}
        for number, (word, task, attempt, detail) in enumerate(entries):
            if word == "again":
                # A crash between the end of setup and its record may repeat it.
                if any(set_up.get(task, number) < seen <= number for seen in self._set_up[task]):
                    self._add(f"{task}: setup ran again in attempt {attempt}, after its success was recorded")
            elif word == "set-up":
                set_up[task] = number
            elif word == "end" and detail in WELL:
                ended[task] = (number, attempt)
            elif word == "begin" and task in ended:
                end, earlier = ended.pop(task)
                recorded = any(end < seen <= number for seen in self._worked[task])
                reasons = {
                    error
                    for name, tried, error in self._errors
                    if name == task and earlier <= tried < attempt
                }
                called = any(end < first <= number for first in self._called_back[task].values())
                if recorded and not called and not reasons & CALLS_BACK:
                    self._add(
                        f"{task}: the agent began again in attempt {attempt}, after it was recorded that "
                        f"it had worked in attempt {earlier}: {reasons}"
                    )

    def _look_always(self) -> None:
        while not self._over.is_set():
            self._look()
            time.sleep(0.003)

    def _look(self) -> None:
        self.looks += 1
        self._check_manifest(self._world.manifest)
        for task in self._world.scenario.tasks:
            result = self._world.record(f"{task.id}.result")
            completed = result.get("status") == "completed"
            if completed and task.id not in self._completed:
                self._completed[task.id] = self._count()
            elif not completed and task.id in self._completed:
                self._add(f"{task.id} had completed, and its result is gone")
            if not task.commands:
                continue
            for record in (result, self._world.record(f"{task.id}.earlier")):
                if "attempt" in record:
                    self._errors.add((task.id, int(record["attempt"]), record.get("error", "")))
            steps = self._world.record(f"{task.id}.steps")
            with suppress(OSError):
                changed = (self._world.state / f"{task.id}.feedback").stat().st_mtime_ns
                self._called_back[task.id].setdefault(changed, self._count())
            if steps.get("setup"):
                self._set_up[task.id].add(self._count())
            if steps.get("worked"):
                self._worked[task.id].add(self._count())
        if (
            self._proven is None
            and self._world.scenario.steps.has_baseline
            and self._world.record("baseline")
        ):
            self._proven = self._count()

        if self._keys:
            with suppress(OSError):
                for line in (self._world.state / "verified").read_text().splitlines():
                    colour, _, proof = line.partition(" ")
                    if colour == "green" and proof not in self._green:
                        self._green[proof] = self._count()

    def _count(self) -> int:
        """Count the lines of the ledger."""
        return len(self._world.ledger.read_text().splitlines())

    def _check_manifest(self, path: Path) -> None:
        try:
            text = path.read_text()
        except OSError as error:
            self._add(f"manifest.json cannot be read: {error}")
            return
        head, tail = self._world.around
        if not text.startswith(head) or not text.endswith(tail):
            self._add(f"manifest.json has changed outside `execution`: {text[:300]!r} ... {text[-100:]!r}")
        try:
            json.loads(text)
        except ValueError as error:
            self._add(f"manifest.json is not JSON: {error}: {text!r}")

    def _add(self, violation: str) -> None:
        if violation not in self.violations:
            self.violations.append(violation)


def _keys(world: World) -> dict[str, str]:
    """Compute how the records call each check: as git calls a file with setup and check."""
    integration = world.scenario.integration
    if not integration:
        return {}
    found = {}
    for whose in (*map(str, integration.checked), "last"):
        text = f"{world.setup}\n{world.check(whose)}\n".encode()
        found[whose] = hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()
    return found
