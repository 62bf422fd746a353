"""What a worktree holds that is nowhere else: each file of it is accounted for, or holds it."""

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parallelgen.agents import MARKER
from parallelgen.git import GITLINK, GitError, Repository, entries, operations, strangers
from parallelgen.tidying import ignored, submodules
from parallelgen.tidying.conversion import altered
from parallelgen.tidying.files import Files, Stats, cover
from parallelgen.tidying.ignored import Origin

_SHOWN = 3
_SPECIAL = re.compile(r"[\\*?\[]| $")  # what is more than a letter in a pattern of gitignore
_OWN_REFS = ("refs/worktree", "refs/bisect", "refs/rewritten")
_STATUS = (
    *("status", "--porcelain", "-z", "--no-renames"),
    *("--untracked-files=all", "--ignored=matching", "--ignore-submodules=none"),
)


@dataclass(frozen=True)
class Held:
    """Hold why a worktree stays; `ignored` are the patterns of ignored files that do no more than that."""

    reasons: Sequence[str]
    ignored: Sequence[str] = ()


def what_holds(repository: Repository, worktree: Path, side: Path, files: Files, origin: Origin) -> Held:
    """Say what would be lost with a worktree, of which `side` is git's own folder."""
    tree = _Tree(repository, worktree, side, files.stats, files.links, origin)
    if len({device for device, _ in files.folders}) > 1:
        return Held(["it reaches to another disk"])
    try:
        refs = repository.ask("for-each-ref", "--format=%(refname)", *_OWN_REFS, at=worktree).split()
        own = {
            "refs of its own": refs,
            "in git's own folder of it": strangers(side),
            "folders of other users": files.foreign,
        }
        found = [f"{what}: {_some(names)}" for what, names in own.items() if names]
        held = tree.what_holds()
        reasons = [*found, *held.reasons, *submodules.what_is_theirs(repository, side)]
    except (GitError, OSError) as error:
        return Held([f"it cannot be told what is in it: {str(error).removeprefix('error: ')}"])
    return replace(held, reasons=reasons)


@dataclass(frozen=True)
class _Tree:
    """Hold a working tree: that of the worktree, or of the submodule `prefix` in it, with a slash behind."""

    repository: Repository
    top: Path
    side: Path
    stats: Stats
    links: Mapping[int, int]
    origin: Origin
    prefix: str = ""

    def what_holds(self) -> Held:
        """Account for each file, in submodules as well. Raises GitError, OSError."""
        ask = self.repository.ask
        place = Path(ask("rev-parse", "--show-toplevel", at=self.top).removesuffix("\n"))
        if not place.is_dir() or not place.samefile(self.top):
            return Held([f"git is told to look at another folder: {self.prefix}{place}"])
        index = entries(ask("ls-files", "-v", "--stage", "-z", at=self.top))
        tracked = {path: facts.split(" ") for facts, _, path in (entry.partition("\t") for entry in index)}
        told = entries(ask(*_STATUS, at=self.top))
        covered = {change[3:] for change in told if change.startswith("!! ")}
        changed = {change[3:] for change in told if not change.startswith("!! ")}
        own, modules = self._split([path for path, facts in tracked.items() if facts[1] == GITLINK])
        known = [path for path in own if path in tracked]
        ours = {".git"}
        if not self.prefix and MARKER in own and own[MARKER].st_size == 0:
            ours.add(MARKER)
        rest = [path for path in own if path not in tracked and path not in ours and not cover(changed, path)]
        out_of_sight = [path for path in rest if cover(covered, path)]
        unknown = ignored.work(self.repository, self.top, out_of_sight, tracked, own, self.links, self.origin)
        names = sorted({cover(covered, path) for path in unknown})
        hidden = {path for path in known if _is_hidden(tracked[path][0])}
        regular = [path for path in known if stat.S_ISREG(own[path].st_mode) and path not in hidden | changed]
        found: dict[str, Iterable[str]] = {
            "under way": operations(self.side),
            "not committed": changed,
            "git was told not to look at": hidden,
            "git does not see": [path for path in rest if not cover(covered, path)],
            "not committed as they are (a filter, line ends, $Id$)": altered(
                self.repository, self.top, {path: tracked[path][2] for path in regular}
            ),
            "ignored, and neither included nor made by setup": names,
            "repositories of their own": ignored.repositories(self.top, unknown),
        }
        held = [f"{what}: {_some(self._shown(names))}" for what, names in found.items() if names]
        found_inside = [self._module(path, stats) for path, stats in modules.items()]
        return Held(
            [*held, *(reason for inner in found_inside for reason in inner.reasons)],
            [
                *(_SPECIAL.sub(r"\\\g<0>", f"/{name}") for name in names),
                *(name for inner in found_inside for name in inner.ignored),
            ],
        )

    def _shown(self, names: Iterable[str]) -> list[str]:
        return [self.prefix + name for name in names]

    def _split(self, modules: Iterable[str]) -> tuple[Stats, Mapping[str, Stats]]:
        """Part the files into those of this tree, and those of each submodule, by their paths from there."""
        inner: dict[str, dict[str, Any]] = {f"{path}/": {} for path in modules}
        own = {}
        for path, facts in self.stats.items():
            if module := cover(inner, path):
                inner[module][path.removeprefix(module)] = facts
            else:
                own[path] = facts
        return own, {path: stats for path, stats in inner.items() if stats}

    def _module(self, path: str, stats: Stats) -> Held:
        top, prefix = self.top / path, self.prefix + path
        side = Path(self.repository.ask("rev-parse", "--absolute-git-dir", at=top).removesuffix("\n"))
        if ".git" not in stats or self.side / "modules" not in side.parents:
            return Held([f"a repository of its own: {prefix}"])
        # Of what git ignores in there the status of the worktree tells nothing.
        origin = replace(self.origin, checkout=self.origin.checkout / path, found=None)
        return replace(self, top=top, side=side, stats=stats, origin=origin, prefix=prefix).what_holds()


def _is_hidden(tag: str) -> bool:
    """Tell whether git shows no changes of a file, by its letter in `ls-files -v`: it was told how it is."""
    return tag == "S" or tag.islower()


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
