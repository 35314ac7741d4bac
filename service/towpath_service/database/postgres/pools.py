"""Connections to PostgreSQL: a pool that writes, and a pool that reads, each on its own event loop.

Work is a function of a plain Connection. It runs on the loop that owns the connections, so that the
verdicts on a large batch don't delay the loop that serves producers.

A transaction is retried after a conflict (a deadlock, a key inserted meanwhile) or the loss of its
connection. This is safe for work that reads the database before it writes: if the commit succeeded
and only its response was lost, the retry finds the stored rows.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.postgres.durability import FOR_THE_SESSION, FOR_THE_TRANSACTION
from towpath_service.database.sql.row_security import SAY, said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from towpath_service.database.postgres_url import PostgresUrl

Result = TypeVar("Result")

WRITERS: Final = 4
READERS: Final = 4
POOL_WAIT_SECONDS: Final = 10.0
# Longer than the server's own statement timeout, which comes first. A connection that is silent for
# longer is dead, for example because a firewall has dropped its state.
COMMAND_SECONDS: Final = 35.0
LET_GO_SECONDS: Final = 5.0
TRIES: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.02
RETRY_AFTER_SECONDS: Final = 1.0

# Set for every connection, or for every transaction behind a pooler. A statement normally takes
# milliseconds; one that reaches a timeout waits for a lock that a later try may find free.
SERVER_SETTINGS: Final = {
    "application_name": "towpath",
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "60000",
    "jit": "off",
}

SETTING: Final = "SELECT " + ", ".join(
    [FOR_THE_TRANSACTION]
    + [
        f"set_config('{name}', '{value}', true)"
        for name, value in SERVER_SETTINGS.items()
        if name != "application_name"
    ]
)

# Classes and codes of errors after which a retry may succeed: a conflict, a server that stops or
# starts, or one without resources (appendix A of PostgreSQL's manual).
_KEY_IS_THERE: Final = "23505"
_MET_ANOTHER: Final = frozenset({"40001", "40P01", "55P03", _KEY_IS_THERE})
_AWAY: Final = ("08", "57P", "53")

_log = logging.getLogger(__name__)


class Pool:
    """Connections of one kind, on a thread with a loop of its own."""

    def __init__(self, url: PostgresUrl, *, size: int, name: str, reads: bool) -> None:
        """Starts the thread; connections are made on demand."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self.engine = _engine(url, size=size, reads=reads)
        self._settings = f"{SETTING}, {SAY.removeprefix('SELECT ')}" if url.pooled else SAY

    async def run(
        self,
        work: Callable[[Connection], Result],
        *,
        tenants: Collection[str] = EVERY_TENANT,
        tries: int = TRIES,
    ) -> Result:
        """Runs work in a transaction; retries after a conflict or a lost connection.

        Args:
            work: Reads and writes on the connection.
            tenants: Ids of the tenants whose rows it may touch.
            tries: Most tries.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        running = asyncio.run_coroutine_threadsafe(self._run(work, tenants, tries), self._loop)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Closes the connections and ends the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Waits for transactions whose callers have gone, and closes the connections."""
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=LET_GO_SECONDS)
        await self.engine.dispose()

    async def _run(
        self, work: Callable[[Connection], Result], tenants: Collection[str], tries: int
    ) -> Result:
        whose = (said(tenants),)

        def walled(connection: Connection) -> Result:
            connection.exec_driver_sql(self._settings, whose)
            return work(connection)

        pause = FIRST_PAUSE_SECONDS
        while True:
            tries -= 1
            try:
                async with self.engine.begin() as connection:
                    return await connection.run_sync(walled)
            except (DBAPIError, OSError, asyncpg.PostgresError, PoolTimeoutError) as error:
                if not _may_succeed_later(error):
                    raise
                if tries <= 0:
                    if _code(error) == _KEY_IS_THERE:
                        # A retry doesn't help: the work itself inserts a key twice.
                        raise
                    raise _unavailable(error) from error
                _log.info("a transaction is run again: %s", error)
            await asyncio.sleep(pause)
            pause *= 2


def _engine(url: PostgresUrl, *, size: int, reads: bool) -> AsyncEngine:
    connecting: dict[str, Any] = {"command_timeout": COMMAND_SECONDS, "timeout": 10.0}
    connecting |= url.connecting
    if not url.pooled:
        connecting["server_settings"] = SERVER_SETTINGS
    options = (
        {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        if reads
        else {"isolation_level": "READ COMMITTED"}
    )
    engine = create_async_engine(
        url.url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        connect_args=connecting,
        # Data of users' runs must not get into the log.
        hide_parameters=True,
        execution_options=options,
    )
    event.listen(engine.sync_engine, "handle_error", _give_up_the_silent)
    if not url.pooled and not reads:
        event.listen(engine.sync_engine, "connect", _commit_to_the_disk)
    return engine


def _give_up_the_silent(failure: ExceptionContext) -> None:
    """Treats a connection that doesn't answer as lost, and all connections as old as it.

    They probably have the same fault. Otherwise work would wait for a timeout on each in turn.
    """
    if isinstance(failure.original_exception, TimeoutError):
        failure.is_disconnect = failure.invalidate_pool_on_disconnect = True


def _commit_to_the_disk(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(FOR_THE_SESSION)
    cursor.close()
    connection.commit()


def _may_succeed_later(error: BaseException) -> bool:
    if isinstance(error, OSError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    code = _code(error)
    if code:
        return code in _MET_ANOTHER or code.startswith(_AWAY)
    cause = getattr(error, "orig", error)
    return isinstance(error, InterfaceError) or isinstance(cause, OSError | TimeoutError)


def _code(error: BaseException) -> str:
    """PostgreSQL's code of an error; "" for an error from elsewhere."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def _unavailable(error: BaseException) -> ServiceError:
    cause = getattr(error, "orig", None) or error
    return ServiceError(
        reason="OVERLOADED",
        message="the database is unavailable now: try again",
        metadata={"cause": type(cause.__cause__ or cause).__name__},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
