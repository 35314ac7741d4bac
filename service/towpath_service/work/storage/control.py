"""The store of creating and controlling runs, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import and_, delete, select

from towpath_service.core.bus import Topic
from towpath_service.core.tenancy import check_tenants
from towpath_service.database.port import sql_of
from towpath_service.database.sql.bulk import upsert_rows
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState
from towpath_service.runs.ports.reads import RunTree
from towpath_service.runs.storage.inputs import SqlRunInputs
from towpath_service.runs.storage.pauses import SqlPauses
from towpath_service.runs.storage.rows import chunks
from towpath_service.runs.storage.tables import run
from towpath_service.runs.storage.trees import of_tree
from towpath_service.work.ports.control import DirectiveRow, LeaseRow
from towpath_service.work.storage.enqueueing import SqlEnqueueing
from towpath_service.work.storage.queueing import SqlQueueRows
from towpath_service.work.storage.resource_store import SqlResources
from towpath_service.work.storage.tables import (
    run_directive,
    work_lease,
    work_pool,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from towpath_service.core.names import Scope
    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
    from towpath_service.runs.ports.ingest import IngestTransaction, RunKey
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.work.ports.resources import Resources

Result = TypeVar("Result")

CONTROL: Final = "control"
"""Name of the transactions that create and control runs."""

_DEFAULT_GRACE_US: Final = 30_000_000
_ASKABLE: Final = sorted(set(RunState) - TERMINAL_STATES - {RunState.CANCELLING})
_DIRECTIVE_COLUMNS: Final = tuple(run_directive.c.keys())
_OF_POOL: Final = and_(
    work_pool.c.tenant_id == work_lease.c.tenant_id,
    work_pool.c.workspace_id == work_lease.c.workspace_id,
    work_pool.c.pool_id == work_lease.c.pool_id,
)
_OF_WORKER: Final = and_(
    worker.c.tenant_id == work_lease.c.tenant_id,
    worker.c.workspace_id == work_lease.c.workspace_id,
    worker.c.pool_id == work_lease.c.pool_id,
    worker.c.worker_id == work_lease.c.worker_id,
)
_LEASES: Final = select(work_lease, work_pool.c.grace_us).join(work_pool, _OF_POOL, isouter=True)


class SqlControl:
    """One transaction over runs and their work."""

    def __init__(self, transaction: Transaction, runs: IngestTransaction) -> None:
        self._transaction = transaction
        self.runs = runs
        self.queue = SqlEnqueueing(sql_of(transaction))
        self.pauses = SqlPauses(sql_of(transaction))
        self.inputs = SqlRunInputs(sql_of(transaction))
        self._connection = sql_of(transaction).connection
        self._topics = sql_of(transaction).topics
        self._tenants = transaction.tenants

    def resources(self, tenant_id: str) -> Resources:
        """Pools, queues and deployments of a tenant within the transaction."""
        check_tenants(self._tenants, (tenant_id,))
        return SqlResources(sql_of(self._transaction), tenant_id)

    def leases(self, tenant_id: str, run_ids: Collection[str]) -> dict[str, LeaseRow]:
        """The leases of runs, by run id."""
        check_tenants(self._tenants, (tenant_id,))
        columns = work_lease.c
        found: dict[str, LeaseRow] = {}
        for chunk in chunks(run_ids):
            asked = _LEASES.where(columns.tenant_id == tenant_id, columns.run_id.in_(chunk))
            found |= {row.run_id: _to_lease(row) for row in self._connection.execute(asked)}
        return found

    def lease_of_worker(self, scope: Scope, lease_id: str, principal: str) -> LeaseRow | None:
        """A lease that a worker of a principal holds; None if none of its workers does."""
        check_tenants(self._tenants, (scope.tenant_id,))
        columns = work_lease.c
        row = self._connection.execute(
            _LEASES.join(worker, _OF_WORKER).where(
                columns.tenant_id == scope.tenant_id,
                columns.workspace_id == scope.workspace_id,
                columns.lease_id == lease_id,
                worker.c.instance_id == columns.instance_id,
                worker.c.principal == principal,
            )
        ).one_or_none()
        return None if row is None else _to_lease(row)

    def queue_again(self, run: RunKey, due_us: int, *, started: bool) -> None:
        """Queues a run of a deployment that isn't queued, and wakes its pool."""
        SqlQueueRows(sql_of(self._transaction)).put_back([run], due_us, started=started)

    def unfinished_below(self, scope: Scope, run_id: str, limit: int) -> list[str]:
        """Ids of flow runs below a run that are neither at their end nor asked to end."""
        check_tenants(self._tenants, (scope.tenant_id,))
        columns = run.c
        asked = (
            select(columns.run_id)
            .where(
                columns.tenant_id == scope.tenant_id,
                columns.workspace_id == scope.workspace_id,
                columns.run_id != run_id,
                columns.kind == RunKind.FLOW,
                columns.state.in_(_ASKABLE),
                of_tree(columns.run_id, scope, RunTree(run_id, descendants=True)),
            )
            .order_by(columns.run_id)
            .limit(limit)
        )
        return list(self._connection.execute(asked).scalars())

    def put_directives(self, directives: Sequence[DirectiveRow]) -> None:
        """Keeps directives, and wakes their producers and workers."""
        check_tenants(self._tenants, (item.scope.tenant_id for item in directives))
        upsert_rows(
            self._connection,
            run_directive,
            _DIRECTIVE_COLUMNS,
            [_directive_row(item) for item in directives],
            replacing=_DIRECTIVE_COLUMNS[2:],
        )
        for item in directives:
            if item.producer_id is not None:
                self._topics.add(Topic("directives", *item.scope, item.producer_id))
            if item.pool_id:
                self._topics.add(Topic("workers", *item.scope, item.pool_id))

    def remove_directives(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Removes the directives of runs, which were followed."""
        check_tenants(self._tenants, (tenant_id,))
        columns = run_directive.c
        for chunk in chunks(run_ids):
            self._connection.execute(
                delete(run_directive).where(
                    columns.tenant_id == tenant_id, columns.run_id.in_(chunk)
                )
            )


class SqlControlStore:
    """A store over runs and their work."""

    def __init__(self, database: Database, runs: RunStore) -> None:
        """Takes the database, and the store of runs on the same one."""
        self._database = database
        self._runs = runs

    def on(self, transaction: Transaction) -> SqlControl:
        """The work within a transaction that another subject has opened."""
        return SqlControl(transaction, self._runs.on(transaction))

    async def write(self, tenants: Collection[str], work: Callable[[SqlControl], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction)), tenants=tenants, name=CONTROL
        )

    async def read(self, tenants: Collection[str], work: Callable[[SqlControl], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(self.on(transaction)), tenants=tenants
        )


def _to_lease(row: Any) -> LeaseRow:
    names = [name for name in LeaseRow.__slots__ if name != "grace_us"]
    grace_us = _DEFAULT_GRACE_US if row.grace_us is None else row.grace_us
    return LeaseRow(grace_us=grace_us, **{name: getattr(row, name) for name in names})


def _directive_row(item: DirectiveRow) -> tuple[Any, ...]:
    """All columns of a directive, in their order."""
    return (
        item.scope.tenant_id,
        item.run_id,
        item.scope.workspace_id,
        item.kind,
        item.revision,
        item.message,
        item.grace_us,
        item.actor,
        item.created_us,
    )
