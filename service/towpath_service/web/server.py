"""Runs uvicorn on a given socket; the composition root owns sockets, signals and logs."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from towpath_service.web.connections import Connection, Patience

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Generator

KEEP_ALIVE_SECONDS: Final = 30
MAX_HEADER_BYTES: Final = 32_768


class WebServer:
    """Serves an ASGI application on a socket."""

    def __init__(
        self,
        application: Any,
        listener: socket.socket,
        *,
        grace_seconds: float,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Configures uvicorn; `serve` runs it.

        Args:
            application: The ASGI application.
            listener: A bound socket.
            grace_seconds: Longest wait for pending responses after `stop`.
            tls: The TLS context of the port; None for plain text.
            patience: Limits on waits for clients.
        """
        self._listener = listener
        connection: Any = partial(Connection, patience=patience or Patience())
        config = uvicorn.Config(
            application,
            http=connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        if tls is not None:
            config.load()
            # uvicorn's own context would read the files only once.
            config.ssl = tls
        self._server = _Server(config)

    async def serve(self) -> None:
        """Serves until `stop`, and until pending responses are sent."""
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Refuses new requests, and ends `serve`."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
