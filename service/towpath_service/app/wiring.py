"""Which part gets which: the whole wiring on one screen, in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from towpath_service.application.committer import Committer
from towpath_service.application.producers import Producers
from towpath_service.application.queries import Queries
from towpath_service.application.reaper import Reaper
from towpath_service.application.retention import Keep, Retention
from towpath_service.application.watch import Draining, Watches
from towpath_service.ports.bus import Bus
from towpath_service.ports.clock import SystemClock
from towpath_service.rpc.dispatch import Dispatcher, LocalAuthenticator
from towpath_service.rpc.ingest_handler import IngestHandler, StreamTimes
from towpath_service.rpc.log_handler import LogHandler
from towpath_service.rpc.run_handler import FlowHandler, RunHandler
from towpath_service.rpc.server_handler import ServerHandler
from towpath_service.storage.postgres_url import PostgresUrl
from towpath_service.storage.sqlite import SqliteStore
from towpath_service.telemetry.wrapping import Wrapping

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from towpath_service.ports.store import Store
    from towpath_service.rpc.dispatch import Dispatching


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service without any port: what it answers, and what runs behind."""

    dispatcher: Dispatching
    bus: Bus
    draining: Draining
    producers: Producers
    reaper: Reaper
    retention: Retention
    store: Store

    def drain(self) -> None:
        """Ends watches and asks producers to move on; calls under way go on."""
        self.draining.event.set()
        self.bus.notify_all()


@asynccontextmanager
async def open_service(
    database: Path | PostgresUrl | None,
    *,
    times: StreamTimes | None = None,
    keep: Keep | None = None,
    wrapping: Wrapping | None = None,
) -> AsyncGenerator[Service]:
    """Opens the service on a database; a path is SQLite's, None is one in memory.

    Args:
        database: Where runs are kept.
        times: How long streams last and producers may be silent.
        keep: For how long what is recorded is kept.
        wrapping: What tells of the service; None tells of nothing.
    """
    wrapping = wrapping or Wrapping()
    clock, bus, draining = SystemClock(), Bus(), Draining(asyncio.Event())
    times = times or StreamTimes()
    store = wrapping.store(_store(database))
    listening: asyncio.Task[None] | None = None
    try:
        await store.open()
        listening = asyncio.create_task(store.listen(bus), name="towpath-listener")
        async with Committer(store, bus, clock) as committing:
            committer = wrapping.committer(committing)
            producers = Producers(
                store, committer, bus, clock, touch_seconds=times.heartbeat_timeout_seconds / 6
            )
            queries = Queries(store, bus, clock)
            watches = Watches(store, bus, draining)
            handlers = (
                IngestHandler(producers, draining, times),
                RunHandler(queries, watches),
                FlowHandler(queries),
                LogHandler(producers, queries, watches),
                ServerHandler(metadata.version("towpath")),
            )
            yield Service(
                dispatcher=wrapping.dispatcher(Dispatcher(handlers, LocalAuthenticator())),
                bus=bus,
                draining=draining,
                producers=producers,
                reaper=Reaper(store, bus, clock, silence_seconds=times.heartbeat_timeout_seconds),
                retention=Retention(store, bus, clock, keep or Keep()),
                store=store,
            )
            await wrapping.settle()
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        store.close()


def _store(database: Path | PostgresUrl | None) -> Store:
    if isinstance(database, PostgresUrl):
        # Its driver and the asyncio half of SQLAlchemy are of no use to a server on SQLite.
        from towpath_service.storage.postgres import PostgresStore  # noqa: PLC0415 - 15 MB

        return PostgresStore(database)
    return SqliteStore(database)
