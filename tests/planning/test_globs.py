from fnmatch import fnmatchcase
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from parallelgen.planning.globs import _share, beginning, meet

# Two globs of at most three characters that share a text share one that is no longer than both together.
TEXTS = ["".join(letters) for size in range(7) for letters in product("a/", repeat=size)]
GLOBS = st.text("a/*?", max_size=3)


@cache
def matched(glob: str) -> frozenset[str]:
    return frozenset(text for text in TEXTS if fnmatchcase(text, glob))


@given(GLOBS, GLOBS)
@hypothesis_settings(max_examples=300, deadline=None)
def test_globs_share_a_text_when_there_is_one(one: str, other: str) -> None:
    assert _share(one, other) == bool(matched(one) & matched(other))


@given(GLOBS, GLOBS)
def test_what_meets_meets_both_ways(one: str, other: str) -> None:
    assert meet(one, other) == meet(other, one)
    if matched(one) & matched(other):
        assert meet(one, other)


def test_the_beginning_ends_at_the_first_wildcard() -> None:
    assert [beginning(path) for path in ("a/b", "a/?b*", "*", "")] == ["a/b", "a/", "", ""]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/b.py", "a/b.py", True),
        ("a/b.py", "a/c.py", False),
        ("a/*.py", "a/b.py", True),
        ("a/*.py", "a/b.js", False),
        ("a/*.py", "a/b/c.py", True),
        ("a/*.py", "a/*.js", False),
        ("a/*", "*.js", True),
        ("a/x*", "a/*y", True),
        ("a/x*", "a/y*", False),
        ("a/?.py", "a/bc.py", False),
        ("a/[id]/b", "a/i/b", False),
        ("a/[id]/*", "a/[id]/b", True),
        ("apps/users", "apps/users/models.py", True),
        ("apps/users", "apps/users2/models.py", False),
        ("apps/users", "apps/*/models.py", True),
        ("apps/users", "apps/orders/*", False),
        ("apps/*/migrations", "apps/users/migrations/0001.py", True),
        ("apps/*/migrations", "apps/users/*.py", True),
        ("a/b.py", "a/*.py", True),
        ("a/b.md", "a/*.py", False),
        ("Makefile", "*.py", False),
        ("docker/Dockerfile", "docker/*.sh", False),
        ("LICENSE", "*.py", False),
        (".github", ".github/*.yml", True),
        ("*/test_a.py", "*/test_b.py", False),
    ],
)
def test_meetings(one: str, other: str, expected: bool) -> None:
    assert meet(one, other) == meet(other, one) == expected
