"""Assigns waiting runs to free workers; used by the dispatcher.

Invariants, each of which a property test names:
  - no limit of a deployment, a queue or a pool is exceeded, counting the runs assigned here;
  - a run is assigned to at most one worker, and a worker gets at most as many runs as it has free
    slots, from the queues that it serves;
  - among the runs of a tenant that could take the same place, the one of the queue with the lower
    rank comes first, then the one with the higher priority, then the one due earlier;
  - a run's priority grows by `AGEING_STEP` with each `AGEING_US` that it waits, so that no stream
    of runs of a higher priority holds it back without end;
  - tenants take turns: of a limited number of assignments, none gets two more than another one that
    could take more;
  - a run is parked only by a limit that is full.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from towpath_service.work.domain.names import ScheduleName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AGEING_STEP: Final = 10
AGEING_US: Final = 300_000_000
SCHEDULE: Final = "schedule"
"""First part of what runs are parked by that wait for earlier runs of their schedule."""


class PoolKey(NamedTuple):
    """A work pool."""

    tenant_id: str
    workspace_id: str
    pool_id: str


class WorkerKey(NamedTuple):
    """A worker of a pool."""

    tenant_id: str
    workspace_id: str
    pool_id: str
    worker_id: str

    @property
    def pool(self) -> PoolKey:
        """Its pool."""
        return PoolKey(*self[:3])


class LimitKey(NamedTuple):
    """A limit of leased runs.

    Its name is also what a run that meets the full limit is parked by: "pool/POOL",
    "queue/POOL/QUEUE" or "deployment/FLOW/DEPLOYMENT". Schedules park by
    "schedule/FLOW/DEPLOYMENT/SCHEDULE", which is no limit.
    """

    tenant_id: str
    workspace_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A run that waits, and is due."""

    pool: PoolKey
    run_id: str
    queue_id: str
    rank: int
    flow_id: str
    deployment_id: str
    priority: int
    due_us: int
    limited: tuple[bool, bool, bool] = (True, True, True)
    """Whether its deployment, its queue and its pool have a limit."""

    @property
    def limits(self) -> tuple[LimitKey, ...]:
        """The limits that it may meet, the narrowest first."""
        if not any(self.limited):
            return ()
        keys = limits_of(self.pool, self.queue_id, self.flow_id, self.deployment_id)
        return tuple(key for key, has in zip(keys, self.limited, strict=True) if has)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeWorker:
    """A worker with free slots."""

    key: WorkerKey
    free: int
    queues: frozenset[str] = frozenset()
    """Ids of the queues that it serves; empty for all of its pool."""

    def serves(self, queue_id: str) -> bool:
        """Whether it takes runs of a queue."""
        return not self.queues or queue_id in self.queues


@dataclass(frozen=True, slots=True)
class Assignment:
    """Runs with their workers, and runs that meet a full limit."""

    granted: list[tuple[Candidate, WorkerKey]] = field(
        default_factory=list[tuple[Candidate, WorkerKey]]
    )
    parked: list[tuple[Candidate, LimitKey]] = field(
        default_factory=list[tuple[Candidate, LimitKey]]
    )


def limits_of(
    pool: PoolKey, queue_id: str, flow_id: str, deployment_id: str
) -> tuple[LimitKey, LimitKey, LimitKey]:
    """The limits that a run counts against, the narrowest first."""
    tenant_id, workspace_id, pool_id = pool
    return (
        LimitKey(tenant_id, workspace_id, f"deployment/{flow_id}/{deployment_id}"),
        LimitKey(tenant_id, workspace_id, f"queue/{pool_id}/{queue_id}"),
        LimitKey(tenant_id, workspace_id, f"pool/{pool_id}"),
    )


def schedule_limit(tenant_id: str, name: ScheduleName) -> LimitKey:
    """What runs are parked by that wait for earlier runs of their schedule."""
    return LimitKey(tenant_id, name.workspace_id, "/".join((SCHEDULE, *name[1:])))


def schedule_of(limit: LimitKey) -> ScheduleName | None:
    """The schedule that runs are parked by; None for a limit."""
    kind, *ids = limit.name.split("/")
    return ScheduleName(limit.workspace_id, *ids) if kind == SCHEDULE else None


def aged_priority(priority: int, due_us: int, now_us: int) -> int:
    """The priority of a run that has waited since it was due."""
    return priority + AGEING_STEP * (max(0, now_us - due_us) // AGEING_US)


def assign(
    candidates: Iterable[Candidate],
    workers: Sequence[FreeWorker],
    limits: Mapping[LimitKey, int],
    used: Mapping[LimitKey, int],
    now_us: int,
    *,
    most: int,
    tenants: Sequence[str] = (),
) -> Assignment:
    """Assigns runs to workers.

    Args:
        candidates: Runs that wait and are due; none twice.
        workers: Workers with free slots; none twice.
        limits: Most leased runs of the limits in force; others are unlimited.
        used: Leased runs that count against each limit; missing ones have none.
        now_us: The time, for the priorities of runs that have waited.
        most: Most runs to assign.
        tenants: Ids of tenants, the one whose turn is first in front; others follow.
    """
    waiting = _by_tenant(candidates, now_us, tenants)
    offered: dict[PoolKey, list[_Offer]] = {}
    for worker in workers:
        offered.setdefault(worker.key.pool, []).append(_Offer(worker, worker.free))
    taken = {key: used.get(key, 0) for key in limits}
    made = Assignment()
    while waiting and len(made.granted) < most:
        runs = waiting.popleft()
        if _serve_one(runs, offered, limits, taken, made):
            waiting.append(runs)
    return made


@dataclass(slots=True)
class _Offer:
    worker: FreeWorker
    free: int


def _by_tenant(
    candidates: Iterable[Candidate], now_us: int, tenants: Sequence[str]
) -> deque[deque[Candidate]]:
    """The runs of each tenant in their order, the tenants in the order of their turns."""
    by_tenant: dict[str, list[Candidate]] = {tenant_id: [] for tenant_id in tenants}
    for candidate in candidates:
        by_tenant.setdefault(candidate.pool.tenant_id, []).append(candidate)

    def order(item: Candidate) -> tuple[int, int, int, str]:
        aged = aged_priority(item.priority, item.due_us, now_us)
        return (item.rank, -aged, item.due_us, item.run_id)

    return deque(deque(sorted(runs, key=order)) for runs in by_tenant.values() if runs)


def _serve_one(
    runs: deque[Candidate],
    offered: Mapping[PoolKey, Sequence[_Offer]],
    limits: Mapping[LimitKey, int],
    taken: dict[LimitKey, int],
    made: Assignment,
) -> bool:
    """Assigns the first run of a tenant that can be; returns whether there was one."""
    while runs:
        candidate = runs.popleft()
        counted = [key for key in candidate.limits if key in limits]
        full = next((key for key in counted if taken[key] >= limits[key]), None)
        if full is not None:
            made.parked.append((candidate, full))
            continue
        offer = _offer_for(candidate, offered.get(candidate.pool, ()))
        if offer is None:
            continue
        offer.free -= 1
        for key in counted:
            taken[key] += 1
        made.granted.append((candidate, offer.worker.key))
        return True
    return False


def _offer_for(candidate: Candidate, offers: Sequence[_Offer]) -> _Offer | None:
    """The worker with the most free slots among those that serve the run's queue."""
    able = [offer for offer in offers if offer.free and offer.worker.serves(candidate.queue_id)]
    return max(able, key=lambda offer: offer.free, default=None)
