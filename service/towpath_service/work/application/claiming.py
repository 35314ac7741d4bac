"""Claims waiting runs for workers: one transaction for all workers of the replica.

Invariants, each of which a test names:
  - a claim is for workers whose stream is the newest one of the worker: the transaction keeps them
    from attaching elsewhere until it ends;
  - the entry of a run is removed by the transaction that writes its lease, and by no other step;
  - limits are locked before leases are counted, in a statement of its own;
  - the fence of a run is that of its newest lease;
  - a run that meets the full limit of its deployment is cancelled where the deployment says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import uuid_utils

from towpath_service.core.names import Scope
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.decisions import Accepted, RunStatus, decide_transition
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move
from towpath_service.work.domain.dispatching import FreeWorker, WorkerKey, assign
from towpath_service.work.domain.leases import ACCEPT_US, Lease, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from towpath_service.work.domain.dispatching import Candidate
    from towpath_service.work.ports.dispatching import Dispatch, JobRow, WorkerRow

_COLLISION: Final = StateReport(
    state=RunState.CANCELLED,
    reason="COLLISION",
    message="the concurrency limit of its deployment was full, and its collision strategy is to"
    " cancel new runs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidder:
    """A worker of this replica that asks for runs."""

    worker: FreeWorker
    attachment: str
    """Id of its stream."""


@dataclass(slots=True, kw_only=True)
class Claimed:
    """What a claim came to."""

    granted: list[tuple[Lease, JobRow | None]] = field(
        default_factory=list[tuple[Lease, "JobRow | None"]]
    )
    workers: Mapping[WorkerKey, WorkerRow] = field(default_factory=dict[WorkerKey, "WorkerRow"])
    """The workers that asked, as they are stored; none of them if no run is ready."""
    scopes: set[Scope] = field(default_factory=set["Scope"])
    """The workspaces of runs that the claim has moved."""
    since_us: dict[str, int] = field(default_factory=dict[str, int])
    """When each granted run began to wait, by lease id."""
    removed: int = 0
    """Entries that are ready no more: granted, parked, or of runs that don't wait any more."""


def claim(
    dispatch: Dispatch,
    bidders: Sequence[Bidder],
    now_us: int,
    *,
    most: int,
    order: Callable[[Iterable[str]], Sequence[str]] = sorted,
) -> Claimed:
    """Claims runs for workers, within one transaction.

    Args:
        dispatch: The transaction.
        bidders: The workers with free slots.
        now_us: The time.
        most: Most runs to claim.
        order: The order in which tenants take turns.
    """
    candidates = dispatch.queue.pick([bidder.worker for bidder in bidders], now_us, most)
    if not candidates:
        return Claimed()
    known = dispatch.workers.confirm([bidder.worker.key for bidder in bidders])
    claimed = Claimed(workers=known)
    workers = [bidder.worker for bidder in bidders if _may_have_runs(bidder, known)]
    limits = dispatch.limits.lock({key for item in candidates for key in item.limits})
    made = assign(
        candidates,
        workers,
        limits,
        dispatch.limits.used(limits.keys()),
        now_us,
        most=most,
        tenants=order({item.pool.tenant_id for item in candidates}),
    )
    cancelling = dispatch.limits.cancelling({limit for _, limit in made.parked})
    dispatch.queue.park(
        (_key(item), limit) for item, limit in made.parked if limit not in cancelling
    )
    collided = [item for item, limit in made.parked if limit in cancelling]
    _grant(dispatch, claimed, made.granted, collided, now_us)
    claimed.removed = len(made.granted) + len(made.parked)
    return claimed


def _may_have_runs(bidder: Bidder, known: Mapping[WorkerKey, WorkerRow]) -> bool:
    row = known.get(bidder.worker.key)
    if row is None or row.attachment != bidder.attachment:
        return False
    return not row.draining and not row.paused


def _grant(
    dispatch: Dispatch,
    claimed: Claimed,
    granted: Sequence[tuple[Candidate, WorkerKey]],
    collided: Sequence[Candidate],
    now_us: int,
) -> None:
    workers = {_key(candidate): (candidate, worker) for candidate, worker in granted}
    cancelled = {_key(candidate): candidate for candidate in collided}
    runs, _ = dispatch.runs.standing(workers.keys() | cancelled.keys(), ())
    batch = Batch(dispatch.runs, now_us)
    leases: list[Lease] = []
    for key, (candidate, worker) in workers.items():
        run = runs.get(key)
        since_us = 0 if run is None else max(candidate.due_us, run.state_us)
        if run is not None and _begin(batch, candidate, run, worker, now_us):
            instance_id = claimed.workers[worker].instance_id
            lease = _lease(candidate, run, worker, instance_id, now_us)
            leases.append(lease)
            claimed.since_us[lease.lease_id] = min(since_us, now_us)
    for key, candidate in cancelled.items():
        run = runs.get(key)
        if run is not None and run.state is RunState.SCHEDULED:
            scope = _scope(candidate)
            move(batch, scope, run, _COLLISION, now_us, actor="system", source=Source.SYSTEM)
            claimed.scopes.add(scope)
    claimed.scopes |= {lease.scope for lease in leases}
    # Entries of runs that don't wait any more go, too.
    jobs = dispatch.grant(leases, workers.keys() | cancelled.keys())
    claimed.granted = [
        (lease, jobs.get(RunKey(lease.scope.tenant_id, lease.run_id))) for lease in leases
    ]
    batch.commit([])


def _key(candidate: Candidate) -> RunKey:
    return RunKey(candidate.pool.tenant_id, candidate.run_id)


def _scope(candidate: Candidate) -> Scope:
    return Scope(candidate.pool.tenant_id, candidate.pool.workspace_id)


def _begin(
    batch: Batch, candidate: Candidate, run: RunStatus, worker: WorkerKey, now_us: int
) -> bool:
    """Moves a run that waits to PENDING, under the next fence; returns whether it did."""
    if run.state is not RunState.SCHEDULED:
        return False
    run.fence += 1
    report = StateReport(state=RunState.PENDING, fence=run.fence)
    verdict = decide_transition(run, report, run.run_id, source=Source.WORKER)
    assert isinstance(verdict, Accepted), verdict
    batch.transition(
        _scope(candidate),
        run,
        verdict,
        report,
        Update(sequence=0, run_id=run.run_id, occurred_us=now_us, change=report),
        actor=f"workers/{worker.worker_id}",
        producer_id=None,
        source=Source.WORKER,
    )
    return True


def _lease(
    candidate: Candidate, run: RunStatus, worker: WorkerKey, instance_id: str, now_us: int
) -> Lease:
    return Lease(
        scope=_scope(candidate),
        run_id=run.run_id,
        lease_id=str(uuid_utils.uuid4()),
        fence=run.fence,
        attempt=run.attempt,
        pool_id=candidate.pool.pool_id,
        queue_id=candidate.queue_id,
        flow_id=candidate.flow_id,
        deployment_id=candidate.deployment_id,
        worker_id=worker.worker_id,
        instance_id=instance_id,
        phase=Phase.GRANTED,
        counts=True,
        pid=0,
        granted_us=now_us,
        phase_us=now_us,
        expires_us=now_us + ACCEPT_US,
    )
