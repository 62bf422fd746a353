"""What `integrate` does: the script merges what has been completed, and is followed as a run is."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from parallelgen.running import integration_text, records
from parallelgen.running.display import JsonView, PlainView
from parallelgen.running.execute import load
from parallelgen.running.follow import ended, watch
from parallelgen.running.integration import Integration, add_record
from parallelgen.running.progress import begin
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, integrate_command, our_command
from parallelgen.settings import Settings


def integrate(typed: str, chosen: Settings, words: Sequence[str], screen: Screen, as_json: bool) -> int:
    """Integrate what has been completed, report on it, and return the script's exit status.

    `words` are the options of which the settings `chosen` have come, for the command that goes on with it.
    """
    loaded = load(typed, chosen, screen)
    if loaded is None:
        return NOTHING_RUN
    view = JsonView(screen) if as_json else PlainView(screen)
    with loaded.command("--integrate-now") as command:
        status, state = watch(command, loaded.project, view, begin(loaded.plan))
    if status == NOTHING_RUN:
        return status
    told = state.integration or Integration()
    state = records.ask(loaded.ask, loaded.plan).state
    now = add_record(told, state.integration)
    state = replace(state, integration=replace(now, status=ended(now.status, status)))
    state = loaded.with_conflicts(state)
    if as_json:
        screen.say(json.dumps({"event": "report", **integration_text.facts(state)}))
        return status
    log = f"{shlex.quote(loaded.project.relative)}/{integration_text.LOG}"
    again = integrate_command(loaded.project.typed, *words)
    land = our_command("land", loaded.project.typed)
    screen.say(integration_text.report(state, log, loaded.worktree_of(state), again, land))
    return status
