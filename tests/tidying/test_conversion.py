"""What git converts, where one of the files cannot be asked for."""

from pathlib import Path

from parallelgen.git import Repository
from parallelgen.tidying.conversion import altered
from tests.conftest import git


def test_a_file_that_git_will_not_check_out_speaks_for_itself_alone(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_text("*.txt text eol=crlf\n")
    names = [f"{letter}.txt" for letter in "abcde"]
    for name in names:
        (tmp_path / name).write_bytes(b"a line\r\n")
    git(tmp_path, "add", ".")
    blobs = {name: git(tmp_path, "rev-parse", f":{name}").strip() for name in names}
    repository = Repository.at(tmp_path)
    assert altered(repository, tmp_path, blobs) == []
    git(tmp_path, "update-index", "--skip-worktree", "d.txt")
    (tmp_path / "b.txt").write_bytes(b"another\r\n")
    assert altered(repository, tmp_path, blobs) == ["b.txt", "d.txt"]
