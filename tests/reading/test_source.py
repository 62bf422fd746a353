import os
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parallelgen.reading import frontmatter, jsontext
from parallelgen.reading.source import LARGEST, InvalidDirectory, read
from tests.directories import PROMPT, directory, task, told

ONE = {"task-001": task()}
OUTSIDE = "the path leaves the parallel directory through a symbolic link"


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], ("manifest.json", "prompts/", "tasks/")),
        (["tasks/"], ("manifest.json", "prompts/")),
        (["manifest.json", "prompts/"], ("tasks/",)),
        (["manifest.json", "prompts", "tasks/"], ("prompts/",)),
    ],
)
def test_parts_missing(tmp_path: Path, there: list[str], missing: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(InvalidDirectory) as caught:
        read(tmp_path)
    assert caught.value.missing == missing
    assert str(caught.value).endswith(f"Missing: {' | '.join(missing)}")


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidDirectory):
        read(tmp_path / "gone")


def test_a_manifest_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    data = '\ufeff{"name":\r\n "é",\n\n "a": 1e5}\r'.encode()
    source = read(directory(tmp_path / "d", ONE, data))
    assert source.manifest == {"name": "é", "a": 1e5}


def test_title_is_the_name_of_the_directory_however_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = directory(tmp_path / "TS-0001-x", ONE)
    monkeypatch.chdir(root / "tasks")
    assert {read(Path(path)).title for path in ("..", "../../TS-0001-x/", str(root))} == {"TS-0001-x"}


def test_directory_reached_through_a_link(tmp_path: Path) -> None:
    root = directory(tmp_path / "real", ONE)
    (tmp_path / "link").symlink_to(root)
    assert told(tmp_path / "link") == []


def test_links_within_the_directory_are_followed(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", ONE, "{}", {"shared.md": PROMPT})
    (root / "prompts" / "task-001.txt").symlink_to("shared.md")
    assert told(root) == []


@pytest.mark.parametrize("name", ["manifest.json", "tasks/task-001.md", "prompts/task-001.txt"])
def test_links_out_of_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    root = directory(tmp_path / "d", ONE)
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    assert told(root) == [f"error: {name}: {OUTSIDE}"]


@pytest.mark.parametrize("name", ["tasks", "prompts"])
def test_folders_out_of_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    root = directory(tmp_path / "d", ONE)
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    assert f"error: {name}/: {OUTSIDE}" in told(root)


@pytest.mark.parametrize("name", ["manifest.json", "tasks/task-001.md", "prompts/task-001.txt"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("directory", "expected a file, found a directory"),
        ("pipe", "expected a file, found a pipe or a device"),
        ("dangling", "expected a file, found a dangling symbolic link"),
        ("loop", "cannot be read: too many levels of symbolic links"),
        ("enormous", "expected at most 16 MiB"),
        ("unreadable", "cannot be read: permission denied"),
    ],
)
def test_what_is_not_a_readable_file(tmp_path: Path, name: str, kind: str, message: str) -> None:
    path = directory(tmp_path / "d", ONE) / name
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to("gone")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "enormous":
        path.touch()
        os.truncate(path, LARGEST + 1)
    else:
        path.touch(mode=0o000)
        if os.access(path, os.R_OK):
            pytest.skip("root can read every file")
    assert told(tmp_path / "d") == [f"error: {name}: {message}"]


def test_permission_denied_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = directory(tmp_path / "d", ONE)
    real = os.open

    def refuse(path: os.PathLike[str], flags: int) -> int:
        if Path(path).suffix == ".md":
            raise PermissionError(13, "Permission denied")
        return real(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    assert told(root) == ["error: tasks/task-001.md: cannot be read: permission denied"]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    root = directory(tmp_path / "d", ONE)
    try:
        (root / "tasks" / os.fsdecode(b"task-002-\xff.md")).write_text(task())
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    found = told(root)
    assert "error: tasks/task-002-\\udcff.md: 'task-002-\\udcff' cannot name a task" in found[0]
    assert "".join(found).encode()


def test_odd_prompt_names(tmp_path: Path) -> None:
    for number, name in enumerate(["a b", "$(touch x)", "it's", 'say "hi"', "-n", "é\u3042", "*"]):
        manifest = {
            "waves": [{"number": 1, "tasks": [{"id": "task-001", "prompt_file": f"prompts/{name}.txt"}]}]
        }
        assert told(directory(tmp_path / str(number), ONE, manifest, {f"{name}.txt": PROMPT})) == []


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 500 + "]" * 500])
def test_deep_json(text: str) -> None:
    _, found = jsontext.parse(text, "manifest.json")
    assert [problem.message for problem in found] == ["nested too deeply: expected at most 100 levels"]


def test_half_a_surrogate_pair_in_json() -> None:
    _, found = jsontext.parse('{"a": "\\ud83d\\ude00", "b": "\\ude00"}', "manifest.json")
    assert [problem.place for problem in found] == ["line 1, column 28"]


def test_lines_are_counted_in_every_kind_of_text(tmp_path: Path) -> None:
    for number, end in enumerate(["\n", "\r\n", "\r"]):
        text = end.join(["---", "wave: 1", "wave: 2", "---", ""])
        found = told(directory(tmp_path / str(number), {"task-001": text}))
        assert found == ["error: tasks/task-001.md: line 3: duplicate key 'wave'"]


def test_control_characters_in_frontmatter(tmp_path: Path) -> None:
    (found,) = told(directory(tmp_path / "d", {"task-001": task("component: a\0b")}))
    assert found.startswith("error: tasks/task-001.md: not valid YAML: ")


@pytest.mark.parametrize("loader", [yaml.SafeLoader, frontmatter._LOADER])
@pytest.mark.parametrize(
    "value", ['"\\UFFFFFFFF"', '"\\ud800"', "a\0b", "[" * 3000, "&a x", "*a", "{a: 1, a: 2}"]
)
def test_both_yaml_loaders_refuse(monkeypatch: pytest.MonkeyPatch, loader: object, value: str) -> None:
    monkeypatch.setattr(frontmatter, "_LOADER", loader)
    meta, _, found = frontmatter.parse(task(f"component: {value}"), "f")
    assert meta is None
    assert len(found) == 1


def test_duplicate_keys_are_named_but_not_without_end() -> None:
    _, found = jsontext.parse("{" + ",".join('"a": 1' for _ in range(10_000)) + "}", "manifest.json")
    assert len(found) == 100


PIECES = b"""---
|---|deps: |wave: 1
|[|]|{|}|:|,|"|&a |*a|!!|\xff|\\ud800|"waves":|"tasks":|"files":|"number":1|\0|\xef\xbb\xbf|\r\n|? |- |> |NaN
|1|#|CREATE: |## Scope
|(|`|%|"id":|task-001|tasks/|::"""
FRAGMENTS = st.sampled_from(PIECES.split(b"|"))
BYTES = st.one_of(st.binary(max_size=40), st.lists(FRAGMENTS, max_size=25).map(b"".join))


@settings(max_examples=300, deadline=None)
@given(BYTES, BYTES)
@example(
    b'{"waves":[{"number":1,"tasks":["task-001"]}]}', b"---\ndeps: [task-001]\n---\n## Scope\nCREATE: {{,}\n"
)
def test_no_bytes_raise(manifest: bytes, text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = directory(Path(folder) / "d", {"task-001": text}, manifest)
        "".join(told(root)).encode()


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["", "task-001", "../x", "tasks/x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "number", "tasks", "files", "prompt_file"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)
MANIFESTS = st.fixed_dictionaries(
    {}, optional={"waves": JSON_VALUES, "tasks": JSON_VALUES, "tech_spec": JSON_VALUES}
)


@settings(max_examples=200, deadline=None)
@given(MANIFESTS)
def test_no_manifest_raises(manifest: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told(directory(Path(folder) / "d", ONE, manifest))
