"""Look all the time at what must be true all the time."""

import json
import threading
import time
from pathlib import Path

from tests.chaos.world import World, parse_record


class Watch:
    """A thread that reads the manifest and the results over and over, and keeps what is wrong with them."""

    def __init__(self, world: World) -> None:
        self.violations: list[str] = []
        self.looks = 0
        self._world = world
        #: Tasks that were seen completed, with the number of ledger lines just after that.
        self._completed: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_always, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look for the last time."""
        self._over.set()
        self._thread.join()
        self._look()
        begins: dict[str, int] = {}
        for number, (word, task, _, _) in enumerate(self._world.entries()):
            if word == "begin":
                begins[task] = number
        for task, seen in self._completed.items():
            if begins.get(task, -1) >= seen:
                self._add(f"{task} had completed, and ran again")

    def _look_always(self) -> None:
        while not self._over.is_set():
            self._look()
            time.sleep(0.003)

    def _look(self) -> None:
        self.looks += 1
        self._check_manifest(self._world.manifest)
        for task in self._world.scenario.tasks:
            completed = parse_record(self._world.state / f"{task.id}.result").get("status") == "completed"
            if completed and task.id not in self._completed:
                self._completed[task.id] = len(self._world.ledger.read_text().splitlines())
            elif not completed and task.id in self._completed:
                self._add(f"{task.id} had completed, and its result is gone")

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
