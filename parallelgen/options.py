import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from parallelgen.errors import ParallelgenError
from parallelgen.plan import Plan, Settings, parse_duration, resolve_id

# What a user may set in the environment instead of giving the option; the scripts read the same names.
VARIABLES = {
    "max_concurrent": "MAX_CONCURRENT",
    "timeout": "TASK_TIMEOUT",
    "workspace_root": "WORKSPACE_ROOT",
    "base": "BASE_BRANCH",
    "agent_command": "AGENT_COMMAND",
    "skip": "SKIP_TASKS",
    "grace": "GRACE",
    "retries": "RETRIES",
    "halt": "HALT",
    "schedule": "SCHEDULE",
    "max_log_size": "MAX_LOG_SIZE",
}


class OptionError(ParallelgenError):
    """Say which option or variable holds what it must not hold; a usage error."""


@dataclass(frozen=True)
class Options:
    """Hold the options of `run` as they were given, before anything is known of the plan.

    Texts stay texts until `settings` reads them, so that the environment and the header of a generated
    script pass through the same checks as the command line.
    """

    generate_only: bool = False
    dry_run: bool = False
    wave: int | None = None
    retry_failed: bool = False
    force: bool = False
    as_json: bool = False
    agent: str = "claude"
    texts: Mapping[str, str | None] = field(default_factory=dict)


def settings(options: Options, environment: Mapping[str, str]) -> Settings:
    """Read the settings from the options, and from the environment where an option was not given.

    Everything but `skip`, which needs a plan. Raises OptionError.
    """
    chosen = Settings(agent=options.agent)
    for name, read in _READERS.items():
        text, where = options.texts.get(name), "--" + name.replace("_", "-")
        if text is None and environment.get(VARIABLES[name]):
            text, where = environment[VARIABLES[name]], VARIABLES[name]
        if text is None:
            continue
        try:
            chosen = read(chosen, text)
        except ValueError as error:
            raise OptionError(f"Invalid value for '{where}': {error}") from error
    return chosen


def with_skip(plan: Plan, options: Options, environment: Mapping[str, str]) -> Plan:
    """Return the plan with the tasks to skip, named by id or name. Raises OptionError."""
    text, where = options.texts.get("skip"), "--skip"
    if text is None:
        text, where = environment.get(VARIABLES["skip"], ""), VARIABLES["skip"]
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        chosen = {resolve_id(plan, name) for name in names}
    except ValueError as error:
        raise OptionError(f"Invalid value for '{where}': {error}") from error
    skip = tuple(task.id for task in plan.tasks if task.id in chosen)
    return replace(plan, settings=replace(plan.settings, skip=skip))


def check_wave(plan: Plan, wave: int | None) -> None:
    """Refuse a wave that the plan does not have. Raises OptionError."""
    numbers = [item.number for item in plan.waves]
    if wave is not None and wave not in numbers:
        known = ", ".join(map(str, numbers))
        raise OptionError(f"Invalid value for '--wave': there is no wave {wave}; the waves are {known}")


def _positive(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]*", text):
        raise ValueError(f"'{text}' is not a positive whole number")
    if len(text) > 9:
        raise ValueError(f"'{text}' has more than 9 digits")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"'{text}' is not a whole number")
    return 0 if text == "0" else _positive(text)


def _one_of(text: str, *words: str) -> str:
    if text not in words:
        raise ValueError(f"'{text}' is not {', '.join(words[:-1])} or {words[-1]}")
    return text


def _size(text: str) -> int:
    """Read a number of bytes, with K, M or G for powers of 1024."""
    match = re.fullmatch("([1-9][0-9]*)([KMG]?)", text)
    if not match:
        raise ValueError(f"'{text}' is not a size such as 500K, 100M or a number of bytes")
    return int(match[1]) << 10 * " KMG".index(match[2] or " ")


def _duration(text: str) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is not a duration such as 90m, 2h or a number of seconds") from error
    if seconds < 1:
        raise ValueError(f"'{text}' is not a positive duration")
    return seconds


def _line(text: str) -> str:
    """Accept what fits in the header of a script, from which `check` reads it back."""
    if not text.strip():
        raise ValueError("it is empty")
    if not text.isprintable():
        raise ValueError("expected one line without control characters; a longer command goes into a script")
    return text


def _branch(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(f"'{text}' begins with a dash")
    return _line(text)


_READERS: dict[str, Callable[[Settings, str], Settings]] = {
    "max_concurrent": lambda settings, text: replace(settings, max_concurrent=_positive(text)),
    "timeout": lambda settings, text: replace(settings, task_timeout=_duration(text)),
    "workspace_root": lambda settings, text: replace(settings, workspace_root=_line(text)),
    "base": lambda settings, text: replace(settings, base_branch=_branch(text)),
    "agent_command": lambda settings, text: replace(settings, agent_command=_line(text)),
    "grace": lambda settings, text: replace(settings, grace=_natural(text)),
    "retries": lambda settings, text: replace(settings, retries=_natural(text)),
    "halt": lambda settings, text: replace(settings, halt=_one_of(text, "never", "soon", "now")),
    "schedule": lambda settings, text: replace(settings, schedule=_one_of(text, "waves", "deps")),
    "max_log_size": lambda settings, text: replace(settings, max_log_size=_size(text)),
}
