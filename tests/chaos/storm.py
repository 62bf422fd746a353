"""One storm: start the script, strike, resume, until a run goes to its end in peace; then look around."""

import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import invariants
from tests.chaos.machine import Machine
from tests.chaos.scenario import Kill, Run, Scenario, draw
from tests.chaos.watch import Watch
from tests.chaos.world import World

#: Seconds that one run of the script may take; a run in peace takes about two.
LIMIT = 45.0


@dataclass
class Outcome:
    """Hold what became of one storm."""

    scenario: Scenario
    violations: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    kills: int = 0
    crashes: int = 0
    #: Shells that died by a signal that nobody sent.
    shells_died: int = 0
    resumes: int = 0
    looks: int = 0
    seconds: float = 0.0
    folder: Path | None = None

    def __str__(self) -> str:
        lines = [
            *(f"VIOLATION: {violation}" for violation in self.violations),
            str(self.scenario),
            *self.events,
        ]
        lines += [f"kept: {self.folder}"]
        if self.scenario.seed:
            lines += [f"again: python -m tests.chaos --seed {self.scenario.seed} --keep"]
        return "\n".join(lines)


def storm(seed: int, folder: Path, *, keep: bool = False) -> Outcome:
    """Live through the storm of a seed in an empty folder, which is kept when something is wrong."""
    world = World(folder, draw(seed))
    outcome = Outcome(world.scenario)
    world.build()
    begun = time.monotonic()
    watch = Watch(world)
    voyage = Voyage(world, outcome)
    try:
        integration = world.scenario.integration
        for number, run in enumerate(world.scenario.runs):
            voyage.struck(run)
            if integration and integration.moves[number]:
                voyage.move_base(integration.moves[number], number)
        voyage.peaceful()
        if integration:
            voyage.integrate()
    finally:
        voyage.machine.crash()
        watch.close()
    outcome.seconds = time.monotonic() - begun
    outcome.looks = watch.looks
    outcome.violations += [*watch.violations, *invariants.check(world, voyage.before)]
    if outcome.violations or keep:
        outcome.folder = folder
    else:
        shutil.rmtree(folder)
    return outcome


class Voyage:
    """The runs of one storm, on one machine after another."""

    def __init__(self, world: World, outcome: Outcome) -> None:
        self.world = world
        self.outcome = outcome
        self.dice = random.Random(world.scenario.seed)
        self.mark = f"storm-{world.scenario.seed}-{time.time_ns()}"
        self.machine = Machine(self.mark)
        self.begun = time.monotonic()
        self.before = world.picture()
        self.runs = 0

    def start(self, *options: str, **environment: str) -> str:
        """Start the script, and return the name of this run."""
        self.runs += 1
        name = f"run-{self.runs}"
        self.outcome.resumes = self.runs - 1
        self.tell(f"{name}: {' '.join(options)}")
        argv = [*self.world.scenario.shell, str(self.world.script), *options]
        output = self.world.folder / f"{name}.txt"
        self.machine.start(name, argv, {**self.world.environment, **environment}, self.world.root, output)
        return name

    def tell(self, event: str) -> None:
        """Add to the log of the storm."""
        self.outcome.events.append(f"{time.monotonic() - self.begun:8.3f} {event}")

    def move_base(self, move: str, number: int) -> None:
        """Let the user commit to the base branch."""
        self.outcome.violations += invariants.checkout(self.world, self.before)
        self.world.move_base(move, number)
        self.before = self.world.picture()
        self.tell(f"the base moves: {move}")

    def struck(self, run: Run) -> None:
        """Run the script and strike it."""
        names = [self.start(*run.options)]
        for kill in run.kills:
            if all(name in self.machine.ended for name in names):
                break
            self.machine.wait(names[0], kill.after)
            if kill.target == "twin":
                names.append(self.start("--retry-failed"))
            elif not self.strike(kill):
                continue
            if kill.target == "all":
                return
        for name in names:
            self.await_end(name)
        time.sleep(run.pause)

    def strike(self, kill: Kill) -> bool:
        """Strike as planned, and count it; false when there was nothing to strike."""
        processes = self.machine.processes()
        if kill.tool:
            end = time.monotonic() + 0.7
            while processes and time.monotonic() < end:
                if any(process.name == kill.tool for process in processes):
                    break
                processes = self.machine.processes()
        if kill.target == "all":
            self.crash()
            return True
        chosen = [process for process in processes if kill.target in (process.kind, "any")]
        if not chosen:
            return False
        process = self.dice.choice(sorted(chosen, key=lambda process: process.inner))
        if not self.machine.strike(process, signal.Signals[f"SIG{kill.signal}"]):
            return False
        self.outcome.kills += 1
        self.tell(f"{kill.signal} {process}")
        return True

    def crash(self) -> None:
        """Switch the machine off and on."""
        self.machine.crash()
        self.outcome.crashes += 1
        self.tell("all are killed")
        self.machine = Machine(self.mark)

    def await_end(self, name: str) -> int:
        """Wait for the end of a run, and return its status; a run that does not end is a violation."""
        status = self.machine.wait(name, LIMIT)
        if status is None:
            self.outcome.violations.append(f"{name} has not ended after {LIMIT:.0f} s")
            for process in self.machine.processes():
                self.tell(f"still runs: {process}")
            self.machine.crash()
            self.machine = Machine(self.mark)
            return -1
        self.tell(f"{name} has ended: {status}")
        return status

    def in_peace(self, option: str) -> int:
        """Run without a strike, and see that nothing is left; above 255 where the shell has died."""
        status = self.await_end(self.start(option))
        if status > 255:
            self.outcome.shells_died += 1
        elif status != -1:
            self.check_survivors()
        return status

    def peaceful(self) -> None:
        """Resume without a strike; once more while something that began before has suffered."""
        for _ in range(4):
            # A runner that an earlier run has started may have suffered.
            seen = {(task, attempt) for _, task, attempt, _ in self.world.entries()}
            status = self.in_peace("--retry-failed")
            if status == -1:
                return
            if status > 255:
                continue
            wrong = invariants.unfinished(self.world)
            if self.is_misled():
                continue
            began = {task for _, task, attempt, _ in self.world.entries() if (task, attempt) not in seen}
            if not any(task not in began for task in wrong):
                break
        integration = self.world.scenario.integration
        wrong = invariants.not_completed(self.world)
        if integration and integration.when != "no":
            self.outcome.violations += invariants.disintegrated(self.world)
            wrong += invariants.not_integrated(self.world)
        if status != (1 if wrong else 0):
            self.outcome.violations.append(f"the last run ended with {status}, where there is {wrong}")

    def is_misled(self, *, full: bool = False) -> bool:
        """Tell whether a check that was killed may be why something else was merged than should be."""
        wrong = invariants.disintegrated(self.world, full=full)
        return bool(wrong) and invariants.has_killed_checks(self.world)

    def integrate(self) -> None:
        """Merge what has completed, in peace; once more where a check that was killed has misled."""
        for _ in range(2):
            status = self.in_peace("--integrate-now")
            if status == -1:
                return
            if status > 255:
                continue
            if not self.is_misled(full=True):
                break
        wanted = 1 if invariants.not_integrated(self.world) else 0
        if not invariants.completed(self.world):
            wanted = 2
        if status != wanted:
            self.outcome.violations.append(f"the integration ended with {status}, not {wanted}")
        self.outcome.violations += invariants.disintegrated(self.world, full=True)

    def check_survivors(self) -> None:
        """Check that the end of a run in peace is the end of every process.

        A scheduler that was killed may have left the sleep of a tick, and a runner that of two.
        """
        begun = time.monotonic()
        while left := self.machine.processes():
            patience = 2.5 if all(process.command in ("sleep 1", "sleep 2") for process in left) else 0.3
            if time.monotonic() > begun + patience:
                break
            time.sleep(0.02)
        if left:
            self.outcome.violations.append(f"still alive after the end: {'; '.join(map(str, left))}")
