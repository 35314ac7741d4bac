"""How much time runs have left: by their own timeouts, and those of the runs around them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from towpath._runs.context import RunContext


@contextmanager
def held(run: RunContext) -> Generator[None]:
    """Holds the time limits of a run and of those around it, while it is paused."""
    budgets = [each.budget for each in around(run) if each.budget is not None]
    for budget in budgets:
        budget.hold()
    try:
        yield
    finally:
        for budget in budgets:
            budget.go_on()


def remaining_of(run: RunContext | None) -> float | None:
    """Seconds that a run has left, by all limits around it; None without any."""
    left = [each.budget.left for each in around(run) if each.budget is not None]
    left += [
        max(0.0, each.ends - time.monotonic()) for each in around(run) if each.ends is not None
    ]
    return min(left, default=None)


def around(run: RunContext | None) -> Generator[RunContext]:
    """A run, and those around it."""
    while run is not None:
        yield run
        run = run.parent
