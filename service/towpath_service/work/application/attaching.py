"""Attaches workers: a stream becomes the one that counts, and takes over the worker's leases.

Invariants, each of which a test names:
  - of two instances of a worker, the one that began later wins, and the older one is fenced;
  - leases that nobody has accepted are sent again; those that the worker still has pass to it;
  - leases that the worker names and that aren't its own are told as lost;
  - a paused worker stays paused when it attaches by another process or stream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError, not_found
from towpath_service.core.tenant_limits import exceeded
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.domain.leases import ACCEPT_US, Lease, Phase, kept_until, phase_in
from towpath_service.work.ports.dispatching import WorkerRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.work.domain.dispatching import WorkerKey
    from towpath_service.work.ports.dispatching import Dispatch, JobRow, PoolTerms

MOST_WORKERS: Final = 1000
"""Most attached workers of a tenant."""
SEEN_US: Final = 60_000_000
"""How long a worker counts as attached after it was last heard from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message of a worker."""

    key: WorkerKey
    instance_id: str
    attachment: str
    """Id of the stream, made by the service."""
    started_us: int
    """When the instance began, by its own clock; 0 if not known."""
    kind: str
    slots: int
    queues: tuple[str, ...] = ()
    labels: Mapping[str, str]
    version: str = ""
    host: str = ""
    principal: str = ""
    held: Mapping[str, int]
    """Leases that it still has, each with the id of its process, 0 for none."""
    draining: bool = False
    clock_offset_us: int | None = None
    """How far its clock is ahead of the service's; None if not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What a worker is told when it has attached."""

    worker: WorkerRow
    pool: PoolTerms
    granted: list[tuple[Lease, JobRow | None]]
    """Leases that are sent again."""
    leases: frozenset[str]
    """All leases of the worker."""
    lost: frozenset[str]
    is_new: bool
    """Whether this instance attaches for the first time."""


def attach(dispatch: Dispatch, hello: Hello, now_us: int) -> Attached:
    """Attaches a worker, within one transaction.

    Raises:
        ServiceError: RESOURCE_NOT_FOUND: there is no such pool; NOT_DISPATCHABLE: it is of another
            kind; WORKER_FENCED; QUOTA_EXCEEDED.
    """
    terms = _terms(dispatch, hello)
    before = dispatch.workers.confirm([hello.key], alone=True).get(hello.key)
    _check(dispatch, hello, before, now_us)
    row = _row(hello, before, now_us)
    dispatch.workers.save(row)
    leases = [
        _taken_over(lease, hello, dispatch, terms, now_us)
        for lease in dispatch.leases.of_worker(hello.key)
    ]
    dispatch.leases.update(leases)
    again = [lease for lease in leases if lease.phase is Phase.GRANTED]
    jobs = dispatch.queue.jobs([_key(lease) for lease in again])
    mine = frozenset(lease.lease_id for lease in leases)
    return Attached(
        worker=row,
        pool=terms,
        granted=[(lease, jobs.get(_key(lease))) for lease in again],
        leases=mine,
        lost=frozenset(hello.held) - mine,
        is_new=before is None or before.instance_id != hello.instance_id,
    )


def _key(lease: Lease) -> RunKey:
    return RunKey(lease.scope.tenant_id, lease.run_id)


def _terms(dispatch: Dispatch, hello: Hello) -> PoolTerms:
    name = f"workspaces/{hello.key.workspace_id}/workPools/{hello.key.pool_id}"
    terms = dispatch.workers.pool(hello.key.pool)
    if terms is None:
        raise not_found(name)
    if terms.kind != hello.kind:
        raise ServiceError(
            reason="NOT_DISPATCHABLE",
            message=f"{name} is of kind {terms.kind}: it takes no worker of kind {hello.kind}",
            metadata={"resource": name, "kind": terms.kind},
        )
    return terms


def _check(dispatch: Dispatch, hello: Hello, before: WorkerRow | None, now_us: int) -> None:
    if (
        before is not None
        and before.attached
        and before.instance_id != hello.instance_id
        and hello.started_us < before.started_us
    ):
        raise ServiceError(
            reason="WORKER_FENCED",
            message=f"a newer instance of worker {hello.key.worker_id} has attached: stop this one",
            metadata={"worker": hello.key.worker_id, "instance_id": before.instance_id},
        )
    others = dispatch.workers.attached_count(
        hello.key.tenant_id, now_us - SEEN_US, beside=hello.key
    )
    if others >= MOST_WORKERS:
        raise exceeded("attached_workers", MOST_WORKERS, SEEN_US / 1e6)


def _row(hello: Hello, before: WorkerRow | None, now_us: int) -> WorkerRow:
    same = before is not None and before.instance_id == hello.instance_id
    return WorkerRow(
        key=hello.key,
        instance_id=hello.instance_id,
        attachment=hello.attachment,
        started_us=hello.started_us,
        attached=True,
        draining=hello.draining or (before is not None and same and before.draining),
        slots=hello.slots,
        queues=hello.queues,
        labels=hello.labels,
        version=hello.version,
        host=hello.host,
        principal=hello.principal,
        created_us=now_us if before is None else before.created_us,
        seen_us=now_us,
        clock_offset_us=hello.clock_offset_us,
        paused=before is not None and before.paused,
    )


def _taken_over(
    lease: Lease, hello: Hello, dispatch: Dispatch, terms: PoolTerms, now_us: int
) -> Lease:
    """A lease of the worker after it has attached anew."""
    lease = replace(lease, instance_id=hello.instance_id)
    if lease.lease_id in hello.held:
        # What the worker has, it has accepted, even if its word was lost.
        found = dispatch.leases.with_states(lease.scope.tenant_id, [lease.lease_id])
        accepted = Phase.ACCEPTED if lease.phase is Phase.GRANTED else lease.phase
        phase = phase_in(accepted, found[0][1]) if found else accepted
        phase_us = lease.phase_us if phase is lease.phase else now_us
        return replace(
            lease,
            phase=phase,
            phase_us=phase_us,
            pid=hello.held[lease.lease_id] or lease.pid,
            expires_us=kept_until(phase, phase_us, now_us, terms.times),
        )
    if lease.phase is Phase.GRANTED:
        return replace(lease, phase_us=now_us, expires_us=now_us + ACCEPT_US)
    return lease
