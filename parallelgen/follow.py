import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace

from parallelgen.display import View
from parallelgen.generate import RUN
from parallelgen.options import VARIABLES, Options
from parallelgen.progress import Event, RunState, fold, parse
from parallelgen.project import Project
from parallelgen.runner import Run

_INTERRUPTED = (129, 130, 143)


def follow(project: Project, options: Options, view: View, state: RunState) -> tuple[int, RunState]:
    """Start the script, show the run until it has ended; return its exit status and the last state."""
    with Run(command(project, options), project.root, environment(os.environ)) as run:
        try:
            for output in run.output(lambda: view.tick):
                for text in output.errors:
                    view.error(text)
                state = _show(view, state, output.lines)
        finally:
            view.close()
        status = run.status
    if state.status not in ("completed", "failed", "interrupted"):
        state = replace(state, status="interrupted" if status in _INTERRUPTED else "failed")
    return status, state


def _show(view: View, state: RunState, lines: tuple[str, ...]) -> RunState:
    """Fold lines that came together and show them as one change, in order with the script's other lines."""
    events: list[Event] = []
    for line in lines:
        event = parse(line)
        if event:
            events.append(event)
            state = fold(state, event, time.time())
            continue
        if events:
            view.update(state, events)
            events = []
        view.line(line)
    if events or not lines:
        view.update(state, events)
    return state


def command(project: Project, options: Options) -> list[str]:
    """Make the command line of the script; what the script has in its settings is not repeated."""
    arguments = [shutil.which("sh") or "/bin/sh", f"./{project.relative}/{RUN}"]
    if options.wave is not None:
        arguments += ["--wave", str(options.wave)]
    if options.retry_failed:
        arguments.append("--retry-failed")
    if options.force:
        arguments.append("--force")
    return arguments


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Take out the variables that override the script's settings; what they say is in it already."""
    return {key: value for key, value in ours.items() if key not in VARIABLES.values()}
