"""The store of creating and controlling runs, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.work.storage.enqueueing import SqlEnqueueing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.runs.ports.store import RunStore

Result = TypeVar("Result")


class SqlControl:
    """One transaction over runs and their work."""

    def __init__(self, transaction: Transaction, runs: IngestTransaction) -> None:
        self.runs = runs
        self.queue = SqlEnqueueing(sql_of(transaction))


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
            lambda transaction: work(self.on(transaction)), tenants=tenants, name="control"
        )
