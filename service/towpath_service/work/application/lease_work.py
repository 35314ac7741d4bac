"""What attached workers say about their leases: accepted, started, renewed, ended.

Two group commits serve all workers of the replica. Acceptances and renewals change leases only;
ends move runs, too.

Invariants, each of which a test names:
  - only the newest stream of a worker changes its leases;
  - an end is recorded once, however often it is sent, and an unknown lease has ended;
  - a lease that isn't the worker's any more is told to it as lost.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

from towpath_service.core.errors import ServiceError
from towpath_service.core.group_commit import GroupCommit
from towpath_service.core.names import Scope
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.settling import Ending, settle
from towpath_service.work.domain.dispatching import WorkerKey
from towpath_service.work.domain.leases import (
    WORKER_FAULT,
    Lease,
    LeaseTimes,
    Outcome,
    Phase,
    freed_by,
    kept_until,
    on_end,
    pause_us,
    phase_in,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.runs.domain.states import RunState
    from towpath_service.work.application.settling import RetryAfterCrash
    from towpath_service.work.application.workers import AttachedWorker, Workers
    from towpath_service.work.domain.stopping import Evidence
    from towpath_service.work.ports.dispatching import Dispatch, DispatchStore, WorkerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker says of leases that it has."""

    worker: WorkerKey
    attachment: str
    accepted: frozenset[str] = frozenset()
    started: tuple[tuple[str, int], ...] = ()
    """Leases whose process has started, each with its process id."""
    renewed: frozenset[str] = frozenset()

    @property
    def lease_ids(self) -> frozenset[str]:
        """The leases."""
        return self.accepted | self.renewed | {lease_id for lease_id, _ in self.started}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The answer to a renewal."""

    expires_us: int
    """When the renewed leases end at the earliest; 0 if there are none."""
    lost: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """A worker's word that a lease has ended."""

    lease_id: str
    outcome: Outcome
    reason: str = ""
    message: str = ""
    failure: str | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Leases that a worker has ended."""

    worker: WorkerKey
    attachment: str
    ends: tuple[LeaseEnded, ...]


class LeaseWork:
    """Commits what workers say about their leases."""

    def __init__(
        self,
        store: DispatchStore,
        workers: Workers,
        bus: Bus,
        clock: Clock,
        retry_after_crash: RetryAfterCrash | None = None,
    ) -> None:
        self._store = store
        self._workers = workers
        self._bus = bus
        self._clock = clock
        self._retry_after_crash = retry_after_crash
        self._saying = GroupCommit(self._commit_said, name="towpath-leases")
        self._ending = GroupCommit(self._commit_ends, name="towpath-lease-ends")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._saying)
        await self._stack.enter_async_context(self._ending)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def say(self, said: Said) -> Kept:
        """Records what a worker says of its leases.

        Raises:
            ServiceError: WORKER_FENCED: a later stream of the worker is the one that counts.
        """
        kept = await self._saying.submit(said)
        if said.started:
            self._workers.started(said.worker)
        self._workers.ended(said.worker, kept.lost)
        return kept

    async def end(self, ends: Ends) -> None:
        """Records the ends of leases; raises as `say`.

        A worker that couldn't start runs gets none for a while.
        """
        await self._ending.submit(self._rested(ends))
        self._workers.ended(ends.worker, [item.lease_id for item in ends.ends])

    def _rested(self, ends: Ends) -> Ends:
        """The ends, with the pause of the worker in the messages of runs that it can't start."""
        if not any(_is_fault(one) for one in ends.ends):
            return ends
        faults = self._workers.rest(ends.worker)
        if not faults:
            return ends
        pause = f"; it gets no run for {pause_us(faults) // 1_000_000} s (fault {faults} in a row)"
        return replace(
            ends,
            ends=tuple(
                replace(one, message=one.message + pause) if _is_fault(one) else one
                for one in ends.ends
            ),
        )

    async def end_one(
        self, worker: AttachedWorker, lease_id: str, outcome: Outcome, message: str
    ) -> None:
        """Ends a lease that the service itself can't carry out."""
        end = LeaseEnded(lease_id=lease_id, outcome=outcome, message=message)
        await self.end(Ends(worker=worker.key, attachment=worker.attachment, ends=(end,)))

    async def held(self, worker: AttachedWorker, lease_ids: Collection[str]) -> list[Lease]:
        """The leases among some that are a worker's."""
        tenant_id = worker.key.tenant_id
        found = await self._store.read(
            {tenant_id}, lambda dispatch: dispatch.leases.with_ids(tenant_id, lease_ids)
        )
        return [lease for lease in found if _worker_of(lease) == worker.key]

    async def _commit_said(self, items: Sequence[Said]) -> list[Kept | ServiceError]:
        now_us = self._clock.now_us()
        tenants = {item.worker.tenant_id for item in items}
        return await self._store.write(tenants, partial(keep, items=items, now_us=now_us))

    async def _commit_ends(self, items: Sequence[Ends]) -> list[ServiceError | None]:
        now_us = self._clock.now_us()
        tenants = {item.worker.tenant_id for item in items}
        answers = await self._store.write(
            tenants,
            partial(end, items=items, now_us=now_us, retry_after_crash=self._retry_after_crash),
        )
        for tenant_id, workspace_id in {item.worker[:2] for item in items}:
            self._bus.notify(Scope(tenant_id, workspace_id))
        return answers


def keep(dispatch: Dispatch, items: Sequence[Said], now_us: int) -> list[Kept | ServiceError]:
    """Records what workers say of their leases, within one transaction."""
    current = _current(dispatch, items, alone=True)
    dispatch.workers.touch(current, now_us)
    heard = [item for item in items if _is_current(item, current)]
    found = _found(dispatch, heard)
    changed: dict[str, Lease] = {}
    for item in heard:
        for lease_id in item.lease_ids & found.keys():
            lease, state, times = found[lease_id]
            if _worker_of(lease) == item.worker:
                changed[lease_id] = _kept(changed.get(lease_id, lease), state, times, item, now_us)
    released = [found[lease_id][0] for lease_id, lease in changed.items() if not lease.counts]
    dispatch.leases.update(list(changed.values()))
    dispatch.queue.unpark(freed_by(released), now_us)
    return [
        _answer(item, changed)
        if _is_current(item, current)
        else fenced(item.worker, current.get(item.worker))
        for item in items
    ]


def end(
    dispatch: Dispatch,
    items: Sequence[Ends],
    now_us: int,
    retry_after_crash: RetryAfterCrash | None = None,
) -> list[ServiceError | None]:
    """Records the ends of leases, within one transaction."""
    current = _current(dispatch, items, alone=False)
    heard = [item for item in items if _is_current(item, current)]
    told = {
        (item.worker.tenant_id, one.lease_id): (item, one) for item in heard for one in item.ends
    }
    leases = [
        lease
        for tenant_id in sorted({tenant_id for tenant_id, _ in told})
        for lease in dispatch.leases.with_ids(
            tenant_id, [lease_id for of, lease_id in told if of == tenant_id]
        )
    ]
    keys = {RunKey(lease.scope.tenant_id, lease.run_id) for lease in leases}
    runs, _ = dispatch.runs.standing(keys, ())
    endings: list[Ending] = []
    for key, lease in dispatch.leases.lock(keys).items():
        item, one = told.get((key.tenant_id, lease.lease_id), (None, None))
        if item is not None and one is not None and _worker_of(lease) == item.worker:
            endings.append(
                Ending(
                    lease=lease,
                    run=runs[key],
                    verdict=on_end(
                        one.outcome,
                        runs[key].state,
                        one.reason,
                        suspended=runs[key].is_suspended,
                    ),
                    actor=f"workers/{lease.worker_id}",
                    message=one.message,
                    failure=one.failure,
                    evidence=one.evidence,
                )
            )
    batch = Batch(dispatch.runs, now_us)
    settle(dispatch, batch, endings, now_us, retry_after_crash)
    batch.commit([])
    return [
        None if _is_current(item, current) else fenced(item.worker, current.get(item.worker))
        for item in items
    ]


def fenced(worker: WorkerKey, current: WorkerRow | None = None) -> ServiceError:
    """The error for a stream of a worker that is no longer the one that counts.

    Args:
        worker: The worker.
        current: The worker as it is stored, if it was read.
    """
    name = f"worker {worker.worker_id}"
    return ServiceError(
        reason="WORKER_FENCED",
        message=f"{name} has attached anew: end this stream, and stop unless it was you",
        metadata={
            "worker": worker.worker_id,
            "instance_id": "" if current is None else current.instance_id,
        },
    )


def _current(
    dispatch: Dispatch, items: Sequence[Said] | Sequence[Ends], *, alone: bool
) -> dict[WorkerKey, WorkerRow]:
    """The workers as they are, each with its newest stream."""
    return dispatch.workers.confirm({item.worker for item in items}, alone=alone)


def _is_current(item: Said | Ends, current: Mapping[WorkerKey, WorkerRow]) -> bool:
    row = current.get(item.worker)
    return row is not None and row.attachment == item.attachment


def _found(
    dispatch: Dispatch, items: Sequence[Said]
) -> dict[str, tuple[Lease, RunState, LeaseTimes]]:
    wanted: dict[str, set[str]] = {}
    for item in items:
        wanted.setdefault(item.worker.tenant_id, set()).update(item.lease_ids)
    return {
        row[0].lease_id: row
        for tenant_id, lease_ids in sorted(wanted.items())
        for row in dispatch.leases.with_states(tenant_id, lease_ids)
    }


def _worker_of(lease: Lease) -> WorkerKey:
    return WorkerKey(*lease.scope, lease.pool_id, lease.worker_id)


def _kept(lease: Lease, state: RunState, times: LeaseTimes, said: Said, now_us: int) -> Lease:
    """A lease after what its worker says of it."""
    phase, pids = lease.phase, dict(said.started)
    if phase is Phase.GRANTED and lease.lease_id in said.accepted | pids.keys():
        phase = Phase.ACCEPTED
    phase = phase_in(phase, state)
    phase_us = lease.phase_us if phase is lease.phase else now_us
    return replace(
        lease,
        phase=phase,
        phase_us=phase_us,
        counts=lease.counts and phase is not Phase.ENDING,
        pid=pids.get(lease.lease_id, lease.pid),
        expires_us=kept_until(phase, phase_us, now_us, times),
    )


def _is_fault(end: LeaseEnded) -> bool:
    return end.outcome is Outcome.RETURNED and end.reason == WORKER_FAULT


def _answer(said: Said, changed: Mapping[str, Lease]) -> Kept:
    mine: Collection[Lease] = [
        lease for lease_id in said.lease_ids if (lease := changed.get(lease_id)) is not None
    ]
    return Kept(
        expires_us=min((lease.expires_us for lease in mine), default=0),
        lost=said.lease_ids - {lease.lease_id for lease in mine},
    )
