"""Which runs of a retried run are to run again, as they begin and as their outcomes are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath._runs.children import Child
    from towpath._runs.context import RunContext


def mark(run: RunContext, child: Child | None, *names: str, upstream: Iterable[Child] = ()) -> None:
    """Notes whether a new run is one of those that run again.

    Args:
        run: The run.
        child: What the flow's code has of it; None for a root run.
        *names: The names of its task or flow.
        upstream: The runs that it waits for.
    """
    parent = run.parent
    if parent is None or parent.replay is None:
        return
    run.replay = parent.replay
    run.replays = (
        parent.replays
        or parent.replay.names(run.index, *names)
        or any(each.replayed for each in upstream)
    )
    if child is not None:
        child.replayed = run.replays


def took(run: RunContext | None, child: Child) -> None:
    """Notes that code of a run has the outcome of another: what it begins now may depend on it."""
    if child.replayed and run is not None:
        run.replays = True
