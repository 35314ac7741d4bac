"""Leases, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, exists, or_, select, update

from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import insert_rows, update_rows
from towpath_service.database.sql.keys import CHUNK
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.run_rows import STATUS_COLUMNS, to_status
from towpath_service.runs.storage.tables import producer, run
from towpath_service.work.domain.leases import Lease, LeaseTimes, Phase
from towpath_service.work.storage import tables
from towpath_service.work.storage.keys import of_runs, run_portions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Select

    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.sql.one_statement import Executor
    from towpath_service.runs.domain.decisions import RunStatus
    from towpath_service.work.domain.dispatching import WorkerKey

_lease: Final[Any] = tables.work_lease.c
_pool: Final[Any] = tables.work_pool.c
_run: Final[Any] = run.c
_producer: Final[Any] = producer.c

_CHANGED: Final = (
    *("tenant_id", "run_id", "instance_id", "phase", "counts", "pid", "phase_us", "expires_us"),
)
# States in which no process has reported under the lease, or none will any more.
_WITHOUT_PROCESS: Final = sorted({RunState.SCHEDULED, RunState.PENDING} | TERMINAL_STATES)

_WITH_IDS: Final = and_(
    _lease.tenant_id == bindparam("tenant"),
    _lease.lease_id.in_(bindparam("leases", expanding=True)),
)
_READ: Final = select(tables.work_lease).where(_WITH_IDS)
_OF_WORKER: Final = (
    select(tables.work_lease)
    .where(
        _lease.tenant_id == bindparam("tenant"),
        _lease.workspace_id == bindparam("workspace"),
        _lease.pool_id == bindparam("pool"),
        _lease.worker_id == bindparam("worker"),
    )
    .order_by(_lease.run_id)
    .with_for_update()
)
_LOCK: Final = (
    select(tables.work_lease).where(of_runs(_lease)).order_by(_lease.run_id).with_for_update()
)
_WITH_STATES: Final = (
    select(tables.work_lease, _run.state, _pool.lease_us, _pool.start_timeout_us)
    .join(run, and_(_run.tenant_id == _lease.tenant_id, _run.run_id == _lease.run_id))
    .join(
        tables.work_pool,
        and_(*(_pool[name] == _lease[name] for name in ("tenant_id", "workspace_id", "pool_id"))),
    )
    .where(_WITH_IDS)
    .order_by(_lease.run_id)
    .with_for_update(of=tables.work_lease)
)
_REMOVE: Final = delete(tables.work_lease).where(of_runs(_lease))
_HEARD: Final = exists().where(
    _producer.tenant_id == _run.tenant_id,
    _producer.workspace_id == _run.workspace_id,
    _producer.producer_id == _run.producer_id,
    _producer.seen_us >= bindparam("silent_since"),
)
_EXPIRED: Final = (
    select(_run.tenant_id, *STATUS_COLUMNS)
    .join(tables.work_lease, and_(_lease.tenant_id == _run.tenant_id, _lease.run_id == _run.run_id))
    .where(_lease.expires_us < bindparam("now"))
    .where(or_(_run.state.in_(_WITHOUT_PROCESS), ~_HEARD))
    .order_by(_run.tenant_id, _run.run_id)
    .limit(bindparam("most"))
    .with_for_update(of=run, skip_locked=True)
)
_SHIFT: Final = update(tables.work_lease).values(
    expires_us=_lease.expires_us + bindparam("by"), phase_us=_lease.phase_us + bindparam("by")
)


class SqlLeaseRows:
    """Leases, within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection: Any = transaction.connection
        self._tenants = transaction.tenants

    def add_by(self, executor: Executor, leases: Sequence[Lease]) -> None:
        """Writes new leases by an executor, which may join it with other statements."""
        check_tenants(self._tenants, (lease.scope.tenant_id for lease in leases))
        insert_rows(executor, tables.work_lease, [_row(lease) for lease in leases])

    def with_ids(self, tenant_id: str, lease_ids: Collection[str]) -> list[Lease]:
        """Reads leases by their ids, without a lock; unknown ones are left out."""
        return [to_lease(row) for row in self._with_ids(_READ, tenant_id, lease_ids)]

    def of_worker(self, worker: WorkerKey) -> list[Lease]:
        """Reads and locks the leases of a worker."""
        check_tenants(self._tenants, (worker.tenant_id,))
        names = ("tenant", "workspace", "pool", "worker")
        named = dict(zip(names, worker, strict=True))
        return [to_lease(row) for row in self._connection.execute(_OF_WORKER, named)]

    def lock(self, keys: Collection[RunKey]) -> dict[RunKey, Lease]:
        """Reads and locks the leases of runs; runs without one are left out."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        return {
            RunKey(row.tenant_id, row.run_id): to_lease(row)
            for portion in run_portions(keys)
            for row in self._connection.execute(_LOCK, portion)
        }

    def with_states(
        self, tenant_id: str, lease_ids: Collection[str]
    ) -> list[tuple[Lease, RunState, LeaseTimes]]:
        """Reads and locks leases with the state of their run and the times of their pool."""
        return [
            (
                to_lease(row),
                RunState(row.state),
                LeaseTimes(lease_us=row.lease_us, start_timeout_us=row.start_timeout_us),
            )
            for row in self._with_ids(_WITH_STATES, tenant_id, lease_ids)
        ]

    def update(self, leases: Sequence[Lease]) -> None:
        """Writes phase, instance, count, process and expiry of leases."""
        check_tenants(self._tenants, (lease.scope.tenant_id for lease in leases))
        rows = [
            (
                *(lease.scope.tenant_id, lease.run_id, lease.instance_id, int(lease.phase)),
                *(lease.counts, lease.pid, lease.phase_us, lease.expires_us),
            )
            for lease in leases
        ]
        update_rows(self._connection, tables.work_lease, _CHANGED, rows)

    def remove(self, keys: Collection[RunKey]) -> None:
        """Removes the leases of runs."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        for portion in run_portions(keys):
            self._connection.execute(_REMOVE, portion)

    def expired(
        self, now_us: int, silent_since_us: int, limit: int
    ) -> list[tuple[Scope, RunStatus]]:
        """Reads and locks runs whose lease has expired."""
        check_tenants(self._tenants, EVERY_TENANT)
        named = {"now": now_us, "silent_since": silent_since_us, "most": limit}
        found: list[tuple[Scope, RunStatus]] = []
        for tenant_id, *status in self._connection.execute(_EXPIRED, named):
            run_status = to_status(status)
            found.append((Scope(tenant_id, run_status.workspace_id), run_status))
        return found

    def shift(self, by_us: int) -> None:
        """Moves the expiry of all leases."""
        check_tenants(self._tenants, EVERY_TENANT)
        self._connection.execute(_SHIFT, {"by": by_us})

    def _with_ids(
        self, statement: Select[Any], tenant_id: str, lease_ids: Collection[str]
    ) -> Iterator[Any]:
        check_tenants(self._tenants, (tenant_id,))
        ordered = sorted(lease_ids)
        for start in range(0, len(ordered), CHUNK):
            named = {"tenant": tenant_id, "leases": ordered[start : start + CHUNK]}
            yield from self._connection.execute(statement, named)


def to_lease(row: Any) -> Lease:
    """A lease, from its row."""
    return Lease(
        scope=Scope(row.tenant_id, row.workspace_id),
        run_id=row.run_id,
        lease_id=row.lease_id,
        fence=row.fence,
        attempt=row.attempt,
        pool_id=row.pool_id,
        queue_id=row.queue_id,
        flow_id=row.flow_id,
        deployment_id=row.deployment_id,
        worker_id=row.worker_id,
        instance_id=row.instance_id,
        phase=Phase(row.phase),
        counts=row.counts,
        pid=row.pid,
        granted_us=row.granted_us,
        phase_us=row.phase_us,
        expires_us=row.expires_us,
    )


def _row(lease: Lease) -> tuple[Any, ...]:
    """All columns of a lease, in their order."""
    return (
        lease.scope.tenant_id,
        lease.run_id,
        lease.scope.workspace_id,
        lease.lease_id,
        lease.fence,
        lease.attempt,
        lease.pool_id,
        lease.queue_id,
        lease.flow_id,
        lease.deployment_id,
        lease.worker_id,
        lease.instance_id,
        int(lease.phase),
        lease.counts,
        lease.pid,
        lease.granted_us,
        lease.phase_us,
        lease.expires_us,
    )
