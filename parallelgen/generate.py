import json
import os
import shlex
from pathlib import Path

from parallelgen.errors import ParallelgenError
from parallelgen.manifest import pending_execution, replace_member
from parallelgen.output import WriteError, diff, read_text, write_if_changed
from parallelgen.plan import Plan
from parallelgen.project import Project

RUN, MONITOR = "scripts/run-parallel.sh", "scripts/monitor-live.sh"
_COMMAND = "parallel-run "


class HeaderError(ParallelgenError):
    """Say that the header of a generated script does not hold a command that can be read."""


def scripts(plan: Plan, project: Project) -> dict[str, str]:
    """Render both scripts; the keys are paths relative to the parallel directory."""
    from parallelgen.render import monitor_script, run_script

    return {RUN: run_script(plan, project.relative), MONITOR: monitor_script(plan, project.relative)}


def write(plan: Plan, project: Project) -> None:
    """Write the scripts, the logs folder and the execution block. Raises WriteError."""
    for name, text in scripts(plan, project).items():
        write_if_changed(project.directory / name, text, 0o755)
    try:
        (project.directory / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WriteError(f"error: {project.directory / 'logs'}: cannot write: {error.strerror}") from error
    write_if_changed(project.directory / "logs" / ".gitignore", "*\n")
    manifest = project.directory / "manifest.json"
    text = read_text(manifest)
    old = json.loads(text.removeprefix("\ufeff")).get("execution")
    write_if_changed(manifest, replace_member(text, "execution", pending_execution(plan, old)))


def header_arguments(directory: Path) -> list[str]:
    """Read from the script on disk the arguments that it was generated with; none without a script.

    Raises HeaderError.
    """
    try:
        text = read_text(directory / RUN)
    except OSError:
        return []
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        command = line.lstrip("# ")
        if command.startswith(_COMMAND):
            try:
                return shlex.split(command)[1:]
            except ValueError as error:
                raise HeaderError(f"error: {RUN}: cannot read the command in its header: {error}") from error
    return []


def differences(plan: Plan, project: Project) -> list[str]:
    """Compare the scripts on disk with what would be generated: a unified diff or a sentence for each."""
    found = []
    for name, text in scripts(plan, project).items():
        path = project.directory / name
        if not os.path.lexists(path):
            found.append(f"{project.relative}/{name}: not there; generate it with --generate-only\n")
            continue
        old = read_text(path) if path.is_file() else ""
        found.append(diff(f"{project.relative}/{name}", old, text))
        if old and not os.access(path, os.X_OK):
            found.append(f"{project.relative}/{name}: not executable\n")
    return [text for text in found if text]
