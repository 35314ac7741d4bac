"""Directives: requests of the service to this process about one of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.api.v1 import ingest_service_pb2

DirectiveKind = Literal["cancel", "pause", "resume", "abandon"]

_KINDS: Final[dict[int, DirectiveKind]] = {1: "cancel", 2: "pause", 3: "resume", 4: "abandon"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A request that is sent again until the run's reports show that it was followed."""

    run_id: str
    kind: DirectiveKind
    revision: int
    """Revision of the request for this run; ignore one older than the last one followed."""
    message: str
    """The reason, for people."""
    grace_seconds: float | None
    """Seconds until the process is killed, for "cancel"; None if it won't be killed."""


def to_directive(message: ingest_service_pb2.RunDirective) -> Directive | None:
    """Converts a directive of the contract; returns None for an unknown kind."""
    kind = _KINDS.get(message.kind)
    if kind is None:
        return None
    grace: float | None = None
    if message.HasField("grace_period"):
        grace = message.grace_period.ToMilliseconds() / 1000
    return Directive(
        run_id=message.run_id,
        kind=kind,
        revision=message.revision,
        message=message.message,
        grace_seconds=grace,
    )


_listeners: Final[list[Callable[[Directive], None]]] = []


def listen(follow: Callable[[Directive], None]) -> None:
    """Has a function called with each directive to this process, in the sender's thread."""
    _listeners.append(follow)


def hand_on(directive: Directive) -> None:
    """Hands a directive to the parts of the process that follow some."""
    for follow in _listeners:
        follow(directive)


def ignore_directive(directive: Directive) -> None:
    """Ignores a directive, in processes that can't follow any."""
    del directive
