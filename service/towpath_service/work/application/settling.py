"""Carries out what becomes of leases that end; used for ends, expiries and refused starts.

The caller has locked the runs, then their leases, and commits the batch in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from towpath_service.runs.domain.decisions import Accepted, decide_transition
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import requeue
from towpath_service.work.domain.leases import freed_by
from towpath_service.work.domain.stopping import describe_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.application.commit import Batch
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.domain.leases import Lease, Verdict
    from towpath_service.work.domain.stopping import Evidence
    from towpath_service.work.ports.dispatching import Dispatch

RETURN_PAUSE_US: Final = 1_000_000
"""Pause of a run that a worker gave back, so that none is handed out and returned in a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A lease that ends, with the verdict on its run."""

    lease: Lease
    run: RunStatus
    verdict: Verdict
    actor: str = "system"
    message: str = ""
    """Replaces the verdict's; empty for none."""
    failure: str | None = None
    evidence: Evidence | None = None
    """What the worker saw of the end of the process."""

    @property
    def told(self) -> str:
        """Why it ended, for people."""
        if self.message or self.evidence is None:
            return self.message or self.verdict.message
        parts = (
            self.evidence.message or self.verdict.message,
            describe_evidence(self.evidence),
        )
        return ": ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """A run that has crashed."""

    scope: Scope
    run: RunStatus
    proven: bool
    """Whether its process is known to be gone; otherwise only silence tells."""


class RetryAfterCrash(Protocol):
    """Begins further attempts of crashed runs that may have them, within the transaction."""

    def __call__(
        self, dispatch: Dispatch, batch: Batch, crashed: Sequence[Crashed], now_us: int
    ) -> None:
        """Adds transitions to the batch, and queue entries to the transaction."""
        ...


def settle(
    dispatch: Dispatch,
    batch: Batch,
    endings: Sequence[Ending],
    now_us: int,
    retry_after_crash: RetryAfterCrash | None = None,
) -> None:
    """Removes leases, moves their runs, and gives back the slots of their limits."""
    ended = {_key(ending): ending for ending in endings}
    moved = {key: ending for key, ending in ended.items() if _move(batch, ending, now_us)}
    dispatch.leases.remove(ended.keys())
    again = [key for key, item in moved.items() if item.run.state is RunState.SCHEDULED]
    dispatch.queue.count_returns([key for key in again if moved[key].verdict.counted])
    expired = [key for key in again if not moved[key].verdict.returned]
    dispatch.queue.put_back(expired, 0)
    dispatch.queue.put_back(set(again) - set(expired), now_us + RETURN_PAUSE_US)
    crashed = [
        Crashed(scope=item.lease.scope, run=item.run, proven=not item.verdict.inferred)
        for item in moved.values()
        if item.run.state is RunState.CRASHED
    ]
    if crashed and retry_after_crash is not None:
        retry_after_crash(dispatch, batch, crashed, now_us)
    resume_answered(dispatch, batch, endings, now_us)
    dispatch.queue.unpark(freed_by([ending.lease for ending in endings]), now_us)


def resume_answered(
    dispatch: Dispatch, batch: Batch, endings: Sequence[Ending], now_us: int
) -> None:
    """Queues suspended runs again that were resumed while their process was still exiting."""
    suspended = {_key(item): item for item in endings if item.run.is_suspended}
    for key, pause in dispatch.pauses.latest(suspended.keys()).items() if suspended else ():
        item = suspended[key]
        if pause.answered_us is not None and requeue(
            batch, item.lease.scope, item.run, pause.actor, now_us
        ):
            dispatch.queue.put_back([key], now_us, started=True)


def _key(ending: Ending) -> RunKey:
    return RunKey(ending.lease.scope.tenant_id, ending.lease.run_id)


def _move(batch: Batch, ending: Ending, now_us: int) -> bool:
    """Moves the run; returns whether it did."""
    run, verdict = ending.run, ending.verdict
    if verdict.to_state is None:
        return False
    report = StateReport(
        state=verdict.to_state,
        reason=verdict.reason,
        message=ending.told,
        failure=ending.failure,
        fence=run.fence,
    )
    decided = decide_transition(
        run, report, run.run_id, source=verdict.source, inferring=verdict.inferred
    )
    if not isinstance(decided, Accepted):
        return False
    batch.transition(
        ending.lease.scope,
        run,
        decided,
        report,
        Update(sequence=0, run_id=run.run_id, occurred_us=now_us, change=report),
        actor=ending.actor,
        producer_id=None,
        source=verdict.source,
        inferred=verdict.inferred,
        evidence=None if ending.evidence is None else ending.evidence.json(),
    )
    return True
