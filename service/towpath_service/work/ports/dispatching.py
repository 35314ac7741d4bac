"""The port of dispatch: the queue, the limits, the leases and the workers in one transaction.

Order of locks, in every transaction over these rows: queue entry, worker, limited row (deployment,
pool, queue; sorted), producer, run, lease, counter of the workspace. Picking and unparking skip
locked queue entries. A lease is changed only under the lock of its run, but for its phase and
expiry. A count that decides is read by a statement after the lock of its limit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from towpath_service.work.domain.jobs import merged_template

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.runs.domain.states import RunState
    from towpath_service.runs.ports.ingest import IngestTransaction, RunKey
    from towpath_service.runs.ports.pauses import Pauses
    from towpath_service.work.domain.dispatching import (
        Candidate,
        FreeWorker,
        LimitKey,
        PoolKey,
        WorkerKey,
    )
    from towpath_service.work.domain.leases import Lease, LeaseTimes

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTerms:
    """What a pool says of its workers and leases."""

    kind: str
    paused: bool
    description: str
    job_template: str
    concurrency_limit: int
    times: LeaseTimes
    grace_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker as it is stored. Times are microseconds since the Unix epoch."""

    key: WorkerKey
    instance_id: str
    attachment: str
    """Id of its newest stream."""
    started_us: int
    """When the instance began, by its own clock; 0 if not known."""
    attached: bool
    draining: bool
    slots: int
    queues: tuple[str, ...]
    labels: Mapping[str, str]
    version: str
    host: str
    principal: str
    created_us: int
    seen_us: int
    clock_offset_us: int | None
    """How far its clock was ahead of the service's when it attached; None if not known."""
    paused: bool = False
    """Whether it takes no runs until it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What the job of a run is worked out from; structured values are JSON."""

    run_id: str
    deployment_revision: int
    content: str | None
    """The deployment's revision; None when it is gone."""
    kind: str
    """Kind of the pool."""
    template: str
    """The pool's job template."""
    grace_us: int
    overrides: str
    flow_name: str
    display_name: str
    parameters: str | None
    timeout_us: int | None
    tags: str
    scheduled_us: int | None
    parent_run_id: str | None
    root_run_id: str
    traceparent: str
    tracestate: str
    replay: str | None = None
    """What a retry is to run again, as `RenewedOrigin` has it; None for nothing."""

    @property
    def merged_template(self) -> str:
        """The pool's job template with the overrides of deployment and run.

        Raises:
            ValueError: A text is no JSON object.
        """
        content: dict[str, Any] = json.loads(self.content or "{}")
        overrides = (content.get("job_overrides", ""), self.overrides)
        return merged_template(self.template, overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveRow:
    """A directive about a leased run."""

    lease_id: str
    worker: WorkerKey
    kind: int
    revision: int
    message: str
    grace_us: int | None


class QueueRows(Protocol):
    """The entries of runs that wait."""

    def pick(self, workers: Sequence[FreeWorker], now_us: int, most: int) -> list[Candidate]:
        """Reads and locks the first runs of queues that are due and not parked.

        Queues that no worker serves or that are paused, entries that another transaction has
        locked, and runs whose former lease hasn't ended yet, are left out.

        Args:
            workers: Workers with free slots; of each priority of a queue as many runs are read as
                its workers have free slots.
            now_us: The time.
            most: Most runs to read of each priority of a queue.
        """
        ...

    def remove(self, keys: Collection[RunKey]) -> None:
        """Removes entries."""
        ...

    def park(self, parked: Iterable[tuple[RunKey, LimitKey]]) -> None:
        """Holds entries back until their limit has room."""
        ...

    def unpark(self, freed: Mapping[LimitKey, int], now_us: int) -> None:
        """Makes the first entries that are parked by limits ready again, and wakes their pools.

        Args:
            freed: Most entries by limit.
            now_us: The time, for the priorities of entries that have waited.
        """
        ...

    def release(self, schedules: Collection[LimitKey]) -> None:
        """Makes the first run of schedules ready that waits for earlier ones, if those have ended.

        Args:
            schedules: What the runs are parked by, see `schedule_limit`.
        """
        ...

    def overdue(self, now_us: int, limit: int) -> list[RunKey]:
        """Locks entries of all tenants whose start deadline has passed, and returns their runs."""
        ...

    def parked_limits(self) -> list[LimitKey]:
        """The limits that entries of all tenants are parked by."""
        ...

    def put_back(self, keys: Collection[RunKey], due_us: int, *, started: bool = False) -> None:
        """Queues dispatched runs again, and wakes their pools.

        Args:
            keys: The runs; each has an origin.
            due_us: When they may start at the earliest.
            started: Whether an attempt has started in time: no start deadline applies any more.
        """
        ...

    def returns_of(self, keys: Collection[RunKey]) -> dict[RunKey, int]:
        """How often runs returned to the queue after a worker had accepted them."""
        ...

    def count_returns(self, keys: Collection[RunKey]) -> None:
        """Adds one to the returns of runs."""
        ...

    def jobs(self, keys: Collection[RunKey]) -> dict[RunKey, JobRow]:
        """What the jobs of leased runs are worked out from."""
        ...


class LimitRows(Protocol):
    """Pools, queues and deployments with their limits."""

    def lock(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """Locks the limited rows among those of the keys, and returns their limits."""
        ...

    def cancelling(self, keys: Collection[LimitKey]) -> set[LimitKey]:
        """The limits among the keys that cancel runs which meet them full: of deployments."""
        ...

    def read(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """The limits in force among the keys, without a lock."""
        ...

    def used(self, keys: Collection[LimitKey]) -> dict[LimitKey, int]:
        """The leases that count against limits; limits without any are left out."""
        ...


class LeaseRows(Protocol):
    """Leases."""

    def with_ids(self, tenant_id: str, lease_ids: Collection[str]) -> list[Lease]:
        """Reads leases by their ids, without a lock; unknown ones are left out."""
        ...

    def of_worker(self, worker: WorkerKey) -> list[Lease]:
        """Reads and locks the leases of a worker."""
        ...

    def lock(self, keys: Collection[RunKey]) -> dict[RunKey, Lease]:
        """Reads and locks the leases of runs; runs without one are left out."""
        ...

    def with_states(
        self, tenant_id: str, lease_ids: Collection[str]
    ) -> list[tuple[Lease, RunState, LeaseTimes]]:
        """Reads and locks leases with the state of their run and the times of their pool."""
        ...

    def update(self, leases: Sequence[Lease]) -> None:
        """Writes phase, instance, count, process and expiry of leases."""
        ...

    def remove(self, keys: Collection[RunKey]) -> None:
        """Removes the leases of runs."""
        ...

    def expired(
        self, now_us: int, silent_since_us: int, limit: int
    ) -> list[tuple[Scope, RunStatus]]:
        """Reads and locks runs whose lease has expired.

        A run whose process has reported is left out while its producer was seen since a time.
        """
        ...

    def shift(self, by_us: int) -> None:
        """Moves the expiry of all leases."""
        ...


class WorkerRows(Protocol):
    """Workers, and the pools that they attach to."""

    def confirm(
        self, keys: Collection[WorkerKey], *, alone: bool = False
    ) -> dict[WorkerKey, WorkerRow]:
        """Reads workers and keeps them from attaching anew until the transaction ends.

        Args:
            keys: The workers.
            alone: Whether no other transaction may confirm them meanwhile.
        """
        ...

    def save(self, row: WorkerRow) -> None:
        """Writes a worker, new or not."""
        ...

    def touch(self, keys: Collection[WorkerKey], now_us: int) -> None:
        """Records that locked workers were heard from."""
        ...

    def detach(self, key: WorkerKey, attachment: str, now_us: int) -> None:
        """Records that a worker's stream has ended, unless it has a newer one."""
        ...

    def drain(self, key: WorkerKey) -> None:
        """Records that a worker takes no more runs."""
        ...

    def pool(self, key: PoolKey) -> PoolTerms | None:
        """A pool; None when there is none."""
        ...

    def attached_count(self, tenant_id: str, seen_since_us: int, *, beside: WorkerKey) -> int:
        """The number of a tenant's attached workers that were seen since a time.

        Args:
            tenant_id: The tenant.
            seen_since_us: Workers seen before are taken as gone.
            beside: A worker that isn't counted.
        """
        ...

    def directives(self, workers: Collection[WorkerKey]) -> list[DirectiveRow]:
        """The directives about the leases of workers that are for the worker: cancel, abandon."""
        ...

    def alive(self, now_us: int) -> int | None:
        """Records that the service lives; returns when it last did, None for the first time."""
        ...


class CrashBudget(NamedTuple):
    """What a crashed run may still have."""

    used: int
    """Attempts that crashed and were followed by another."""
    most: int
    """Such attempts that its deployment allows."""
    lease_us: int
    """How long a lease of its pool lasts."""


class CrashRows(Protocol):
    """Attempts after crashes."""

    def budgets(self, keys: Collection[RunKey]) -> dict[RunKey, CrashBudget]:
        """The budgets of runs, by the revision of their deployment; others are left out."""
        ...

    def count(self, keys: Collection[RunKey]) -> None:
        """Counts an attempt that crashed and is followed by another, for each run."""
        ...


class Dispatch(Protocol):
    """One transaction over runs and their dispatch."""

    @property
    def crashes(self) -> CrashRows:
        """Attempts after crashes."""
        ...

    @property
    def runs(self) -> IngestTransaction:
        """The runs within the transaction."""
        ...

    @property
    def pauses(self) -> Pauses:
        """The pauses of runs."""
        ...

    @property
    def queue(self) -> QueueRows:
        """The runs that wait."""
        ...

    @property
    def limits(self) -> LimitRows:
        """Pools, queues and deployments."""
        ...

    @property
    def leases(self) -> LeaseRows:
        """Leases."""
        ...

    @property
    def workers(self) -> WorkerRows:
        """Workers."""
        ...

    def grant(self, leases: Sequence[Lease], entries: Collection[RunKey]) -> dict[RunKey, JobRow]:
        """Writes new leases and removes queue entries, in one step.

        Args:
            leases: The leases.
            entries: Their runs, and runs that don't wait any more.

        Returns:
            What the jobs of the leased runs are worked out from.
        """
        ...


class DispatchStore(Protocol):
    """A store over runs and their dispatch."""

    async def write(self, tenants: Collection[str], work: Callable[[Dispatch], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            tenants: Ids of all tenants whose data it may touch, or EVERY_TENANT.
            work: Reads and writes on the transaction; it may run more than once.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...

    async def read(self, tenants: Collection[str], work: Callable[[Dispatch], Result]) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...
