"""How a branch is removed: only at the commit that was looked at, and while another one contains that."""

from pathlib import Path

from parallelgen.git import SHORT, GitError, Ref, Repository, branch_ref
from parallelgen.tidying.branches import KEPT
from parallelgen.tidying.directory import Thing
from parallelgen.tidying.owners import read_owners, where


def delete(repository: Repository, thing: Thing, base: Ref | None) -> None:
    """Delete a branch or ref that another ref contains. Raises GitError when it has moved.

    A ref below KEPT takes the place of a branch, and goes when the base branch has its commits: at once, or
    later where the integration alone contains them, which may be made anew, or the base has moved meanwhile.
    """
    kept = thing.name
    if thing.kind == "branch":
        if branch_ref(thing.name) in {tree.branch for tree in repository.worktrees()}:
            raise GitError("error: it has been checked out meanwhile")
        kept = f"{KEPT}{thing.name}/{thing.commit[:SHORT]}"
        _update(repository, f"update {kept} {thing.commit}", _deletion(branch_ref(thing.name), thing.commit))
    # Asked afterwards, and not by `verify`, which notes in the log of HEAD that the base branch was deleted.
    if base and repository.contains(thing.commit, base.name):
        _update(repository, _deletion(kept, thing.commit))
    elif thing.kind != "branch":
        raise GitError("error: the base branch has moved")


def _deletion(ref: str, commit: str) -> str:
    return f"option no-deref\ndelete {ref} {commit}"


def _update(repository: Repository, *lines: str) -> None:
    repository.change("update-ref", "--stdin", given="".join(f"{line}\n" for line in lines))


def forget_settings(repository: Repository, directory: Path) -> None:
    """Remove what git's configuration tells of branches of a directory that are gone. Raises GitError."""
    there = {ref.name for ref in repository.refs()}
    owned = [name for name, owner in read_owners(repository).items() if owner == where(directory)]
    gone = [name for name in owned if branch_ref(name) not in there]
    told = repository.ask("config", "--local", "--name-only", "--list", "-z").split("\0")
    for name in gone:
        if any(key.startswith(f"branch.{name}.") for key in told):
            repository.change("config", "--local", "--remove-section", f"branch.{name}")
