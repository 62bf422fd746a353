"""Each call of each command fails once, git dies inside, the disk is full, a folder is read-only."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos import faults, hardship

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and pidfd")

#: System calls of git at which the machine dies here; `python -m tests.chaos --faults` tries all.
STEPS = (27, 37, 63, 81)
#: Of so many calls of the plan with setup and verify one fails here.
SAMPLE = 23
_MOUNT = ("unshare", "--mount")


def test_a_call_that_fails_loses_nothing(tmp_path: Path) -> None:
    calls = faults.list_calls(tmp_path / "calls")
    _suffer(faults.every(calls, ["fail"]), tmp_path)


def test_a_call_that_fails_in_a_plan_with_setup_and_verify_loses_nothing(tmp_path: Path) -> None:
    calls = faults.list_calls(tmp_path / "calls", steps=True)
    _suffer(faults.every(calls, ["fail"])[::SAMPLE], tmp_path, steps=True)


def test_a_call_that_fails_while_all_is_merged_loses_nothing(tmp_path: Path) -> None:
    wanted = faults.of_integration(tmp_path / "calls", ["fail"])[::SAMPLE]
    wanted += faults.of_integration(tmp_path / "calls", ["crash_before", "crash_after"])[:: 5 * SAMPLE]
    _suffer(wanted, tmp_path, integrate=True)


def test_a_list_of_processes_that_is_cut_short_is_made_again(tmp_path: Path) -> None:
    calls = faults.list_calls(tmp_path / "calls")
    kills = faults.every(calls, ["kill_before", "kill_after"])
    _suffer([fault for fault in kills if fault.command in ("ps", "grep")], tmp_path)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_crash_inside_git_loses_nothing(tmp_path: Path) -> None:
    calls = faults.list_calls(tmp_path / "calls")
    _suffer(faults.every_within(calls, STEPS, "crash_within"), tmp_path)


def _suffer(wanted: list[faults.Fault], folder: Path, **kind: bool) -> None:
    assert wanted
    wrong = [
        f"{fault}\n{outcome}"
        for fault, outcome in faults.sufferings(wanted, folder, jobs=3, **kind)
        if outcome.violations
    ]
    assert not wrong, f"{len(wrong)} of {len(wanted)} faults\n" + "\n".join(wrong)


@pytest.fixture(scope="module")
def endured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, "subprocess.CompletedProcess[str]"]:
    folder = tmp_path_factory.mktemp("hardship")
    trial = subprocess.run([*_MOUNT, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True)
    if trial.returncode:
        pytest.skip(f"no mount namespace: {trial.stderr.strip()}")

    def endure(name: str) -> "subprocess.CompletedProcess[str]":
        (folder / name).mkdir()
        command = [*_MOUNT, sys.executable, "-m", "tests.chaos.hardship", str(folder / name), name]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(hardship.NAMES, pool.map(endure, hardship.NAMES), strict=True))


@pytest.mark.parametrize("name", hardship.NAMES)
def test_a_hardship_loses_nothing(endured: dict[str, "subprocess.CompletedProcess[str]"], name: str) -> None:
    assert endured[name].returncode == 0, endured[name].stderr
    told = json.loads(endured[name].stdout)
    assert not told["violations"], "\n".join([*told["violations"], *told["events"], *told["output"]])
