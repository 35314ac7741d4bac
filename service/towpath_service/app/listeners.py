"""The two ports of a server: gRPC, and the web port with HTTP.

A process that works in the background has the web port only, for health and metrics.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from towpath_service.app.identity.exposure import web_hosts
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.grpc_server import GrpcServer, address_of, listening_socket
from towpath_service.web import (
    Condition,
    Keys,
    WebServer,
    background_application,
    built_files,
    web_application,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from towpath_service.app.options import ListenerOptions, ServerOptions
    from towpath_service.app.tls import Certificates
    from towpath_service.app.wiring import Service

GRACE_SECONDS: Final = 5.0
"""Longest wait for pending calls when the server stops: seconds."""

DATABASE_SECONDS: Final = 1.0
"""Pause between two looks at the database's files: seconds."""

CERTIFICATE_SECONDS: Final = 2.0
"""Pause between two checks of the certificate files: seconds."""


def open_web_socket(listener: ListenerOptions) -> socket.socket:
    """Binds the web port, so that a port in use is found before the database is opened.

    Raises:
        ServiceError: PORT_IN_USE.
    """
    try:
        return listening_socket(listener.host, listener.web_port)
    except OSError as error:
        raise _cannot_listen(listener.host, listener.web_port, "--web-port", error) from error


class Listeners:
    """Both ports of a server, for as long as it runs."""

    def __init__(
        self,
        service: Service,
        options: ServerOptions,
        web_socket: socket.socket,
        metrics: Callable[[], tuple[bytes, str]] | None,
    ) -> None:
        """Binds the gRPC port, if calls are to be answered; neither port answers yet.

        Args:
            service: Answers calls.
            options: Where the ports listen, and over TLS or not.
            web_socket: The web port, bound.
            metrics: All metrics and their content type, for /metrics of the web port; None when
                nothing is measured.

        Raises:
            ServiceError: PORT_IN_USE, or TLS_UNUSABLE.
        """
        self._service = service
        self._web_socket = web_socket
        self._leaving = False
        self.certificates = _certificates(options.listener)
        self._grpc: GrpcServer | None = None
        self._port = 0
        if options.process.answers_calls:
            self._grpc = GrpcServer(service.dispatcher, reflects=not options.identity.cloud)
            self._port = _bind(self._grpc, options.listener, self.certificates)
        self._web = WebServer(
            self._application(options, metrics),
            web_socket,
            grace_seconds=GRACE_SECONDS,
            tls=None if self.certificates is None else self.certificates.context,
        )
        self._serving: asyncio.Task[None] | None = None

    def addresses(self, host: str) -> tuple[str, str]:
        """The gRPC address and the web address, as reached by a host's name.

        The gRPC address of a process that answers no calls is empty.
        """
        scheme = "http" if self.certificates is None else "https"
        web_port = self._web_socket.getsockname()[1]
        grpc_address = "" if self._grpc is None else address_of(host, self._port)
        return grpc_address, f"{scheme}://{address_of(host, web_port)}"

    async def open(self, on_web_end: Callable[[], None]) -> None:
        """Starts to answer.

        Args:
            on_web_end: Is called when the web port has ended, for any reason.
        """
        if self._grpc is not None:
            await self._grpc.start()
        self._serving = asyncio.create_task(self._web.serve(), name="towpath-web")
        self._serving.add_done_callback(lambda _: on_web_end())

    async def leave(self, until: asyncio.Event, seconds: float) -> None:
        """Fails the checks of readiness, and goes on to answer.

        Load balancers and resolvers of names need time to learn of it. Without that time, a stream
        that is asked to move could come back to this process.

        Args:
            until: Ends the wait early.
            seconds: Longest wait.
        """
        self._leaving = True
        await self._report_health(serving=False)
        assert self._serving is not None
        if self._serving.done():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until.wait()

    async def close(self) -> None:
        """Ends watches, asks producers to reconnect, and waits for pending calls."""
        await self._report_health(serving=False)
        self._service.drain()
        self._web.stop()
        assert self._serving is not None
        ending = [] if self._grpc is None else [self._grpc.stop(GRACE_SECONDS)]
        await asyncio.gather(self._serving, *ending)

    async def report_database(self) -> None:
        """Keeps the answers to health checks right while the database's files change.

        It looks without any call: a server that nobody uses logs what is wrong, too.
        """
        serving = True
        while True:
            await asyncio.sleep(DATABASE_SECONDS)
            if serving != (not self._trouble()):
                serving = not serving
                await self._report_health(serving=serving and not self._leaving)

    def _application(
        self, options: ServerOptions, metrics: Callable[[], tuple[bytes, str]] | None
    ) -> Any:
        service = self._service
        condition = Condition(
            draining=lambda: self._leaving or service.draining.begun, trouble=self._trouble
        )
        if not options.process.answers_calls:
            return background_application(condition, metrics=metrics)
        return web_application(
            service.dispatcher,
            condition,
            hosts=web_hosts(options, identity=service.authority is not None),
            metrics=metrics,
            keys=_public_keys(service, options.identity.public_url),
            ui=None if options.listener.no_ui else built_files(),
        )

    async def _report_health(self, *, serving: bool) -> None:
        if self._grpc is not None:
            await self._grpc.report_health(serving=serving)

    def _trouble(self) -> str:
        return self._service.stores.database.trouble

    async def renew_certificates(self) -> None:
        """Loads changed certificates periodically; never returns.

        The gRPC port asks for them at each handshake; the web port doesn't.
        """
        assert self.certificates is not None
        while True:
            await asyncio.sleep(CERTIFICATE_SECONDS)
            self.certificates.look()


def _certificates(listener: ListenerOptions) -> Certificates | None:
    if listener.tls is None:
        return None
    from towpath_service.app.tls import Certificates  # noqa: PLC0415 - 10 MB of cryptography, which a server in plain text doesn't need

    return Certificates(listener.tls)


def _bind(server: GrpcServer, listener: ListenerOptions, certificates: Certificates | None) -> int:
    credentials = None if certificates is None else certificates.grpc_credentials()
    try:
        return server.bind(listener.host, listener.port, credentials)
    except OSError as error:
        raise _cannot_listen(listener.host, listener.port, "--port", error) from error


def _public_keys(service: Service, public_url: str | None) -> Keys | None:
    if service.authority is None:
        return None
    return Keys(current=service.authority.jwks, public_url=public_url)


def _cannot_listen(host: str, port: int, option: str, error: OSError) -> ServiceError:
    if error.errno == errno.EADDRINUSE:
        message = f"port {port} is in use: stop the other server, or choose {option}"
    else:
        message = f"can't listen on {address_of(host, port)}: {error.strerror or error}"
    return ServiceError(reason="PORT_IN_USE", message=message)
