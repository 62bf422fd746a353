"""What `land` does: it moves the base branch to what was integrated and verified, and publishes that."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parallelgen import ParallelgenError
from parallelgen.landing import fast_forward, landing, landing_text, publish, pull_request
from parallelgen.landing.fast_forward import Checkout
from parallelgen.landing.landing import REFUSED, UNREADY, LandError, Landing, Obstacle
from parallelgen.landing.publish import Publisher
from parallelgen.running.execute import load
from parallelgen.running.screen import Screen
from parallelgen.running.script import NOTHING_RUN, our_command
from parallelgen.settings import Settings
from parallelgen.writing.output import write_if_changed

_BODY = "logs/pull-request.md"


@dataclass(frozen=True)
class Options:
    """Hold what a landing was asked for; not both of `push` and `pr`."""

    dry_run: bool = False
    unverified: bool = False
    push: bool = False
    pr: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class _Prepared:
    """Hold a landing with all that stands in its way, and the commands that may follow it."""

    landing: Landing
    checkout: Checkout | Obstacle
    publisher: Publisher
    obstacles: Sequence[Obstacle]

    @property
    def status(self) -> int:
        """Give the exit status, as far as it is known before."""
        return self.obstacles[0].status if self.obstacles else 0

    @property
    def push(self) -> list[list[str]]:
        """Write the commands that push the base branch; none without a remote."""
        return [self.publisher.push(self.landing.base)] if self.publisher.remote else []

    @property
    def pr(self) -> list[list[str]]:
        """Write the commands that open a pull request; none without a remote, or the branch to pull."""
        base, branch = self.landing.base, self.landing.branch
        if not self.publisher.remote or not self.landing.has_branch:
            return []
        title, body = pull_request.title(self.landing), self.landing.loaded.project.directory / _BODY
        return [self.publisher.push(branch), self.publisher.open(base, branch, title, body)]

    def shown(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """Write commands for a shell in the current folder."""
        return [self.publisher.shown(words) for words in commands]

    @property
    def clean(self) -> str:
        """Write the command that cleans up."""
        return our_command("clean", self.landing.loaded.project.typed)


def land(typed: str, chosen: Settings, options: Options, screen: Screen) -> int:
    """Move the base branch forward to what was integrated, and return the exit status."""
    loaded = load(typed, chosen, screen)
    if loaded is None:
        return NOTHING_RUN
    planned = landing.find(loaded)
    prepared = _prepare(planned, options)
    status, is_landed = prepared.status, False
    if options.dry_run:
        if not options.as_json:
            screen.say(_preview(prepared))
    elif prepared.obstacles:
        screen.complain(str(prepared.obstacles[0]))
        if status == REFUSED:
            return status
    else:
        status = _land(prepared, options, screen)
        is_landed = planned.repository.contains(planned.tip, planned.repository.commit(planned.ref))
    if options.as_json:
        done = {"event": "land", "status": status, "dry_run": options.dry_run, "landed": is_landed}
        screen.say(json.dumps(done | _facts(prepared)))
    return status


def _prepare(planned: Landing, options: Options) -> _Prepared:
    """Look at all that a landing depends on."""
    checkout = fast_forward.find_checkout(planned)
    publisher = publish.publisher(planned.repository, planned.base)
    found = [
        *landing.obstacles(planned, options.unverified),
        *fast_forward.obstacles(planned, checkout),
        *_unpublishable(planned, publisher, options),
    ]
    return _Prepared(planned, checkout, publisher, found)


def _unpublishable(planned: Landing, publisher: Publisher, options: Options) -> Iterator[Obstacle]:
    """Object to what was asked for and cannot be done, before anything is moved."""
    if (options.push or options.pr) and not publisher.remote:
        yield Obstacle(REFUSED, publisher.fault)
    if options.pr and not planned.has_branch:
        yield Obstacle(REFUSED, f"the branch '{planned.branch}' is gone")
    if options.pr and not publish.can_open():
        yield Obstacle(REFUSED, "'--pr' needs the command gh, which is not found")


def _land(prepared: _Prepared, options: Options, screen: Screen) -> int:
    """Move the branch, tell, and run what was asked for; return the exit status."""
    planned = prepared.landing
    assert isinstance(prepared.checkout, Checkout)
    write_if_changed(planned.loaded.project.directory / _BODY, pull_request.body(planned))
    stopped = 0
    if not planned.is_landed:
        try:
            stopped = fast_forward.advance(planned, prepared.checkout)
        except LandError as error:
            screen.complain(str(error))
            return UNREADY
        except ParallelgenError as error:
            if planned.repository.commit(planned.ref) == planned.old:
                raise
            screen.complain(f"{error}\n{landing.moved(planned)}")
            return UNREADY
    if not options.as_json:
        screen.say(landing_text.landed(planned))
    if stopped:
        return 128 + stopped
    commands = prepared.push if options.push else prepared.pr if options.pr else []
    for words in commands:
        if prepared.publisher.run(words, options.as_json):
            command = prepared.publisher.shown(words)
            screen.complain(f"error: it is landed, but not all of it is pushed: this has failed: {command}")
            return UNREADY
    if not options.as_json:
        left = [] if commands else _steps(prepared)
        screen.say("\n".join(["", *left, f"To clean up: {prepared.clean}"]))
    return 0


def _steps(prepared: _Prepared) -> list[str]:
    """Write the commands that bring it to its remote, in two ways; or why there are none."""
    push, pr = prepared.shown(prepared.push), prepared.shown(prepared.pr)
    if not push:
        return [f"It cannot be pushed: {prepared.publisher.fault}"] if prepared.publisher.has_remotes else []
    return [
        f"Next step: {push[0]}",
        *(f"{'       or:' if not n else '          '} {line}" for n, line in enumerate(pr)),
    ]


def _preview(prepared: _Prepared) -> str:
    checkout = prepared.checkout
    path = checkout.path if isinstance(checkout, Checkout) else None
    then = _steps(prepared)
    return landing_text.preview(prepared.landing, path, prepared.obstacles, prepared.status, then)


def _facts(prepared: _Prepared) -> dict[str, object]:
    """Gather what is known, for JSON."""
    checkout = prepared.checkout
    path = checkout.path if isinstance(checkout, Checkout) else None
    return {
        **landing_text.facts(prepared.landing),
        "checkout": str(path) if path else None,
        "obstacles": [vars(item) for item in prepared.obstacles],
        "remote": prepared.publisher.remote or None,
        "push": prepared.shown(prepared.push),
        "pr": prepared.shown(prepared.pr),
    }
