"""The database port: it hands out transactions, and knows no subject's tables.

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
    """A transaction on a connection, which stores of several subjects may share."""

    connection: Connection
    tenants: Collection[str]
    changed: set[Scope] = field(default_factory=set["Scope"])
    """Workspaces that other replicas are notified about after the commit."""


class Database(Protocol):
    """The database that all subjects store their rows in."""

    @property
    def location(self) -> str:
        """The location of the database for messages, without a password."""
        ...

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines that its statements run on."""
        ...

    @property
    def trouble(self) -> str:
        """Why it can't be used before the service is started again; empty when it can.

        A database that is away for a while isn't in trouble. Cheap, and safe from any thread.
        """
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
        """Runs work in one transaction, and returns its result after the commit.

        Args:
            work: Reads and writes on the transaction; it may run more than once.
            tenants: Ids of the tenants whose rows it may touch.
            name: Span name of the transaction; empty for no span.
            again: Whether to retry after a conflict with another transaction.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...

    async def read(
        self, work: Callable[[SqlTransaction], Result], *, tenants: Collection[str]
    ) -> Result:
        """Runs reads that see one state of the database; raises as `write`."""
        ...

    async def listen(self, bus: Bus) -> None:
        """Notifies the bus of other replicas' commits; never returns."""
        ...

    def close(self) -> None:
        """Ends its threads and connections."""
        ...


def sql_of(transaction: Transaction) -> SqlTransaction:
    """A transaction with its connection, for the storage of a subject."""
    assert isinstance(transaction, SqlTransaction)
    return transaction
