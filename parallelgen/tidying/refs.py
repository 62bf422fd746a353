"""How a branch is removed: only at the commit that was looked at, and while another one contains that."""

from parallelgen.git import Ref, Repository, branch_ref
from parallelgen.tidying.owners import read_owners
from parallelgen.tidying.survey import KEPT, Thing


def delete(repository: Repository, thing: Thing, base: Ref | None) -> None:
    """Delete a branch or ref that another ref contains. Raises GitError when either of them has moved.

    The branch of an integration may be made anew without it: where only that contains it, a ref below KEPT
    keeps its commits until the base branch has them.
    """
    if thing.within is None:
        raise ValueError(thing)
    name = branch_ref(thing.name) if thing.kind == "branch" else thing.name
    lines = [f"verify {thing.within.name} {thing.within.commit}"]
    if base is None or thing.within.name != base.name:
        lines.append(f"update {KEPT}{thing.name}/{thing.commit[:12]} {thing.commit}")
    lines += ["option no-deref", f"delete {name} {thing.commit}"]
    repository.change("update-ref", "--stdin", given="".join(f"{line}\n" for line in lines))


def forget_settings(repository: Repository) -> None:
    """Remove what git's configuration tells of branches of ours that are gone. Raises GitError."""
    there = {ref.name for ref in repository.refs()}
    gone = [name for name in read_owners(repository) if branch_ref(name) not in there]
    told = repository.ask("config", "--local", "--name-only", "--list", "-z").split("\0")
    for name in gone:
        if any(key.startswith(f"branch.{name}.") for key in told):
            repository.change("config", "--local", "--remove-section", f"branch.{name}")
