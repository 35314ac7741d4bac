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
from towpath_service.database.sqlite.same_files import SameFiles

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
        self.files = None if path is None else SameFiles(path)
        self.engine = _engine(path, self.files)
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
            connection.info["new"] = True
        return connection

    def _transact(self, work: Callable[[Connection], Result]) -> Result:
        try:
            self._check()
            connection = self._connection()
            with connection.begin():
                self._note_logs(connection)
                result = work(connection)
            self._check()
        except OperationalError as error:
            raise unavailable(error) from error
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and "malformed" in str(error.orig):
                raise unavailable(error) from error
            raise
        return result

    def _check(self) -> None:
        if self.files is not None:
            self.files.check()

    def _note_logs(self, connection: Connection) -> None:
        """Notes the write-ahead log, which is there once the first transaction has begun."""
        if self.files is not None and connection.info.pop("new", False):
            self.files.begun(anew=bool(connection.info.get("writes")))


def unavailable(error: DBAPIError) -> ServiceError:
    """The error for a database that is unavailable now."""
    return ServiceError(
        reason="OVERLOADED",
        message=f"the database is unavailable now ({error.orig}): try again",
        metadata={"cause": type(error.orig).__name__},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _engine(path: Path | None, files: SameFiles | None) -> Engine:
    file = "" if path is None else path.absolute().as_uri()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            _target(file, files),
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            uri=True,
        )
        if path is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")
        if files is not None:
            files.opened()
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = path is None or connection.info.get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _target(file: str, files: SameFiles | None) -> str:
    if files is None:
        return ":memory:"
    # A file that was removed under this process must not be made anew by a further connection.
    return f"{file}?mode={'rw' if files.known else 'rwc'}"
