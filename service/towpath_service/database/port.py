"""The database as subjects use it: it hands out transactions, and knows none of their tables.

`SqliteDatabase` and `PostgresDatabase` implement it. The `storage/` of each subject builds its
store on it; `app/stores.py` puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from towpath_service.core.tenancy import EVERY_TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection, Engine

    from towpath_service.core.bus import Bus
    from towpath_service.core.names import Scope
    from towpath_service.core.transactions import Transaction

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SqlTransaction:
    """A transaction over a connection: stores of several subjects may work on it."""

    connection: Connection
    tenants: Collection[str]
    changed: set[Scope] = field(default_factory=set["Scope"])
    """Workspaces that other replicas hear of once the transaction is committed."""


class Database(Protocol):
    """Where all subjects keep their rows."""

    @property
    def location(self) -> str:
        """Where the database is, for people: without a password."""
        ...

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines that its statements run on."""
        ...

    async def open(self) -> None:
        """Makes the database ready.

        Raises:
            ServiceError: DATABASE_TOO_NEW, DATABASE_TOO_OLD or DATABASE_UNUSABLE.
        """
        ...

    async def write(
        self,
        work: Callable[[SqlTransaction], Result],
        *,
        tenants: Collection[str] = EVERY_TENANT,
        name: str = "",
        again: bool = True,
    ) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit.

        Args:
            work: What is done; it may run more than once.
            tenants: Ids of those whose rows it may touch.
            name: What telemetry calls the transaction; empty for one without a span.
            again: Whether a transaction that met another one is run again.

        Raises:
            ServiceError: OVERLOADED, when the database can't take it now.
        """
        ...

    async def read(
        self, work: Callable[[SqlTransaction], Result], *, tenants: Collection[str]
    ) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...

    async def listen(self, bus: Bus) -> None:
        """Wakes those who wait here for what other replicas commit; never returns."""
        ...

    def close(self) -> None:
        """Ends its threads and connections."""
        ...


def sql_of(transaction: Transaction) -> SqlTransaction:
    """A transaction with its connection, for the storage of a subject."""
    assert isinstance(transaction, SqlTransaction)
    return transaction
