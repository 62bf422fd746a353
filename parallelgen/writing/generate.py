"""Write scripts/, logs/ and the execution block, and compare scripts/ with what would be generated."""

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from parallelgen import ParallelgenError, settings
from parallelgen.planning.plan import Plan
from parallelgen.settings import OptionError, Settings
from parallelgen.writing import render
from parallelgen.writing.manifest import pending_execution, replace_member
from parallelgen.writing.output import WriteError, diff, read_text, write_if_changed

_COMMAND = "parallel-run "
_SINGLE_SCRIPT = (
    "# --- scheduler:"  # a run-parallel.sh that holds its runtime, as it was before there was lib/
)


class HeaderError(ParallelgenError):
    """Say that the header of a generated script does not hold a command that can be read."""


def write(plan: Plan, directory: Path, scripts: Mapping[str, str]) -> None:
    """Write the scripts, the logs folder and the execution block. Raises WriteError."""
    write_scripts(directory / "scripts", scripts)
    try:
        (directory / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WriteError(f"error: {directory / 'logs'}: cannot write: {error.strerror}") from error
    write_if_changed(directory / "logs" / ".gitignore", "*\n")
    manifest = directory / "manifest.json"
    text = read_text(manifest)
    old = json.loads(text.removeprefix("\ufeff")).get("execution")
    write_if_changed(manifest, replace_member(text, "execution", pending_execution(plan, old)))


def write_scripts(folder: Path, scripts: Mapping[str, str]) -> None:
    """Write the files of scripts/, run-parallel.sh when all that it needs is there. Raises WriteError."""
    *others, last = scripts
    for name in others:
        write_if_changed(folder / name, scripts[name], render.mode(name))
    for path in _strangers(folder, scripts):
        try:
            path.unlink()
        except OSError as error:
            raise WriteError(f"error: {path}: cannot remove: {error.strerror}") from error
    write_if_changed(folder / last, scripts[last], render.mode(last))


def _strangers(folder: Path, scripts: Mapping[str, str]) -> list[Path]:
    """List the shell files in the library's folder that are not of this version's library."""
    library = folder / render.LIBRARY
    found = [*sorted(library.glob("[!.]*.sh")), *sorted((library / render.ADAPTERS).glob("[!.]*.sh"))]
    return [path for path in found if path.relative_to(folder).as_posix() not in scripts]


def header_settings(directory: Path) -> Settings:
    """Read from the script on disk the settings that it was generated with; the defaults without a script.

    Raises HeaderError.
    """
    path = directory / "scripts" / render.RUN
    try:
        text = read_text(path)
    except OSError:
        return Settings()
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        command = line.lstrip("# ")
        if command.startswith(_COMMAND):
            try:
                return settings.read_words(_options(shlex.split(command)[1:]))
            except (ValueError, OptionError) as error:
                reason = f"error: scripts/{render.RUN}: cannot read the command in its header: {error}"
                raise HeaderError(reason) from error
    return Settings()


def any_settings(directory: Path) -> Settings:
    """Read them for what hardly depends on them: the defaults also where they cannot be read."""
    try:
        return header_settings(directory)
    except HeaderError:
        return Settings()


def _options(words: list[str]) -> list[str]:
    """Take from the words of a header's command those that are settings."""
    options = words[: words.index("--")] if "--" in words else words[:-1]
    return [word for word in options if word != "--generate-only"]


def differences(directory: Path, name: str, scripts: Mapping[str, str], command: str) -> Iterator[str]:
    """Compare scripts/ of the directory called `name` with what it should be: a line or a diff for each.

    `command` makes them again.
    """
    folder = directory / "scripts"
    if _is_single_script(folder):
        yield f"{name}/scripts/{render.RUN}: of an older version; make it again with: {command}\n"
        return
    for file, text in reversed(list(scripts.items())):
        path, shown = folder / file, f"{name}/scripts/{file}"
        if not os.path.lexists(path):
            yield f"{shown}: not there; generate it with --generate-only\n"
            continue
        old = read_text(path) if path.is_file() else None
        if old != text:
            if old and old.replace("\r\n", "\n") == text:
                yield f"{shown}: line ends: CRLF in place of LF\n"
            elif file.startswith(render.LIBRARY):
                yield f"{shown}: not the released one\n"
            else:
                yield diff(shown, old or "", text)
        if old and render.mode(file) & 0o100 and not os.access(path, os.X_OK):
            yield f"{shown}: mode: not executable\n"
    for path in _strangers(folder, scripts):
        yield f"{name}/scripts/{path.relative_to(folder).as_posix()}: not a part of the library\n"


def _is_single_script(folder: Path) -> bool:
    path = folder / render.RUN
    return path.is_file() and f"\n{_SINGLE_SCRIPT}" in read_text(path)
