"""Let one call of one command go wrong: it fails, or whoever called it is killed, or the whole machine dies.

Wrappers on the PATH count the calls that the script makes; those of agents pass. All is as in a storm otherwise.
"""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import invariants
from tests.chaos.scenario import Scenario, Task
from tests.chaos.storm import LIMIT, Outcome, Voyage
from tests.chaos.watch import Watch
from tests.chaos.world import World

COMMANDS = (
    "git",
    "mv",
    "ln",
    "awk",
    "date",
    "ps",
    "rm",
    "cp",
    "mkdir",
    "grep",
    "tail",
    "sed",
    "tr",
    "wc",
    "sleep",
)
WAYS = ("fail", "kill_before", "kill_after", "crash_before", "crash_after")

# Arguments: none of its own. FAULTS is a folder; FAULT is `COMMAND NUMBER WAY`, or empty for counting alone.
_WRAPPER = """#!{sh}
[ -z "${{PARALLEL_TASK-}}" ] && [ -n "${{FAULTS-}}" ] || exec {real} "$@"
echo >>"$FAULTS/{name}"
set -f
case ${{FAULT-}} in
  '{name} '*) ;;
  *) exec {real} "$@" ;;
esac
n=${{FAULT#* }}
[ "$({wc} -l <"$FAULTS/{name}")" -ge "${{n% *}}" ] && {mkdir} "$FAULTS/fired" 2>/dev/null || exec {real} "$@"
echo "$*" >"$FAULTS/fired/call"
case $FAULT in
  *fail) echo "{name}: a fault of the test" >&2; exit 1 ;;
  *kill_before) kill -s KILL "$PPID" ;;
  *kill_after) {real} "$@"; kill -s KILL "$PPID" ;;
  *crash_before) {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
  *crash_after) {real} "$@"; {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
  *die_within) {strace} {real} "$@"; exit ;;
  *crash_within) {strace} {real} "$@"; {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
esac
exit 1
"""
_STRACE = (
    "{strace} -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=KILL:when=${{FAULT_WITHIN-1}}"
)
_CHANGES = "openat,write,rename,mkdir,rmdir,link,unlink,ftruncate,symlink,chmod,fsync"
_WORK = "work; finish"
# What a shell says when a script has not thought of something.
_BABBLE = re.compile(
    r"parameter not set|unbound variable|syntax error|[Ii]llegal number|bad number|integer expression"
    r"|bad substitution|unexpected|arithmetic"
)


@dataclass(frozen=True)
class Fault:
    """Name one call and what happens at it: before it, after it, or at its system call number `within`."""

    command: str
    number: int
    way: str
    within: int = 0

    def __str__(self) -> str:
        return f"{self.command} {self.number} {self.way}"


def small(shell: tuple[str, ...] = ("sh",)) -> Scenario:
    """Return a small plan whose agents do their work at once: two waves, a task with a dependency."""
    tasks = (
        Task("task-001", "task-001-users", 1, (), (_WORK,)),
        Task("task-002", "task-002-api", 1, (), (f"work; stray_session; {_WORK}",)),
        Task("task-003", "task-003-shop", 2, ("task-001", "task-002"), (_WORK,)),
    )
    return Scenario(
        seed=0,
        shell=shell,
        files=2,
        slow_git="",
        has_execution=True,
        grace=1,
        retries=0,
        max_concurrent=1,
        tasks=tasks,
        runs=(),
    )


def wrap(folder: Path) -> dict[str, str]:
    """Write the wrappers, and return the environment that puts them before everything else."""
    box = folder / "wrappers"
    box.mkdir(parents=True)
    (folder / "faults").mkdir()
    tools = {name: shutil.which(name) or name for name in ("sh", "wc", "mkdir", "sleep")}
    strace = _STRACE.format(strace=shutil.which("strace"), calls=_CHANGES)
    for name in COMMANDS:
        text = _WRAPPER.format(**tools, name=name, real=shutil.which(name), strace=strace)
        (box / name).write_text(text)
        (box / name).chmod(0o755)
    return {"PATH": f"{box}:{os.environ.get('PATH', os.defpath)}", "FAULTS": str(folder / "faults")}


def count_calls(folder: Path) -> dict[str, int]:
    """Run in peace, and count the calls of each command."""
    world = World(folder, small())
    world.build()
    environment = wrap(folder)
    voyage = Voyage(world, Outcome(world.scenario))
    status = voyage.await_end(voyage.start(**environment))
    voyage.machine.crash()
    if status != 0:
        raise RuntimeError((folder / "run-1.txt").read_text())
    counted = {path.name: len(path.read_text().splitlines()) for path in (folder / "faults").iterdir()}
    shutil.rmtree(folder)
    return counted


def suffer(fault: Fault, folder: Path, shell: tuple[str, ...] = ("sh",)) -> Outcome:
    """Run with one fault, then resume in peace, and look at what is left."""
    world = World(folder, small(shell))
    world.build()
    base = world.git("rev-parse", "HEAD")
    environment = {**wrap(folder), "FAULT": str(fault), "FAULT_WITHIN": str(fault.within)}
    outcome = Outcome(world.scenario)
    watch = Watch(world)
    voyage = Voyage(world, outcome)
    try:
        name = voyage.start(**environment)
        end = time.monotonic() + LIMIT
        while name not in voyage.machine.ended and time.monotonic() < end:
            if (folder / "faults" / "crash").exists():
                voyage.crash()
                break
            voyage.machine.wait(name, 0.003)
        else:
            outcome.violations += _hear(voyage, name, voyage.await_end(name))
        if (folder / "faults" / "fired").exists():
            voyage.tell(
                f"{fault}{f' {fault.within}' if fault.within else ''}: {(folder / 'faults' / 'fired' / 'call').read_text().strip()}"
            )
        voyage.peaceful()
    finally:
        voyage.machine.crash()
        watch.close()
    outcome.violations += [*watch.violations, *invariants.check(world, base)]
    if missing := invariants.not_completed(world):
        outcome.violations.append(f"not completed in the end: {missing}")
    if outcome.violations:
        outcome.folder = folder
    else:
        shutil.rmtree(folder)
    return outcome


def _hear(voyage: Voyage, name: str, status: int) -> list[str]:
    """Check what a run that went wrong has said: words of its own, if it failed, and not those of the shell."""
    text = (voyage.world.folder / f"{name}.txt").read_text()
    found = [f"{name} babbles: {line}" for line in text.splitlines() if _BABBLE.search(line)]
    if status in (1, 2) and not re.search(r"ERROR|WARNING|error=|status=failed", text):
        found.append(f"{name} failed with {status} without saying why: {text!r}")
    if status not in (0, 1, 2, 265):
        found.append(f"{name} ended with {status}: {text!r}")
    return found
