"""What the service asks this process to do with one of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from towpath.api.v1 import ingest_service_pb2

DirectiveKind = Literal["cancel", "pause", "resume", "abandon"]

_KINDS: Final[dict[int, DirectiveKind]] = {1: "cancel", 2: "pause", 3: "resume", 4: "abandon"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """Comes at least once, until the reports of the run show that it was followed."""

    run_id: str
    kind: DirectiveKind
    revision: int
    """Of the run; one older than what was already followed is to be ignored."""
    message: str
    """Why, for people."""
    grace_seconds: float | None
    """Until the process will be killed, for "cancel"; None if it won't be."""


def to_directive(message: ingest_service_pb2.RunDirective) -> Directive | None:
    """A directive of the contract; None for a kind that isn't known here."""
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


def ignore_directive(directive: Directive) -> None:
    """Follows no directive: where a process that can follow some has its own function."""
    del directive
