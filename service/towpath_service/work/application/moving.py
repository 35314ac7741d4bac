"""Moves runs on behalf of callers and of the service; used by everything that controls runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_service.runs.domain.decisions import Accepted, decide_transition
from towpath_service.runs.domain.reports import Update
from towpath_service.runs.domain.states import Source

if TYPE_CHECKING:
    from towpath_service.core.names import Scope
    from towpath_service.runs.application.commit import Batch
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.reports import StateReport


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
