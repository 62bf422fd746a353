"""What one storm consists of, all of it drawn from a seed: the plan, its agents, what is killed and when."""

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

SIGNALS = ("KILL", "KILL", "KILL", "KILL", "KILL", "KILL", "TERM", "INT", "HUP")
TOOLS = ("git", "git", "mv", "ln", "awk", "rm", "date", "grep")
#: Not posh: version 0.14 dies of a segmentation fault by itself, now and then.
SHELLS = (
    ("dash",),
    ("bash",),
    ("bash", "--posix"),
    ("busybox", "sh"),
    ("mksh",),
    ("ksh",),
    ("yash",),
    ("zsh", "--emulate", "sh"),
)


#: Seconds that setup and verify may take, where they have a limit: more than those that end need.
STEP_LIMIT = 2


@dataclass(frozen=True)
class Task:
    """Hold one task; `acts` is what its agent does in attempt 1, 2, ... (the last: in all later ones).

    `commands` has the acts of what is run before and after the agent: of `setup` and `verify`, whether the
    run's or its own (those are in `own`), and of `also`, which comes after the run's verify.
    """

    id: str
    name: str
    wave: int
    deps: tuple[str, ...]
    acts: tuple[str, ...]
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    @property
    def has_verify(self) -> bool:
        """Tell whether anything verifies what the agent has done."""
        return "verify" in self.commands or "also" in self.commands


@dataclass(frozen=True)
class Kill:
    """Strike `target` so many seconds after the last strike, and when a process named `tool` is seen."""

    after: float
    target: str
    signal: str
    tool: str = ""

    def __str__(self) -> str:
        return (
            f"+{self.after:.3f}s {f'when {self.tool} runs ' if self.tool else ''}{self.signal} {self.target}"
        )


@dataclass(frozen=True)
class Run:
    """Hold one run of the script that is struck: its options, the strikes, the pause before the next run."""

    options: tuple[str, ...]
    kills: tuple[Kill, ...]
    pause: float


@dataclass(frozen=True)
class Steps:
    """Hold what comes before and after the agents of a run.

    `baseline` has an act for each command of the run, `include` is how many files are included.
    """

    include: int = 0
    baseline: Mapping[str, str] = field(default_factory=dict)
    limit: int = 0
    no_baseline: bool = False
    commit_leftovers: bool = False
    require_commits: bool = False

    @property
    def has_baseline(self) -> bool:
        """Tell whether the commands of the run are tried before the first agent."""
        return bool(self.baseline) and not self.no_baseline

    def __str__(self) -> str:
        words = [f"include {self.include}", f"limit {self.limit}"]
        words += [
            name for name in ("no_baseline", "commit_leftovers", "require_commits") if getattr(self, name)
        ]
        return ", ".join([*words, *(f"baseline {step}: {act}" for step, act in self.baseline.items())])


@dataclass(frozen=True)
class Integration:
    """Hold what is merged into one branch, and when (`no`: by a run that does nothing else).

    `checked` are the waves with a validation, `last` whether there is a check of the whole, `act` what all of
    them do before they judge what was merged, and `moves` what a user commits to the base branch after each
    run that is struck: nothing, a file `apart`, or one that tasks change as well (`share`).
    """

    when: str = "no"
    checked: frozenset[int] = frozenset()
    last: bool = False
    skip_culprits: bool = False
    act: str = "judge"
    setup: str = "succeed"
    moves: tuple[str, ...] = ()

    @property
    def has_checks(self) -> bool:
        """Tell whether anything checks what was merged."""
        return bool(self.checked) or self.last

    def __str__(self) -> str:
        words = [f"integrate {self.when}, checked {sorted(self.checked)}", "last" if self.last else ""]
        words += ["skip culprits" if self.skip_culprits else "", f"check: {self.act}", f"setup: {self.setup}"]
        words += [f"the base moves: {self.moves}" if any(self.moves) else ""]
        return ", ".join(filter(None, words))


@dataclass(frozen=True)
class Scenario:
    """Hold one storm."""

    seed: int
    shell: tuple[str, ...]
    files: int
    slow_git: str
    has_execution: bool
    grace: int
    retries: int
    schedule: str
    max_concurrent: int
    tasks: tuple[Task, ...]
    runs: tuple[Run, ...]
    steps: Steps = field(default_factory=Steps)
    integration: Integration | None = None

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {' '.join(self.shell)}, {self.files} files, slow git: {self.slow_git or 'no'}"
            f", grace {self.grace}, retries {self.retries}, schedule {self.schedule}, "
            f"{self.max_concurrent} at a time",
            f"  {self.steps}",
            *([f"  {self.integration}"] if self.integration else []),
        ]
        for task in self.tasks:
            lines.append(f"  wave {task.wave} {task.id} deps [{', '.join(task.deps)}]")
            lines += [f"    {number}: {act}" for number, act in enumerate(task.acts, 1)]
            for step, acts in task.commands.items():
                whose = "own " if step in task.own else ""
                lines += [f"    {whose}{step} {number}: {act}" for number, act in enumerate(acts, 1)]
        for number, run in enumerate(self.runs, 1):
            lines.append(f"  run {number} {' '.join(run.options)}: {'; '.join(map(str, run.kills))}")
        return "\n".join(lines)


def shells() -> list[tuple[str, ...]]:
    """List the shells that are here."""
    return [shell for shell in SHELLS if shutil.which(shell[0])]


def draw(seed: int) -> Scenario:
    """Draw a storm from a seed."""
    dice = random.Random(seed)
    # From dice of their own: what was drawn before there were these steps stays as it was.
    more_dice = random.Random(f"steps of {seed}")
    steps = _draw_steps(more_dice)
    scenario = Scenario(
        seed=seed,
        shell=dice.choice(shells()),
        files=dice.choice((2, 2, 200)),
        slow_git=dice.choice(("", "", "filter", "hook")),
        has_execution=dice.random() < 0.5,
        grace=dice.choice((0, 1, 1, 2)),
        schedule=dice.choice(("waves", "waves", "deps")),
        retries=dice.choice((0, 0, 0, 0, 0, 1)),
        max_concurrent=dice.randint(1, 4),
        tasks=(tasks := tuple(_draw_commands(more_dice, steps, task) for task in _draw_tasks(dice))),
        runs=tuple(
            _draw_run(dice, _seconds(steps, len(tasks)), first=number == 0)
            for number in range(dice.randint(2, 6))
        ),
        steps=steps or Steps(),
    )
    # From dice of their own as well.
    dice = random.Random(f"integration of {seed}")
    return _draw_integration(dice, scenario) if dice.random() < 0.5 else scenario


def _draw_integration(dice: random.Random, scenario: Scenario) -> Scenario:
    """Draw when what has completed is merged, what checks it, and which tasks conflict or turn it red."""
    waves = sorted({task.wave for task in scenario.tasks})
    checked = frozenset(wave for wave in waves if dice.random() < 0.6)
    last = dice.random() < 0.5
    is_flaky = dice.random() < 0.2
    parts = [f"pause {dice.choice((0, 0, 0.1, 0.3)) * dice.random():.3f}"]
    parts += ["litter"] if dice.random() < 0.2 else []
    parts += [dice.choice(("stray_session", "stray_group", "stray_deaf"))] if dice.random() < 0.15 else []
    parts += ["once hang"] if scenario.steps.limit and dice.random() < 0.1 else []
    moves = ("", "", "", "", "apart", "share") if not scenario.steps.has_baseline else ("",)
    integration = Integration(
        when=dice.choice(("no", "wave", "end", "end")),
        checked=checked,
        last=last,
        skip_culprits=dice.random() < 0.6,
        act="; ".join([*parts, "judge"]),
        setup=("once fail 4; " if dice.random() < 0.15 else "") + _draw_command(dice, "setup", 0, 0),
        moves=tuple(dice.choice(moves) for _ in scenario.runs),
    )
    risk, troubles = dice.choice((0, 0.15, 0.4)), ["share", "share", "redden wave", "redden last", "pair"]
    if is_flaky:
        # A check that is red now and then tells of no culprit.
        troubles = ["share", "waver"]
    longer = 0.5 + 0.15 * len(scenario.tasks)
    return replace(
        scenario,
        schedule="waves" if integration.when == "wave" else scenario.schedule,
        tasks=tuple(
            replace(task, acts=tuple(f"{trouble}; {act}" for act in task.acts))
            if (trouble := dice.choice(troubles)) and dice.random() < risk
            else task
            for task in scenario.tasks
        ),
        runs=tuple(
            replace(
                run,
                options=("--integrate-now",) if number and dice.random() < 0.3 else run.options,
                kills=tuple(
                    replace(kill, after=round(kill.after + longer * dice.random() ** 2, 3))
                    if dice.random() < 0.5
                    else kill
                    for kill in run.kills
                ),
            )
            for number, run in enumerate(scenario.runs)
        ),
        integration=integration,
    )


def _seconds(steps: Steps | None, tasks: int) -> float:
    """Say how long a run in peace takes, about."""
    return 0.2 + 0.1 * tasks if steps is None else 0.6 + 0.2 * tasks


def _draw_steps(dice: random.Random) -> Steps | None:
    """Draw what comes before and after the agents; None for nothing at all."""
    if dice.random() < 0.3:
        return None
    limit = dice.choice((0, STEP_LIMIT))
    commands = [step for step in ("setup", "verify") if dice.random() < 0.6]
    return Steps(
        include=dice.choice((0, 3, 300)),
        # What fails here is tried again by the next run: once, so that the tasks get their turn.
        baseline={
            step: ("once fail 4; " if dice.random() < 0.15 else "") + _draw_command(dice, step, limit, 0)
            for step in commands
        },
        limit=limit,
        no_baseline=dice.random() < 0.4,
        commit_leftovers=dice.random() < 0.25,
        require_commits=dice.random() < 0.25,
    )


def _draw_commands(dice: random.Random, steps: Steps | None, task: Task) -> Task:
    """Draw what the commands of a task do, and whether its agent leaves something that is not committed."""
    if steps is None:
        return task
    own = {step for step in ("setup", "verify") if dice.random() < 0.15}
    used: list[str] = [step for step in ("setup", "verify") if step in steps.baseline or step in own]
    if "verify" not in own and dice.random() < 0.15:
        used.append("also")
    commands = {}
    for step in used:
        early = [_draw_command(dice, step, steps.limit, 0.5) for _ in range(dice.choice((0, 1, 2, 3)))]
        commands[step] = (*early, _draw_command(dice, step, steps.limit, 0.12))
    acts = (
        task.acts
        if not used
        else tuple(
            act.replace("finish", "dirty; finish")
            if dice.random() < (0.05 if act is task.acts[-1] else 0.25)
            else act
            for act in task.acts
        )
    )
    return replace(task, acts=acts, commands=commands, own=frozenset(own))


def _draw_command(dice: random.Random, step: str, limit: int, risk: float) -> str:
    """Draw what a command does, as a line for the shell."""
    parts = [f"pause {dice.choice((0, 0, 0.1, 0.3)) * dice.random():.3f}"]
    if dice.random() < 0.2:
        parts.insert(dice.randrange(2), dice.choice(("stray_session", "stray_group", "stray_deaf")))
    if dice.random() < 0.2:
        parts.append("litter")
    ends = ["fail 1", "fail 3"]
    if limit:
        ends += ["hang", "hang_deaf"]
    if step != "setup":
        ends += ["commit_too", "change_it"]
    parts.append(dice.choice(ends) if dice.random() < risk else "succeed")
    return "; ".join(parts)


def _draw_tasks(dice: random.Random) -> tuple[Task, ...]:
    tasks: list[Task] = []
    waves = dice.randint(2, 4)
    for number in range(1, dice.randint(3, 12) + 1):
        wave = min(waves, 1 + (number - 1) * waves // 8) if number > 1 else 1
        earlier = [task.id for task in tasks if task.wave < wave]
        deps = sorted(dice.sample(earlier, min(len(earlier), dice.choice((0, 1, 1, 2, 3)))))
        acts = tuple(_draw_act(dice, last=False) for _ in range(dice.choice((0, 0, 1, 2))))
        tasks.append(
            Task(
                id=f"task-{number:03}",
                name=f"task-{number:03}-{dice.choice(('users', 'api', 'shared'))}",
                wave=wave,
                deps=tuple(deps),
                acts=(*acts, _draw_act(dice, last=True)),
            )
        )
    return tuple(tasks)


def _draw_act(dice: random.Random, *, last: bool) -> str:
    """Draw what an agent does, as a line for the shell; the last act of a task seldom fails."""
    steps = []
    left = dice.choice((0, 0.1, 0.3, 0.6)) * dice.random()
    for _ in range(dice.randint(0, 3)):
        pause = left * dice.random()
        left -= pause
        steps += [f"pause {pause:.3f}", "work"]
    steps.append(f"pause {left:.3f}")
    if dice.random() < 0.25:
        steps.insert(dice.randrange(len(steps)), dice.choice(("stray_session", "stray_group", "stray_deaf")))
    fails = dice.random() < (0.06 if last else 0.3)
    steps.append(dice.choice(("leave 1", "leave 3", "forget_marker")) if fails else "finish")
    return "; ".join(steps)


def _draw_run(dice: random.Random, span: float, *, first: bool) -> Run:
    options = [] if first else ["--retry-failed"]
    chance = dice.random()
    if chance < 0.06:
        options.append("--wave=1")
    elif chance < 0.12:
        options.append(dice.choice(("--halt=soon", "--halt=now")))
    kills = tuple(_draw_kill(dice, span) for _ in range(dice.choice((1, 1, 2, 2, 3, 5))))
    return Run(tuple(options), kills, dice.choice((0.0, 0.0, 0.0, 0.1, 0.3, 1.5)))


def _draw_kill(dice: random.Random, span: float) -> Kill:
    target = dice.choices(
        ("scheduler", "shell", "agent", "tool", "any", "all", "twin"), (30, 20, 8, 10, 10, 18, 4)
    )[0]
    signal = "KILL" if target == "all" else dice.choice(SIGNALS)
    tool = dice.choice(TOOLS) if dice.random() < 0.35 else ""
    return Kill(round(span * dice.random() ** 2, 3), target, signal, tool)
