"""Skips runs whose upstream runs did not complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towpath._state_type import StateType
from towpath.exceptions import UpstreamFailed
from towpath.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath._runs.children import Child
    from towpath._runs.futures import Future


def upstream_failures(waits: Iterable[tuple[Future[Any], str, bool]]) -> list[Future[Any]]:
    """Returns the ended upstream runs because of which a run is skipped."""
    return [
        future for future, _, allowed in waits if not allowed and not future.state.is_completed()
    ]


def skipped(child: Child, failed: list[Future[Any]]) -> State[Any]:
    """Returns the state of a skipped run; its message names the original cause."""
    child.causes = [future.child for future in failed]
    root = child.causes[0]
    while root.causes:
        root = root.causes[0]
    what = root.state.type.value.lower().replace("_", " ") if root.state else ""
    message = f"not run: {root.name} {what} ({root.state.message if root.state else ''})"
    error = UpstreamFailed(message)
    error.__cause__ = root.state.exception if root.state else None
    return State(type=StateType.SKIPPED, reason="UPSTREAM_FAILED", message=message, exception=error)
