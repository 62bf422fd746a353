"""A few nights with usage limits; `python -m tests.chaos.limits --nights 800` lives through more."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.limits import Night, night

SEEDS = range(1, 7)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not shutil.which("unshare"), reason="needs /proc and namespaces"
)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Night]:
    folder: Path = tmp_path_factory.mktemp("nights")
    with ThreadPoolExecutor(3) as pool:
        return {found.seed: found for found in pool.map(lambda seed: night(seed, folder / str(seed)), SEEDS)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_night_with_limits_costs_no_attempt(nights: dict[int, Night], seed: int) -> None:
    assert not nights[seed].wrong


def test_the_nights_had_limits(nights: dict[int, Night]) -> None:
    assert sum(found.limits for found in nights.values()) > 2
