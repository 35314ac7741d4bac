"""The server process: the service behind its two ports, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from towpath._transport.discovery import announce_server

from towpath_service.app.background import background
from towpath_service.app.identity.exposure import check_exposure, warn_of_exposure, web_hosts
from towpath_service.app.identity.key_sources import file_source
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.identity.stop_when_identity_is_on import Openness
from towpath_service.app.identity.switching import identity_wanted, switch_on
from towpath_service.app.outbox_intake import Intake
from towpath_service.app.settings import seen_from_here
from towpath_service.app.wiring import Service, open_service
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import PostgresUrl
from towpath_service.rpc.grpc_server import GrpcServer, address_of, listening_socket
from towpath_service.telemetry.observing import observe
from towpath_service.web import Keys, WebServer, web_application

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator
    from contextlib import AbstractAsyncContextManager

    from towpath_service.app.settings import ServerSettings
    from towpath_service.app.tls import Certificates
    from towpath_service.app.wiring import IdentityWanted
    from towpath_service.identity.application.tenants import MadeTenant
    from towpath_service.telemetry.wrapping import Wrapping

# A commit makes and drops tens of thousands of objects that hold no cycles. At Python's own 700 the
# collector walked all of them again and again, for a third of the writing thread's time.
COLLECT_AFTER_OBJECTS: Final = 50_000

CERTIFICATE_SECONDS: Final = 2.0
"""Pause between two looks at the files of certificates."""


async def serve(
    settings: ServerSettings,
    started: Callable[[str, str], None],
    told: Callable[[MadeTenant], None] = lambda _: None,
) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: What to serve, where.
        started: Is called with the gRPC address and the web address once both answer.
        told: Is called with the first owner and their key, when identity is switched on.

    Raises:
        ServiceError: The database can't be opened, a port is in use (PORT_IN_USE), or identity was
            switched on while the server asked nobody who they are (IDENTITY_ON).
    """
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(_told_to_stop(stop))
        wanted = _identity(settings)
        if settings.auth:
            made = await switch_on(settings.database, wanted, settings.owner)
            if made is not None:
                told(made)
        await check_exposure(settings)
        web_socket = _web_socket(settings)
        stack.callback(web_socket.close)
        observed = observe(metrics=settings.metrics)
        await stack.enter_async_context(observed.wrapping.running())
        service = await stack.enter_async_context(_service(settings, wanted, observed.wrapping))
        warn_of_exposure(settings, identity=service.authority is not None)
        certificates = _certificates(settings)
        grpc_server = GrpcServer(service.dispatcher, reflects=not settings.cloud)
        port = _bind(grpc_server, settings, certificates)
        scheme = "http" if certificates is None else "https"

        def addresses(host: str) -> tuple[str, str]:
            web_port = web_socket.getsockname()[1]
            return address_of(host, port), f"{scheme}://{address_of(host, web_port)}"

        here = addresses(seen_from_here(settings.host))
        web = WebServer(
            web_application(
                service.dispatcher,
                service.draining,
                hosts=web_hosts(settings, identity=service.authority is not None),
                metrics=observed.metrics,
                keys=_keys(service, settings.public_url),
            ),
            web_socket,
            grace_seconds=settings.grace_seconds,
            tls=None if certificates is None else certificates.context,
        )
        await grpc_server.start()
        serving = asyncio.create_task(web.serve(), name="towpath-web")
        serving.add_done_callback(lambda _: stop.set())
        openness = Openness(service.store, stop)
        await stack.enter_async_context(
            _background(service, settings, here[0], observed.wrapping, certificates, openness)
        )
        stack.enter_context(announce_server(settings.home, *here))
        _calm_collector()
        started(*addresses(settings.host))
        await stop.wait()
        await grpc_server.announce_drain()
        service.drain()
        web.stop()
        await asyncio.gather(grpc_server.stop(settings.grace_seconds), serving)
        openness.check()


def _identity(settings: ServerSettings) -> IdentityWanted:
    return identity_wanted(
        settings.home,
        file_source(settings.key_file),
        make=settings.auth,
        private_issuers=settings.private_issuers,
        endless_keys=not settings.cloud,
        public_url=settings.public_url,
        behind_proxy=settings.tls_proxy,
    )


def _service(
    settings: ServerSettings, identity: IdentityWanted, wrapping: Wrapping
) -> AbstractAsyncContextManager[Service]:
    shared = isinstance(settings.database, PostgresUrl)
    return open_service(
        settings.database,
        times=settings.times,
        keep=settings.keep,
        wrapping=wrapping,
        identity=identity,
        sealing=sealing_of(settings.home, settings.key_file, shared=shared),
    )


def _calm_collector() -> None:
    """Lets the collector pass over what lives as long as the server, and look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 20)


def _background(
    service: Service,
    settings: ServerSettings,
    address: str,
    wrapping: Wrapping,
    certificates: Certificates | None,
    openness: Openness,
) -> AbstractAsyncContextManager[None]:
    intake = Intake(
        settings.home,
        service.dispatcher,
        address=address,
        pause_seconds=settings.intake_seconds,
    )
    loops = {
        "reaper": service.reaper.run,
        "retention": service.retention.run,
        "liveness": service.producers.keep_alive,
    }
    if service.authority is None:
        # What a process left behind is delivered by one that has a key, where keys are asked for.
        loops["intake"] = intake.run
        loops["openness"] = openness.run
    else:
        loops["identity"] = service.authority.run
    if service.denials is not None:
        loops["denials"] = service.denials.run
    if certificates is not None:
        loops["certificates"] = partial(_look_at, certificates)
    return background({name: wrapping.loop(name, run) for name, run in loops.items()})


def _keys(service: Service, public_url: str | None) -> Keys | None:
    authority = service.authority
    if authority is None:
        return None
    return Keys(current=authority.jwks, public_url=public_url)


@contextmanager
def _told_to_stop(stop: asyncio.Event) -> Generator[None]:
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


def _certificates(settings: ServerSettings) -> Certificates | None:
    if settings.tls is None:
        return None
    from towpath_service.app.tls import Certificates  # noqa: PLC0415 - brings cryptography

    return Certificates(settings.tls)


async def _look_at(certificates: Certificates) -> None:
    """Takes up new certificates for the web port, which asks for none at its handshakes."""
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        certificates.look()


def _bind(server: GrpcServer, settings: ServerSettings, certificates: Certificates | None) -> int:
    credentials = None if certificates is None else certificates.grpc_credentials()
    try:
        return server.bind(settings.host, settings.port, credentials)
    except OSError as error:
        raise _cannot_listen(settings.host, settings.port, "--port", error) from error


def _web_socket(settings: ServerSettings) -> socket.socket:
    try:
        return listening_socket(settings.host, settings.web_port)
    except OSError as error:
        raise _cannot_listen(settings.host, settings.web_port, "--web-port", error) from error


def _cannot_listen(host: str, port: int, option: str, error: OSError) -> ServiceError:
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} is in use: stop the other server, or choose {option}"
    else:
        message = f"can't listen on {address_of(host, port)}: {error.strerror or error}"
    return ServiceError(reason="PORT_IN_USE", message=message)
