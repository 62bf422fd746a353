"""Let one call of one command go wrong: it fails, or whoever called it is killed, or the whole machine dies.

Wrappers on the PATH count the calls that the script makes; those of agents pass. Git can also be killed
inside a call, at a system call that changes files (with strace). Then the script resumes in peace.
"""

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos import invariants
from tests.chaos.scenario import Integration, Scenario, Steps, Task
from tests.chaos.storm import LIMIT, Outcome, Voyage
from tests.chaos.watch import Watch
from tests.chaos.world import World

COMMANDS = (
    "git",
    "mv",
    "mkdir",
    "awk",
    "date",
    "ps",
    "rm",
    "cp",
    "grep",
    "tail",
    "sed",
    "tr",
    "wc",
    "sleep",
    "cat",
    "cksum",
    "ls",
    "rmdir",
    "du",
    "find",
)
WAYS = ("fail", "kill_before", "kill_after", "crash_before", "crash_after")
WAYS_WITHIN = ("die_within", "crash_within")
#: System calls of one git command that change files: no more than this, for the small plan.
MOST_CHANGES = 90
_WRITES = re.compile(r" worktree add| checkout| merge | update-index | commit ")

# Arguments: none of its own. FAULTS is a folder; FAULT is `COMMAND NUMBER WAY`, or empty for counting alone.
_WRAPPER = """#!{sh}
[ -z "${{PARALLEL_TASK-}}" ] && [ -n "${{FAULTS-}}" ] || exec {real} "$@"
{note} >>"$FAULTS/{name}"
set -f
case ${{FAULT-}} in
  '{name} '*) ;;
  *) exec {real} "$@" ;;
esac
n=${{FAULT#* }}
[ "$({wc} -l <"$FAULTS/{name}")" -ge "${{n%% *}}" ] && {mkdir} "$FAULTS/fired" 2>/dev/null || exec {real} "$@"
echo "$*" >"$FAULTS/fired/call"
case $FAULT in
  *' fail '*) echo "{name}: a fault of the test" >&2; exit 1 ;;
  *' kill_before '*) kill -s KILL "$PPID" ;;
  *' kill_after '*) {real} "$@"; kill -s KILL "$PPID" ;;
  *' crash_before '*) {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
  *' crash_after '*) {real} "$@"; {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
  *' die_within '*) {strace} {real} "$@"; exit ;;
  *' crash_within '*) {strace} {real} "$@"; {mkdir} "$FAULTS/crash"; exec {sleep} 60 ;;
esac
exit 1
"""
_STRACE = "{strace} -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=KILL:when=${{FAULT##* }}"
_CHANGES = "openat,write,rename,mkdir,rmdir,link,unlink,ftruncate,symlink,chmod,fsync"
_MEANINGLESS = {
    ("grep", "fail"),
    ("grep", "kill_before"),
    # The wrapper dies, and its sleep sleeps on.
    ("sleep", "kill_after"),
    ("sleep", "crash_after"),
}
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
        return f"{self.command} {self.number} {self.way} {self.within}"


def small(seconds: float = 0, *, steps: bool = False, integrate: bool = False) -> Scenario:
    """Return a small plan of two waves, whose agents pause for so many seconds after their first commit.

    With `steps` there are include, setup and verify before and after them, and a baseline before all. With
    `integrate` all is merged in the end, where one task conflicts, and one turns the second wave red.
    """
    work = f"work; pause {seconds}; finish" if seconds else "work; finish"
    run: dict[str, tuple[str, ...]] = {"setup": ("litter; succeed",), "verify": ("succeed",)} if steps else {}
    tasks: tuple[Task, ...] = (
        Task(
            "task-001",
            "task-001-users",
            1,
            (),
            (work.replace("finish", "dirty; finish") if steps else work,),
            run,
        ),
        Task(
            "task-002",
            "task-002-api",
            1,
            (),
            (f"work; stray_session; {work}",),
            run | {"setup": ("stray_session; succeed",), "also": ("stray_session; succeed",)}
            if steps
            else {},
            frozenset({"setup"} if steps else ()),
        ),
        Task("task-003", "task-003-shop", 2, ("task-001", "task-002"), (work,), run),
    )
    if integrate:
        tasks = (
            replace(tasks[0], acts=("share; work; finish",)),
            replace(tasks[1], acts=("share; work; finish",)),
            replace(tasks[2], acts=("redden wave; work; finish",), deps=()),
            Task("task-004", "task-004-cart", 2, ("task-002",), ("work; finish",)),
            Task("task-005", "task-005-till", 2, ("task-001",), ("work; finish",)),
        )
    return Scenario(
        seed=0,
        shell=("sh",),
        files=2,
        slow_git="",
        has_execution=True,
        grace=1,
        retries=0,
        schedule="waves",
        max_concurrent=1,
        tasks=tasks,
        runs=(),
        steps=Steps(
            include=3 if steps else 0,
            baseline={step: acts[0] for step, acts in run.items()},
            commit_leftovers=steps,
            require_commits=steps,
        ),
        integration=Integration("end", frozenset({1, 2}), last=True, skip_culprits=True)
        if integrate
        else None,
    )


def wrap(folder: Path) -> dict[str, str]:
    """Write the wrappers, and return the environment that puts them before everything else."""
    box = folder / "wrappers"
    box.mkdir(parents=True)
    (folder / "faults").mkdir()
    tools = {name: shutil.which(name) or name for name in ("sh", "wc", "mkdir", "sleep")}
    strace = _STRACE.format(strace=shutil.which("strace"), calls=_CHANGES)
    for name in COMMANDS:
        # A program for awk would take many lines.
        note = 'echo "$*"' if name == "git" else "echo"
        text = _WRAPPER.format(**tools, name=name, real=shutil.which(name), strace=strace, note=note)
        (box / name).write_text(text)
        (box / name).chmod(0o755)
    return {"PATH": f"{box}:{os.environ.get('PATH', os.defpath)}", "FAULTS": str(folder / "faults")}


def list_calls(folder: Path, *options: str, **kind: bool) -> dict[str, list[str]]:
    """Run a small plan of this kind in peace, and list the calls of each command."""
    world = World(folder, small(**kind))
    world.build()
    voyage = Voyage(world, Outcome(world.scenario))
    status = voyage.await_end(voyage.start(*options, **wrap(folder)))
    voyage.machine.crash()
    if status != (1 if invariants.not_integrated(world) else 0):
        raise RuntimeError((folder / "run-1.txt").read_text())
    calls = {
        path.name: path.read_text(errors="replace").splitlines() for path in (folder / "faults").iterdir()
    }
    shutil.rmtree(folder)
    return calls


def of_integration(folder: Path, ways: Iterable[str] = WAYS) -> list[Fault]:
    """List what can go wrong with the calls of an integration: those that come when the tasks are done."""
    calls = list_calls(folder, integrate=True)
    before = {name: len(made) for name, made in list_calls(folder, "--integrate=no", integrate=True).items()}
    return [fault for fault in every(calls, ways) if fault.number > before.get(fault.command, 0)]


def every(calls: Mapping[str, Sequence[str]], ways: Iterable[str] = WAYS) -> list[Fault]:
    """List what can go wrong with these calls, but for what says nothing."""
    return [
        Fault(command, number, way)
        for command in COMMANDS
        for number in range(1, len(calls.get(command, ())) + 1)
        for way in ways
        if (command, way) not in _MEANINGLESS
    ]


def every_within(calls: Mapping[str, Sequence[str]], steps: Iterable[int], way: str) -> list[Fault]:
    """List the deaths of each git command that writes, at these of its system calls."""
    writes = [number for number, call in enumerate(calls["git"], 1) if _WRITES.search(call)]
    return [Fault("git", number, way, step) for number in writes for step in steps]


def sufferings(
    faults: Iterable[Fault], folder: Path, jobs: int, **kind: bool
) -> Iterator[tuple[Fault, Outcome]]:
    """Suffer these faults, some at a time, and yield each outcome as it comes."""

    def one(fault: Fault) -> tuple[Fault, Outcome]:
        return fault, suffer(fault, folder / str(fault).replace(" ", "-"), **kind)

    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(one, fault) for fault in faults]):
            yield future.result()


def suffer(fault: Fault, folder: Path, **kind: bool) -> Outcome:
    """Run with one fault, then resume in peace, and look at what is left."""
    world = World(folder, small(**kind))
    world.build()
    environment = {**wrap(folder), "FAULT": str(fault)}
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
            status = voyage.await_end(name)
            outcome.violations += hear(voyage, name, status)
            if status == 0 and world.scenario.integration:
                outcome.violations.append(f"{name} says that all is in, where there are conflict and culprit")
        # Who was killed at once has not written it.
        if (call := folder / "faults" / "fired" / "call").exists():
            voyage.tell(f"{fault}: {call.read_text(errors='replace').strip()}")
        voyage.peaceful()
        if world.scenario.integration:
            voyage.integrate()
    finally:
        voyage.machine.crash()
        watch.close()
    outcome.violations += [*watch.violations, *invariants.check(world, voyage.before)]
    if missing := invariants.not_completed(world):
        outcome.violations.append(f"not completed in the end: {missing}")
    outcome.looks = watch.looks
    if outcome.violations:
        outcome.folder = folder
    else:
        shutil.rmtree(folder)
    return outcome


def hear(voyage: Voyage, name: str, status: int) -> list[str]:
    """Check what a run that went wrong has said: if it failed, words of its own and not of the shell."""
    text = (voyage.world.folder / f"{name}.txt").read_text()
    found = [f"{name} babbles: {line}" for line in text.splitlines() if _BABBLE.search(line)]
    if status in (1, 2) and not re.search(r"ERROR|WARNING|error=|status=failed", text):
        found.append(f"{name} failed with {status} without saying why: {text!r}")
    if status not in (0, 1, 2, 265):
        found.append(f"{name} ended with {status}: {text!r}")
    return found
