import re
from pathlib import Path

import click
import pytest

from parallelgen.cli import cli
from parallelgen.options import VARIABLES

PAGE = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", list(cli.commands))
def test_every_command_and_option_is_documented(name: str) -> None:
    section = SECTIONS[name]
    documented = set(re.findall(r"--[a-z][a-z-]*", section))
    options = {
        option
        for parameter in cli.commands[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert options <= documented
    assert f"    parallelgen {name} " in section


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert set(SECTIONS) == set(cli.commands)
    options = {option for command in cli.commands.values() for item in command.params for option in item.opts}
    assert set(re.findall(r"`(--[a-z][a-z-]*)", PAGE)) <= options | {"--version", "--help", "--"}


def test_every_variable_is_documented() -> None:
    assert all(name in PAGE for name in VARIABLES.values())
