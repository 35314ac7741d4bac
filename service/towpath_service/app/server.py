"""The server process: the service behind its two listeners, until a signal stops it."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from towpath.extensions.transports import announce_server

from towpath_service.app.addresses import seen_from_here
from towpath_service.app.background import background
from towpath_service.app.identity.exposure import check_exposure, warn_of_exposure
from towpath_service.app.identity.key_sources import file_source
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.identity.stop_when_identity_is_on import StopWhenIdentityIsOn
from towpath_service.app.listeners import Listeners, open_web_socket
from towpath_service.app.outbox_intake import Intake
from towpath_service.app.wiring import Service, open_service
from towpath_service.database.database_urls import location_of
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.telemetry.logs import set_up_logs
from towpath_service.telemetry.observing import Observed, observe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from towpath_service.app.options import ServerOptions
    from towpath_service.identity.application.tenants import MadeTenant
    from towpath_service.telemetry.wrapping import Wrapping

# A commit makes and drops tens of thousands of objects that hold no cycles. At Python's own 700 the
# collector scanned all of them repeatedly, for a third of the writing thread's time.
COLLECT_AFTER_OBJECTS: Final = 50_000

INTAKE_SECONDS: Final = 10.0
"""Pause between two searches for outboxes of ended processes: seconds."""


def run_server(
    options: ServerOptions,
    on_started: Callable[[str, str, str], None],
    on_identity_enabled: Callable[[MadeTenant], None],
) -> None:
    """Sets up the log of this process, and serves until SIGTERM or SIGINT.

    Args:
        options: What to serve, and where.
        on_started: Is called with the gRPC address, the web address and the location of the
            database once both ports answer.
        on_identity_enabled: As for `serve`.

    Raises:
        ServiceError: As `serve`.
    """
    set_up_logs(options.telemetry.log_format)
    database = location_of(options.database)

    def started(grpc_address: str, web_address: str) -> None:
        on_started(grpc_address, web_address, database)

    asyncio.run(serve(options, started, on_identity_enabled))


async def serve(
    options: ServerOptions,
    on_started: Callable[[str, str], None],
    on_identity_enabled: Callable[[MadeTenant], None] = lambda _: None,
) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        options: What to serve, and where.
        on_started: Is called with the gRPC address and the web address once both answer.
        on_identity_enabled: Is called with the first owner and their key, when the options switch
            identity on.

    Raises:
        ServiceError: The database can't be opened; PORT_IN_USE; EXPOSED; TLS_UNUSABLE; or
            IDENTITY_ON, identity was switched on while the server ran without it.
    """
    stop = asyncio.Event()
    with _set_by_signals(stop):
        await _enable_identity(options, on_identity_enabled)
        await check_exposure(options)
        observed = observe(metrics=options.telemetry.metrics)
        await serve_until(stop, options, observed, on_started, own_process=True)


async def serve_until(
    stop: asyncio.Event,
    options: ServerOptions,
    observed: Observed,
    on_started: Callable[[str, str], None],
    *,
    own_process: bool = False,
) -> None:
    """Serves until the event is set.

    Args:
        stop: Ends it.
        options: What to serve, and where.
        observed: Its telemetry.
        on_started: Is called with the gRPC address and the web address once both answer.
        own_process: Whether the process does nothing else, and may be tuned for it.

    Raises:
        ServiceError: As `serve`.
    """
    async with AsyncExitStack() as stack:
        web_socket = open_web_socket(options.listener)
        stack.callback(web_socket.close)
        await stack.enter_async_context(observed.wrapping.running())
        service = await stack.enter_async_context(_service(options, observed.wrapping))
        warn_of_exposure(options, identity=service.authority is not None)
        listeners = Listeners(service, options, web_socket, observed.metrics)
        await listeners.open(stop.set)
        here = listeners.addresses(seen_from_here(options.listener.host))
        identity_watch = StopWhenIdentityIsOn(service.stores, stop)
        intake = Intake(
            options.home, service.dispatcher, address=here[0], pause_seconds=INTAKE_SECONDS
        )
        loops = _loops_of_ports(listeners)
        if options.process.works_in_background:
            loops |= service.background
        if options.process.answers_calls:
            loops |= _loops_of_calls(service, intake, identity_watch)
        wrapped = {name: observed.wrapping.loop(name, run) for name, run in loops.items()}
        await stack.enter_async_context(background(wrapped))
        if options.process.answers_calls:
            stack.enter_context(announce_server(options.home, *here))
        if own_process:
            _calm_collector()
        on_started(*listeners.addresses(options.listener.host))
        await stop.wait()
        if options.process.drain_wait and not identity_watch.is_on:
            stop.clear()
            await listeners.leave(stop, options.process.drain_wait)
        await listeners.close()
        identity_watch.check()


async def _enable_identity(
    options: ServerOptions, on_enabled: Callable[[MadeTenant], None]
) -> None:
    if not options.identity.auth:
        return
    from towpath_service.app.identity.bootstrap import enable_identity  # noqa: PLC0415 - 10 MB of cryptography, which a server without identity doesn't need

    sealing = sealing_of(options.home, file_source(options.identity.key_file))
    made = await enable_identity(options.database, sealing, options.identity.owner)
    if made is not None:
        on_enabled(made)


def _service(options: ServerOptions, wrapping: Wrapping) -> AbstractAsyncContextManager[Service]:
    shared = isinstance(options.database, PostgresUrl)
    key = file_source(options.identity.key_file)
    return open_service(
        options.database,
        times=options.times,
        keep=options.retention.keep,
        wrapping=wrapping,
        identity=options.identity,
        sealing=sealing_of(options.home, key, shared=shared),
    )


def _loops_of_ports(listeners: Listeners) -> dict[str, Callable[[], Awaitable[None]]]:
    """The loops that every process has, by their names in metrics."""
    loops: dict[str, Callable[[], Awaitable[None]]] = {"database": listeners.report_database}
    if listeners.certificates is not None:
        loops["certificates"] = listeners.renew_certificates
    return loops


def _loops_of_calls(
    service: Service, intake: Intake, identity_watch: StopWhenIdentityIsOn
) -> dict[str, Callable[[], Awaitable[None]]]:
    """The loops that go with calls, by their names in metrics."""
    loops = dict(service.loops)
    if service.authority is None:
        # With identity, the outbox of an ended process is delivered by one that has a key.
        loops["intake"] = intake.run
        loops["openness"] = identity_watch.run
    else:
        loops["identity"] = service.authority.run
    if service.refused_exchanges is not None:
        loops["denials"] = service.refused_exchanges.run
    return loops


def _calm_collector() -> None:
    """Excludes long-lived objects from garbage collection, and makes it rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 20)


@contextmanager
def _set_by_signals(stop: asyncio.Event) -> Generator[None]:
    """Sets the event at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
