"""The store of limits, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.database.sql.one_statement import OneStatement
from towpath_service.limits.storage.hold_rows import SqlHoldRows
from towpath_service.limits.storage.limit_rows import SqlLimitRows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
    from towpath_service.database.sql.one_statement import Executor
    from towpath_service.limits.domain.limits import Hold, Limit
    from towpath_service.limits.ports.limits import Limits

Result = TypeVar("Result")

LIMITS: Final = "limits"
"""Name of the transactions of limits."""


class SqlLimits:
    """One transaction over limits."""

    def __init__(self, transaction: Transaction) -> None:
        self.limits = SqlLimitRows(sql_of(transaction))
        self.holds = SqlHoldRows(sql_of(transaction))
        self.transaction = transaction
        self._connection = sql_of(transaction).connection

    def write(self, added: Sequence[Hold], changed: Sequence[Hold], noted: Sequence[Limit]) -> None:
        """Adds and changes parts, and stores what `LimitRows.note` does, in one step."""
        if self._connection.dialect.name != "postgresql":
            self._write_by(self._connection, added, changed, noted)
            return
        together = OneStatement(self._connection)
        self._write_by(together, added, changed, noted)
        together.run()

    def _write_by(
        self,
        executor: Executor,
        added: Sequence[Hold],
        changed: Sequence[Hold],
        noted: Sequence[Limit],
    ) -> None:
        self.holds.add(added, executor)
        self.holds.change(changed, executor)
        self.limits.note(noted, executor)


class SqlLimitStore:
    """Keeps limits."""

    def __init__(self, database: Database) -> None:
        """Takes the database, which must be open before the first call."""
        self._database = database

    def on(self, transaction: Transaction) -> Limits:
        """The limits within a transaction that another subject has opened."""
        return SqlLimits(transaction)

    async def write(self, tenants: Collection[str], work: Callable[[Limits], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self.on(transaction)), tenants=tenants, name=LIMITS
        )

    async def read(self, tenants: Collection[str], work: Callable[[Limits], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(self.on(transaction)), tenants=tenants
        )
