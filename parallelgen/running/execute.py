import json
import shlex
from itertools import groupby
from pathlib import Path
from typing import Any

from parallelgen.planning import plan
from parallelgen.planning.plan import Plan
from parallelgen.reading import source
from parallelgen.running import script
from parallelgen.running.project import locate
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, Answer, Loaded, Options, integrate_command
from parallelgen.settings import OptionError, Settings
from parallelgen.writing import render


def load(typed: str, chosen: Settings, screen: Screen) -> Loaded | None:
    """Read and plan a parallel directory; show its problems; None when there are errors."""
    planned = plan.build(source.read(Path(typed)), chosen)
    for problem in planned.problems:
        screen.complain(str(problem))
    if planned.plan is None:
        return None
    return Loaded(locate(typed), planned.plan)


def execute(typed: str, options: Options, chosen: Settings, screen: Screen) -> int:
    """Do what `run` does, from reading to the final report, and return the exit status."""
    loaded = load(typed, chosen, screen)
    if loaded is None:
        return NOTHING_RUN
    _check_wave(loaded.plan, options.wave)
    is_preview = options.dry_run or options.generate_only
    answer = loaded.ask("--dry-run" if is_preview else "--preflight", *options.arguments)
    complaint = answer.complained.removesuffix("\n")
    if complaint and is_preview:
        screen.complain(complaint)
    if answer.plan:
        _show_plan(loaded, answer, options, screen)
    if complaint and answer.status and not is_preview:
        screen.complain(complaint)  # what does not stand in the way of a run, the run says again
    if answer.status or options.dry_run:
        return answer.status
    # A preview does without the modules that write and run.
    from parallelgen.running.follow import run
    from parallelgen.writing import generate

    generate.write(loaded.plan, loaded.project.directory, loaded.scripts)
    if options.generate_only:
        screen.say(_generated(loaded, options.as_json))
        return 0
    return run(loaded, options, screen)


def _check_wave(planned: Plan, wave: int | None) -> None:
    """Refuse a wave that the plan does not have. Raises OptionError."""
    numbers = [item.number for item in planned.waves]
    if wave is not None and wave not in numbers:
        known = ", ".join(map(str, numbers))
        raise OptionError(f"Invalid value for '--wave': there is no wave {wave}; the waves are {known}")


def _show_plan(loaded: Loaded, answer: Answer, options: Options, screen: Screen) -> None:
    """Relay the plan, or make an event of it; say that a dry run ends with it."""
    if options.as_json:
        screen.say(json.dumps(_plan_event(loaded, answer.plan)))
    else:
        screen.say(answer.plan)
    if options.dry_run and not answer.status:
        screen.say('{"event": "dry_run"}' if options.as_json else script.DRY_RUN_ENDS.removesuffix("\n"))


def _plan_event(loaded: Loaded, text: str) -> dict[str, Any]:
    """Make the first event of `--json`: what is going to be run, as the script's plan tells it."""
    base, names = script.read_plan(text)
    planned = loaded.plan
    tasks = [task for task in planned.tasks if task.name in set(names)]
    return {
        "event": "plan",
        "directory": loaded.project.relative,
        "tech_spec": planned.tech_spec,
        "base_branch": base,
        "max_concurrent": planned.settings.max_concurrent,
        "skip": list(planned.settings.skip),
        "waves": [
            {"wave": number, "tasks": [task.id for task in of_wave]}
            for number, of_wave in groupby(tasks, key=lambda task: task.wave)
        ],
    }


def _generated(loaded: Loaded, as_json: bool) -> str:
    """Say what `--generate-only` has written."""
    from parallelgen.running import report

    project = loaded.project
    if as_json:
        names = (f"scripts/{render.RUN}", f"scripts/{render.MONITOR}", f"scripts/{render.LIBRARY}", "logs/")
        return json.dumps({"event": "generated", "files": [f"{project.relative}/{name}" for name in names]})
    integrate = integrate_command(project.relative) if loaded.plan.settings.integrate == "no" else ""
    return report.generated_text(project.relative, shlex.quote(project.relative), integrate)
