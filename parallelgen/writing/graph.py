"""The plan as a graph: for a page (mermaid), for Graphviz (dot), for a program (json)."""

from json import dumps

from parallelgen import agents
from parallelgen.planning.plan import Plan, Task


def mermaid(plan: Plan) -> str:
    """Draw the plan as a Mermaid flowchart: a box for each wave, arrows to a task from what it needs."""
    node = {task.id: f"t{number}" for number, task in enumerate(plan.tasks, 1)}
    lines = ["flowchart TD"]
    for wave in plan.waves:
        lines.append(f'  subgraph wave{wave.number}["Wave {wave.number}"]')
        lines += [f'    {node[task.id]}["{task.name}"]' for task in wave.tasks]
        lines.append("  end")
    lines += [f"  {node[dep]} --> {node[task.id]}" for task in plan.tasks for dep in task.deps]
    return "\n".join(lines) + "\n"


def dot(plan: Plan) -> str:
    """Draw the plan for Graphviz."""
    lines = [f"digraph {_dot(plan.title)} {{", "  rankdir=LR", "  node [shape=box]"]
    for wave in plan.waves:
        lines += [f"  subgraph cluster_{wave.number} {{", f'    label="Wave {wave.number}"']
        lines += [f"    {_dot(task.id)} [label={_dot(task.name)}]" for task in wave.tasks]
        lines.append("  }")
    lines += [f"  {_dot(dep)} -> {_dot(task.id)}" for task in plan.tasks for dep in task.deps]
    return "\n".join([*lines, "}"]) + "\n"


def json(plan: Plan) -> str:
    """Write the plan as JSON; times in seconds; null where a task has none of its own, or a run none."""
    settings = plan.settings
    value = {
        "title": plan.title,
        "tech_spec": plan.tech_spec,
        "base_branch": settings.base_branch,
        "max_concurrent": settings.max_concurrent,
        "task_timeout": settings.task_timeout,
        "workspace_root": settings.workspace_root,
        "cli": agents.COMMAND if settings.agent_command else settings.agent,
        "model": settings.model or None,
        "setup": settings.setup or None,
        "verify": settings.verify or None,
        "integrate": settings.integrate,
        "verify_integration": settings.verify_integration or None,
        "waves": [
            {
                "wave": wave.number,
                "validation": wave.validation,
                "tasks": [_task(task, plan) for task in wave.tasks],
            }
            for wave in plan.waves
        ],
    }
    return dumps(value, indent=2) + "\n"


def _task(task: Task, plan: Plan) -> dict[str, object]:
    return {
        "id": task.id,
        "name": task.name,
        "deps": list(task.deps),
        "branch": plan.branch(task),
        "worktree": f"{plan.settings.workspace_root.rstrip('/')}/{task.id}",
        "prompt": task.prompt,
        "timeout": task.timeout,
        "cli": task.cli or None,
        "model": task.model or None,
        "setup": task.setup or None,
        "verify": task.verify or None,
        "component": task.component,
        "agent": task.agent,
        "skipped": task.id in plan.settings.skip,
    }


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
