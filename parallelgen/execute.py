import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from parallelgen import git, plan, preflight, report, source, state
from parallelgen.display import JsonView, PlainView, Screen, View
from parallelgen.options import Options, check_wave, settings, with_skip
from parallelgen.plan import Plan, Settings, Task
from parallelgen.progress import RunState, TaskState, begin
from parallelgen.project import Project, locate, workspace
from parallelgen.validate import problems

NOTHING_RUN = 2


@dataclass(frozen=True)
class Loaded:
    """Hold a valid parallel directory: where it is, its plan, what an earlier run left in the manifest."""

    project: Project
    plan: Plan
    execution: object


def load(typed: str, chosen: Settings, screen: Screen) -> Loaded | None:
    """Read, validate and plan a parallel directory; show its problems; None when there are errors."""
    read = source.read(Path(typed))
    found = problems(read)
    for problem in found:
        screen.complain(str(problem))
    if any(problem.severity == "error" for problem in found):
        return None
    return Loaded(locate(typed), plan.build(read, chosen), (read.manifest or {}).get("execution"))


def execute(typed: str, options: Options, environment: Mapping[str, str], screen: Screen) -> int:
    """Do what `run` does, from reading to the final report, and return the exit status."""
    loaded = load(typed, settings(options, environment), screen)
    if loaded is None:
        return NOTHING_RUN
    project, planned = loaded.project, with_skip(loaded.plan, options, environment)
    check_wave(planned, options.wave)
    facts = git.facts(
        project.directory,
        planned.settings.base_branch,
        (workspace(project, planned.settings.workspace_root),),
    )
    loaded = replace(loaded, plan=planned)
    tasks = _to_run(loaded, options)
    found = preflight.findings(facts, planned, tasks, project, options)
    is_preview = options.dry_run or options.generate_only
    errors = [] if is_preview else [finding.error for finding in found if finding.error]
    for finding in found:
        # In a run that goes ahead the script says what is only worth a warning.
        if is_preview or (errors and not finding.error):
            screen.complain(finding.warning)
    if options.as_json:
        screen.say(json.dumps(_plan_event(planned, tasks, project, facts.base)))
    else:
        ids = {task.id for task in tasks}
        screen.say(report.plan_text(planned, project.relative, facts.base, facts.tree_size, ids))
    if options.dry_run:
        screen.say('{"event": "dry_run"}' if options.as_json else "Dry run complete. No files modified.")
        return 0
    if errors:
        needed = preflight.dependencies(facts, planned, tasks) if options.wave is not None else []
        if options.wave is not None and not options.as_json and not all(exists for _, exists in needed):
            screen.say(report.dependencies_text(options.wave, needed))
        screen.complain("\n\n".join(errors))
        return NOTHING_RUN
    from parallelgen import generate  # a dry run does without

    generate.write(planned, project)
    if options.generate_only:
        screen.say(_generated(project, options.as_json))
        return 0
    return _run(loaded, options, screen)


def _to_run(loaded: Loaded, options: Options) -> list[Task]:
    """List the tasks that this run is about: of its wave, not skipped, and in a retry not completed."""
    completed = _completed(loaded) if options.retry_failed else {}
    left_out = {*loaded.plan.settings.skip, *completed}
    return [
        task for task in loaded.plan.tasks if task.id not in left_out and options.wave in (None, task.wave)
    ]


def _run(loaded: Loaded, options: Options, screen: Screen) -> int:
    """Run the script to its end, show it, report on it, and return its exit status."""
    from parallelgen.follow import follow

    run = begin(loaded.plan, options.wave)
    if options.retry_failed:
        kept = {id: task for id, task in _completed(loaded).items() if id in run.tasks}
        run = replace(run, tasks={**run.tasks, **kept})
    status, run = follow(loaded.project, options, _view(loaded.project, options, screen), run)
    if status == NOTHING_RUN:
        return status
    if options.as_json:
        screen.say(json.dumps({"event": "report", "status": run.status, "tasks": state.task_facts(run)}))
    else:
        rest = _rest_command(loaded, run)
        screen.say(report.final_report(run, shlex.quote(loaded.project.relative), rest))
    return status


def _completed(loaded: Loaded) -> dict[str, TaskState]:
    """Find the tasks that the records of earlier runs, or the manifest, call completed."""
    tasks = state.read(loaded.project.directory, loaded.plan, loaded.execution).state.tasks
    return {id: task for id, task in tasks.items() if task.status == "completed"}


def _view(project: Project, options: Options, screen: Screen) -> View:
    """Choose how the run is shown: JSON when asked for, a live table on a terminal, plain text elsewhere."""
    if options.as_json:
        return JsonView(screen)
    if screen.can_redraw:
        from parallelgen.live import LiveView

        return LiveView(project.directory / "logs")
    return PlainView(screen)


def _plan_event(planned: Plan, tasks: list[Task], project: Project, base: str) -> dict[str, Any]:
    """Make the first event of `--json`: what is going to be run."""
    return {
        "event": "plan",
        "directory": project.relative,
        "tech_spec": planned.tech_spec,
        "base_branch": base,
        "max_concurrent": planned.settings.max_concurrent,
        "skip": list(planned.settings.skip),
        "waves": [
            {"wave": number, "tasks": [task.id for task in of_wave]}
            for number, of_wave in groupby(tasks, key=lambda task: task.wave)
        ],
    }


def _generated(project: Project, as_json: bool) -> str:
    """Say what `--generate-only` has written."""
    if as_json:
        from parallelgen import generate

        names = [f"{project.relative}/{name}" for name in (generate.RUN, generate.MONITOR, "logs/")]
        return json.dumps({"event": "generated", "files": names})
    return report.generated_text(project.relative, shlex.quote(project.relative))


def _rest_command(loaded: Loaded, run: RunState) -> str:
    """Write the command that runs the rest, with the same agent and settings; empty when nothing is left."""
    from parallelgen.render import regenerate_command

    how = "--retry-failed"
    if run.status == "completed":
        over = {*_completed(loaded), *loaded.plan.settings.skip}
        waves = [task.wave for task in loaded.plan.tasks if task.id not in over]
        if not waves:
            return ""
        how = f"--wave {waves[0]}"
    command = regenerate_command(loaded.plan.settings, loaded.project.typed)
    return command.replace("--generate-only", how, 1)
