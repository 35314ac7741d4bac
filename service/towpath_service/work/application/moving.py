"""Moves runs on behalf of callers and of the service; used by everything that controls runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.runs.domain.decisions import Accepted, decide_transition
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState, Source

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.application.commit import Batch
    from towpath_service.runs.domain.decisions import RunStatus


def requeue(batch: Batch, scope: Scope, run: RunStatus, actor: str, now_us: int) -> bool:
    """Moves a suspended run to SCHEDULED, as it was resumed; its caller queues it.

    Args:
        batch: Takes the transition.
        scope: The workspace.
        run: The run, which has no lease.
        actor: Principal that has resumed it.
        now_us: The time, microseconds since the Unix epoch.
    """
    # The process that suspended itself has nothing more to say: nobody is to wait for it.
    run.producer_id = None
    by = f" by {actor}" if actor else ""
    report = StateReport(state=RunState.SCHEDULED, reason="RESUMED", message=f"resumed{by}")
    return move(batch, scope, run, report, now_us, actor=actor)


def move(
    batch: Batch,
    scope: Scope,
    run: RunStatus,
    report: StateReport,
    now_us: int,
    *,
    actor: str,
    source: Source = Source.CALLER,
    inferred: bool = False,
    evidence: str | None = None,
) -> bool:
    """Moves a run on behalf of the service or a caller; False if the table doesn't allow it."""
    verdict = decide_transition(run, report, run.run_id, source=source)
    if not isinstance(verdict, Accepted):
        return False
    update = Update(sequence=0, run_id=run.run_id, occurred_us=now_us, change=report)
    batch.transition(
        scope,
        run,
        verdict,
        report,
        update,
        actor=actor,
        producer_id=None,
        source=source,
        inferred=inferred,
        evidence=evidence,
    )
    return True
