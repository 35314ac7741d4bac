"""Connections to SQLite: one thread that writes, and a few that read.

Work is a function of a plain Connection. It runs on the thread that owns the connection, so that no
event loop waits for a disk. Several processes may share a file: writers queue for its lock.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

Result = TypeVar("Result")

READERS: Final = 2
# Commits write all over the indexes. With fewer pages, a page is copied back many times; with more,
# an occasional commit takes as long as several others together.
CHECKPOINT_PAGES: Final = 2000
BUSY_TIMEOUT_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = 1.0


class SqliteConnections:
    """The threads and connections of one database."""

    def __init__(self, path: Path | None) -> None:
        """Starts the threads; connections are opened on first use.

        Args:
            path: The database file; None for one in memory, which has a single thread.
        """
        self.engine = _engine(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="towpath-writer")
        self._readers = (
            self._writer
            if path is None
            else ThreadPoolExecutor(READERS, thread_name_prefix="towpath-reader")
        )
        self._local = threading.local()
        self._opened: list[Connection] = []

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Runs work in a transaction of the writing thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._transact, work)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Runs work in a read transaction: all its reads see one state of the database."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._transact, work)

    def close(self) -> None:
        """Ends the threads and closes the connections."""
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        self.engine.dispose()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self.engine.connect()
            self._local.connection = connection
            self._opened.append(connection)
            if threading.current_thread().name.startswith("towpath-writer"):
                connection.info["writes"] = True
        return connection

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        try:
            connection = self._connection()
            with connection.begin():
                return work(connection)
        except OperationalError as error:
            raise unavailable(error) from error
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and "malformed" in str(error.orig):
                raise unavailable(error) from error
            raise


def unavailable(error: DBAPIError) -> ServiceError:
    """The error for a database that is unavailable now."""
    return ServiceError(
        reason="OVERLOADED",
        message=f"the database can't take this now ({error.orig}): try again",
        metadata={"cause": type(error.orig).__name__},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _engine(path: Path | None) -> Engine:
    target = ":memory:" if path is None else str(path)

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            target,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        if path is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = path is None or connection.info.get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
