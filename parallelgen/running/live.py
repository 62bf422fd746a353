import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from parallelgen.running import costs, integration_text
from parallelgen.running.lines import Event
from parallelgen.running.progress import RunState, TaskState
from parallelgen.running.tail import plain
from parallelgen.running.task_text import WITH_WORDS, agent_text, count, elapsed, task_text

_STYLES = {"running": "cyan", "completed": "green", "failed": "red", "lost": "red", "pending": "dim"}


class LiveView:
    """Redraw a table of waves and tasks with a progress bar, a few times a second at most."""

    tick = 0.5
    _PAUSE = 0.2

    def __init__(
        self,
        look: Callable[[RunState], RunState],
        clock: Callable[[], float] = time.time,
        console: Console | None = None,
    ) -> None:
        self._look = look
        self._clock = clock
        self._console = console or Console()
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()
        self._due = time.monotonic()
        self._unseen: RunState | None = None

    def update(self, state: RunState, events: Sequence[Event]) -> None:
        """Redraw, unless that was a moment ago; the elapsed times go on without events."""
        self._unseen = state
        if time.monotonic() >= self._due:
            self._redraw()

    def _redraw(self) -> None:
        if self._unseen is not None:
            self._live.update(self.frame(self._unseen), refresh=True)
            self._unseen = None
            self._due = time.monotonic() + self._PAUSE

    def line(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(Text(plain(text)))

    error = line

    def close(self) -> None:
        """Leave the last frame on the screen, and the terminal as it was."""
        self._redraw()
        self._live.stop()

    def frame(self, state: RunState) -> RenderableType:
        """Make the table and the bar, in no more lines than the terminal has."""
        now = self._clock()
        state = self._look(state)
        below = [Text(agent_text(*agent, now), style="yellow") for agent in state.agents.items()]
        if state.integration:
            text = integration_text.line(state.integration, state.tasks)
            style = _STYLES.get(state.integration.status)
            below.append(Text(text, style=style or "yellow", no_wrap=True, overflow="ellipsis"))
        room = max(self._console.height - 4 - len(below), 5)
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for width in (None, None, None, 1):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=width)
        rows = self._rows(state, room, now)
        for style, *cells in rows[:room]:
            table.add_row(*(Text(cell) for cell in cells), style=style)
        if len(rows) > room:
            table.add_row(Text(f"  ... and {len(rows) - room} more", style="dim"), "", "", "")
        tasks = state.tasks.values()
        over = sum(task.is_over for task in tasks)
        running = sum(task.status == "running" for task in tasks)
        usd = costs.add(tasks).get("total_usd")
        paid = [] if usd is None else [costs.money(usd)]
        bar = Table.grid(padding=(0, 2, 0, 0))
        bar.add_row(
            ProgressBar(
                total=max(len(tasks), 1), completed=over, width=max(4, min(40, self._console.width - 36))
            ),
            Text(", ".join([f"{count(tasks)} tasks complete", f"{running} running", *paid])),
        )
        return Group(table, Text(""), *below, bar)

    def _rows(self, state: RunState, room: int, now: float) -> list[tuple[str, str, str, str, str]]:
        """List style and cells of each line; where room is short, only tasks that deserve a look."""
        crowded = len(state.tasks) + len(state.waves) > room
        rows = []
        for wave, status in state.waves.items():
            tasks = state.of_wave(wave)
            rows.append(("bold", f"Wave {wave}", f"{status} {count(tasks)}", "", ""))
            hidden = {"completed", "skipped"} | (set() if status == "running" else {"pending"})
            rows += [_row(task, now) for task in tasks if not (crowded and task.status in hidden)]
        return rows


def _row(task: TaskState, now: float) -> tuple[str, str, str, str, str]:
    said = task.said if task.status in WITH_WORDS else ""
    style = _STYLES.get(task.status, "yellow")
    return style, f"  {task.name}", task_text(task, now), elapsed(task, now), said
