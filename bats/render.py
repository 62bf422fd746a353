"""Make a parallel directory with its scripts for each file of plan lines, in one start of Python."""

import json
import sys
from pathlib import Path

from parallelgen import agents
from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings
from parallelgen.writing import render
from parallelgen.writing.generate import write_scripts

TITLE = "TS-0042-inventory"


def read_plan(text: str, settings: Settings) -> Plan:
    """Make a plan of lines as they stand in a script: id, name, wave, dependencies, timeout, prompt."""
    waves: dict[int, list[Task]] = {}
    for line in text.splitlines():
        id_, name, wave, deps, timeout, prompt = line.split(maxsplit=5)
        task = Task(
            id=id_,
            name=name,
            wave=int(wave),
            deps=() if deps == "-" else tuple(deps.split(",")),
            timeout=None if timeout == "-" else int(timeout),
            prompt=prompt,
        )
        waves.setdefault(task.wave, []).append(task)
    return Plan(
        title=TITLE,
        tech_spec="TS-0042",
        waves=tuple(Wave(number, tuple(tasks), None) for number, tasks in sorted(waves.items())),
        settings=settings,
    )


def choose_settings(name: str) -> Settings:
    """Let a plan be run by the agent whose name it has, any other by a command that each test replaces."""
    if name in agents.names():
        return Settings(agent=name)
    return Settings(agent_command='echo "this is the agent of the settings"; exit 7')


def main(target: Path, sources: list[Path]) -> None:
    """Write the directory of each plan below target, as parallel/TITLE in a folder of the plan's name."""
    for source in sources:
        plan = read_plan(source.read_text(encoding="utf-8"), choose_settings(source.name))
        directory = target / source.name / "parallel" / TITLE
        for folder in ("prompts", "tasks"):
            (directory / folder).mkdir(parents=True)
        write_scripts(directory / "scripts", render.scripts(plan, f"parallel/{TITLE}"))
        for task in plan.tasks:
            (directory / task.prompt).write_text(f"Do {task.id}.\n", encoding="utf-8")
            (directory / "tasks" / f"{task.name}.md").write_text(f"# {task.name}\n", encoding="utf-8")
        manifest = {"technology": {"language": "python"}, "tasks": {"total": len(plan.tasks)}}
        (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
