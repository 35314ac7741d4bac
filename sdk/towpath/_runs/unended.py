"""Runs whose end could not be reported in their own code, as with an exhausted stack.

Each is kept with the run around it, which reports the missing end before its own. There the stack
is shorter, and Ctrl-C is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._delivery.reports import StateReport
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._runs.context import RunContext


def leave_unended(run: RunContext, error: BaseException) -> None:
    """Leaves the report of a run's end to the run around it, unless the end is reported."""
    if run.parent is not None and not run.ended and run.broken_by is None:
        run.broken_by = error
        run.parent.unended.append(run)


def end_unended(run: RunContext) -> None:
    """Reports the ends of runs left to a run; one whose report fails again stays for later."""
    while run.unended:
        child = run.unended[-1]
        end_unended(child)
        if not child.ended:
            child.reporter.transition(child.run_id, _end_of(child))
            child.ended = True
        run.unended.pop()


def _end_of(run: RunContext) -> StateReport:
    failed = isinstance(run.broken_by, Exception)
    return StateReport(
        state=StateType.FAILED if failed else StateType.CANCELLED,
        time=run.clock.time(),
        attempt=run.attempt,
        reason="" if failed else "INTERRUPTED",
        message=f"ended by {type(run.broken_by).__name__} amid its reports",
    )
