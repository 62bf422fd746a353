"""A stand-in for the claude command line whose account has limits.

    python3 claude.py FOLDER ... --session-id|--resume ID ...

FOLDER/windows has a line `BEGIN END TOLD` for each limit, in seconds since 1970, FOLDER/sessions what was
done in each session, and FOLDER/ledger a line for each event: word, time, task, attempt, session.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

STEPS = 4
PRICE = 0.01
_PROSE = (
    "You've hit your limit · resets 1am (Europe/Oslo)",
    "Claude AI usage limit reached|1795599965",
    "HTTP 429 Too Many Requests, retry after 3600, api_error_status 529 overloaded",
)
_REJECTED = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 4102444800}}


def main() -> int:
    folder, option = (
        Path(sys.argv[1]),
        next(word for word in sys.argv if word in ("--session-id", "--resume")),
    )
    session = sys.argv[sys.argv.index(option) + 1]
    task, attempt = os.environ["PARALLEL_TASK"], os.environ["PARALLEL_ATTEMPT"]
    memory = folder / "sessions" / session

    def note(word: str) -> None:
        with (folder / "ledger").open("a") as ledger:
            ledger.write(f"{word} {time.time():.3f} {task} {attempt} {session}\n")

    def tell(**members: object) -> None:
        print(json.dumps(members, ensure_ascii=False), flush=True)

    def result(**members: object) -> None:
        paid = len(memory.read_text()) * PRICE if memory.exists() else 0
        counts = {"num_turns": turns, "usage": {"input_tokens": 100 * turns, "output_tokens": 10 * turns}}
        tell(**members, session_id=session, total_cost_usd=round(paid, 6), **counts, type="result")

    turns = 0
    note("resume" if option == "--resume" else "begin")
    dice = random.Random(session + str(time.time()))
    time.sleep(dice.uniform(0, 0.2))
    if option == "--resume" and not memory.exists():
        print(f"No conversation found with session ID: {session}")
        result(subtype="error_during_execution", is_error=True, errors=["No conversation found"])
        note("gone")
        return 1
    memory.touch()
    tell(type="system", subtype="init", session_id=session)
    while True:
        time.sleep(dice.uniform(0.02, 0.3))
        window = limit(folder, time.time())
        if window:
            note("refused")
            told = {"resetsAt": int(window[1]) + 1} if window[2] else {}
            tell(type="rate_limit_event", rate_limit_info={"status": "rejected", **told})
            time.sleep(dice.uniform(0, 0.1))
            result(is_error=True, terminal_reason="api_error", api_error_status=429, subtype="success")
            note("end")
            return 1
        turns += 1
        with memory.open("a") as file:
            file.write("x")
        note("step")
        content = [
            {"type": "text", "text": dice.choice(_PROSE)},
            {"type": "tool_use", "name": "Odd", "input": _REJECTED},
        ]
        tell(type="assistant", message={"content": content})
        tell(message={"content": [{"type": "tool_result", "content": json.dumps(_REJECTED)}]}, type="user")
        tell(type="rate_limit_event", rate_limit_info={"status": "allowed"})
        if len(memory.read_text()) >= STEPS:
            break
    if os.system("git add -A && git commit -q --allow-empty -m Work && touch .claude-task-complete"):
        return 1
    note("done")
    result(subtype="success", is_error=False, terminal_reason="completed", api_error_status=None)
    note("end")
    return 0


def limit(folder: Path, now: float) -> tuple[float, float, bool] | None:
    """Find the limit that lasts at a time."""
    for line in (folder / "windows").read_text().splitlines():
        begin, end, told = line.split()
        if float(begin) <= now < float(end):
            return float(begin), float(end), told == "True"
    return None


if __name__ == "__main__":
    sys.exit(main())
