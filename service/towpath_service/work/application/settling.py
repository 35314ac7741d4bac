"""Carries out what becomes of leases that end; used for ends, expiries and refused starts.

The caller has locked the runs, then their leases, and commits the batch in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from towpath_service.runs.domain.decisions import Accepted, decide_transition
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.domain.dispatching import PoolKey, limits_of
from towpath_service.work.domain.leases import Phase

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.application.commit import Batch
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.domain.dispatching import LimitKey
    from towpath_service.work.domain.leases import Lease, Verdict
    from towpath_service.work.ports.dispatching import Dispatch, LeaseRows, QueueRows

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
    evidence: str | None = None
    """The contract's `StopProof` as JSON."""


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
    expired = [key for key in again if moved[key].verdict.reason != "RETURNED"]
    dispatch.queue.put_back(expired, 0)
    dispatch.queue.put_back(set(again) - set(expired), now_us + RETURN_PAUSE_US)
    crashed = [
        Crashed(scope=item.lease.scope, run=item.run, proven=not item.verdict.inferred)
        for item in moved.values()
        if item.run.state is RunState.CRASHED
    ]
    if crashed and retry_after_crash is not None:
        retry_after_crash(dispatch, batch, crashed, now_us)
    dispatch.queue.unpark(freed_by([ending.lease for ending in endings]), now_us)


class Slots(Protocol):
    """The part of a transaction that gives back slots."""

    @property
    def queue(self) -> QueueRows:
        """The runs that wait."""
        ...

    @property
    def leases(self) -> LeaseRows:
        """Leases."""
        ...


def release(dispatch: Slots, ended: Collection[RunKey], now_us: int) -> None:
    """Gives back the slots of leases whose runs have ended by their own report.

    The leases stay until their workers have proved that the processes are gone.

    Args:
        dispatch: The transaction, which has locked the runs.
        ended: The runs; those without a lease are passed over.
        now_us: The time.
    """
    leases = [item for item in dispatch.leases.lock(ended).values() if item.counts]
    dispatch.leases.update(
        [replace(item, phase=Phase.ENDING, phase_us=now_us, counts=False) for item in leases]
    )
    dispatch.queue.unpark(freed_by(leases), now_us)


def freed_by(leases: Sequence[Lease]) -> dict[LimitKey, int]:
    """The slots that leases take up, by limit."""
    freed: Counter[LimitKey] = Counter()
    for lease in leases:
        if lease.counts:
            pool = PoolKey(*lease.scope, lease.pool_id)
            freed.update(limits_of(pool, lease.queue_id, lease.flow_id, lease.deployment_id))
    return dict(freed)


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
        message=ending.message or verdict.message,
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
        evidence=ending.evidence,
    )
    return True
