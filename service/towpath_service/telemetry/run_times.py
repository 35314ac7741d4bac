"""What the time of runs goes to: each second of a run that hasn't ended has one cause.

`towpath run inspect` sums the same causes for one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from towpath_service.runs.domain.states import RunKind, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

CAUSES: Final = {
    RunState.RUNNING: "user code",
    RunState.PAUSED: "paused",
    RunState.RETRYING: "back-off",
    RunState.CANCELLING: "stopping",
}
"""Causes of time in states that have one cause."""
_PENDING: Final = {RunKind.FLOW: "infrastructure", RunKind.TASK: "upstream"}


class Entered(NamedTuple):
    """When a run entered a state; microseconds since the Unix epoch."""

    at_us: int
    due_us: int | None = None
    """When it was due to go on from there; None for at once."""


def time_by_cause(
    kind: RunKind, state: RunState, entered: Entered, left_us: int
) -> Iterator[tuple[str, int]]:
    """Attributes the time that a run spent in a state.

    Args:
        kind: Of the run.
        state: The state that it left.
        entered: When it entered the state.
        left_us: When it left it, microseconds since the Unix epoch. A time before the entry, by
            another machine's clock, counts as no time.

    Yields:
        Causes, each with microseconds. Time after an end has no cause.
    """
    left_us = max(left_us, entered.at_us)
    if state is RunState.SCHEDULED:
        due_us = entered.at_us if entered.due_us is None else entered.due_us
        due_us = max(entered.at_us, min(left_us, due_us))
        yield "schedule", due_us - entered.at_us
        yield "worker", left_us - due_us
        return
    cause = _PENDING[kind] if state is RunState.PENDING else CAUSES.get(state)
    if cause is not None:
        yield cause, left_us - entered.at_us
