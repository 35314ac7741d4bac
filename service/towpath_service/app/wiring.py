"""Which part gets which: the whole wiring on one screen, in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from towpath_service.app.identity.secret_keys import sealing_in_memory, without_key
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.tenant_limits import Admission
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.identity.rpc.local_identity import (
    LocalAccessHandler,
    LocalAuthHandler,
    LocalTenantHandler,
)
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.retention import Keep, Retention
from towpath_service.runs.application.watch import Draining, Watches
from towpath_service.runs.rpc.ingest_handler import IngestHandler, StreamTimes
from towpath_service.runs.rpc.log_handler import LogHandler
from towpath_service.runs.rpc.run_handler import FlowHandler, RunHandler
from towpath_service.runs.rpc.server_handler import ServerHandler
from towpath_service.stores.sqlite import SqliteStore
from towpath_service.telemetry.wrapping import Wrapping
from towpath_service.values.application.data_keys import DataKeys
from towpath_service.values.application.secrets import WorkspaceSecrets
from towpath_service.values.rpc.secret_handler import SecretHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from towpath_service.app.identity.wiring import Identity
    from towpath_service.app.options import IdentityOptions
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.application.refused_exchanges import Denials
    from towpath_service.identity.ports.sealing import Sealing
    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.stores.port import Store


_WITHOUT_IDENTITY = (LocalAuthHandler(), LocalAccessHandler(), LocalTenantHandler())


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
    authority: Authority | None
    """Who tells who calls; None when nobody is asked."""
    denials: Denials | None
    """Who writes refused exchanges down; None as above."""

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
    identity: IdentityOptions | None = None,
    sealing: Sealing | None = None,
) -> AsyncGenerator[Service]:
    """Opens the service on a database; a path is SQLite's, None is one in memory.

    Args:
        database: Where runs are kept.
        times: How long streams last and producers may be silent.
        keep: For how long what is recorded is kept.
        wrapping: What tells of the service; None tells of nothing.
        identity: How callers are told apart, if that was ever switched on; None for a service that
            nobody but its own process calls.
        sealing: Gets hold of the key that secrets and the service's own keys are sealed with; None
            for no key, or for one in memory for a database that is.
    """
    wrapping = wrapping or Wrapping()
    clock, bus, draining = SystemClock(), Bus(), Draining(asyncio.Event())
    times = times or StreamTimes()
    sealing = sealing or (sealing_in_memory() if database is None else without_key)
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
            admission = Admission()
            layer = await _identity(store, clock, sealing, queries, admission, identity)
            data_keys = DataKeys(store, sealing, clock, operated_by_callers=layer is None)
            handlers = (
                IngestHandler(producers, draining, times, admission),
                RunHandler(queries, watches),
                FlowHandler(queries),
                LogHandler(producers, queries, watches, admission),
                SecretHandler(WorkspaceSecrets(store, data_keys, clock)),
                ServerHandler(metadata.version("towpath")),
            )
            dispatcher = (
                Dispatcher((*handlers, *_WITHOUT_IDENTITY), LocalAuthenticator())
                if layer is None
                else Dispatcher((*handlers, *layer.handlers), layer.authenticator, layer.guard)
            )
            yield Service(
                dispatcher=wrapping.dispatcher(dispatcher),
                authority=None if layer is None else layer.authority,
                denials=None if layer is None else layer.denials,
                bus=bus,
                draining=draining,
                producers=producers,
                reaper=Reaper(store, bus, clock, silence_seconds=times.heartbeat_timeout_seconds),
                retention=Retention(store, bus, clock, keep or Keep()),
                store=store,
            )
            if layer is not None:
                await layer.guard.settle()
            await wrapping.settle()
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        store.close()


async def _identity(
    store: Store,
    clock: SystemClock,
    sealing: Sealing,
    queries: Queries,
    admission: Admission,
    options: IdentityOptions | None,
) -> Identity | None:
    if options is None or not await has_identity(store):
        return None
    # Brings cryptography, of which a service without identity needs nothing.
    from towpath_service.app.identity.wiring import open_identity  # noqa: PLC0415 - 10 MB

    return await open_identity(store, clock, sealing(make=False), queries, admission, options)


async def has_identity(store: Store) -> bool:
    """Whether identity was ever switched on for a database: it stays on."""
    return bool(await store.installation(lambda installation: installation.server_keys()))


@asynccontextmanager
async def open_store(database: Path | PostgresUrl) -> AsyncGenerator[Store]:
    """Opens the store of a database alone."""
    store = _store(database)
    try:
        await store.open()
        yield store
    finally:
        store.close()


def _store(database: Path | PostgresUrl | None) -> Store:
    if isinstance(database, PostgresUrl):
        # Its driver and the asyncio half of SQLAlchemy are of no use to a server on SQLite.
        from towpath_service.stores.postgres import PostgresStore  # noqa: PLC0415 - 15 MB

        return PostgresStore(database)
    return SqliteStore(database)
