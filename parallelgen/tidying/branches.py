"""Which branches and other refs of a parallel directory can go, and why the others stay."""

from collections.abc import Collection, Iterator
from pathlib import Path

from parallelgen.git import Ref, branch_name, branch_ref
from parallelgen.tidying.directory import INTEGRATION, Thing, read_record
from parallelgen.tidying.survey import BACKUP, Survey, moved_aside, not_in

KEPT = "refs/parallelgen/"
_HEADS = branch_ref("")


def look(survey: Survey, leaving: Collection[Path] = ()) -> Iterator[Thing]:
    """Look at the branches and other refs of the directory, as if worktrees at these paths were gone."""
    uses = _uses(survey, leaving)
    for ref in survey.refs.values():
        name, use = branch_name(ref.name), uses.get(ref.name, "")
        id = survey.task_on(name)
        if ref.name.startswith(KEPT) and _is_kept_for_us(survey, ref.name.removeprefix(KEPT)):
            keepers = [survey.base] if survey.base else []
            # Of another object, such as a tag's, git would say that nothing is missing.
            is_commit = survey.repository.commit(ref.commit) == ref.commit
            within = survey.within(ref.commit, keepers) if is_commit else None
            yield Thing("ref", ref.name, ref.commit, within).held(use, "" if within else not_in(keepers))
        elif ref.name.startswith(_HEADS) and survey.is_ours(name, id):
            keepers = [keeper for keeper in survey.keepers if keeper != ref]
            within = survey.within(ref.commit, keepers)
            yield Thing("branch", name, ref.commit, within).held(
                use, "" if within else not_in(keepers), *_what_holds(survey, ref, id, within)
            )


def _what_holds(survey: Survey, ref: Ref, id: str, within: Ref | None) -> Iterator[str]:
    """Say why a branch stays whose commits are elsewhere; what is empty is no reason."""
    name = branch_name(ref.name)
    task = survey.directory.tasks.get(id)
    for path in survey.unlisted:
        if id and id == survey.task_in(path):
            yield f"it may be checked out in {survey.shown(path)}, which git does not know"
    if name.startswith(BACKUP) and (when := moved_aside(name)[1]):
        yield survey.too_young(when)
    elif id == INTEGRATION:
        yield "a run is under way" if survey.directory.is_running else ""
    elif task and within:
        # The integration may be made anew, from what is recorded.
        if within != survey.base and ref.commit != task.tip:
            yield "it has changed since its task completed, and the base branch does not contain it"
        waiting = [
            other
            for other, needs in survey.directory.tasks.items()
            if id in needs.deps and needs.status != "completed"
        ]
        # A run knows the base branch as it was when it began.
        if waiting and (within != survey.base or survey.directory.is_running):
            yield f"{', '.join(waiting)} will start from it"


def _uses(survey: Survey, leaving: Collection[Path]) -> dict[str, str]:
    """Say for which refs, by full name, there is a use that does not depend on what they contain."""
    repository = survey.repository
    uses = dict.fromkeys(repository.in_use(), "an operation is under way on it")
    for folder in set(survey.owners.values()):
        if base := read_record(Path(folder, "logs", "state", "run")).get("base_branch"):
            # As people have typed it.
            for name in (branch_ref(base), repository.full_name(base)):
                uses[name] = f"the base branch of {survey.shown(Path(folder))}"
    if survey.base:
        uses[survey.base.name] = "the base branch"
    for ref in survey.refs.values():
        if ref.target:
            uses |= {ref.name: f"it stands for {ref.target}", ref.target: f"{ref.name} stands for it"}
    for worktree in survey.worktrees:
        if worktree.branch and worktree.path not in leaving:
            uses[worktree.branch] = f"checked out in {survey.shown(worktree.path)}"
    return uses


def _is_kept_for_us(survey: Survey, name: str) -> bool:
    """Tell whether refs/parallelgen/NAME was kept for a branch of the directory, or for no task."""
    branch, _, word = name.rpartition("/")
    if branch in survey.owners:
        return survey.is_ours(branch, survey.task_on(branch))
    known = {folder for owner in survey.owners.values() for folder in Path(owner).glob("tasks/*.md")}
    return not any(path.stem == word or path.stem.startswith(f"{word}-") for path in known)
