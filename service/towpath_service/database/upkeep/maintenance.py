"""A single connection to a database, for maintenance commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from towpath_service.core.errors import ServiceError
from towpath_service.database.database_urls import unusable
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.database.sql.row_security import SAY_EVERY
from towpath_service.database.sqlite.connections import SqliteConnections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

Result = TypeVar("Result")

CONNECT_SECONDS = 10.0


async def at_database(database: Path | PostgresUrl, work: Callable[[Connection], Result]) -> Result:
    """Runs work in one transaction on a connection that is opened for it.

    Raises:
        ServiceError: DATABASE_UNUSABLE, with the database's error.
    """
    try:
        if isinstance(database, PostgresUrl):
            return await _at_postgres(database, work)
        connections = SqliteConnections(database)
        try:
            return await connections.write(work)
        finally:
            connections.close()
    except (DBAPIError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error)
        raise unusable(database, cause) from error
    except ServiceError as error:
        if error.reason != "OVERLOADED":
            raise
        raise unusable(database, str(getattr(error.__cause__, "orig", error.message))) from error


async def _at_postgres(url: PostgresUrl, work: Callable[[Connection], Result]) -> Result:
    connecting = {
        "timeout": CONNECT_SECONDS,
        "server_settings": {"application_name": "towpath-db"},
        **url.connecting,
    }
    # A server on SQLite doesn't need the asyncio part of SQLAlchemy.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - 6 MiB

    engine = create_async_engine(
        url.url, poolclass=NullPool, connect_args=connecting, hide_parameters=True
    )
    try:
        async with engine.begin() as connection:
            # Maintenance applies to the rows of all tenants.
            await connection.exec_driver_sql(SAY_EVERY)
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
