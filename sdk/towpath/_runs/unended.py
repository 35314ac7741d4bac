"""Runs whose end could not be reported where it came, as with an exhausted stack.

Each is kept with the run around it, which reports its end before its own: there the stack is
shorter, and Ctrl-C is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._delivery.reports import StateReport
from towpath._state_type import StateType

if TYPE_CHECKING:
    from towpath._runs.context import RunContext


def leave_unended(run: RunContext, error: BaseException) -> None:
    """Has the run around a run report its end, unless that is reported."""
    if run.parent is not None and not run.ended and run.broken_by is None:
        run.broken_by = error
        run.parent.unended.append(run)


def end_unended(run: RunContext) -> None:
    """Reports the ends of the runs that a run has left so; what fails again stays for later."""
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
