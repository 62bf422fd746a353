"""What tasks have cost, in numbers and in words: turns and tokens of the latest attempt, money of all."""

from collections.abc import Iterable

from parallelgen.running.progress import TaskState

_SMALL = 0.1
_LEAST = 5e-7  # amounts are written with six decimals


def add(tasks: Iterable[TaskState]) -> dict[str, int | float]:
    """Add up what tasks have cost; what is known of none of them is left out."""
    total: dict[str, int | float] = {}
    for task in tasks:
        facts = {
            "turns": task.turns,
            "input_tokens": task.input_tokens,
            "output_tokens": task.output_tokens,
            "total_usd": _paid(task),
        }
        for key, value in facts.items():
            if value is not None:
                total[key] = round(total.get(key, 0) + value, 6)
    return total


def sum_text(tasks: Iterable[TaskState]) -> str:
    """Say what tasks have cost together; empty when nothing is known."""
    total = add(tasks)
    return ", ".join(_words(total, total.get("total_usd")))


def task_text(task: TaskState) -> str:
    """Say what a task has cost, and where it is more, what all attempts have; empty when nothing is known."""
    words = _words(add([task]), task.cost_usd)
    paid = _paid(task)
    if paid is not None and paid > (task.cost_usd or 0) + _LEAST:
        words.append(f"{money(paid)} in {task.attempt} attempts" if task.attempt > 1 else money(paid))
    return ", ".join(words)


def money(usd: float) -> str:
    """Write an amount of money; of a small one more digits."""
    return f"${usd:.2f}" if usd >= _SMALL or usd < _LEAST else f"${usd:.4f}"


def _paid(task: TaskState) -> float | None:
    return task.cost_usd if task.total_usd is None else task.total_usd


def _words(total: dict[str, int | float], usd: float | None) -> list[str]:
    words = []
    if "turns" in total:
        words.append("1 turn" if total["turns"] == 1 else f"{total['turns']} turns")
    if "input_tokens" in total or "output_tokens" in total:
        words.append(f"{_short(total.get('input_tokens', 0) + total.get('output_tokens', 0))} tokens")
    return words if usd is None else [*words, money(usd)]


def _short(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        # 999,950 are 1.0M.
        if number >= size * 0.99995 and number >= 1000:
            return f"{number / size:.1f}{unit}"
    return str(number)
