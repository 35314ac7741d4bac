"""PostgreSQL as the database port, for any number of replicas."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.database_urls import location_of, unusable
from towpath_service.database.port import SqlTransaction
from towpath_service.database.postgres.durability import settings_at_risk, warning_of
from towpath_service.database.postgres.pools import READERS, TRIES, WRITERS, Pool
from towpath_service.database.sql.notices import CHANNEL, TOPICS, announce, heard_of
from towpath_service.database.upgrade import ensure_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection, Engine

    from towpath_service.core.bus import Bus, Topic
    from towpath_service.database.postgres_url import PostgresUrl

Result = TypeVar("Result")

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LET_GO_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class PostgresDatabase:
    """One PostgreSQL database."""

    def __init__(self, url: PostgresUrl) -> None:
        """Takes the URL; `open` connects."""
        self._url = url
        self._writers = Pool(url, size=WRITERS, name="towpath-writer", reads=False)
        self._readers = Pool(url, size=READERS, name="towpath-reader", reads=True)
        self._bus: Bus | None = None

    @property
    def location(self) -> str:
        """The location of the database for messages, without a password."""
        return location_of(self._url)

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines that its statements run on."""
        return [pool.engine.sync_engine for pool in (self._writers, self._readers)]

    @property
    def trouble(self) -> str:
        """Empty: connections are opened again as they are needed."""
        return ""

    async def open(self) -> None:
        """Checks that the database has a schema that this version works with.

        Warns if the server's settings lose commits in a power failure.

        Raises:
            ServiceError: DATABASE_UNUSABLE when it can't be reached, or refuses; otherwise as
                `ensure_schema` does.
        """
        try:
            await self._writers.run(partial(ensure_schema, where=self.location, automatic=False))
            at_risk = await self._readers.run(settings_at_risk)
        except (DBAPIError, OSError, asyncpg.PostgresError) as error:
            raise unusable(self._url, str(getattr(error, "orig", error))) from error
        except ServiceError as error:
            if error.reason != "OVERLOADED":
                raise
            raise unusable(self._url, str(error.__cause__)) from error
        if at_risk:
            _log.warning("%s", warning_of(at_risk))

    async def write(
        self,
        work: Callable[[SqlTransaction], Result],
        *,
        tenants: Collection[str] = EVERY_TENANT,
        name: str = "",  # noqa: ARG002 - for telemetry, which wraps this
        again: bool = True,
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""

        def run(connection: Connection) -> tuple[Result, set[Topic]]:
            transaction = SqlTransaction(connection, tenants)
            result = work(transaction)
            announce(connection, transaction)
            return result, transaction.topics

        result, topics = await self._writers.run(run, tenants=tenants, tries=TRIES if again else 1)
        self._wake(topics)
        return result

    async def read(
        self, work: Callable[[SqlTransaction], Result], *, tenants: Collection[str]
    ) -> Result:
        """Runs reads that see one state of the database."""
        return await self._readers.run(
            lambda connection: work(SqlTransaction(connection, tenants)), tenants=tenants
        )

    async def listen(self, bus: Bus) -> None:
        """Notifies the bus of other replicas' commits, and of topics; never returns.

        Notifications don't pass a pooler. Without a direct address, waits end by their own timeout.
        """
        self._bus = bus
        dsn = self._url.listening_dsn
        if dsn is None:
            await asyncio.Event().wait()
            return
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await _listen(dsn, bus)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("the connection for notices of other replicas is lost: %s", error)
            else:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)

    def close(self) -> None:
        """Ends the threads and closes the connections."""
        self._writers.close()
        self._readers.close()

    def _wake(self, topics: Collection[Topic]) -> None:
        """Notifies this replica, which may have no connection for notices."""
        if self._bus is not None:
            for topic in topics:
                self._bus.notify(topic)


async def _listen(dsn: str, bus: Bus) -> None:
    """Listens until the connection ends."""
    ended = asyncio.Event()

    def lost(_connection: object) -> None:
        ended.set()

    def heard(_connection: object, _pid: int, channel: str, payload: object) -> None:
        subject = heard_of(channel, str(payload))
        if subject is not None:
            bus.notify(subject)

    connection = await _connected(dsn)
    try:
        connection.add_termination_listener(lost)
        await connection.add_listener(CHANNEL, heard)
        await connection.add_listener(TOPICS, heard)
        # Commits while no connection listened sent no notice here.
        bus.notify_all()
        await ended.wait()
    finally:
        connection.terminate()


async def _connected(dsn: str) -> Any:
    """Connects; a cancellation takes effect after the connection attempt has ended.

    If asyncpg is cancelled during the handshake, it leaves an error that is logged as unhandled.
    """
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    connecting = asyncio.ensure_future(connect(dsn, timeout=10))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        # It closes what connects after a second cancellation of this wait, too.
        connecting.add_done_callback(_terminate)
        _, slow = await asyncio.wait([connecting], timeout=_LET_GO_SECONDS)
        for attempt in slow:
            attempt.cancel()
        raise


def _terminate(connecting: asyncio.Future[Any]) -> None:
    """Ends a connection that nobody waits for any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().terminate()
