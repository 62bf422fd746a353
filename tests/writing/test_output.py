import os
from pathlib import Path

import pytest

from parallelgen.writing.output import WriteError, diff, read_text, write_if_changed


def test_text_and_mode_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "script.sh"
    assert write_if_changed(path, "#!/bin/sh\r\n", 0o755)
    assert path.read_bytes() == b"#!/bin/sh\r\n"
    assert path.stat().st_mode & 0o777 == 0o755
    before = path.stat().st_ino
    assert not write_if_changed(path, "#!/bin/sh\r\n", 0o755)
    assert path.stat().st_ino == before
    path.chmod(0o644)
    assert write_if_changed(path, "#!/bin/sh\r\n", 0o755)
    assert [entry.name for entry in path.parent.iterdir()] == ["script.sh"]


def test_a_shell_that_reads_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text("old")
    with path.open() as reader:
        write_if_changed(path, "new", 0o755)
        assert reader.read() == "old"


def test_mode_none_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("a")
    path.chmod(0o640)
    write_if_changed(path, "b")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("a")
    (tmp_path / "link").symlink_to("real")
    write_if_changed(tmp_path / "link", "b")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "b"


def test_a_failure_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(WriteError, match="folder: cannot write: Is a directory"):
        write_if_changed(tmp_path / "folder", "x")
    assert os.listdir(tmp_path) == ["folder"]  # noqa: PTH208


def test_a_file_that_cannot_be_replaced_leaves_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(WriteError, match="Operation not permitted"):
        write_if_changed(tmp_path / "x", "x")
    assert list(tmp_path.iterdir()) == []


def test_undecodable_bytes_survive_reading_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff\r\n\xe2\x80\xa8")
    write_if_changed(tmp_path / "y", read_text(path))
    assert (tmp_path / "y").read_bytes() == path.read_bytes()


def test_diff_splits_at_line_feeds_alone() -> None:
    assert diff("s", "a\u2028b\n", "a\u2028b\n") == ""
    assert diff("s", "a\fb\nc", "a\fb\nd\n") == (
        "--- s (on disk)\n+++ s (generated now)\n@@ -1,2 +1,2 @@\n a\fb\n"
        "-c\n\\ No newline at end of file\n+d\n"
    )
