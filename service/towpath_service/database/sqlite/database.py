"""SQLite as the database port: the embedded default."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.database_urls import location_of, unusable
from towpath_service.database.new_sqlite import make_tables
from towpath_service.database.port import SqlTransaction
from towpath_service.database.sqlite.connections import SqliteConnections
from towpath_service.database.sqlite.write_ahead import write_log_again
from towpath_service.database.upgrade import ensure_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from towpath_service.core.bus import Bus, Topic

Result = TypeVar("Result")


class SqliteDatabase:
    """One SQLite database."""

    def __init__(self, path: Path | None) -> None:
        """Takes the path; `open` makes the tables.

        Args:
            path: The database file, made when absent; None for one in memory.
        """
        self._path = path
        self._connections = SqliteConnections(path)
        self._bus: Bus | None = None

    @property
    def location(self) -> str:
        """The location of the database, for messages."""
        return location_of(self._path)

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines that its statements run on."""
        return [self._connections.engine]

    @property
    def trouble(self) -> str:
        """What has happened to a file of the database while it was open; empty for nothing."""
        files = self._connections.files
        return "" if files is None else files.trouble()

    async def open(self) -> None:
        """Makes or upgrades the tables.

        Raises:
            ServiceError: DATABASE_TOO_NEW, or DATABASE_UNUSABLE when the file can't be opened.
        """
        if self._path is None:
            await self._connections.write(make_tables)
            return
        location = self.location
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            await self._connections.write(partial(ensure_schema, where=location, automatic=True))
            await self._connections.write(partial(write_log_again, self._path))
        except OSError as error:
            raise unusable(self._path, error.strerror or "no access") from error
        except DBAPIError as error:
            raise unusable(self._path, str(error.orig)) from error
        except ServiceError as error:
            if error.reason != "OVERLOADED":
                raise
            cause = getattr(error.__cause__, "orig", error.message)
            raise unusable(self._path, str(cause)) from error

    async def write(
        self,
        work: Callable[[SqlTransaction], Result],
        *,
        tenants: Collection[str] = EVERY_TENANT,
        name: str = "",  # noqa: ARG002 - for telemetry, which wraps this
        again: bool = True,  # noqa: ARG002 - writing transactions are serialised, without conflicts
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""

        def run(connection: Connection) -> tuple[Result, set[Topic]]:
            transaction = SqlTransaction(connection, tenants)
            return work(transaction), transaction.topics

        result, topics = await self._connections.write(run)
        if self._bus is not None:
            for topic in topics:
                self._bus.notify(topic)
        return result

    async def read(
        self, work: Callable[[SqlTransaction], Result], *, tenants: Collection[str]
    ) -> Result:
        """Runs reads that see one state of the database."""
        return await self._connections.read(
            lambda connection: work(SqlTransaction(connection, tenants))
        )

    async def listen(self, bus: Bus) -> None:
        """Notifies the bus of topics; never returns.

        Other processes rarely write to the same file, and waits for them time out.
        """
        self._bus = bus
        await asyncio.Event().wait()

    def close(self) -> None:
        """Ends the threads and closes the connections."""
        self._connections.close()
