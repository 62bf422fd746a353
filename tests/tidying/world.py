"""Repositories as runs and people leave them, made with git and files, and what must become of each part."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from parallelgen.agents import MARKER
from tests.conftest import Project, git, make_project

GOES, STAYS, EITHER = "goes", "stays", "either"
OLD, YOUNG = "20260101T000000Z", "20990101T000000Z"
BEFORE = "setup is over"
PLACE = "parallel/TS-0001-shop"
BESIDE = "parallel/TS-0002-bills"

# What becomes of a branch: where its commits are at the end, and whether base or integration contain them.
HISTORIES = {
    "merged": True,
    "integrated": True,
    "nothing": True,
    "unmerged": False,
    "squashed": False,
    "amended": False,
    "rebased": False,
    "continued": False,
}
# The statuses of a task, and those of a worktree that `--force` has moved aside: long ago, and lately.
STATUSES = ("completed", "failed", "lost", "running", "aside", "lately")


@dataclass(frozen=True)
class Part:
    """What one task has left: how far it came, where its commits are, and what has happened to it besides."""

    status: str = "completed"
    history: str = "merged"
    odds: tuple[str, ...] = ()


@dataclass
class Thing:
    """The worktree and branch of a part, where it is built, and what must become of the two."""

    part: Part
    id: str
    name: str
    tree: Path
    branch: str
    on_tree: str = GOES
    on_branch: str = GOES
    expendable: set[Path] = field(default_factory=set)
    side: Path = Path()
    is_at_its_place: bool = True

    def path(self, name: str) -> Path:
        return self.tree / name

    def write(self, name: str, text: str = "precious\n") -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + self.id + "\n")
        return path

    def make(self, name: str) -> None:
        self.write(name, "made by setup\n")

    def git(self, *arguments: str) -> str:
        return git(self.tree, "-c", "protocol.file.allow=always", *arguments)


Make = Callable[["World", Thing], None]


@dataclass(frozen=True)
class Odd:
    """Something that can have happened to a worktree or branch, and what must become of the two then.

    Where `branch` is empty it stays as long as it is checked out. `prepare` is done before setup is over.
    """

    make: Make
    kind: str
    tree: str
    branch: str = ""
    prepare: Make | None = None


ODDS: dict[str, Odd] = {}
# In the order in which they happen; of the last three, one can.
KINDS = ("work", "stash", "setup", "file", "nested", "module", "branch", "head", "closed", "place")


def odd(kind: str, tree: str, branch: str = "", prepare: Make | None = None) -> Callable[[Make], Make]:
    """Register what can happen."""

    def register(make: Make) -> Make:
        ODDS[make.__name__] = Odd(make, kind, tree, branch, prepare)
        return make

    return register


def ready(thing: Thing) -> str:
    """Write what the scripts record when setup is over."""
    words = (
        "-c",
        "core.quotePath=false",
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--ignored=matching",
    )
    return f"{int(time.time())}\n{git(thing.tree, *words)}"


class World:
    """A project with a parallel directory; `path` holds it, its worktrees and all else, and nothing more."""

    def __init__(self, path: Path, name: str = "shop", with_module: bool = False) -> None:
        self.path = path
        self.things: list[Thing] = []
        self.integration = ""
        self.name, self.with_module = name, with_module

    def build(self, parts: Iterable[Part], *, dependent: bool = False, odds: Collection[str] = ()) -> "World":
        """Make it: the tasks of the parts, and a task that waits for all of them."""
        parts = list(parts)
        names: list[tuple[str, int, Sequence[str]]] = [
            (f"task-{n:03}-part{n}", 1, ()) for n in range(1, len(parts) + 1)
        ]
        waiting = [("task-999-last", 2, tuple(name[:8] for name, _, _ in names))] if dependent else []
        self.project: Project = make_project(self.path / self.name, [*names, *waiting], PLACE)
        self.root, self.workspaces = self.project.root, self.path / "workspaces"
        self.owners = self.root / ".git/parallelgen/owners"
        self.owners.parent.mkdir()
        with (self.root / ".git/info/exclude").open("a") as exclude:
            exclude.write(f"/{MARKER}\n")
        self.state = self.project.directory / "logs/state"
        self.state.mkdir(parents=True)
        (self.state.parent / ".gitignore").write_text("*\n")
        self._commit_start({"common", *(name for part in parts for name in part.odds)})
        self.start = git(self.root, "rev-parse", "HEAD").strip()
        for part, (name, _, _) in zip(parts, names, strict=True):
            self.things.append(self._make_thing(part, name))
        self._happen("work")
        self._make_histories()
        for make in (make for name, make in EARLY.items() if name in odds):
            make(self)
        self._happen("stash", "setup")
        for thing in self.things:
            for name in thing.part.odds:
                prepare = ODDS[name].prepare
                if prepare:
                    prepare(self, thing)
        time.sleep(0.02)  # of ctime the kernel keeps some milliseconds
        for thing in self.things:
            (thing.side / "parallelgen-ready").write_text(ready(thing))
        time.sleep(0.02)
        for thing in self.things:
            thing.path(MARKER).touch()
            thing.expendable.add(thing.path(MARKER))
        self._happen(*KINDS[3:])
        for thing in self.things:
            self._record(thing)
        self.record("run", f"status=completed\nbase_branch=main\nbase_commit={self.start}\n")
        for thing in self.things:
            self._expect(thing, dependent and "landed" not in odds)
        for make in (make for name, make in LATE.items() if name in {*odds, "monitored"}):
            make(self)
        return self

    def _expect(self, thing: Thing, is_awaited: bool) -> None:
        part = thing.part
        odds = [ODDS[name] for name in part.odds]
        is_over = part.status in ("completed", "aside")
        contained = HISTORIES[part.history]
        thing.on_tree = strictest(thing.on_tree, *(odd.tree for odd in odds))
        if not contained or not is_over:
            thing.on_tree = strictest(thing.on_tree, STAYS)
        said = {odd.branch for odd in odds} | {thing.on_branch}
        if not thing.is_at_its_place:
            thing.on_tree = EITHER
        is_start = is_awaited and part.history == "integrated" and part.status == "completed"
        if not contained or STAYS in said or is_start:
            thing.on_branch = STAYS
        elif EITHER in said or not is_over:
            thing.on_branch = EITHER
        else:
            head = (thing.side / "HEAD").read_text().strip()
            thing.on_branch = thing.on_tree if head == f"ref: refs/heads/{thing.branch}" else GOES

    def record(self, name: str, text: str) -> None:
        (self.state / name).write_text(text)

    def own(self, thing: str, directory: str = PLACE) -> None:
        with self.owners.open("a") as owners:
            owners.write(f"{directory}\t{thing}\n")

    def dangling(self, message: str) -> str:
        """Make a commit that nothing reaches."""
        return git(
            self.root, "commit-tree", f"{self.start}^{{tree}}", "-p", self.start, "-m", message
        ).strip()

    def _commit_start(self, names: Iterable[str]) -> None:
        (self.root / "src").mkdir()
        for name in names:
            (self.root / "src" / f"{name}.txt").write_text(f"{name}\n")
        (self.root / ".gitignore").write_text("*.log\nbuild/\nnode_modules/\n.env\n.trees/\nlink\n")
        (self.root / ".gitattributes").write_text("src/hidden_by_filter.txt filter=strip\n")
        git(self.root, "config", "extensions.worktreeConfig", "true")
        git(self.root, "config", "filter.strip.clean", "sed /precious/,/task/d")
        if self.with_module:
            origin = self.path / "lib"
            git(self.path, "init", "-q", "-b", "main", "lib")
            (origin / ".gitignore").write_text("*.log\n")
            (origin / "code.txt").write_text("code\n")
            commit(origin, "Library")
            git(
                self.root,
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                str(origin),
                "vendor/lib",
            )
        commit(self.root, "Sources")
        self.other = git(self.root, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Somebody's").strip()
        git(self.root, "branch", "somebody", self.other)

    def _make_thing(self, part: Part, name: str) -> Thing:
        id, tree, branch = name[:8], name[:8], f"feature/{name}"
        if part.status in ("aside", "lately"):
            stamp = OLD if part.status == "aside" else YOUNG
            tree, branch = f"{id}.{stamp}", f"backup/{name}-{stamp}"
        thing = Thing(part, id, name, self.workspaces / tree, branch)
        git(self.root, "worktree", "add", "-q", "--no-track", "-b", branch, str(thing.tree), self.start)
        thing.side = self.root / ".git/worktrees" / tree
        self.own(branch)
        self.own(f"../workspaces/{tree}")
        if part.history != "nothing":
            thing.write(f"work-{id}.txt", "work\n")
            commit(thing.tree, f"Work {id}")
        return thing

    def _make_histories(self) -> None:
        for thing in self.things:
            history = thing.part.history
            if history in ("merged", "amended", "rebased", "continued"):
                self.merge(self.root, f"Merge {thing.id}", thing.branch)
            elif history == "squashed":
                names = git(self.root, "diff", "--name-only", self.start, thing.branch, "--", ".", ":!vendor")
                git(self.root, "checkout", "-q", thing.branch, "--", *names.split())
                git(self.root, "commit", "-qm", f"Squash {thing.id}")
            if history == "amended":
                thing.git("commit", "-q", "--amend", "-m", "Amended")
            elif history == "rebased":
                new = thing.git(
                    "commit-tree", "HEAD^{tree}", "-p", "main", "-m", f"Rebased {thing.id}"
                ).strip()
                thing.git("reset", "-q", "--hard", new)
            elif history == "continued":
                thing.write(f"more-{thing.id}.txt", "more\n")
                commit(thing.tree, "More")
        integrated = [thing for thing in self.things if thing.part.history == "integrated"]
        if integrated:
            self._integrate(integrated)

    @staticmethod
    def merge(tree: Path, message: str, branch: str) -> None:
        """Merge; where submodules differ git asks a person, who takes what is there."""
        merge = ("merge", "-q", "--no-ff", "-m", message)
        if subprocess.run(["git", *merge, branch], cwd=tree, capture_output=True, check=False).returncode:
            git(tree, "merge", "--abort")
            git(tree, *merge, "-s", "ours", branch)

    def _integrate(self, things: list[Thing]) -> None:
        self.integration = f"integration/{self.project.directory.name}"
        tree = self.workspaces / f"integration-{self.project.directory.name}"
        git(self.root, "worktree", "add", "-q", "--detach", str(tree), self.start)
        self.own(f"../workspaces/{tree.name}")
        for thing in things:
            self.merge(tree, f"Merge {thing.branch} into {self.integration}", thing.branch)
        git(tree, "checkout", "-q", "-b", self.integration)
        self.own(self.integration)
        tip = git(tree, "rev-parse", "HEAD").strip()
        merged = " ".join(thing.id for thing in things)
        self.record(
            "integration",
            f"status=completed\nbranch={self.integration}\nbase_branch=main\nbase_commit={self.start}\n"
            f"tip={tip}\ntotal={len(things)}\nmerged={merged} \ntidy=1\n",
        )
        self.record("merges", git(tree, "rev-list", "--first-parent", "--reverse", f"{self.start}..HEAD"))

    def _happen(self, *kinds: str) -> None:
        for kind in kinds:
            for thing in self.things:
                for name in thing.part.odds:
                    odd = ODDS[name]
                    if odd.kind == kind:
                        odd.make(self, thing)

    def _record(self, thing: Thing) -> None:
        status = thing.part.status
        if status in ("aside", "lately"):
            return
        tip = git(self.root, "rev-parse", thing.branch).strip()
        commits = git(self.root, "rev-list", "--count", f"{self.start}..{tip}").strip()
        process = os.getpid() if status == "running" else 4194305  # one more than there can be
        self.record(f"{thing.id}.start", f"attempt=1\nused=0\nslot=1\nstarted=1\npid={process}\n")
        self.record(f"{thing.id}.agent", f"start_commit={self.start}\npid=4194305\n")
        if status == "completed":
            self.record(
                f"{thing.id}.result",
                f"attempt=1\ntip={tip}\ncommits={commits}\nexit_code=0\nfinished=2\nstatus=completed\n",
            )
        elif status == "failed":
            self.record(
                f"{thing.id}.result", "attempt=1\ntip=\nexit_code=1\nerror=exit_code\nstatus=failed\n"
            )


def strictest(*outcomes: str) -> str:
    """Decide between outcomes: one reason to stay is enough."""
    for outcome in (STAYS, EITHER):
        if outcome in outcomes:
            return outcome
    return GOES


def commit(directory: Path, message: str) -> None:
    """Commit all that there is."""
    git(directory, "add", "-A")
    git(
        directory,
        "-c",
        "user.name=Tess",
        "-c",
        "user.email=tess@example.invalid",
        "commit",
        "-q",
        "-m",
        message,
    )


def attempt(command: str, *names: object) -> None:
    """Let the shell try something that may fail in the state that there is; `$1` is the first name."""
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["sh", "-c", command, "sh", *map(str, names)], check=False, **silent)  # type: ignore[call-overload]


# --- files


@odd("file", STAYS)
def modified(world: World, thing: Thing) -> None:
    thing.write("src/modified.txt")


@odd("file", STAYS)
def staged(world: World, thing: Thing) -> None:
    thing.write("src/staged.txt")
    thing.git("add", "src/staged.txt")


@odd("file", STAYS)
def staged_and_reverted(world: World, thing: Thing) -> None:
    path = thing.path("src/staged_and_reverted.txt")
    text = path.read_text()
    thing.write("src/staged_and_reverted.txt", "staged alone\n")
    thing.git("add", "src/staged_and_reverted.txt")
    path.write_text(text)


@odd("file", STAYS)
def untracked(world: World, thing: Thing) -> None:
    thing.write("notes.txt")


@odd("file", STAYS)
def untracked_with_odd_names(world: World, thing: Thing) -> None:
    for name in ("-rf", "ü b", "new\nline", '"quoted"', "tab\tbed", "\udcff\udcfe", "src/ "):
        thing.write(f"{name}/{name.replace('/', '')}")


@odd("file", STAYS)
def deleted(world: World, thing: Thing) -> None:
    thing.path("src/deleted.txt").unlink()


@odd("file", STAYS)
def removed_from_index(world: World, thing: Thing) -> None:
    thing.write("src/removed_from_index.txt")
    thing.git("rm", "-q", "--cached", "src/removed_from_index.txt")


@odd("file", STAYS)
def made_executable(world: World, thing: Thing) -> None:
    thing.path("src/made_executable.txt").chmod(0o755)


@odd("file", STAYS)
def renamed(world: World, thing: Thing) -> None:
    thing.git("mv", "src/renamed.txt", "src/renamed-since.txt")


@odd("file", STAYS)
def intended_to_add(world: World, thing: Thing) -> None:
    thing.write("intended.txt")
    thing.git("add", "--intent-to-add", "intended.txt")


@odd("file", STAYS)
def assumed_unchanged(world: World, thing: Thing) -> None:
    thing.git("update-index", "--assume-unchanged", "src/assumed_unchanged.txt")
    thing.write("src/assumed_unchanged.txt")


@odd("file", STAYS)
def skipped(world: World, thing: Thing) -> None:
    thing.git("update-index", "--skip-worktree", "src/skipped.txt")
    thing.write("src/skipped.txt")


@odd("file", STAYS)
def changed_in_the_same_instant(world: World, thing: Thing) -> None:
    """Same size and mtime, as a tool that keeps times leaves it."""
    path = thing.path("src/changed_in_the_same_instant.txt")
    told = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@odd("file", STAYS)
def hidden_by_filter(world: World, thing: Thing) -> None:
    """What a filter takes out before git sees it, as with the output of notebooks, is in no commit."""
    thing.write("src/hidden_by_filter.txt", "hidden_by_filter\nprecious\n")
    thing.git("add", "src/hidden_by_filter.txt")


@odd("file", STAYS)
def hidden_by_case(world: World, thing: Thing) -> None:
    """A git that takes two names for one shows one."""
    thing.git("config", "--worktree", "core.ignoreCase", "true")
    thing.write("SRC/Hidden_By_Case.txt")


@odd("closed", STAYS)
def said_to_be_elsewhere(world: World, thing: Thing) -> None:
    """What git looks at is another folder than this one."""
    elsewhere = world.path / f"elsewhere-of-{thing.id}"
    git(world.root, "worktree", "add", "-q", "--detach", str(elsewhere), thing.branch)
    thing.write("src/said_to_be_elsewhere.txt")
    thing.git("config", "--worktree", "core.worktree", str(elsewhere))


@odd("file", STAYS)
def replaced_by_link(world: World, thing: Thing) -> None:
    path = thing.path("src/replaced_by_link.txt")
    path.rename(world.path / f"kept-{thing.id}.txt")
    path.symlink_to(world.path / f"kept-{thing.id}.txt")


@odd("closed", STAYS)
def in_conflict(world: World, thing: Thing) -> None:
    thing.git("rm", "-q", "--cached", "--ignore-unmatch", "src/in_conflict.txt")
    attempt(
        'cd "$1" && blob=$(git hash-object README.md) && for n in 1 2 3; do '
        'printf "100644 %s %s\\tsrc/in_conflict.txt\\n" $blob $n; done | git update-index --index-info',
        thing.tree,
    )


@odd("file", GOES)
def empty_folder(world: World, thing: Thing) -> None:
    thing.path("empty/folder").mkdir(parents=True)


@odd("closed", GOES)
def read_only_folder(world: World, thing: Thing) -> None:
    thing.path("src").chmod(0o555)


@odd("file", STAYS)
def untracked_in_read_only_folder(world: World, thing: Thing) -> None:
    thing.write("closed/notes.txt").parent.chmod(0o555)


@odd("file", STAYS)
def untracked_hard_link(world: World, thing: Thing) -> None:
    thing.path("linked.txt").hardlink_to(world.root / "README.md")


# --- ignored files


@odd("setup", GOES)
def included(world: World, thing: Thing) -> None:
    """A copy of what the project's own checkout has."""
    for directory in (world.root, thing.tree):
        for name in (".env", "node_modules/dep/index.js"):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("included\n")
            thing.expendable.add(path)
    thing.expendable -= {world.root / ".env", world.root / "node_modules/dep/index.js"}


@odd("file", STAYS)
def included_and_changed(world: World, thing: Thing) -> None:
    (world.root / "included.log").write_text("included\n")
    thing.write("included.log", "included\n")


@odd("setup", GOES)
def set_up(world: World, thing: Thing) -> None:
    for name in ("setup.log", "build/out/a.o", "build/out/-b\n.o"):
        thing.expendable.add(thing.write(name))


@odd("setup", GOES)
def set_up_with_links(world: World, thing: Thing) -> None:
    """Links to what is elsewhere, which has to stay there."""
    target = world.path / f"elsewhere-{thing.id}"
    target.mkdir()
    (target / "file").write_text(f"elsewhere {thing.id}\n")
    thing.path("link").symlink_to(target)
    thing.path("hard.log").hardlink_to(target / "file")
    thing.expendable |= {thing.path("link"), thing.path("hard.log")}


@odd("file", STAYS)
def ignored(world: World, thing: Thing) -> None:
    thing.write("agent.log")


@odd("file", STAYS)
def ignored_and_dated_back(world: World, thing: Thing) -> None:
    os.utime(thing.write("old.log"), (0, 0))


@odd("file", STAYS)
def ignored_folder(world: World, thing: Thing) -> None:
    thing.write("build/results/deep/table.csv")


@odd("file", STAYS)
def ignored_by_a_file_of_its_own(world: World, thing: Thing) -> None:
    thing.write("cache/.gitignore", "*\n#")
    thing.write("cache/table.csv")


@odd("file", STAYS, prepare=lambda _, thing: thing.make("build/changed.bin"))
def changed_since_setup(world: World, thing: Thing) -> None:
    thing.write("build/changed.bin")


def collect(world: World, thing: Thing) -> None:
    for name in ("data/table.csv", "table.csv"):
        path = world.path / f"collected-{thing.id}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"measured for {thing.id}: {name}\n")


@odd("file", STAYS, prepare=collect)
def folder_moved_in(world: World, thing: Thing) -> None:
    """It is older than the end of setup, but came later: files in a folder that is moved keep their ctime."""
    thing.path("build").mkdir(exist_ok=True)
    (world.path / f"collected-{thing.id}/data").rename(thing.path("build/data"))


@odd("file", STAYS, prepare=collect)
def file_moved_in(world: World, thing: Thing) -> None:
    thing.path("build").mkdir(exist_ok=True)
    (world.path / f"collected-{thing.id}/table.csv").rename(thing.path("build/table.csv"))


def collect_sources(world: World, thing: Thing) -> None:
    shutil.copytree(thing.path("src"), world.path / f"sources-{thing.id}")
    (world.path / f"sources-{thing.id}/.env").write_text(f"secret of {thing.id}\n")


@odd("file", STAYS, prepare=collect_sources)
def folder_moved_in_and_used(world: World, thing: Thing) -> None:
    """Its own times tell nothing any more, for people work in it."""
    shutil.rmtree(thing.path("src"))
    (world.path / f"sources-{thing.id}").rename(thing.path("src"))
    thing.write("src/used.tmp").unlink()


@odd("file", GOES)
def split_index(world: World, thing: Thing) -> None:
    thing.git("update-index", "--split-index")


@odd("file", STAYS)
def ignored_link(world: World, thing: Thing) -> None:
    thing.path("link").unlink(missing_ok=True)
    thing.path("link").symlink_to(f"nowhere-{thing.id}")


# --- repositories in it


@odd("nested", STAYS)
def nested_repository(world: World, thing: Thing) -> None:
    nest(thing.path("nested"))


@odd("nested", STAYS)
def nested_repository_that_is_ignored(world: World, thing: Thing) -> None:
    nest(thing.path("build/nested"))


@odd("nested", STAYS)
def nested_repository_among_tracked_files(world: World, thing: Thing) -> None:
    """git sees nothing of what lies in it untracked."""
    nest(thing.path("src"), "hidden.txt")


@odd("nested", STAYS)
def nested_bare_repository(world: World, thing: Thing) -> None:
    git(world.path, "clone", "-q", "--bare", str(world.root), str(thing.path("build/mirror.git")))
    bare = thing.path("build/mirror.git")
    new = git(
        bare,
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@e",
        "commit-tree",
        "HEAD^{tree}",
        "-m",
        f"Alone {thing.id}",
    ).strip()
    git(bare, "update-ref", "refs/heads/alone", new)


@odd("nested", STAYS)
def nested_worktree(world: World, thing: Thing) -> None:
    thing.git("worktree", "add", "-q", "--detach", ".trees/inner", "HEAD")
    (thing.path(".trees/inner/notes.txt")).write_text("inner\n")


@odd("nested", STAYS)
def nested_worktree_without_changes(world: World, thing: Thing) -> None:
    thing.git("worktree", "add", "-q", "-b", f"inner-{thing.id}", ".trees/clean", "HEAD")


def nest(directory: Path, name: str = "inner.txt") -> None:
    """Make a repository, with a commit and a file beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    git(directory, "init", "-q")
    (directory / "committed.txt").write_text(f"{directory}\n")
    git(directory, "add", "committed.txt")
    git(directory, "-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qm", f"In {directory}")
    (directory / name).write_text(f"nested {directory}\n")


# --- submodules; without one in the project nothing happens


def module(thing: Thing) -> Path | None:
    """Initialise the submodule of the worktree, and return where it is."""
    if not thing.path(".gitmodules").exists():
        return None
    thing.git("submodule", "--quiet", "update", "--init")
    return thing.path("vendor/lib")


@odd("module", GOES)
def with_submodule(world: World, thing: Thing) -> None:
    module(thing)


def stays_with_module(make: Callable[[Thing, Path], None]) -> Make:
    """Register what is done to the submodule; the worktree stays when there is one."""

    def in_world(world: World, thing: Thing) -> None:
        path = module(thing)
        if path:
            make(thing, path)
            thing.on_tree = STAYS

    ODDS[make.__name__] = Odd(in_world, "module", GOES)
    return in_world


@stays_with_module
def submodule_dirty(thing: Thing, path: Path) -> None:
    (path / "code.txt").write_text(f"changed {thing.id}\n")


@stays_with_module
def submodule_untracked(thing: Thing, path: Path) -> None:
    (path / "notes.txt").write_text(f"notes {thing.id}\n")


@stays_with_module
def submodule_ignored(thing: Thing, path: Path) -> None:
    (path / "agent.log").write_text(f"log {thing.id}\n")


@stays_with_module
def submodule_with_commits(thing: Thing, path: Path) -> None:
    (path / "code.txt").write_text(f"committed {thing.id}\n")
    commit(path, f"Own {thing.id}")


@odd("work", GOES)
def quoted_name(world: World, thing: Thing) -> None:
    if thing.part.history != "nothing":
        thing.write('"quoted".txt')
        commit(thing.tree, "Quote")


@odd("work", GOES)
def submodule_committed(world: World, thing: Thing) -> None:
    """Commits of its own in the submodule, to which what is merged leads."""
    path = module(thing)
    if path:
        submodule_commit(thing, path)
        commit(thing.tree, "Newer library")
        thing.on_tree = STAYS


@stays_with_module
def submodule_committed_and_left(thing: Thing, path: Path) -> None:
    submodule_commit(thing, path)
    git(path, "checkout", "-q", "--detach", "HEAD~1")


@stays_with_module
def submodule_with_a_branch(thing: Thing, path: Path) -> None:
    """HEAD is where the worktree wants it, and the commit on a branch that was never pushed."""
    git(path, "checkout", "-q", "-b", "mine")
    submodule_commit(thing, path)
    git(path, "checkout", "-q", "--detach", "HEAD^")


@stays_with_module
def submodule_with_a_stash(thing: Thing, path: Path) -> None:
    (path / "code.txt").write_text(f"stashed {thing.id}\n")
    git(path, "-c", "user.name=T", "-c", "user.email=t@e", "stash", "-q")


@stays_with_module
def submodule_deinitialised(thing: Thing, path: Path) -> None:
    git(path, "checkout", "-q", "-b", "mine")
    submodule_commit(thing, path)
    git(path, "checkout", "-q", "--detach", "HEAD^")
    thing.git("submodule", "--quiet", "deinit", "-f", "vendor/lib")


@stays_with_module
def submodule_hidden_from_status(thing: Thing, path: Path) -> None:
    thing.git("config", "submodule.vendor/lib.ignore", "all")
    (path / "code.txt").write_text(f"hidden {thing.id}\n")


@stays_with_module
def submodule_of_its_own_making(thing: Thing, path: Path) -> None:
    """Its repository lies in the worktree, as in one that was cloned by hand."""
    side = Path(git(path, "rev-parse", "--absolute-git-dir").strip())
    (path / ".git").unlink()
    side.rename(path / ".git")
    git(path.parent, "config", "--file", str(path / ".git/config"), "--unset", "core.worktree")
    git(path, "update-ref", "refs/heads/mine", "HEAD")


def submodule_commit(thing: Thing, path: Path) -> None:
    with (path / "code.txt").open("a") as code:
        code.write(f"committed {thing.id}\n")
    commit(path, f"Own {thing.id}")


# --- branches


@odd("branch", GOES)
def tagged(world: World, thing: Thing) -> None:
    git(world.root, "tag", f"tag-{thing.id}", thing.branch)


@odd("branch", EITHER, STAYS)
def checked_out_elsewhere(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")
    git(world.root, "worktree", "add", "-q", str(world.path / f"mine-{thing.id}"), thing.branch)


@odd("branch", EITHER, STAYS)
def rebased_elsewhere(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")
    elsewhere = world.path / f"rebase-{thing.id}"
    git(world.root, "worktree", "add", "-q", str(elsewhere), thing.branch)
    stop_in_rebase(elsewhere)


@odd("branch", EITHER, STAYS)
def bisected_elsewhere(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")
    elsewhere = world.path / f"bisect-{thing.id}"
    git(world.root, "worktree", "add", "-q", str(elsewhere), thing.branch)
    git(elsewhere, "bisect", "start")
    git(elsewhere, "checkout", "-q", "--detach", "HEAD")


@odd("branch", EITHER, EITHER)
def symbolic(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")
    git(world.root, "update-ref", f"refs/heads/was-{thing.id}", thing.branch)
    git(world.root, "symbolic-ref", f"refs/heads/{thing.branch}", "refs/heads/main")


@odd("branch", EITHER, STAYS)
def stood_for(world: World, thing: Thing) -> None:
    git(world.root, "symbolic-ref", f"refs/heads/alias-{thing.id}", f"refs/heads/{thing.branch}")


@odd("branch", STAYS, STAYS)
def contained_in_a_replacement(world: World, thing: Thing) -> None:
    """History says that main contains it, where replacements count."""
    thing.git("commit", "-q", "--allow-empty", "-m", f"Only here {thing.id}")
    git(world.root, "replace", "-f", "--graft", "main", "main^", thing.branch)


@odd("branch", STAYS, STAYS)
def contained_in_a_graft(world: World, thing: Thing) -> None:
    thing.git("commit", "-q", "--allow-empty", "-m", f"Only here {thing.id}")
    tips = git(world.root, "rev-parse", "main", "main^", thing.branch).split()
    (world.root / ".git/info/grafts").write_text(" ".join(tips) + "\n")


# --- HEAD


def stop_in_rebase(directory: Path) -> None:
    attempt("cd \"$1\" && GIT_SEQUENCE_EDITOR='sed -i 1ibreak' git rebase -q -i --keep-base HEAD^", directory)


@odd("head", GOES)
def detached(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")


@odd("head", STAYS, EITHER)
def detached_with_commits(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "--detach")
    thing.git("commit", "-q", "--allow-empty", "-m", f"Detached {thing.id}")


@odd("head", EITHER, EITHER)
def on_another_branch(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "-b", f"mine-{thing.id}")


@odd("head", STAYS, EITHER)
def on_another_branch_with_commits(world: World, thing: Thing) -> None:
    thing.git("checkout", "-q", "-b", f"mine-{thing.id}")
    thing.git("commit", "-q", "--allow-empty", "-m", f"Mine {thing.id}")


@odd("head", STAYS, EITHER)
def unborn(world: World, thing: Thing) -> None:
    thing.git("symbolic-ref", "HEAD", f"refs/heads/unborn-{thing.id}")


@odd("head", STAYS, STAYS)
def merging(world: World, thing: Thing) -> None:
    attempt('git -C "$1" merge -q -s ours --no-ff --no-commit somebody', thing.tree)


@odd("head", STAYS, STAYS)
def rebasing(world: World, thing: Thing) -> None:
    stop_in_rebase(thing.tree)


@odd("head", STAYS, STAYS)
def picking(world: World, thing: Thing) -> None:
    attempt('git -C "$1" cherry-pick somebody', thing.tree)  # it is empty, and waits


@odd("head", STAYS, STAYS)
def bisecting(world: World, thing: Thing) -> None:
    thing.git("bisect", "start")


@odd("head", STAYS)
def with_a_ref_of_its_own(world: World, thing: Thing) -> None:
    thing.git("update-ref", "refs/worktree/mine", world.dangling(f"Of the worktree {thing.id}"))


@odd("head", STAYS)
def with_a_bisect_ref(world: World, thing: Thing) -> None:
    thing.git("update-ref", "refs/bisect/good-1", world.dangling(f"Bisected {thing.id}"))


@odd("stash", GOES)
def stashed(world: World, thing: Thing) -> None:
    path = thing.path("README.md")
    path.write_text(f"stashed {thing.id}\n")
    thing.git("stash", "-q")


# --- places


@odd("place", STAYS)
def locked(world: World, thing: Thing) -> None:
    git(world.root, "worktree", "lock", "--reason", "on a stick\nof mine", str(thing.tree))


@odd("place", EITHER, EITHER)
def moved(world: World, thing: Thing) -> None:
    place = world.path / f"moved-{thing.id}"
    attempt('git -C "$1" worktree move "$2" "$3"', world.root, thing.tree, place)  # it moves no submodules
    thing.expendable |= {place / path.relative_to(thing.tree) for path in thing.expendable}
    thing.is_at_its_place = thing.tree.exists()


@odd("place", EITHER, EITHER)
def moved_without_git(world: World, thing: Thing) -> None:
    thing.tree.rename(world.path / f"carried-{thing.id}")
    thing.is_at_its_place = False


@odd("place", EITHER, EITHER)
def folder_gone(world: World, thing: Thing) -> None:
    attempt('chmod -R u+w "$1"; rm -rf "$1"', thing.tree)
    thing.expendable.clear()
    thing.is_at_its_place = False


@odd("place", STAYS, EITHER)
def tie_gone(world: World, thing: Thing) -> None:
    thing.path(".git").unlink()


@odd("place", STAYS, EITHER)
def tied_to_another(world: World, thing: Thing) -> None:
    """A copy of another worktree lies in its place, with changes of its own."""
    other = world.path / f"model-{thing.id}"
    git(world.root, "worktree", "add", "-q", "--detach", str(other), world.start)
    thing.tree.rename(world.path / f"was-{thing.id}")
    shutil.copytree(other, thing.tree, symlinks=True)
    thing.expendable.clear()


@odd("place", EITHER, EITHER)
def replaced_by_a_symlink(world: World, thing: Thing) -> None:
    thing.tree.rename(world.path / f"target-{thing.id}")
    thing.tree.symlink_to(world.path / f"target-{thing.id}")
    thing.expendable.clear()


@odd("place", STAYS, EITHER)
def replaced_by_a_clone(world: World, thing: Thing) -> None:
    thing.tree.rename(world.path / f"was-{thing.id}")
    git(world.path, "clone", "-q", str(world.root), str(thing.tree))
    git(
        thing.tree,
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@e",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        thing.id,
    )
    thing.expendable.clear()


@odd("place", STAYS, EITHER)
def replaced_by_a_folder(world: World, thing: Thing) -> None:
    thing.tree.rename(world.path / f"was-{thing.id}")
    thing.tree.mkdir()
    thing.write("notes.txt")
    thing.expendable.clear()


@odd("place", EITHER, EITHER)
def copied(world: World, thing: Thing) -> None:
    shutil.copytree(thing.tree, world.path / f"copy-{thing.id}", symlinks=True)
    (world.path / f"copy-{thing.id}/notes.txt").write_text("in the copy\n")


# --- the whole


def landed(world: World) -> None:
    """The integration is in the base."""
    if world.integration:
        world.merge(world.root, "Land", world.integration)


def hidden_by_a_monitor(world: World) -> None:
    """A monitor of the file system that never sees a change."""
    hook = world.path / "monitor"
    hook.write_text("#!/bin/sh\nprintf 'now\\0'\n")
    hook.chmod(0o755)
    for thing in world.things:
        thing.git("-c", f"core.fsmonitor={hook}", "status")


def monitored(world: World) -> None:
    if (world.path / "monitor").exists():
        git(world.root, "config", "core.fsmonitor", str(world.path / "monitor"))


def packed(world: World) -> None:
    git(world.root, "pack-refs", "--all")


def hidden_by_settings(world: World) -> None:
    for setting, value in {
        "status.showUntrackedFiles": "no",
        "diff.ignoreSubmodules": "all",
        "core.trustctime": "false",
        "core.checkStat": "minimal",
        "core.quotePath": "true",
        "status.relativePaths": "true",
        "color.ui": "always",
        "column.ui": "always",
    }.items():
        git(world.root, "config", setting, value)


def all_ignored(world: World) -> None:
    (world.path / "ignore").write_text("*\n")
    git(world.root, "config", "core.excludesFile", str(world.path / "ignore"))


def on_a_branch_of_a_task(world: World) -> None:
    """The project's own checkout is on a branch that could go."""
    for thing in world.things:
        if thing.on_tree == GOES and thing.on_branch == GOES:
            thing.git("checkout", "-q", "--detach")
            git(world.root, "checkout", "-q", thing.branch)
            thing.on_branch, thing.on_tree = STAYS, EITHER
            return


def base_is_owned(world: World) -> None:
    world.own("main")


def beside_another(world: World) -> None:
    """Another directory with a branch and a worktree of its own, which starts from a branch of ours."""
    directory = world.root / BESIDE
    (directory / "logs/state").mkdir(parents=True)
    (directory / "logs/state/run").write_text(f"status=completed\nbase_branch={world.things[0].branch}\n")
    place = world.workspaces / "bills"
    git(world.root, "worktree", "add", "-q", "-b", "feature/bills", str(place), world.things[0].branch)
    world.own("feature/bills", BESIDE)
    world.own("../workspaces/bills", BESIDE)
    if world.things[0].on_branch == GOES:
        world.things[0].on_branch = EITHER


def with_refs_of_tasks(world: World) -> None:
    """Refs of ours, of which one alone has a task that is there and one a commit that is nowhere else."""
    for name in ("task-001", "task-998"):
        git(world.root, "update-ref", f"refs/parallelgen/{name}", world.start)
    git(world.root, "update-ref", "refs/parallelgen/task-997", world.dangling("Only here"))


# What happens to all of it before setup is over, and what when all else has happened.
EARLY: dict[str, Callable[[World], None]] = {make.__name__: make for make in (landed, hidden_by_a_monitor)}
LATE: dict[str, Callable[[World], None]] = {
    make.__name__: make
    for make in (
        monitored,
        packed,
        hidden_by_settings,
        all_ignored,
        on_a_branch_of_a_task,
        base_is_owned,
        beside_another,
        with_refs_of_tasks,
    )
}
