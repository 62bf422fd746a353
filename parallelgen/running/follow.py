"""What a run does once the scripts are on disk: start, show, and report."""

import json
import os
import shlex
import time
from collections.abc import Set
from dataclasses import replace

from parallelgen.running import costs, integration_text, records, report
from parallelgen.running.activity import Activity
from parallelgen.running.display import JsonView, PlainView, View
from parallelgen.running.integration import add_record
from parallelgen.running.lines import Event, parse
from parallelgen.running.progress import RunState, TaskState, begin, fold
from parallelgen.running.project import Project
from parallelgen.running.runner import Run
from parallelgen.running.screen import Screen
from parallelgen.running.script import (
    NOTHING_RUN,
    Loaded,
    Options,
    ScriptError,
    environment,
    integrate_command,
    our_command,
    shell,
)
from parallelgen.running.space import measure
from parallelgen.writing import render

_INTERRUPTED = (129, 130, 143)


def run(loaded: Loaded, options: Options, screen: Screen) -> int:
    """Run the script to its end, show it, report on it, and return its exit status."""
    state = begin(loaded.plan, options.wave)
    if options.retry_failed:
        kept = _recorded(loaded, {"completed"} if options.fresh else {"completed", "limited"})
        kept = {id: task for id, task in kept.items() if id in state.tasks}
        state = replace(state, tasks={**state.tasks, **kept})
    activity = Activity(loaded.project.directory / "logs")
    view = _view(activity, options, screen)
    command = [shell(), f"./{loaded.project.relative}/scripts/{render.RUN}", *options.arguments]
    status, state = watch(command, loaded.project, view, state)
    if status == NOTHING_RUN:
        return status
    state = activity.look(replace(state, status=ended(state.status, status)))
    state, found = _looked_up(loaded, state)
    if options.as_json:
        integration = integration_text.facts(state)
        facts = {
            "event": "report",
            "status": state.status,
            **({"reason": state.reason} if state.reason else {}),
            "checkout": found.changes,
            "tasks": records.task_facts(state),
            "cost": costs.add(state.tasks.values()),
            **({"integration": integration} if integration else {}),
            **({"worktrees": found.space.facts()} if found.space else {}),
        }
        screen.say(json.dumps(facts))
    else:
        shown = shlex.quote(loaded.project.relative)
        rest, again = _rest_command(loaded, state), integrate_command(loaded.project.typed)
        land = our_command("land", loaded.project.typed)
        screen.say(report.final_report(state, shown, rest, again, land, found))
    return status


def _looked_up(loaded: Loaded, state: RunState) -> tuple[RunState, report.Found]:
    """Find what a report tells besides what the lines of this run have told."""
    tasks = state.tasks.values()
    found = report.Found(
        {task.id: loaded.lines(f"state/{task.id}.stopped") for task in tasks if task.stopped},
        {task.id: loaded.lines(f"state/{task.id}.outside") for task in tasks if task.outside},
        loaded.lines("checkout.log"),
    )
    try:
        recorded = records.ask(loaded.ask, loaded.plan)
    except ScriptError:  # what has been told is to be reported all the same
        return state, found
    found = replace(found, space=measure(loaded, recorded))
    if state.integration is None:
        return state, found
    # What earlier runs have merged, the lines of this one do not tell.
    state = replace(state, integration=add_record(state.integration, recorded.state.integration))
    state = loaded.with_conflicts(state)
    return state, replace(found, worktree=loaded.worktree_of(state))


def _recorded(loaded: Loaded, statuses: Set[str]) -> dict[str, TaskState]:
    """Find the tasks that are recorded with one of these statuses."""
    tasks = records.ask(loaded.ask, loaded.plan).state.tasks
    return {id: task for id, task in tasks.items() if task.status in statuses}


def _view(activity: Activity, options: Options, screen: Screen) -> View:
    """Choose how the run is shown: JSON when asked for, a live table on a terminal, plain text elsewhere."""
    if options.as_json:
        return JsonView(screen)
    if screen.can_redraw:
        from parallelgen.running.live import LiveView

        return LiveView(activity.look)
    return PlainView(screen, activity.look)


def watch(command: list[str], project: Project, view: View, state: RunState) -> tuple[int, RunState]:
    """Start the script, show what it does until it has ended; return its exit status and the last state."""
    with Run(command, project.root, environment(os.environ)) as run:
        try:
            for output in run.output(lambda: view.tick):
                for text in output.errors:
                    view.error(text)
                state = _show(view, state, output.lines)
        finally:
            view.close()
        return run.status, state


def ended(status: str, exit_status: int) -> str:
    """Say how something has ended that may not have come to tell, from the script's exit status."""
    if status in ("completed", "failed", "interrupted"):
        return status
    return "interrupted" if exit_status in _INTERRUPTED else "failed"


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
    # It may have been the integration that did not come to its end.
    if all(task.status in ("completed", "skipped") for task in state.tasks.values()):
        is_red = state.integration is not None and state.integration.status != "completed"
        if is_red or len(state.waves) == len(loaded.plan.waves):
            return ""
        over = {*_recorded(loaded, {"completed"}), *loaded.plan.settings.skip}
        waves = [task.wave for task in loaded.plan.tasks if task.id not in over]
        if not waves:
            return ""
        how = f"--wave {waves[0]}"
    return render.command(loaded.plan.settings, loaded.project.typed, how)
