import json
from collections.abc import Mapping
from pathlib import Path

from parallelgen.agents import MARKER
from parallelgen.planning.plan import Plan, build
from parallelgen.reading.source import read
from parallelgen.settings import Settings

Text = str | bytes
PROMPT = f"Work, then touch {MARKER}"


def directory(
    root: Path,
    tasks: Mapping[str, Text],
    manifest: Mapping[str, object] | Text = "{}",
    prompts: Mapping[str, Text] | None = None,
) -> Path:
    """Write a parallel directory: tasks by stem, a prompt for each unless they are given by file name."""
    (root / "tasks").mkdir(parents=True)
    (root / "prompts").mkdir()
    write(root / "manifest.json", json.dumps(manifest) if isinstance(manifest, Mapping) else manifest)
    for stem, text in tasks.items():
        write(root / "tasks" / f"{stem}.md", text)
    for name, text in (prompts if prompts is not None else {f"{stem}.txt": PROMPT for stem in tasks}).items():
        write(root / "prompts" / name, text)
    return root


def write(path: Path, text: Text) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def task(*lines: str, body: str = "") -> str:
    """Write a task file with these lines of frontmatter."""
    return "\n".join(["---", *lines, "---", body])


def told(root: Path) -> list[str]:
    """Say what is wrong with a directory, a line each."""
    return [str(problem) for problem in build(read(root)).problems]


def plan_of(root: Path, settings: Settings | None = None) -> Plan:
    """Plan a directory that has no errors."""
    planned = build(read(root), settings)
    assert planned.plan, planned.problems
    return planned.plan
