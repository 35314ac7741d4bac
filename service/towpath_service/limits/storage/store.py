"""The store of limits, on any database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.database.port import sql_of
from towpath_service.limits.storage.hold_rows import SqlHoldRows
from towpath_service.limits.storage.limit_rows import SqlLimitRows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from towpath_service.core.transactions import Transaction
    from towpath_service.database.port import Database
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
