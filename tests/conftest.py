import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from parallelgen.agents import MARKER
from parallelgen.settings import in_scripts

# In CI the same examples each time, however slow the machine; elsewhere new ones.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
if os.environ.get("CI"):
    settings.load_profile("ci")

BIN = Path(sys.executable).parent
DONE = 'echo work >"$PARALLEL_TASK.txt" && git add . && git commit -qm work && touch ' + MARKER
Result = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True)
def _own_git_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of the person who runs the tests into them: no identity, no hooks, no settings of ours."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("COLUMNS", "120")
    for name in list(os.environ):
        if name in _SETTINGS or name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "CLAUDE", "PARALLEL_")):
            monkeypatch.delenv(name)


_SETTINGS = {row.variable for row in in_scripts()} | {
    "IS_SANDBOX",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
}


def git(directory: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return answer.stdout


@dataclass(frozen=True)
class Project:
    """A git repository with a parallel directory in it."""

    root: Path
    directory: Path

    @property
    def typed(self) -> str:
        return self.directory.relative_to(self.root).as_posix()

    @property
    def manifest(self) -> dict[str, object]:
        value = json.loads((self.directory / "manifest.json").read_text(encoding="utf-8"))
        assert isinstance(value, dict)
        return value

    @property
    def execution(self) -> dict[str, object]:
        value = self.manifest["execution"]
        assert isinstance(value, dict)
        return value

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Result:
        return parallelgen(
            "run", self.typed, *arguments, cwd=cwd or self.root, environment={**os.environ, **environment}
        )

    def branches(self) -> list[str]:
        return git(self.root, "branch", "--format=%(refname:short)").split()


def parallelgen(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None, name: str = "parallelgen"
) -> Result:
    return subprocess.run(
        [BIN / name, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without_size(report: str) -> str:
    """Take out of a report what differs from disk to disk."""
    return re.sub(r"\nWorktrees on disk: .*\n", "", report)


Tasks = Sequence[tuple[str, int, Sequence[str]]]
TASKS: Tasks = (("task-001-users", 1, ()), ("task-002-orders", 1, ()), ("task-003-api", 2, ("task-001",)))


def make_project(root: Path, tasks: Tasks = TASKS, place: str = "parallel/TS-0001-shop") -> Project:
    root.mkdir(parents=True)
    git(root, "init", "-q")
    git(root, "symbolic-ref", "HEAD", "refs/heads/main")
    git(root, "config", "user.name", "Tess")
    git(root, "config", "user.email", "tess@example.invalid")
    directory = root / place
    (directory / "tasks").mkdir(parents=True)
    (directory / "prompts").mkdir()
    (root / "README.md").write_text("# Shop\n")
    files = []
    for name, wave, deps in tasks:
        front = f"id: {name}\nwave: {wave}\ndeps: [{', '.join(deps)}]\n"
        (directory / "tasks" / f"{name}.md").write_text(f"---\n{front}---\n# {name}\n")
        (directory / "prompts" / f"{name[:8]}.txt").write_text(f"Do {name}, then touch {MARKER}\n")
        files.append(f"tasks/{name}.md")
    manifest = {
        "technology": "python",
        "sources": {"prd": None, "tech_spec": "docs/TS-0001.md"},
        "tech_spec": {"id": "TS-0001", "title": "Shop", "path": "docs/TS-0001.md", "status": "approved"},
        "tasks": {"total": len(files), "waves": max(wave for _, wave, _ in tasks), "files": files},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Start")
    return Project(root, directory)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "shop")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Project]:
    def build(tasks: Tasks = TASKS, name: str = "shop", place: str = "parallel/TS-0001-shop") -> Project:
        return make_project(tmp_path / name, tasks, place)

    return build
