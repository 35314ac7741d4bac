"""The store of runs on a database port; made by the wiring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.runs.storage.ingest import SqlIngestTransaction
from towpath_service.runs.storage.pruning import SqlPruning
from towpath_service.runs.storage.reads import SqlReads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from towpath_service.core.transactions import LeaseMoves, StorageLimits, Transaction
    from towpath_service.database.port import Database
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.runs.ports.reads import Reads
    from towpath_service.runs.ports.retention import Pruning

Result = TypeVar("Result")

COMMIT: Final = "commit"
"""Name of the transactions in which ingestion, liveness and the reaper write."""


class SqlRunStore:
    """Keeps runs, transitions and logs."""

    def __init__(
        self,
        database: Database,
        limits: StorageLimits,
        *,
        leases: LeaseMoves | None = None,
        supervised: Callable[[Any], Any] | None = None,
    ) -> None:
        """Takes the database.

        Args:
            database: The database; it must be open before the first call.
            limits: Reads the storage limits of tenants.
            leases: Moves the leases of dispatched runs; None where there are none.
            supervised: The condition, given the columns of runs, that something else than the
                silence of its producer tells the end of a run; None for no such run.
        """
        self._database = database
        self._limits = limits
        self._leases = leases
        self._supervised = supervised

    def on(self, transaction: Transaction) -> IngestTransaction:
        """The runs within a transaction that another subject has opened."""
        return SqlIngestTransaction(
            sql_of(transaction), self._limits, leases=self._leases, supervised=self._supervised
        )

    async def write(
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction)), tenants=tenants, name=COMMIT
        )

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(SqlReads(transaction, tenant_id)),
            tenants={tenant_id},
        )

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion in one transaction."""
        return await self._database.write(
            lambda transaction: work(SqlReads(transaction, tenant_id)),
            tenants={tenant_id},
            again=False,
        )

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(lambda transaction: work(SqlPruning(transaction)))
