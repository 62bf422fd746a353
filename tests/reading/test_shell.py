import subprocess
from pathlib import Path
from typing import Any

import pytest

from parallelgen.reading import shell


@pytest.mark.parametrize("command", ["true", ":", "-x", "a && b | c", 'echo "$x" # y', "é ä", "cat <<E"])
def test_commands_taken(command: str) -> None:
    assert shell.fault(command) is None


@pytest.mark.parametrize(
    "command", ["if", "echo 'x", "a)", "a && && b", "(", "for x in", "import x; print('y')"]
)
def test_commands_refused_in_words_without_a_place(command: str) -> None:
    said = shell.fault(command)
    assert said
    assert not said.startswith("sh")
    assert ":" not in said[:3]


def test_nothing_is_run_and_nothing_of_our_environment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rc").write_text(f"touch {tmp_path}/ran")
    monkeypatch.setenv("ENV", str(tmp_path / "rc"))
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "rc"))
    assert shell.fault(f"touch {tmp_path}/ran; exit 3") is None
    assert not (tmp_path / "ran").exists()


def test_a_command_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    run = subprocess.run

    def ask(*arguments: Any, **keys: Any) -> Any:
        asked.append(keys["input"])
        return run(*arguments, **keys)

    monkeypatch.setattr(subprocess, "run", ask)
    for command in ("echo once and for all", "echo another one", "echo once and for all"):
        shell.fault(command)
    assert asked == [b"echo once and for all\n", b"echo another one\n"]


def test_a_box_without_sh_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell.fault("if there is no sh") is None
