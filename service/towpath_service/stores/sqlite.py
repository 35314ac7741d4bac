"""The store on SQLite: the embedded default."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from towpath_service.core.errors import ServiceError
from towpath_service.database.database_urls import location_of, unusable
from towpath_service.database.sqlite.connections import SqliteConnections
from towpath_service.database.sqlite.write_ahead import write_log_again
from towpath_service.database.upgrade import ensure_schema
from towpath_service.identity.storage.installation import SqlInstallation
from towpath_service.identity.storage.tables import ALL_TABLES
from towpath_service.identity.storage.tenant import SqlIdentity
from towpath_service.runs.storage.ingest import SqlIngestTransaction
from towpath_service.runs.storage.pruning import SqlPruning
from towpath_service.runs.storage.reads import SqlReads
from towpath_service.values.storage.secrets import SqlSecrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from towpath_service.core.bus import Bus
    from towpath_service.identity.ports.store import Identity, Installation
    from towpath_service.runs.ports.ingest import IngestTransaction
    from towpath_service.runs.ports.reads import Reads
    from towpath_service.runs.ports.retention import Pruning
    from towpath_service.values.ports.secrets import Secrets

Result = TypeVar("Result")


class SqliteStore:
    """Runs, transitions and logs in one SQLite database."""

    def __init__(self, path: Path | None) -> None:
        """Opens nothing yet.

        Args:
            path: The database file, made when absent; None for one in memory.
        """
        self._path = path
        self._connections = SqliteConnections(path)

    @property
    def location(self) -> str:
        """Where the database is, for people."""
        return location_of(self._path)

    @property
    def engines(self) -> Sequence[Engine]:
        """What its statements go through."""
        return [self._connections.engine]

    async def open(self) -> None:
        """Makes or upgrades the tables.

        Raises:
            ServiceError: DATABASE_TOO_NEW, or DATABASE_UNUSABLE when the file can't be opened.
        """
        if self._path is None:
            await self._connections.write(ALL_TABLES.create_all)
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
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""

        def run(connection: Connection) -> Result:
            return work(SqlIngestTransaction(connection, tenants))

        return await self._connections.write(run)

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads that see one state of the database."""

        def run(connection: Connection) -> Result:
            return work(SqlReads(connection, tenant_id))

        return await self._connections.read(run)

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion in one transaction."""

        def run(connection: Connection) -> Result:
            return work(SqlReads(connection, tenant_id))

        return await self._connections.write(run)

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""
        return await self._connections.write(lambda connection: work(SqlPruning(connection)))

    async def identity(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Runs work about one tenant in one transaction."""
        return await self._connections.write(
            lambda connection: work(SqlIdentity(connection, tenant_id))
        )

    async def secrets(self, tenant_id: str, work: Callable[[Secrets], Result]) -> Result:
        """Runs work about one tenant's secrets in one transaction."""
        return await self._connections.write(
            lambda connection: work(SqlSecrets(connection, tenant_id))
        )

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work about the installation in one transaction."""
        return await self._connections.write(lambda connection: work(SqlInstallation(connection)))

    async def listen(self, bus: Bus) -> None:  # noqa: ARG002 - as every store has it
        """Hears of nothing: other processes seldom write to the same file, and waits end."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Ends the threads and closes the connections."""
        self._connections.close()
