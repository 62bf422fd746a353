"""Whole plans with the real command lines, against a stand-in of their services: `make test-agents`."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from parallelgen.agents import MARKER
from tests.agents.service import CACHED, OUTPUT, Limit, Request, Service
from tests.chaos.world import patient
from tests.conftest import BIN, Project, Result, git, make_project

ROOT = Path(__file__).parents[2]
WORK = 'echo work >>"$PARALLEL_TASK.txt" && git add . && git commit -qm work'
END = f"touch {MARKER}"
BLOCK = "run tail -f /dev/null"
DONE = (f"run {WORK}", f"run {END}")
#: US dollars for a token: input, input from a cache, output.
PRICES = {"claude": (2e-6, 0.1e-6, 10e-6), "opencode": (3e-6, 0, 15e-6)}
Begin = Callable[..., "Night"]


class Night:
    """A plan of tasks without dependencies, an agent and the service that it talks to."""

    def __init__(self, folder: Path, agent: str, service: Service, prompts: Sequence[Sequence[str]]) -> None:
        self.agent, self.service, self.folder = agent, service, folder
        self.ids = [f"task-{number:03}" for number in range(1, len(prompts) + 1)]
        self.project: Project = make_project(folder / "shop", [(f"{id}-work", 1, ()) for id in self.ids])
        for id, prompt in zip(self.ids, prompts, strict=True):
            text = "".join(f"MODEL: {line}\n" for line in (f"task {id}", *prompt))
            (self.project.directory / "prompts" / f"{id}.txt").write_text(f"Do {id}.\n\n{text}")
        git(self.project.root, "commit", "-qam", "Write prompts")
        self.environment = {**os.environ, **_environment(agent, service.url, folder / "home")}
        if agent == "opencode":
            # Several that start at once in a new home get in each other's way while they make its database.
            _result(self._start(["opencode", "session", "list"]))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # Without a model gemini asks one which to take.
        model = ("--model", "gemini-3.8-flash") if self.agent == "gemini" else ()
        options = ("--agent", self.agent, *model, "--no-baseline", *arguments)
        return self._start([BIN / "parallel-run", self.project.typed, *options])

    def run(self, *arguments: str) -> Result:
        return _result(self.start(*arguments))

    def run_impatiently(self, *arguments: str) -> Result:
        """Run the script with a second in place of the minute for which it waits where no time was told."""
        generated = self.run("--generate-only", *arguments)
        assert generated.returncode == 0, generated.stderr
        script = self.project.directory / "scripts" / "run-parallel.sh"
        script.write_text(patient(script.read_text()))
        return _result(self._start(["sh", script]))

    def _start(self, command: Sequence[str | Path]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.project.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def record(self, id: str, kind: str = "result") -> dict[str, str]:
        path = self.project.directory / "logs" / "state" / f"{id}.{kind}"
        lines = path.read_text().splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def statuses(self) -> list[str]:
        return [self.record(id)["status"] for id in self.ids]

    def attempts(self) -> list[str]:
        return [self.record(id)["attempt"] for id in self.ids]

    def charged(self, id: str) -> tuple[int, int, float]:
        """Return the bill of a task as the service has it: tokens of input and output, and US dollars."""
        paid = [request for request in self.service.of(id) if request.status == 200]
        asked, answered = sum(each.input_tokens for each in paid), OUTPUT * len(paid)
        prices, cached = PRICES.get(self.agent, (0, 0, 0)), CACHED * len(paid)
        return asked, answered, (asked - cached) * prices[0] + cached * prices[1] + answered * prices[2]

    def assert_bill(self, *ids: str) -> None:
        for id in ids or self.ids:
            record, (asked, answered, cost) = self.record(id), self.charged(id)
            # Tokens are those of the last attempt.
            if record["attempt"] == "1":
                assert (int(record["input_tokens"]), int(record["output_tokens"])) == (asked, answered), id
            if self.agent in PRICES:
                assert float(record["total_usd"]) == pytest.approx(cost, abs=2e-6), id

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill it and all that it has started, as a power cut would: no trap runs."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        doomed = [process.pid]
        for pid in doomed:
            doomed += [child for child, parent in parents.items() if parent == pid]
        for pid in (*doomed, *self.marked()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()

    def marked(self) -> list[int]:
        """List the processes that an agent of this plan has left, or is."""
        found, mark = [], f"PARALLEL_MARK={self.folder}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def forget_sessions(self) -> None:
        home = self.folder / "home"
        for name in ("projects", "sessions", ".gemini/tmp", "DATA"):
            shutil.rmtree(home / name, ignore_errors=True)

    def assert_resumed(self, result: Result) -> None:
        """Assert that a limit has cost nothing, and who had met it went on in its session."""
        assert self.statuses() == ["completed"] * len(self.ids)
        assert self.attempts() == ["1"] * len(self.ids)
        # As the script says it, and as parallel-run does.
        for said in ("status=limited until=|: usage limit until ", "status=resumed|: the limit is over"):
            assert re.search(f"{self.agent}( |(?=:))({said})", result.stdout)
        for id in self.ids:
            statuses = [request.status for request in self.service.of(id)]
            if 429 not in statuses:
                continue
            before, after = _around(self.service.of(id))
            assert "a usage limit, which is over now" in after.last
            assert after.turns > before.turns
            print(f"{id}: back {after.at - before.at:.1f} s after it had met the limit")

    def assert_nothing_runs(self) -> None:
        assert self.marked() == []


def _around(requests: Sequence[Request]) -> tuple[Request, Request]:
    """Return the first that has met a limit, and the first answer after it."""
    first = next(number for number, request in enumerate(requests) if request.status == 429)
    return requests[first], next(request for request in requests[first:] if request.status == 200)


def _result(process: subprocess.Popen[str]) -> Result:
    try:
        stdout, stderr = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.terminate()
        stdout, stderr = process.communicate()
    # pytest shows it when the test fails.
    print(stdout, stderr)
    return Result(process.args, process.returncode, stdout, stderr)


def _environment(agent: str, url: str, home: Path) -> dict[str, str]:
    program = ROOT / "build" / "agents" / agent / "node_modules" / ".bin"
    if not (program / agent).exists():
        if os.environ.get("CI"):
            pytest.fail(f"{agent} is not installed")
        pytest.skip(f"{agent} is not installed")
    common = {
        "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
    }
    home.mkdir()
    if agent == "claude":
        return {
            **common,
            "ANTHROPIC_BASE_URL": url,
            # A subscription: only there a limit has a reset time.
            "CLAUDE_CODE_OAUTH_TOKEN": "stand-in",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "CLAUDE_CONFIG_DIR": str(home),
            # As root it wants to be told.
            "IS_SANDBOX": "1",
        }
    if agent == "codex":
        (home / "config.toml").write_text(f'openai_base_url = "{url}/v1"\nmodel = "gpt-5.4"\n')
        return {**common, "CODEX_HOME": str(home), "CODEX_API_KEY": "stand-in"}
    if agent == "gemini":
        general = {"enableAutoUpdate": False, "maxAttempts": 2}
        settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": general}
        (home / ".gemini").mkdir()
        (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
        return {
            **common,
            "GEMINI_CLI_HOME": str(home),
            "GEMINI_API_KEY": "stand-in",
            "GOOGLE_GEMINI_BASE_URL": url,
        }
    model = {"name": "m", "cost": {"input": 3, "output": 15}}
    options = {"baseURL": f"{url}/v1", "apiKey": "stand-in"}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "stub",
        "options": options,
        "models": {"m": model},
    }
    configuration = {"provider": {"stub": provider}, "model": "stub/m"}
    folders = {f"XDG_{kind}_HOME": str(home / kind) for kind in ("DATA", "CONFIG", "STATE", "CACHE")}
    return {
        **common,
        **folders,
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_CONFIG_CONTENT": json.dumps(configuration),
    }


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    nights: list[Night] = []
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "OPENAI_", "CODEX_", "GEMINI_", "GOOGLE_", "OPENCODE_")):
            monkeypatch.delenv(name)

    def begin(agent: str, prompts: Sequence[Sequence[str]], *limits: Limit) -> Night:
        if agent not in os.environ["PARALLELGEN_AGENTS"].split():
            pytest.skip(f"{agent} is not asked for")
        service = Service(*limits)
        nights.append(Night(tmp_path, agent, service, prompts))
        return nights[-1]

    yield begin
    for night in nights:
        night.service.close()
        night.assert_nothing_runs()


ALL = pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "opencode"])


@ALL
def test_a_plan_is_done_and_the_bill_is_right(begin: Begin, agent: str) -> None:
    night = begin(agent, [DONE] * 3)
    result = night.run()
    assert result.returncode == 0
    assert night.statuses() == ["completed"] * 3
    assert [night.record(id)["commits"] for id in night.ids] == ["1"] * 3
    # What it has said last, and what it has done before.
    assert {night.record(id, "session")["said"] for id in night.ids} == {"I have done it."}
    assert all(len(night.service.of(id)) == 3 for id in night.ids)
    night.assert_bill()


@ALL
def test_all_go_on_after_a_limit_in_the_middle_of_a_wave(begin: Begin, agent: str) -> None:
    tasks = 6 if agent == "claude" else 3
    # opencode tries again by itself for 75 seconds.
    seconds = 90 if agent == "opencode" else 9
    night = begin(agent, [DONE] * tasks, Limit(after=2 * tasks, seconds=seconds))
    # What gemini says of a limit holds no time.
    run = night.run_impatiently if agent == "gemini" else night.run
    result = run("--max-concurrent", "6", "--timeout", "3m")
    assert result.returncode == 0, result.stderr
    night.assert_resumed(result)
    night.assert_bill()


def test_a_limit_without_a_time_is_tried_again(begin: Begin) -> None:
    night = begin("claude", [DONE] * 3, Limit(after=5, seconds=4, is_told=False))
    result = night.run_impatiently()
    assert result.returncode == 0, result.stderr
    night.assert_resumed(result)
    night.assert_bill()


def test_a_limit_is_met_again_by_the_first_after_the_reset(begin: Begin) -> None:
    night = begin("claude", [DONE] * 3, Limit(after=5, seconds=3), Limit(after=1, seconds=3))
    result = night.run()
    assert result.returncode == 0, result.stderr
    night.assert_resumed(result)
    night.assert_bill()
    limited = [request for request in night.service.requests if request.status == 429]
    after_the_first = [request for request in limited if request.at > limited[0].at + 3]
    assert len({request.task for request in after_the_first}) == 1


def test_all_is_killed_during_a_limit_and_goes_on(begin: Begin) -> None:
    # None can be done before the limit: each needs three requests.
    night = begin("claude", [DONE] * 3, Limit(after=2, seconds=25))
    process = night.start("--max-concurrent", "3", "--timeout", "20")
    night.wait_until(lambda: [night.record(id).get("status") for id in night.ids].count("limited") == 3)
    night.kill(process)
    night.assert_nothing_runs()
    result = night.run("--retry-failed", "--timeout", "20")
    assert result.returncode == 0, result.stderr
    assert night.statuses() == ["completed"] * 3
    assert night.attempts() == ["1"] * 3
    # It has waited for longer than its time.
    assert all(int(night.record(id)["waited"]) > 10 for id in night.ids)
    night.assert_bill()


def test_all_is_killed_while_it_works_and_goes_on_in_its_session(begin: Begin) -> None:
    night = begin("claude", [(f"run {WORK}", BLOCK, f"run {END}"), (f"run {WORK}", "hang 1", *DONE)])
    process = night.start()
    night.wait_until(
        lambda: len(night.service.of("task-001")) == 2 and len(night.service.of("task-002")) == 1
    )
    time.sleep(1)
    night.kill(process)
    result = night.run("--retry-failed")
    assert result.returncode == 0, result.stderr
    assert night.attempts() == ["2", "2"]
    assert "It was cut off." in night.service.of("task-001")[2].last
    assert night.service.of("task-001")[2].turns > night.service.of("task-001")[1].turns


def test_what_an_agent_ends_with_is_told_apart(begin: Begin) -> None:
    night = begin(
        "claude",
        [
            (),
            ("status 500",),
            (
                f"run {WORK}",
                f"run {END}",
                'again test -n "$PARALLEL_VERIFY_LOG" && touch mended && git add . && git commit -qm mend; '
                + END,
            ),
            (f"run {WORK}", "hang 1", f"run {END}"),
        ],
    )
    frontmatter = night.project.directory / "tasks" / "task-003-work.md"
    frontmatter.write_text(
        frontmatter.read_text().replace(
            "\n---\n", "\nverify: echo where is it >&2 && test -e mended\n---\n", 1
        )
    )
    git(night.project.root, "commit", "-qam", "Verify")
    result = night.run("--max-concurrent", "4", "--retries", "1", "--stall-timeout", "6")
    assert result.returncode == 1
    nothing, broken, mended, stalled = map(night.record, night.ids)
    assert (nothing["status"], nothing["error"], nothing["exit_code"]) == ("failed", "no_marker", "0")
    assert (broken["status"], broken["error"]) == ("failed", "agent_service")
    assert (mended["status"], mended["attempt"], mended["commits"]) == ("completed", "2", "2")
    assert "where is it" in night.service.of("task-003")[3].last
    assert night.service.of("task-003")[3].turns > night.service.of("task-003")[2].turns
    assert (stalled["status"], stalled["attempt"]) == ("completed", "2")
    asked = night.service.of("task-004")
    assert asked[0].status == 0
    assert "nothing was heard" in asked[1].last
    assert asked[1].turns > asked[0].turns
    night.assert_bill("task-003", "task-004")


def test_a_timeout_is_told_to_the_session(begin: Begin) -> None:
    night = begin("claude", [(f"run {WORK}", BLOCK, f"run {END}")])
    result = night.run("--timeout", "8", "--retries", "1")
    assert result.returncode == 0, result.stderr
    asked = night.service.of("task-001")
    assert "its time was over" in asked[2].last
    assert asked[2].turns > asked[1].turns


@ALL
@pytest.mark.parametrize("status", ["401", "400"])
def test_no_more_tasks_are_started_of_an_agent_that_is_refused(begin: Begin, agent: str, status: str) -> None:
    if agent != "claude" and status == "400":
        pytest.skip("one is enough")
    night = begin(agent, [(f"status {status}",), DONE, DONE])
    result = night.run("--max-concurrent", "1", "--retries", "2")
    assert result.returncode == 1
    assert night.record("task-001")["error"] == "agent_config"
    assert night.record("task-001")["attempt"] == "1"
    assert not night.service.of("task-002")
    assert f"{agent} has refused task-001" in result.stderr


@ALL
def test_where_its_session_is_gone_an_agent_begins_anew(begin: Begin, agent: str) -> None:
    night = begin(agent, [(f"run {WORK}", f'run test "$PARALLEL_ATTEMPT" = 1 || {END}')])
    result = night.run()
    assert result.returncode == 1
    assert night.record("task-001")["error"] == "no_marker"
    gone = night.record("task-001", "session")["session"]
    night.forget_sessions()
    assert night.run("--retry-failed").returncode == 0
    assert night.record("task-001", "session")["session"] != gone
