import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parallelgen import state
from parallelgen.agents import AGENTS
from parallelgen.git import Facts
from parallelgen.options import Options
from parallelgen.plan import Plan, Settings, Task
from parallelgen.project import Project, workspace
from parallelgen.report import size_text

OLDEST_GIT = (2, 17)


@dataclass(frozen=True)
class Finding:
    """Hold one thing that stands in the way of a run, or only deserves a look (`error` empty)."""

    error: str
    warning: str


def findings(
    facts: Facts, plan: Plan, tasks: list[Task], project: Project, options: Options
) -> list[Finding]:
    """Check the repository, the places of these tasks, the agent and the disk before anything is written."""
    if facts.root is None:
        text = f"ot a git repository: '{project.root}'"
        return [Finding(f"ERROR: n{text}\n  Run it from a clone of the project.", f"WARNING: N{text}.")]
    found = [*_repository(facts), *_other_run(project), *_agent(plan.settings)]
    found += _strangers(facts, tasks, plan.settings, project)
    if not options.retry_failed and not options.force:
        found += _conflicts(facts, tasks, plan.settings, project)
    if options.wave is not None:
        for task, exists in dependencies(facts, plan, tasks):
            if not exists:
                found.append(_no_branch(task, options.wave))
    return [*found, *_base(facts, project), *_space(facts, plan.settings, project, len(tasks))]


def _repository(facts: Facts) -> Iterator[Finding]:
    if facts.version < OLDEST_GIT:
        version, oldest = (".".join(map(str, numbers)) for numbers in (facts.version, OLDEST_GIT))
        yield Finding(
            f"ERROR: git is too old: {version}\n  Version {oldest} or newer is needed.",
            f"WARNING: git is too old: {version} (needed: {oldest}).",
        )
    if facts.dirty:
        yield Finding(
            "ERROR: Uncommitted changes in working directory\n"
            "  Run 'git stash' or commit changes before parallel execution.",
            "WARNING: Uncommitted changes detected. Consider committing or stashing.",
        )
    if facts.operation:
        yield Finding(
            f"ERROR: A git operation is under way ({facts.operation})\n  Finish or abort it first.",
            f"WARNING: A git operation is under way ({facts.operation}).",
        )
    if not facts.base:
        yield Finding(
            "ERROR: HEAD is detached\n  Check out the base branch, or name it with --base.",
            "WARNING: HEAD is detached; name the base branch with --base.",
        )
    elif not facts.base_commit:
        yield Finding(
            f"ERROR: base branch not found: '{facts.base}'\n"
            "  Commit to it first, or name another with --base.",
            f"WARNING: Base branch '{facts.base}' not found.",
        )
    if not facts.has_identity:
        yield Finding(
            "ERROR: git does not know who you are\n  Set user.name and user.email with 'git config'.",
            "WARNING: git does not know who you are. Set user.name and user.email with 'git config'.",
        )


def _other_run(project: Project) -> Iterator[Finding]:
    owner = state.read_owner(project.directory / "logs" / "state")
    if state.is_alive(owner):
        since = owner.get("started_at", "")
        yield Finding(
            f"ERROR: another run of '{project.relative}' is under way\n"
            f"  Process {owner['pid']} holds it since {since}.",
            f"WARNING: Another run of '{project.relative}' is under way (process {owner['pid']}).",
        )


def _conflicts(facts: Facts, tasks: list[Task], settings: Settings, project: Project) -> Iterator[Finding]:
    """Find worktrees and branches that are there before their tasks have run."""
    place = workspace(project, settings.workspace_root)
    for task in tasks:
        worktree = place / task.id
        name = f"{settings.workspace_root.rstrip('/')}/{task.id}"
        if os.path.lexists(worktree) and not _is_stranger(worktree, facts):
            yield Finding(
                f"ERROR: Worktree already exists: {name}\n"
                f"  Run 'git worktree remove {shlex.quote(name)}' or use --force.",
                f"WARNING: Worktree '{name}' already exists.",
            )
        if task.branch in facts.branches:
            yield Finding(
                f"ERROR: Branch already exists: {task.branch}\n"
                "  Previous execution was interrupted. Use '--retry-failed' to continue.",
                f"WARNING: Branch '{task.branch}' already exists.",
            )


def _strangers(facts: Facts, tasks: list[Task], settings: Settings, project: Project) -> Iterator[Finding]:
    """Find worktrees of other repositories in the places of ours; nothing moves those aside."""
    for task in tasks:
        if _is_stranger(workspace(project, settings.workspace_root) / task.id, facts):
            text = f"'{settings.workspace_root.rstrip('/')}/{task.id}' is a worktree of another repository"
            yield Finding(
                f"ERROR: {text}\n  Choose another folder with --workspace-root.", f"WARNING: {text}."
            )


def _is_stranger(worktree: Path, facts: Facts) -> bool:
    return os.path.lexists(worktree / ".git") and worktree.resolve() not in facts.known_worktrees


def dependencies(facts: Facts, plan: Plan, tasks: list[Task]) -> list[tuple[Task, bool]]:
    """List the tasks that these tasks depend on, each with whether its branch exists."""
    needed = {dep for task in tasks for dep in task.deps}
    return [(task, task.branch in facts.branches) for task in plan.tasks if task.id in needed]


def _no_branch(task: Task, wave: int) -> Finding:
    return Finding(
        f"ERROR: Branch not found: {task.branch}\n"
        f"  Wave {wave} depends on it. Run the wave it belongs to first.",
        f"WARNING: Branch '{task.branch}' not found; wave {wave} depends on it.",
    )


def _agent(settings: Settings) -> Iterator[Finding]:
    """Find out whether the agent's command is there and will agree to run."""
    command = settings.agent_command or AGENTS[settings.agent]
    word = first_word(command)
    if word and not _is_command(word):
        yield _missing(word)
        return
    refuses = Path(word).name == "claude" and "--dangerously-skip-permissions" in command
    if refuses and os.geteuid() == 0 and os.environ.get("IS_SANDBOX") != "1":
        yield Finding(
            "ERROR: claude refuses --dangerously-skip-permissions as root\n"
            "  Set IS_SANDBOX=1 if this box is a sandbox, or run as another user.",
            "WARNING: claude refuses --dangerously-skip-permissions as root unless IS_SANDBOX=1 is set.",
        )


def _missing(word: str) -> Finding:
    if word == "claude":
        return Finding(
            "ERROR: Claude CLI not found\n  Install Claude Code CLI: https://claude.ai/code",
            "WARNING: Claude CLI not found. Install Claude Code CLI: https://claude.ai/code",
        )
    return Finding(
        f"ERROR: Agent command not found: '{word}'\n  Install it, or name another with --agent-command.",
        f"WARNING: Agent command '{word}' not found.",
    )


def first_word(command: str) -> str:
    """Return the command name that a shell command begins with; empty when only a shell can tell."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return ""
    for word in words:
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", word, re.DOTALL):
            continue
        # A relative path is looked up in the worktree, which does not exist yet.
        is_plain = re.fullmatch(r"[\w.+@:,/-]+", word) and not word.endswith(";")
        return word if is_plain and ("/" not in word or word.startswith("/")) else ""
    return ""


def _is_command(word: str) -> bool:
    """Ask the shell, which also knows keywords and its own commands."""
    shell = ["sh", "-c", 'command -v -- "$1" >/dev/null 2>&1 || command -v "$1" >/dev/null 2>&1', "sh", word]
    return subprocess.run(shell, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _base(facts: Facts, project: Project) -> Iterator[Finding]:
    if facts.base and facts.base not in ("main", "master"):
        yield Finding("", f"WARNING: Base branch is '{facts.base}', not main or master.")
    if facts.base_commit and not facts.base_has_directory:
        yield Finding(
            "",
            f"WARNING: '{project.relative}' is not in the base commit; the worktrees will lack it. "
            "Consider committing it.",
        )


def _space(facts: Facts, settings: Settings, project: Project, worktrees: int) -> Iterator[Finding]:
    place = workspace(project, settings.workspace_root)
    while not place.exists():
        place = place.parent
    room = os.statvfs(place)
    needed, free = (facts.tree_size or 0) * worktrees, room.f_bavail * room.f_frsize
    if needed > free:
        yield Finding(
            "",
            f"WARNING: {worktrees} worktrees need ~{size_text(needed)}, "
            f"and only {size_text(free)} are free in '{settings.workspace_root}'.",
        )
