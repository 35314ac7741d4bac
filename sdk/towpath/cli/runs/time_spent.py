"""What the time of a run went to: each second of its history has one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from towpath._state_type import StateType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from towpath.client import Run, Transition

_CAUSES: Final = {
    StateType.PENDING: "infrastructure",
    StateType.RUNNING: "user code",
    StateType.PAUSED: "paused",
    StateType.RETRYING: "back-off",
    StateType.CANCELLING: "stopping",
}
_UNTIL_RETRY: Final = "ended, until it was retried"


def time_spent(run: Run, history: Sequence[Transition], now: datetime) -> dict[str, float]:
    """Sums the time of a run by cause.

    Args:
        run: The run.
        history: The changes of its state, oldest first.
        now: The time up to which an open run is counted.

    Returns:
        Seconds by cause, in the order in which the causes came; they add up to the time from the
        first change to the end, or to `now`. Clocks of several machines may have put changes in
        another order: such a span counts as none.
    """
    spent: dict[str, float] = {}
    for cause, seconds in _spans(run, history, now):
        if seconds > 0:
            spent[cause] = spent.get(cause, 0.0) + seconds
    return spent


def _spans(run: Run, history: Sequence[Transition], now: datetime) -> Iterator[tuple[str, float]]:
    ends = [change.occurred for change in history[1:]]
    if history and not history[-1].after.terminal:
        ends.append(now)
    for change, end in zip(history, ends, strict=False):
        begin = change.occurred
        if change.after is StateType.SCHEDULED:
            due = max(begin, min(end, _due(run, change)))
            yield "schedule", (due - begin).total_seconds()
            yield "worker", (end - due).total_seconds()
        elif change.after is StateType.PENDING and run.kind == "task":
            yield "upstream", (end - begin).total_seconds()
        else:
            cause = _CAUSES.get(change.after, _UNTIL_RETRY)
            yield cause, (end - begin).total_seconds()


def _due(run: Run, change: Transition) -> datetime:
    """When a run that waits was due."""
    if change.next_attempt is not None:
        return change.next_attempt
    return run.scheduled if run.scheduled is not None else change.occurred
