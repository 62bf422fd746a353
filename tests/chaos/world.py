"""The place of one storm: a small repository with a parallel directory, its script, agent and ledger."""

import hashlib
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parallelgen.planning.plan import Plan, Task, Wave
from parallelgen.settings import Settings
from parallelgen.writing import generate, render
from tests.chaos.scenario import Integration, Scenario

#: Word, task, attempt and detail of a line in the ledger.
Entry = tuple[str, str, int, str]

DIRECTORY = "parallel/TS-0007-storm"
_HEAD = '{ "technology" : {"x": [1, 2, {"}": "\\"{,"}]} ,\t"sources":null,\n "tasks": {"total": 0}'
_TAIL = ',\n  "z\\u00e9": [ ] , "last" : "execution" }'
_EXECUTION = ' ,"execution" :{"status": "pending", "mine": [{}, "}"]}'
#: Seconds that the script waits where no signal wakes it, as in the templates and as in a storm.
_PATIENCE = ("retry_delay=5 limit_delay=60 tick=10", "retry_delay=1 limit_delay=1 tick=1")


@dataclass(frozen=True)
class World:
    """Hold the paths of one storm."""

    folder: Path
    scenario: Scenario

    @property
    def root(self) -> Path:
        return self.folder / "shop"

    @property
    def directory(self) -> Path:
        return self.root / DIRECTORY

    @property
    def script(self) -> Path:
        return self.directory / "scripts" / "run-parallel.sh"

    @property
    def manifest(self) -> Path:
        return self.directory / "manifest.json"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def state(self) -> Path:
        return self.logs / "state"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def around(self) -> tuple[str, str]:
        """Return what must stay before and after the `execution` member of the manifest."""
        return (_HEAD, _TAIL + "\n") if self.scenario.has_execution else (_HEAD + _TAIL[:-2], "}\n")

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the script."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            # A test may put a folder on a disk of its own.
            "GIT_DISCOVERY_ACROSS_FILESYSTEM": "1",
            "SCHEDULE": self.scenario.schedule,
            "GRACE": str(self.scenario.grace),
            "RETRIES": str(self.scenario.retries),
            "MAX_CONCURRENT": str(self.scenario.max_concurrent),
        }

    def git(self, *arguments: str) -> str:
        """Run git in the user's checkout, and return what it says; raise CalledProcessError."""
        return run_git(self.root, self.environment, *arguments)

    def build(self) -> None:
        """Make the repository, the parallel directory and what the agents need."""
        for name in ("acts", "locks"):
            (self.folder / name).mkdir(parents=True)
        for name in ("prompts", "tasks"):
            (self.directory / name).mkdir(parents=True)
        self.ledger.touch()
        for task in self.scenario.tasks:
            self._write_acts(task.id, task.acts)
            for step, acts in task.commands.items():
                self._write_acts(f"{task.id}.{step}", acts)
            (self.directory / "prompts" / f"{task.id}.txt").write_text(f"Do {task.id}.\n")
        for step, act in self.scenario.steps.baseline.items():
            self._write_acts(f"baseline.{step}", (act,))
        if self.scenario.integration:
            self._write_acts("integration.setup", (self.scenario.integration.setup,))
            self._write_acts("integration.check", (self.scenario.integration.act,))
        self.manifest.write_text(_HEAD + (_EXECUTION if self.scenario.has_execution else "") + _TAIL + "\n")
        generate.write_scripts(self.script.parent, render.scripts(self._plan(), DIRECTORY))
        self.script.write_text(patient(self.script.read_text()))
        self._build_repository()

    def _write_acts(self, name: str, acts: Sequence[str]) -> None:
        for number, act in (*enumerate(acts, 1), ("last", acts[-1])):
            (self.folder / "acts" / f"{name}.{number}").write_text(act + "\n")

    def _plan(self) -> Plan:
        steps = self.scenario.steps
        run = {step: self._command(step, "run") for step in steps.baseline}
        integration = self.scenario.integration or Integration()
        waves: dict[int, list[Task]] = {}
        for task in self.scenario.tasks:
            own = {step: self._command(step, "own") for step in task.own}
            if "also" in task.commands:
                own["verify"] = f"+{self._command('also', 'own')}"
            made = Task(task.id, task.name, task.wave, task.deps, None, f"prompts/{task.id}.txt")
            made = replace(made, setup=own.get("setup", ""), verify=own.get("verify", ""))
            waves.setdefault(task.wave, []).append(made)
        return Plan(
            title=DIRECTORY.rpartition("/")[2],
            tech_spec="TS-0007",
            waves=tuple(
                Wave(number, tuple(tasks), self.check(str(number)) if number in integration.checked else None)
                for number, tasks in sorted(waves.items())
            ),
            settings=Settings(
                agent_command=self._command(),
                task_timeout=60,
                setup_timeout=steps.limit,
                verify_timeout=steps.limit,
                no_baseline=steps.no_baseline,
                commit_leftovers=steps.commit_leftovers,
                require_commits=steps.require_commits,
                setup=run.get("setup", ""),
                verify=run.get("verify", ""),
                integrate=integration.when,
                verify_integration=self.check("last") if integration.last else "",
                skip_culprits=integration.skip_culprits,
            ),
        )

    @property
    def setup(self) -> str:
        """Return the command that sets a worktree up, empty for none."""
        return self._command("setup", "run") if "setup" in self.scenario.steps.baseline else ""

    def check(self, whose: str) -> str:
        """Write the command that checks what was merged: of a wave, or `last`."""
        return self._command("check", whose)

    def _command(self, *words: str) -> str:
        """Write the command of an agent, or of a step and whose it is."""
        return shlex.join(["sh", str(Path(__file__).with_name("agent.sh")), str(self.folder), *words])

    def _build_included(self) -> None:
        """Make files that git ignores and .worktreeinclude names, and list them with their sums."""
        deep = self.root / "cache" / "deep"
        deep.mkdir(parents=True)
        for number in range(self.scenario.steps.include):
            (deep / f"{number:03}").write_text(f"{number}\n" * 400)
        (self.root / "cache" / "link").symlink_to("deep/000")
        (self.root / ".env").write_text("KEY=secret\n")
        (self.root / ".gitignore").write_text(".env\ncache/\n")
        (self.root / ".worktreeinclude").write_text(".env\ncache/\n")
        names = [".env", *sorted(str(path.relative_to(self.root)) for path in deep.iterdir()), "cache/link"]
        (self.folder / "included.names").write_text("\n".join(names) + "\n")
        sums = subprocess.run(["cksum", *names], cwd=self.root, capture_output=True, check=True).stdout
        (self.folder / "included").write_bytes(sums)

    def _build_repository(self) -> None:
        if self.scenario.steps.include:
            self._build_included()
        for task in self.scenario.tasks:
            if task.commands:
                (self.root / f"of-{task.id}.txt").write_text("Nobody else changes this.\n")
        (self.root / "shared.txt").write_text("Several change this.\n")
        for number in range(self.scenario.files):
            (self.root / f"file-{number:03}.txt").write_text(f"file {number}\n")
        for arguments in (
            ("init", "--quiet", "--initial-branch=main"),
            ("config", "user.name", "Tess"),
            ("config", "user.email", "tess@example.invalid"),
        ):
            self.git(*arguments)
        if self.scenario.slow_git == "filter":
            (self.root / ".gitattributes").write_text("file-000.txt filter=slow\n")
            self.git("config", "filter.slow.smudge", "sleep 0.15; cat")
        elif self.scenario.slow_git == "hook":
            hook = self.root / ".git" / "hooks" / "post-checkout"
            hook.write_text("#!/bin/sh\nsleep 0.15\n")
            hook.chmod(0o755)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "Start")

    def move_base(self, move: str, number: int) -> None:
        """Commit to the base branch, as a user does: a file `apart`, or one that tasks change (`share`)."""
        name = "shared.txt" if move == "share" else f"apart-{number}.txt"
        (self.root / name).write_text(f"by the user, {number}\n")
        self.git("add", name)
        self.git("commit", "--quiet", "-m", f"Change {name}")

    def picture(self) -> dict[str, str]:
        """Tell what the user's checkout is like, but for the parallel directory: files, HEAD, index."""
        found = {
            str(path.relative_to(self.root)): hashlib.sha1(path.read_bytes()).hexdigest()
            for path in self.root.rglob("*")
            if path.is_file()
            and not path.is_relative_to(self.directory)
            and not path.is_relative_to(self.root / ".git")
        }
        found |= {
            "HEAD": self.git("symbolic-ref", "HEAD") + self.git("rev-parse", "HEAD"),
            "index": self.git("ls-files", "--stage"),
            "stash": self.git("for-each-ref", "refs/stash"),
        }
        for name in ("ORIG_HEAD", "MERGE_HEAD", "AUTO_MERGE", "CHERRY_PICK_HEAD"):
            found[name] = str((self.root / ".git" / name).exists())
        return found

    def entries(self) -> list[Entry]:
        """Read the ledger."""
        found = []
        for line in self.ledger.read_text().splitlines():
            word, task, attempt, detail = line.split()
            found.append((word, task, int(attempt), detail))
        return found

    def record(self, name: str) -> dict[str, str]:
        """Read a record of the script; empty when there is none."""
        return parse_record(self.state / name)


def run_git(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run git in a folder, and return what it says; raise CalledProcessError."""
    answer = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return answer.stdout


def parse_record(path: Path) -> dict[str, str]:
    """Read `key=value` lines; empty when there is no such file."""
    try:
        text = path.read_text()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines())


def patient(text: str) -> str:
    """Shorten the seconds that a script waits where no signal wakes it."""
    found, wanted = _PATIENCE
    if text.count(f"\n{found}\n") != 1:
        raise ValueError(f"the script has no line '{found}'")
    return text.replace(f"\n{found}\n", f"\n{wanted}\n")
