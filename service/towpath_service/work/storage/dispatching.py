"""The store of dispatch, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import exists

from towpath_service.database.port import sql_of
from towpath_service.database.sql.one_statement import OneStatement
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.pauses import SqlPauses
from towpath_service.work.storage.claiming import SqlLimitRows
from towpath_service.work.storage.crash_rows import SqlCrashRows
from towpath_service.work.storage.jobs import jobs_of, read_jobs_by
from towpath_service.work.storage.lease_rows import SqlLeaseRows
from towpath_service.work.storage.queueing import SqlQueueRows
from towpath_service.work.storage.tables import work_lease
from towpath_service.work.storage.worker_rows import SqlWorkerRows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.work.domain.leases import Lease
    from towpath_service.work.ports.dispatching import JobRow

Result = TypeVar("Result")

DISPATCH: Final = "dispatch"
"""Name of the transactions of dispatch."""


def is_leased(run: Any) -> Any:
    """The condition that a run has a lease, given the columns of its table."""
    return exists().where(
        work_lease.c.tenant_id == run.tenant_id, work_lease.c.run_id == run.run_id
    )


class SqlDispatch:
    """One transaction over runs and their dispatch."""

    def __init__(self, transaction: Transaction, runs: IngestTransaction) -> None:
        self.runs = runs
        self.queue = SqlQueueRows(sql_of(transaction))
        self.limits = SqlLimitRows(sql_of(transaction))
        self.leases = SqlLeaseRows(sql_of(transaction))
        self.workers = SqlWorkerRows(sql_of(transaction))
        self.crashes = SqlCrashRows(sql_of(transaction))
        self.pauses = SqlPauses(sql_of(transaction))
        self._connection = sql_of(transaction).connection

    def grant(self, leases: Sequence[Lease], entries: Collection[RunKey]) -> dict[RunKey, JobRow]:
        """Writes new leases, removes queue entries and reads the jobs of the leases."""
        keys = [RunKey(lease.scope.tenant_id, lease.run_id) for lease in leases]
        if self._connection.dialect.name != "postgresql":
            self.leases.add_by(self._connection, leases)
            self.queue.remove(entries)
            return self.queue.jobs(keys)
        together = OneStatement(self._connection)
        self.leases.add_by(together, leases)
        self.queue.remove_by(together, entries)
        return jobs_of(read_jobs_by(together, keys))


class SqlDispatchStore:
    """A store over runs and their dispatch."""

    def __init__(self, database: Database, runs: RunStore) -> None:
        """Takes the database, which must be open before the first call, and its store of runs."""
        self._database = database
        self._runs = runs

    def on(self, transaction: Transaction) -> SqlDispatch:
        """The dispatch within a transaction that another subject has opened."""
        return SqlDispatch(transaction, self._runs.on(transaction))

    async def write(
        self, tenants: Collection[str], work: Callable[[SqlDispatch], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction)), tenants=tenants, name=DISPATCH
        )

    async def read(self, tenants: Collection[str], work: Callable[[SqlDispatch], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(self.on(transaction)), tenants=tenants
        )
