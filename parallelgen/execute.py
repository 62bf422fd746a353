import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parallelgen import generate, git, plan, preflight, report, source, state
from parallelgen.display import JsonView, PlainView, Screen, View
from parallelgen.follow import follow
from parallelgen.options import Options, check_wave, settings, with_skip
from parallelgen.plan import Plan, Settings
from parallelgen.progress import RunState, begin
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
    found = preflight.findings(facts, planned, project, options)
    is_preview = options.dry_run or options.generate_only
    errors = [] if is_preview else [finding.error for finding in found if finding.error]
    for finding in found:
        # In a run that goes ahead the script says what is only worth a warning.
        if is_preview or (errors and not finding.error):
            screen.complain(finding.warning)
    if options.as_json:
        screen.say(json.dumps(_plan_event(planned, project, facts.base)))
    else:
        screen.say(report.plan_text(planned, project.relative, facts.base, facts.tree_size, options.wave))
    if options.dry_run:
        screen.say('{"event": "dry_run"}' if options.as_json else "Dry run complete. No files modified.")
        return 0
    if errors:
        screen.complain("\n\n".join(errors))
        return NOTHING_RUN
    generate.write(planned, project)
    if options.generate_only:
        screen.say(_generated(project, options.as_json))
        return 0
    return _run(replace(loaded, plan=planned), options, screen)


def _run(loaded: Loaded, options: Options, screen: Screen) -> int:
    """Run the script to its end, show it, report on it, and return its exit status."""
    run = begin(loaded.plan, options.wave)
    if options.retry_failed:
        run = _with_completed(run, loaded)
    status, run = follow(loaded.project, options, _view(loaded.project, options, screen), run)
    if status == NOTHING_RUN:
        return status
    if options.as_json:
        screen.say(json.dumps({"event": "report", "status": run.status, "tasks": state.task_facts(run)}))
    else:
        project = loaded.project
        screen.say(
            report.final_report(
                run, shlex.quote(project.relative), _retry_command(project, loaded.plan.settings)
            )
        )
    return status


def _with_completed(run: RunState, loaded: Loaded) -> RunState:
    """Return the state with the tasks that an earlier run has completed; a retry leaves them alone."""
    before = state.read(loaded.project.directory, loaded.plan, loaded.execution).state.tasks
    kept = {id: before[id] for id in run.tasks if before[id].status == "completed"}
    return replace(run, tasks={**run.tasks, **kept})


def _view(project: Project, options: Options, screen: Screen) -> View:
    """Choose how the run is shown: JSON when asked for, a live table on a terminal, plain text elsewhere."""
    if options.as_json:
        return JsonView(screen)
    if screen.can_redraw:
        from parallelgen.live import LiveView

        return LiveView(project.directory / "logs")
    return PlainView(screen)


def _plan_event(planned: Plan, project: Project, base: str) -> dict[str, Any]:
    """Make the first event of `--json`: what is going to be run."""
    return {
        "event": "plan",
        "directory": project.relative,
        "tech_spec": planned.tech_spec,
        "base_branch": base,
        "max_concurrent": planned.settings.max_concurrent,
        "skip": list(planned.settings.skip),
        "waves": [{"wave": wave.number, "tasks": [task.id for task in wave.tasks]} for wave in planned.waves],
    }


def _generated(project: Project, as_json: bool) -> str:
    """Say what `--generate-only` has written."""
    if as_json:
        names = [f"{project.relative}/{name}" for name in (generate.RUN, generate.MONITOR, "logs/")]
        return json.dumps({"event": "generated", "files": names})
    return report.generated_text(project.relative, shlex.quote(project.relative))


def _retry_command(project: Project, chosen: Settings) -> str:
    """Write the command that runs the rest, as the user may type it: with the same agent and settings."""
    from parallelgen.render import regenerate_command

    return regenerate_command(chosen, project.typed).replace("--generate-only", "--retry-failed", 1)
