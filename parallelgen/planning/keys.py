"""Keys that have no effect and look like one that has: they are named, since what they say would be lost.

Any other unknown key is its writer's business.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from parallelgen.planning.tasklist import Entry
from parallelgen.reading import schemas
from parallelgen.reading.problem import Problem, quoted
from parallelgen.reading.source import MANIFEST, TaskFile

# Keys with an effect, by the object in which they have it. _ELSEWHERE: what people write into an entry of the
# manifest's waves, although only the frontmatter is asked for it.
_OWN = ("prompt_file", "setup", "verify", "cli", "model")  # wherever a task is told of
_OF_TASK = ("id", "wave", "deps", "blocks", "timeout", "tech_spec", *_OWN)
_OF_MANIFEST = ("waves", "tasks", "tech_spec", "tech_spec_id")
_OF_FILES = ("files",)
_OF_WAVE = ("number", "tasks")
_OF_LISTED = ("id", *_OWN)
_ELSEWHERE = ("deps", "timeout")

_SYNONYMS = {
    "deps": "depends depends_on depend_on dependency dependencies requires required needs after blocked_by "
    "blockers prerequisites prereqs predecessors upstream wait_for waits_for task_deps task_dependencies "
    "deps_on dep_ids dependency_ids",
    "timeout": "time_limit max_time max_duration max_runtime timeout_seconds timeout_secs "
    "timeout_minutes timeout_mins",
    "prompt_file": "prompt prompt_path",
    "setup": "setup_command setup_cmd",
    "verify": "verify_command verify_cmd",
    "cli": "agent_cli command_line",
    "model": "model_name",
    "wave": "wave_number wave_no wave_id",
    "number": "wave wave_number",
    "id": "task_id",
}
_NEAR = 0.88  # of "timout" and "timeout", but not of "blocked" and "blocked_by"
_LONGEST = 40


def of_task(file: TaskFile) -> Iterator[Problem]:
    """Name such keys in the frontmatter of a task."""
    meta = file.meta or {}
    for key, meant in _strange(meta, schemas.load("task"), _OF_TASK):
        yield _warning(file.path, "", key, f"did you mean {quoted(meant)}?")


def of_manifest(manifest: Mapping[str, object], entries: tuple[Entry, ...]) -> Iterator[Problem]:
    """Name such keys in the manifest, in its lists, and in what it says of each task."""
    schema = schemas.load("manifest")
    waves, wave = manifest.get("waves"), schema["properties"]["waves"]["items"]
    listed = wave["properties"]["tasks"]["items"]
    places: list[tuple[str, object, Mapping[str, Any], tuple[str, ...]]] = [
        ("", manifest, schema, _OF_MANIFEST),
        ("tasks", manifest.get("tasks"), schema["properties"]["tasks"], _OF_FILES),
    ]
    for index, found in enumerate(waves if isinstance(waves, list) else ()):
        places.append((f"waves[{index}]", found, wave, _OF_WAVE))
    places += [(entry.place, entry.members, listed, _OF_LISTED) for entry in entries]
    for place, holder, known, keys in places:
        for key, meant in _strange(holder if isinstance(holder, Mapping) else {}, known, keys):
            yield _warning(MANIFEST, place, key, f"did you mean {quoted(meant)}?")
    for entry in entries:
        for key, meant in _strange(entry.members or {}, listed, _ELSEWHERE):
            if _is_empty((entry.file.meta or {}).get(meant)):
                hint = f"expected {quoted(meant)} in the frontmatter of {quoted(entry.file.path)}"
                yield _warning(MANIFEST, entry.place, key, hint)


def _warning(file: str, place: str, key: str, hint: str) -> Problem:
    return Problem(file, place, f"unknown key {quoted(key)}: it has no effect", hint, "warning")


def _strange(
    holder: Mapping[str, object], schema: Mapping[str, Any], keys: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield each unknown key that says something which the key that it looks like does not say."""
    for key, value in holder.items():
        if key in schema["properties"] or _is_empty(value):
            continue
        meant = _meant(key, keys)
        if meant and (meant == key or value != holder.get(meant)):
            yield key, meant


def _is_empty(value: object) -> bool:
    return value in (None, "", [], {})


@lru_cache(maxsize=1024)
def _meant(key: str, keys: tuple[str, ...]) -> str | None:
    if len(key) > _LONGEST:
        return None
    import difflib  # which a directory without such keys does without

    words = _words(keys)
    near = difflib.get_close_matches(_plain(key), words, 1, _NEAR)
    return words[near[0]] if near else None


@cache
def _words(keys: tuple[str, ...]) -> dict[str, str]:
    """List the words for each key, in their plain form."""
    return {_plain(word): key for key in keys for word in (key, *_SYNONYMS.get(key, "").split())}


def _plain(key: str) -> str:
    """Bring the spellings of a key together: case, plural, and what stands between its words."""
    return "".join(filter(str.isalnum, key)).lower().removesuffix("s")
