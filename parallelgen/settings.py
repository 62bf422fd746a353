"""The settings that shape the scripts: one table, from which everything that names a setting is made.

A field of Settings is a row. From it come the option and the variable, the command in a script's header, the
line in its settings block (and so the script's own option and help), and the rows in docs/usage.md.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from parallelgen import ParallelgenError, agents
from parallelgen.refs import LONGEST_PREFIX, ref_fault

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 31_536_000  # a year; shells count in 32 bits


class OptionError(ParallelgenError):
    """Say which option or variable holds what it must not hold; a usage error."""


@dataclass(frozen=True)
class Setting:
    """Hold what is told of one setting.

    `default` is written as a user would write it. `help` holds for every place; `more` goes on with what only
    our own command line knows, because a script counts in `unit` and takes no other form. `kind` is what a
    script accepts: `whole` (1 or more), `count` (0 or more), `text`, `flag` (0 or 1; its option takes no
    value), or words with bars between them. Without `variable` the setting does not stand in the scripts;
    `write` gives the text that does.
    """

    name: str
    option: str
    metavar: str
    variable: str
    default: str
    help: str
    more: str
    kind: str
    unit: str
    read: Callable[[str], Any]
    write: Callable[["Settings"], str] | None

    @property
    def script_metavar(self) -> str:
        """Name the value of the script's option."""
        return self.unit.upper() or self.metavar

    def text(self, settings: "Settings") -> str:
        """Write the value as the scripts want it: seconds, bytes, ids joined by commas."""
        return self.write(settings) if self.write else _text(getattr(settings, self.name))

    def explain(self) -> str:
        """Say in Markdown what the option does, with its default."""
        shown = self.default if self.kind in ("whole", "count") else f"`{self.default}`"
        return f"{self.help}{self.more}{f' ({shown})' if self.default and self.kind != 'flag' else ''}"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(int(value) if isinstance(value, bool) else value)


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


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"'{text}' is not {', '.join(words[:-1])} or {words[-1]}")
        return text

    return read


def _size(text: str) -> int:
    """Read a number of bytes, with K, M or G for powers of 1024."""
    match = re.fullmatch("([1-9][0-9]*)([KMG]?)", text)
    if not match:
        raise ValueError(f"'{text}' is not a size such as 500K, 100M or a number of bytes")
    return int(match[1]) << 10 * " KMG".index(match[2] or " ")


def parse_duration(text: str, least: int = 1) -> int:
    """Return the seconds in `5400`, `90m`, `2h` or `1d`; raise ValueError."""
    found = _DURATION.fullmatch(text)
    seconds = int(found.group(1)) * _UNITS[found.group(2)] if found else -1
    if not least <= seconds <= _LONGEST:
        raise ValueError("expected seconds, or a number with s, m, h or d such as '90m'")
    return seconds


def _limit(text: str) -> int:
    """Read a duration, or 0 for none."""
    return 0 if text == "0" else _duration(text)


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is not a duration such as 90m, 2h or a number of seconds") from error


def _line(text: str) -> str:
    """Accept what fits in the header of a script, from which `check` reads it back."""
    if not text.strip():
        raise ValueError("it is empty")
    if not text.isprintable():
        raise ValueError("expected one line without control characters; a longer command goes into a script")
    return text


def _command(text: str) -> str:
    """Accept a line of shell, or nothing, which switches off what a variable says."""
    return _line(text.strip()) if text.strip() else ""


def model(text: str) -> str:
    """Accept the name of a model, which needs no more than quotes in a shell. Raises ValueError."""
    if text and not re.fullmatch(r"(?!-)[][A-Za-z0-9._:/@+~-]+", text):
        raise ValueError(f"'{text}' is no name of a model")
    return text


def _amount(text: str) -> str:
    if text and not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise ValueError(f"'{text}' is not an amount such as 20 or 7.50")
    return text


def _branch(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(f"'{text}' begins with a dash")
    return _line(text)


def _prefix(text: str) -> str:
    if not re.fullmatch(f"[A-Za-z0-9._/-]{{1,{LONGEST_PREFIX}}}", text):
        raise ValueError(
            f"expected at most {LONGEST_PREFIX} letters, digits, '.', '_', '/' and '-', not '{text}'"
        )
    if fault := ref_fault(f"{text}task"):
        raise ValueError(f"git refuses a branch that begins with '{text}': {fault}")
    return text


def _flag(text: str) -> bool:
    return _one_of("0", "1")(text) == "1"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _setting(
    option: str,
    variable: str,
    read: Callable[[str], Any],
    default: str,
    help: str,
    *,
    more: str = "",
    kind: str = "text",
    unit: str = "",
    write: Callable[["Settings"], str] | None = None,
) -> Any:
    word, _, metavar = option.partition(" ")
    row = Setting("", word, metavar, variable, default, help, more, kind, unit, read, write)
    unset: Any = () if read is _words else ""
    return field(default=read(default) if default else unset, metadata={"setting": row})


@dataclass(frozen=True)
class Settings:
    """Hold what a user chose for the scripts; times in seconds, sizes in bytes.

    `given` tells for each setting that was chosen where that was done, for the words of an error.
    """

    skip: tuple[str, ...] = _setting(
        "--skip IDS", "SKIP_TASKS", _words, "", "leave out these tasks: ids or names, separated by commas"
    )
    max_concurrent: int = _setting(
        "--max-concurrent N", "MAX_CONCURRENT", _positive, "3", "run at most N agents at a time", kind="whole"
    )
    task_timeout: int = _setting(
        "--timeout DURATION",
        "TASK_TIMEOUT",
        _duration,
        "2h",
        "stop a task after so long",
        more=": `90m`, `2h`, `1d`, or seconds; `timeout` of a task wins",
        kind="whole",
        unit="seconds",
    )
    grace: int = _setting(
        "--grace SECONDS",
        "GRACE",
        _natural,
        "10",
        "time from TERM to KILL when an agent is stopped",
        kind="count",
        unit="seconds",
    )
    retries: int = _setting(
        "--retries N",
        "RETRIES",
        _natural,
        "0",
        "run a task that failed up to N times again, after 5, 10, 20, ... seconds",
        kind="count",
    )
    halt: str = _setting(
        "--halt WHEN",
        "HALT",
        _one_of("never", "soon", "now"),
        "never",
        "after a failure: `never` (the others go on), `soon` (start no more), `now` (stop what runs)",
        kind="never|soon|now",
    )
    schedule: str = _setting(
        "--schedule HOW",
        "SCHEDULE",
        _one_of("waves", "deps"),
        "waves",
        "when a task starts: `waves` (when all waves before its own have ended), `deps` (when its own "
        "dependencies have completed, those with the longest chain behind them first)",
        kind="waves|deps",
    )
    max_log_size: int = _setting(
        "--max-log-size SIZE",
        "MAX_LOG_SIZE",
        _size,
        "100M",
        "cut the log of an agent that writes more",
        more=": bytes, or with K, M or G",
        kind="whole",
        unit="bytes",
    )
    agent: str = _setting(
        "--agent NAME",
        "AGENT_NAME",
        _one_of(*agents.names()),
        "claude",
        "who does the tasks",
        more=": one that `parallelgen agents` lists; `cli` of a task wins",
    )
    agent_command: str = _setting(
        "--agent-command CMD",
        "AGENT_COMMAND",
        _line,
        "",
        "any shell command as agent",
        more=", in place of `--agent`; one line",
    )
    model: str = _setting(
        "--model NAME",
        "AGENT_MODEL",
        model,
        "",
        "the model that the agent is told to use",
        more="; `model` of a task wins",
    )
    agent_args: str = _setting(
        "--agent-args ARGS",
        "AGENT_ARGS",
        _command,
        "",
        "more arguments for the agent, as words of shell",
    )
    subagents: bool = _setting(
        "--subagents",
        "",
        _flag,
        "0",
        "hand `agent` of a task, the name of a Claude subagent, to the command line that knows it: `claude`",
        kind="flag",
    )
    stall_timeout: int = _setting(
        "--stall-timeout DURATION",
        "STALL_TIMEOUT",
        _limit,
        "30m",
        "stop an agent of which nothing was heard for so long and that was not busy; 0 for never",
        kind="count",
        unit="seconds",
    )
    limit_wait: int = _setting(
        "--limit-wait DURATION",
        "LIMIT_WAIT",
        _limit,
        "0",
        "give up when a usage limit lasts longer; 0 to wait as long as it takes",
        kind="count",
        unit="seconds",
    )
    max_cost: str = _setting(
        "--max-cost USD",
        "MAX_COST",
        _amount,
        "",
        "start no more once the tasks have cost so much",
        kind="amount",
    )
    setup: str = _setting(
        "--setup CMD",
        "SETUP_COMMAND",
        _command,
        "",
        "run this command in each new worktree, before the agent",
        more="; one line, `setup` of a task comes in its place",
    )
    verify: str = _setting(
        "--verify CMD",
        "VERIFY_COMMAND",
        _command,
        "",
        "a task is completed only when this command succeeds on what was committed",
        more="; one line, `verify` of a task comes in its place or after it",
    )
    setup_timeout: int = _setting(
        "--setup-timeout DURATION",
        "SETUP_TIMEOUT",
        _limit,
        "0",
        "stop setup after so long; 0 for no limit of its own",
        kind="count",
        unit="seconds",
    )
    verify_timeout: int = _setting(
        "--verify-timeout DURATION",
        "VERIFY_TIMEOUT",
        _limit,
        "0",
        "stop verify after so long; 0 for no limit of its own",
        kind="count",
        unit="seconds",
    )
    no_baseline: bool = _setting(
        "--no-baseline",
        "NO_BASELINE",
        _flag,
        "0",
        "do not try setup and verify at the base commit before the first agent",
        kind="flag",
    )
    require_commits: bool = _setting(
        "--require-commits",
        "REQUIRE_COMMITS",
        _flag,
        "0",
        "a task without a commit of its own has failed",
        kind="flag",
    )
    commit_leftovers: bool = _setting(
        "--commit-leftovers",
        "COMMIT_LEFTOVERS",
        _flag,
        "0",
        "commit what an agent has left uncommitted",
        kind="flag",
    )
    integrate: str = _setting(
        "--integrate WHEN",
        "INTEGRATE",
        _one_of("no", "wave", "end"),
        "no",
        "merge what has completed into one branch: `no`, after each wave (`wave`), once at the end (`end`)",
        kind="no|wave|end",
    )
    verify_integration: str = _setting(
        "--verify-integration CMD",
        "VERIFY_INTEGRATION",
        _command,
        "",
        "check what was merged with this command as well, after the last wave",
        more="; one line",
    )
    skip_culprits: bool = _setting(
        "--skip-culprits",
        "SKIP_CULPRITS",
        _flag,
        "0",
        "leave out a task that turns the merged result red, with all that depends on it, and go on",
        kind="flag",
    )
    base_branch: str = _setting(
        "--base BRANCH",
        "BASE_BRANCH",
        _branch,
        "",
        "the branch that new branches start from (the one that is checked out)",
    )
    branch_prefix: str = _setting(
        "--branch-prefix PREFIX",
        "BRANCH_PREFIX",
        _prefix,
        "feature/",
        "what the names of the branches begin with",
    )
    workspace_root: str = _setting(
        "--workspace-root DIR",
        "WORKSPACE_ROOT",
        _line,
        "../workspaces",
        "where the worktrees go, from the project root",
    )
    submodules: bool = _setting(
        "--submodules", "SUBMODULES", _flag, "0", "initialise submodules in each worktree", kind="flag"
    )
    given: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def refuse(self, name: str, reason: object) -> OptionError:
        """Make the error that a setting holds what it must not, in the words of where it was given."""
        return OptionError(f"Invalid value for '{self.given.get(name, name)}': {reason}")


def rows() -> list[Setting]:
    """List the table."""
    return [replace(item.metadata["setting"], name=item.name) for item in fields(Settings) if item.metadata]


def row(name: str) -> Setting:
    """Return the row of a setting."""
    return next(found for found in rows() if found.name == name)


def in_scripts() -> list[Setting]:
    """List the settings that stand in the scripts, where each has a variable."""
    return [row for row in rows() if row.variable]


def read(texts: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Read settings from texts by name, and from the environment where there is none. Raises OptionError."""
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for row in rows():
        text, where = texts.get(row.name), row.option
        if text is None and row.variable and environment.get(row.variable):
            text, where = environment[row.variable], row.variable
        if text is None:
            continue
        given[row.name] = where
        try:
            values[row.name] = row.read(text)
        except ValueError as error:
            raise Settings(given=given).refuse(row.name, error) from error
    found = Settings(**values, given=given)
    if (found.integrate, found.schedule) == ("wave", "deps"):
        raise found.refuse("integrate", f"'wave' and 'deps' of '{given['schedule']}' exclude each other")
    return found


def words(settings: Settings) -> list[str]:
    """Write the settings that are not at their defaults as options, from which `read_words` reads them."""
    return [
        row.option if row.kind == "flag" else f"{row.option}={_text(value)}"
        for row, value in ((row, getattr(settings, row.name)) for row in rows())
        if value != getattr(Settings(), row.name)
    ]


def over(below: Settings, above: Settings) -> Settings:
    """Let what was given in `above` win over `below`."""
    return replace(below, **{name: getattr(above, name) for name in above.given}, given=above.given)


def typed(texts: Mapping[str, str | None]) -> list[str]:
    """Write texts by name as the options that were given."""
    given = [(row, text) for row in rows() if (text := texts.get(row.name)) is not None]
    return [row.option if row.kind == "flag" else f"{row.option}={text}" for row, text in given]


def read_words(arguments: Sequence[str]) -> Settings:
    """Read what `words` has written. Raises OptionError."""
    known = {row.option: row for row in rows()}
    texts: dict[str, str | None] = {}
    for argument in arguments:
        option, equals, text = argument.partition("=")
        if option not in known or bool(equals) == (known[option].kind == "flag"):
            raise OptionError(f"unknown option '{option}'")
        texts[known[option].name] = text if equals else "1"
    return read(texts, {})
