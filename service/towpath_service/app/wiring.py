"""The wiring of the service, in order, on one screen."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING

from towpath_service.app.control_wiring import control, work_of_runs
from towpath_service.app.dispatch_wiring import open_dispatch
from towpath_service.app.identity.secret_keys import sealing_in_memory, without_key
from towpath_service.app.limit_wiring import limits
from towpath_service.app.stores import database_at, has_identity, stores_on
from towpath_service.app.subjects import Foundation, Subject
from towpath_service.app.work_wiring import work
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.draining import Draining
from towpath_service.core.tenant_limits import TenantLimits
from towpath_service.identity.rpc.local_identity import (
    LocalAccessHandler,
    LocalAuthHandler,
    LocalTenantHandler,
)
from towpath_service.limits.storage.figures import SqlLimitFigures
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.runs.application.artifacts import Artifacts
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.retention import Retention
from towpath_service.runs.application.timelines import Timelines
from towpath_service.runs.application.watch import Watches
from towpath_service.runs.domain.retention import Keep
from towpath_service.runs.rpc.artifact_handler import ArtifactHandler
from towpath_service.runs.rpc.ingest_handler import IngestHandler, StreamTimes
from towpath_service.runs.rpc.log_handler import LogHandler
from towpath_service.runs.rpc.run_handler import FlowHandler, RunHandler
from towpath_service.runs.rpc.server_handler import ServerHandler
from towpath_service.telemetry.wrapping import Wrapping
from towpath_service.values.application.data_keys import DataKeys
from towpath_service.values.application.secrets import WorkspaceSecrets
from towpath_service.values.application.variables import WorkspaceVariables
from towpath_service.values.rpc.secret_handler import SecretHandler
from towpath_service.values.rpc.variable_handler import VariableHandler
from towpath_service.work.storage.figures import SqlWorkFigures

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from towpath_service.app.control_wiring import WorkOfRuns
    from towpath_service.app.identity.wiring import Identity
    from towpath_service.app.options import IdentityOptions
    from towpath_service.app.stores import Stores
    from towpath_service.app.subjects import OpenSubject
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.application.refused_exchanges import RefusedExchanges
    from towpath_service.identity.ports.runs import HeldLeases
    from towpath_service.identity.ports.sealing import Sealing
    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.rpc.endpoints import Handler

    _Loop = Callable[[], Awaitable[None]]

_WITHOUT_IDENTITY = (LocalAuthHandler(), LocalAccessHandler(), LocalTenantHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service without any port: its dispatcher and background loops."""

    dispatcher: Dispatching
    bus: Bus
    draining: Draining
    producers: Producers
    reaper: Reaper
    retention: Retention
    stores: Stores
    authority: Authority | None
    """Resolves tokens to callers; None without identity."""
    refused_exchanges: RefusedExchanges | None
    """Writes refused exchanges into audit logs; None without identity."""
    loops: Mapping[str, Callable[[], Awaitable[None]]]
    """Loops that serve the callers of this process, by name."""
    background: Mapping[str, Callable[[], Awaitable[None]]]
    """Loops that work for the whole installation, by name."""

    def drain(self) -> None:
        """Ends watches and asks producers to reconnect; pending calls continue."""
        self.draining.event.set()
        self.bus.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs(Subject):
    """The subject of runs, with the parts that others use."""

    producers: Producers
    queries: Queries
    reaper: Reaper
    retention: Retention


@asynccontextmanager
async def open_service(
    location: Path | PostgresUrl | None,
    *,
    times: StreamTimes | None = None,
    keep: Keep | None = None,
    wrapping: Wrapping | None = None,
    identity: IdentityOptions | None = None,
    sealing: Sealing | None = None,
    subjects: Iterable[OpenSubject] = (),
) -> AsyncGenerator[Service]:
    """Opens the service on a database.

    Args:
        location: The database; a path is SQLite's, None is one in memory.
        times: Lifetimes of streams and timeouts of producers; None for the default.
        keep: Retention of records; None for the default.
        wrapping: Telemetry around the parts; None for none.
        identity: Options of identity, if it was ever switched on; None for a service that
            only its own process calls.
        sealing: Gets hold of the key that secrets and the service's own keys are sealed with; None
            for no key, or for one in memory for a database that is.
        subjects: Opens further subjects, beside those that the service always has.
    """
    wrapping = wrapping or Wrapping()
    sealing = sealing or (sealing_in_memory() if location is None else without_key)
    async with AsyncExitStack() as stack:
        foundation = await stack.enter_async_context(_foundation(location, wrapping))
        parts = work_of_runs(foundation)
        runs = await stack.enter_async_context(
            _runs(foundation, wrapping, parts, times or StreamTimes(), keep or Keep())
        )
        layer = await _identity(foundation, sealing, parts.held_leases, identity)
        values = _values(foundation, sealing, operated_by_callers=layer is None)
        resources = work(foundation, parts, wrapping.slots())
        controls = control(foundation, parts, runs.queries)
        dispatching = open_dispatch(foundation, times or StreamTimes(), layer, wrapping.dispatch())
        dispatch = await stack.enter_async_context(dispatching)
        database = foundation.stores.database
        figures = SqlWorkFigures(database), SqlLimitFigures(database)
        stack.enter_context(wrapping.figures(*figures, foundation.clock))
        limiting = await stack.enter_async_context(limits(foundation, wrapping.limit_waits()))
        further = [await stack.enter_async_context(opened(foundation)) for opened in subjects]
        all_subjects = (runs, values, resources, controls, dispatch, limiting, *further)
        handlers = [handler for subject in all_subjects for handler in subject.handlers]
        yield Service(
            dispatcher=wrapping.dispatcher(_dispatcher(handlers, layer)),
            authority=None if layer is None else layer.authority,
            refused_exchanges=None if layer is None else layer.refused_exchanges,
            bus=foundation.bus,
            draining=foundation.draining,
            producers=runs.producers,
            reaper=runs.reaper,
            retention=runs.retention,
            stores=foundation.stores,
            loops=_joined(subject.loops for subject in all_subjects),
            background=_joined(subject.background for subject in all_subjects),
        )
        if layer is not None:
            await layer.guard.settle()
        await wrapping.settle()


@asynccontextmanager
async def _foundation(
    location: Path | PostgresUrl | None, wrapping: Wrapping
) -> AsyncGenerator[Foundation]:
    """Opens the database, and listens for commits of other replicas."""
    bus = Bus()
    database = wrapping.database(database_at(location))
    listening: asyncio.Task[None] | None = None
    try:
        await database.open()
        listening = asyncio.create_task(database.listen(bus), name="towpath-listener")
        stores = stores_on(database)
        with wrapping.runs(stores.runs) as runs:
            yield Foundation(
                stores=replace(stores, runs=runs),
                bus=bus,
                clock=SystemClock(),
                draining=Draining(asyncio.Event()),
                tenant_limits=TenantLimits(),
            )
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        database.close()


@asynccontextmanager
async def _runs(
    foundation: Foundation,
    wrapping: Wrapping,
    parts: WorkOfRuns,
    times: StreamTimes,
    keep: Keep,
) -> AsyncGenerator[_Runs]:
    store, bus, clock = foundation.stores.runs, foundation.bus, foundation.clock
    draining, limits = foundation.draining, foundation.tenant_limits
    silence_seconds = times.heartbeat_timeout_seconds
    async with Committer(store, bus, clock) as committing:
        committer = wrapping.committer(committing)
        producers = Producers(store, committer, bus, clock, touch_seconds=silence_seconds / 6)
        queries = Queries(store, bus, clock)
        watches = Watches(store, bus, draining)
        reaper = Reaper(store, bus, clock, silence_seconds=silence_seconds)
        retention = Retention(store, bus, clock, keep)
        yield _Runs(
            producers=producers,
            queries=queries,
            reaper=reaper,
            retention=retention,
            handlers=(
                IngestHandler(producers, draining, times, limits, parts.directives),
                RunHandler(queries, watches, Timelines(store), parts.shown),
                FlowHandler(queries),
                ArtifactHandler(Artifacts(store)),
                LogHandler(producers, queries, watches, limits),
                ServerHandler(metadata.version("towpath")),
            ),
            loops={
                "reaper": reaper.run,
                "liveness": producers.keep_alive,
            },
            background={"retention": retention.run},
        )


def _joined(parts: Iterable[Mapping[str, _Loop]]) -> dict[str, _Loop]:
    return {name: loop for part in parts for name, loop in part.items()}


def _values(foundation: Foundation, sealing: Sealing, *, operated_by_callers: bool) -> Subject:
    store, clock = foundation.stores.secrets, foundation.clock
    keys = DataKeys(store, sealing, clock, operated_by_callers=operated_by_callers)
    return Subject(
        handlers=(
            SecretHandler(WorkspaceSecrets(store, keys, clock)),
            VariableHandler(WorkspaceVariables(foundation.stores.variables, clock)),
        )
    )


async def _identity(
    foundation: Foundation,
    sealing: Sealing,
    held_leases: HeldLeases,
    options: IdentityOptions | None,
) -> Identity | None:
    if options is None or not await has_identity(foundation.stores):
        return None
    # Brings cryptography, of which a service without identity needs nothing.
    from towpath_service.app.identity.wiring import open_identity  # noqa: PLC0415 - 10 MB

    return await open_identity(
        foundation.stores.identity,
        foundation.clock,
        sealing(make=False),
        held_leases,
        foundation.tenant_limits,
        options,
    )


def _dispatcher(handlers: Sequence[Handler], layer: Identity | None) -> Dispatcher:
    if layer is None:
        return Dispatcher((*handlers, *_WITHOUT_IDENTITY), LocalAuthenticator())
    return Dispatcher((*handlers, *layer.handlers), layer.authenticator, layer.guard)
