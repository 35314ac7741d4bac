"""Begins further attempts of runs whose process was lost, within their deployment's budget.

Invariants, each of which a test names:
  - the crash stays in the history, and the next attempt has the next number;
  - where the process is known to be gone, the next attempt is due at once;
  - where only silence tells, it is due after one more lease duration, in which a process that stops
    when it has lost contact has ended itself;
  - no more attempts follow crashes than the deployment allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.runs.application.commit import Batch
    from towpath_service.work.application.settling import Crashed
    from towpath_service.work.ports.dispatching import CrashBudget, Dispatch


def retry_after_crash(
    dispatch: Dispatch, batch: Batch, crashed: Sequence[Crashed], now_us: int
) -> None:
    """Queues crashed runs again that may have another attempt.

    Args:
        dispatch: The transaction, which has locked the runs.
        batch: Has the transitions to CRASHED; takes those to SCHEDULED.
        crashed: The runs.
        now_us: The time, microseconds since the Unix epoch.
    """
    keys = {_key(item) for item in crashed}
    budgets = dispatch.crashes.budgets(keys)
    for item in crashed:
        budget = budgets.get(_key(item))
        if budget is None or budget.used >= budget.most:
            continue
        due_us = due_after_crash(budget, now_us, proven=item.proven)
        # The lost process has nothing more to say: nobody is to wait for it, or to direct it.
        item.run.producer_id = None
        report = StateReport(
            state=RunState.SCHEDULED,
            reason="CRASH_RETRY",
            message=f"attempt {budget.used + 1} of {budget.most} after a crash",
            next_attempt_us=due_us,
        )
        source = Source.SYSTEM
        if move(batch, item.scope, item.run, report, now_us, actor="system", source=source):
            dispatch.crashes.count([_key(item)])
            dispatch.queue.put_back([_key(item)], due_us, started=True)


def due_after_crash(budget: CrashBudget, now_us: int, *, proven: bool) -> int:
    """When the next attempt is due.

    Args:
        budget: Has the duration of a lease.
        now_us: The time of the crash, microseconds since the Unix epoch.
        proven: Whether the process is known to be gone.
    """
    return now_us if proven else now_us + budget.lease_us


def _key(item: Crashed) -> RunKey:
    return RunKey(item.scope.tenant_id, item.run.run_id)
