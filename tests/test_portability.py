import re
from pathlib import Path

import pytest

from tests.shell_commands import commands, functions

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "templates" / "lib").rglob("*.sh"))
GENERATED = sorted((ROOT / "templates").glob("*.j2"))
PAGE = (ROOT / "docs" / "portability.md").read_text(encoding="utf-8")


def text_of(path: Path) -> str:
    """Return a library file, or what of a template is shell."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\{[%#].*?[%#]\}\n?|\{\{.*?\}\}", "", text, flags=re.DOTALL)


def options_of(words: list[str]) -> set[str]:
    """Return the options of a command, a letter each, and those operands that are the utility's own words."""
    name, *rest = words
    if name == "perl":
        rest = rest[:2]  # its program; what follows is a command of its own
    found: set[str] = set()
    for word in rest:
        if (name == "[" and re.fullmatch(r"-[a-z]+|!=|=", word)) or (name == "find" and word[0] == "-"):
            found.add(word)
        elif name == "dd" and "=" in word:
            found.add(word.partition("=")[0] + "=")
        elif name == "ps" and word.endswith("="):
            found.add(word)
        elif name == "od" and re.fullmatch(r"-[A-Za-z][a-z0-9]*", word):
            found.add(word[:2])  # what follows the letter is its operand
        elif name == "stty":
            found.update(re.findall(r"^-?[a-z]+$", word))
        elif name == "git":
            # Its own options come before its command, each with a value; the command's are git's affair.
            if re.fullmatch("[a-z][a-z-]+", word) and rest[rest.index(word) - 1 : rest.index(word)] != ["-c"]:
                return {word}
        elif re.fullmatch(r"-[A-Za-z]+", word) and name not in {"printf", "[", "echo"}:
            found.update(f"-{letter}" for letter in word[1:])
    return found


def used() -> dict[str, set[str]]:
    """Return the utilities that the scripts call, each with its options."""
    text = "\n".join(map(text_of, [*LIBRARY, *GENERATED]))
    ours = functions(text)
    found: dict[str, set[str]] = {}
    for path in [*LIBRARY, *GENERATED]:
        for words in commands(text_of(path)):
            if words[0] in {"run_git", "read_git", "ask_git", "git_step"}:
                words[0] = "git"
            if words[0] not in ours and "$" not in words[0]:
                found.setdefault(words[0], set()).update(options_of(words))
    return found


def documented() -> dict[str, set[str]]:
    """Return what the tables of the page list: utilities, each with the options of the second column."""
    rows = re.findall(r"^\| `([^`|]+)` \|([^|]*)\|[^|]+\|[^|]+\|$", PAGE, re.MULTILINE)
    return {name: set(re.findall("`([^`]+)`", options)) for name, options in rows}


@pytest.mark.parametrize("name", sorted(used()))
def test_every_utility_and_option_is_documented(name: str) -> None:
    assert name in documented(), f"docs/portability.md has no row for {name}"
    assert used()[name] - documented()[name] == set()


def test_no_function_of_the_environment_stands_in_for_what_is_called() -> None:
    header = text_of(ROOT / "templates" / "run-parallel.sh.j2")
    (utilities,) = re.findall("^utilities='(.*)'$", header, re.MULTILINE)
    (others,) = re.findall(r"^ *unset -f \$utilities (.*) 2>", header, re.MULTILINE)
    # In POSIX mode these come before functions.
    special = ". : break continue eval exec exit export return set shift trap unset"
    assert set(used()) == {*utilities.split(), *others.split(), *special.split()}


def test_nothing_is_documented_that_is_not_used() -> None:
    calls = used()
    assert set(documented()) - set(calls) == set()
    assert {
        name: options - calls[name] for name, options in documented().items() if options - calls[name]
    } == {}


def test_the_reader_sees_what_is_there() -> None:
    script = """
f() { a -x "$(b -y 'c -z')" | d >e -v 2>&1 || exec g -u; }  # h
case $i in j | k) l ;; *m) ;; esac
n=1 o=$(p "${q-"$(r)"}") s <<EOF
$(t) u
EOF
v && w
"""
    assert {words[0] for words in commands(script)} == {"exec", *"abdfglpstvw"}
    assert ["a", "-x", "$"] in list(commands(script))
    assert ["b", "-y", "c -z"] in list(commands(script))


def test_every_row_of_the_matrix_has_tests_and_is_explained() -> None:
    matrix = (ROOT / "bats" / "matrix").read_text(encoding="utf-8")
    (rows,) = re.findall("^rows='(.*?)'$", matrix, re.MULTILINE | re.DOTALL)
    words = [words for row in rows.splitlines() for words in row.split("|")[2:]]
    wanted = {tag for tag in re.split("[ ,]", " ".join(words)) if tag}
    suites = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "bats").glob("*.bats"))
    given = [
        set(tags.split(", "))
        for tags in re.findall(r"^# bats (?:test|file)_tags=(.*)$", suites, re.MULTILINE)
    ]
    assert {tag.strip("!") for tag in wanted} == set().union(*given)
    assert all(f"`{tag.strip('!')}`" in PAGE for tag in wanted)
    # What differs from shell to shell runs in all shells.
    assert not any({"portable", "one-shell"} <= tags for tags in given)


@pytest.mark.parametrize("path", [*LIBRARY, *GENERATED], ids=lambda path: path.name)
def test_no_substitution_is_more_than_bash_3_can_read(path: Path) -> None:
    """bash 3.2 finds the end of `$(` by counting brackets: inside is no case, here-document or comment."""
    text = re.sub(r"'[^']*'", "''", re.sub(r"(?m)^ *#.*", "", text_of(path)))
    for found in re.finditer(r"\$\((?!\()", text):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inside = text[found.end() : end - 1]
        assert not re.search(r"\bcase\b|<<| #", inside), inside
