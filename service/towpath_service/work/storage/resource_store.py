"""The store of pools, queues, workers, deployments and schedules, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import text

from towpath_service.database.port import sql_of
from towpath_service.work.storage.deployments import SqlDeployments
from towpath_service.work.storage.pools import SqlPools, SqlQueues, SqlWorkers
from towpath_service.work.storage.schedules import SqlSchedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.work.ports.resources import Resources

Result = TypeVar("Result")

# Any number that no other advisory lock in the database uses.
_COUNTING: Final = text("SELECT pg_advisory_xact_lock(8697287, hashtext(CAST(:tenant AS text)))")


class SqlResources:
    """One transaction on the resources of one tenant."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        connection = transaction.connection
        self._connection = connection
        self._tenant_id = tenant_id
        self.transaction: Transaction = transaction
        self.pools = SqlPools(transaction, tenant_id)
        self.queues = SqlQueues(transaction, tenant_id)
        self.workers = SqlWorkers(transaction, tenant_id)
        self.deployments = SqlDeployments(connection, tenant_id)
        self.schedules = SqlSchedules(transaction, tenant_id)

    def lock_counts(self) -> None:
        """Makes other transactions that count the tenant's resources wait for this one's end."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_COUNTING, {"tenant": self._tenant_id})


class SqlResourceStore:
    """Keeps resources of work."""

    def __init__(self, database: Database) -> None:
        """Takes the database, which must be open before the first call."""
        self._database = database

    def on(self, transaction: Transaction, tenant_id: str) -> Resources:
        """The resources of one tenant within a transaction that another subject has opened."""
        return SqlResources(sql_of(transaction), tenant_id)

    async def read(self, tenant_id: str, work: Callable[[Resources], Result]) -> Result:
        """Runs reads of one tenant's resources, which see one state of them."""
        return await self._database.read(
            lambda transaction: work(self.on(transaction, tenant_id)), tenants={tenant_id}
        )

    async def write(self, tenant_id: str, work: Callable[[Resources], Result]) -> Result:
        """Runs work on one tenant's resources in one transaction."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction, tenant_id)), tenants={tenant_id}
        )
