"""What a run does once the scripts are on disk: start, show, and report."""

import json
import os
import shlex
import time
from dataclasses import replace

from parallelgen.running import records, report
from parallelgen.running.display import JsonView, PlainView, View
from parallelgen.running.progress import Event, RunState, TaskState, begin, fold, parse
from parallelgen.running.project import Project
from parallelgen.running.runner import Run
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, Loaded, Options, environment, shell
from parallelgen.running.tail import Tails
from parallelgen.writing import render

_INTERRUPTED = (129, 130, 143)


def run(loaded: Loaded, options: Options, screen: Screen) -> int:
    """Run the script to its end, show it, report on it, and return its exit status."""
    state = begin(loaded.plan, options.wave)
    if options.retry_failed:
        kept = {id: task for id, task in _completed(loaded).items() if id in state.tasks}
        state = replace(state, tasks={**state.tasks, **kept})
    view = _view(loaded.project, options, screen)
    status, state = _follow(loaded.project, options.arguments, view, state)
    if status == NOTHING_RUN:
        return status
    changes = _lines(loaded.project, "checkout.log")
    if options.as_json:
        facts = {"status": state.status, "checkout": changes, "tasks": records.task_facts(state)}
        screen.say(json.dumps({"event": "report"} | facts))
    else:
        rest = _rest_command(loaded, state)
        stopped = {
            task.name: _lines(loaded.project, f"state/{task.id}.stopped")
            for task in state.tasks.values()
            if task.stopped
        }
        shown = shlex.quote(loaded.project.relative)
        tails = _tails(loaded.project, state)
        screen.say(report.final_report(state, shown, rest, stopped, changes, tails))
    return status


def _lines(project: Project, log: str) -> list[str]:
    """Read what the script has told in a file below logs/; nothing when there is none."""
    try:
        return (project.directory / "logs" / log).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _tails(project: Project, state: RunState) -> dict[str, str]:
    """Read the last line of the log of each task that was begun and did not complete."""
    logs = Tails(project.directory / "logs")
    begun = [task for task in state.tasks.values() if task.status != "completed" and report.was_begun(task)]
    return {task.id: logs.read(report.log_name(task)) for task in begun}


def _completed(loaded: Loaded) -> dict[str, TaskState]:
    """Find the tasks that are recorded as completed."""
    tasks = records.ask(loaded.ask, loaded.plan).state.tasks
    return {id: task for id, task in tasks.items() if task.status == "completed"}


def _view(project: Project, options: Options, screen: Screen) -> View:
    """Choose how the run is shown: JSON when asked for, a live table on a terminal, plain text elsewhere."""
    if options.as_json:
        return JsonView(screen)
    if screen.can_redraw:
        from parallelgen.running.live import LiveView

        return LiveView(project.directory / "logs")
    return PlainView(screen)


def _follow(project: Project, arguments: list[str], view: View, state: RunState) -> tuple[int, RunState]:
    """Start the script, show the run until it has ended; return its exit status and the last state."""
    command = [shell(), f"./{project.relative}/scripts/{render.RUN}", *arguments]
    with Run(command, project.root, environment(os.environ)) as run:
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


def _rest_command(loaded: Loaded, state: RunState) -> str:
    """Write the command that runs the rest, with the same agent and settings; empty when nothing is left."""
    how = "--retry-failed"
    if state.status == "completed":
        if len(state.waves) == len(loaded.plan.waves):
            return ""
        over = {*_completed(loaded), *loaded.plan.settings.skip}
        waves = [task.wave for task in loaded.plan.tasks if task.id not in over]
        if not waves:
            return ""
        how = f"--wave {waves[0]}"
    return render.command(loaded.plan.settings, loaded.project.typed, how)
