"""A fixed set of storms, two at a time; `make chaos N=1000` lives through more."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import storms
from tests.chaos.storm import Outcome

SEEDS = range(1, 9)

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and pidfd"),
    pytest.mark.skipif(not shutil.which("flock"), reason="needs flock"),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Outcome]:
    folder: Path = tmp_path_factory.mktemp("chaos")
    return {outcome.scenario.seed: outcome for outcome in storms(SEEDS, folder, jobs=2)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_loses_nothing(outcomes: dict[int, Outcome], seed: int) -> None:
    assert not outcomes[seed].violations, str(outcomes[seed])
