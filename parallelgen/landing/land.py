"""What `land` does: it moves the base branch to what was integrated and verified, and publishes that."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from parallelgen.git import GITLINK, Repository
from parallelgen.landing import fast_forward, landing, landing_text
from parallelgen.landing.landing import REFUSED, UNREADY, LandError, Landing
from parallelgen.landing.publish import Publisher
from parallelgen.running.execute import load
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, Loaded, our_command
from parallelgen.settings import Settings
from parallelgen.tidying.owners import alone
from parallelgen.writing.output import WriteError, write_if_changed


@dataclass(frozen=True)
class Options:
    """Hold what a landing was asked for; not both of `push` and `pr`."""

    dry_run: bool = False
    unverified: bool = False
    push: bool = False
    pr: bool = False
    as_json: bool = False


def land(typed: str, chosen: Settings, options: Options, screen: Screen) -> int:
    """Move the base branch forward to what was integrated, and return the exit status."""
    loaded = load(typed, chosen, screen)
    if loaded is None:
        return NOTHING_RUN
    with ExitStack() as locked:
        if not options.dry_run:
            locked.enter_context(alone(Repository.at(loaded.project.root)))
        return _land(loaded, options, screen, locked)


def _land(loaded: Loaded, options: Options, screen: Screen, locked: ExitStack) -> int:
    """Tell what speaks against it, or do it; return the exit status."""
    planned = landing.find(loaded)
    checkouts = fast_forward.find_checkouts(planned)
    path = next(iter(checkouts)) if len(checkouts) == 1 else None
    publisher = Publisher(planned)
    screen, out = replace(screen, say=lambda text: None) if options.as_json else screen, screen
    found = [*publisher.obstacles(options.push, options.pr)]
    if not planned.is_landed:
        here = fast_forward.obstacles(planned, checkouts)
        found[:0] = [*landing.obstacles(planned, options.unverified), *here]
    status = found[0].status if found else 0
    if options.dry_run:
        steps = [] if found else ["", *_steps(publisher)]
        end = f"Exit status of a landing: {status}. Nothing has changed."
        screen.say("\n".join([*landing_text.preview(planned, checkouts, found), *steps, "", end]))
    elif found:
        screen.complain(f"error: {found[0]}")
        if status == REFUSED:
            return status
    else:
        status = _advance(planned, path, publisher, options, screen, locked)
    if not options.as_json:
        return status
    now = planned.repository.commit(planned.ref)
    told = {
        "event": "land",
        "status": status,
        "dry_run": options.dry_run,
        "landed": not found and not options.dry_run and planned.repository.contains(planned.tip, now),
        **landing_text.facts(planned),
        "checkout": str(path) if path else None,
        "obstacles": [vars(item) for item in found],
        "remote": publisher.remote or None,
        "push": publisher.shown(publisher.push),
        "pr": publisher.shown(publisher.pr),
    }
    out.say(json.dumps(told))
    return status


def _advance(
    planned: Landing,
    path: Path | None,
    publisher: Publisher,
    options: Options,
    screen: Screen,
    locked: ExitStack,
) -> int:
    """Move the branch, tell, and run what was asked for; return the exit status."""
    text = "\n".join(landing_text.body(planned))
    # What is landed may remove the current folder.
    commands = publisher.push if options.push else publisher.pr if options.pr else []
    steps = [] if commands else _steps(publisher)
    try:
        stopped = 0 if planned.is_landed else fast_forward.advance(planned, path)
    except LandError as error:
        screen.complain(str(error))
        return UNREADY
    locked.close()
    screen.say(landing_text.landed(planned))
    if path and any(GITLINK in (change.old_mode, change.mode) for change in planned.changes):
        screen.say("Submodules have changed: git submodule update --init")
    if stopped:
        return 128 + stopped
    body = planned.loaded.project.directory / landing_text.BODY
    try:
        if body.is_symlink():
            body.unlink()
        write_if_changed(body, text)
    except (OSError, WriteError) as error:
        screen.complain(str(error))
        return UNREADY
    for words in commands:
        if publisher.run(words, options.as_json):
            [failed] = publisher.shown([words])
            screen.complain(f"error: it is landed, but not all of it is pushed: this has failed: {failed}")
            return UNREADY
    clean = our_command("clean", planned.loaded.project.typed)
    screen.say("\n".join(["", *steps, f"To clean up: {clean}"]))
    return 0


def _steps(publisher: Publisher) -> list[str]:
    """Write the commands that bring it to its remote, in two ways; none where there is no remote."""
    heads = ("Next step:", "       or:", "          ")
    lines = publisher.shown([*publisher.push, *publisher.pr])
    return [f"{head} {line}" for head, line in zip(heads, lines, strict=False)]
