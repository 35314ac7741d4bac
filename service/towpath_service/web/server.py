"""uvicorn, held by us: the composition root owns the sockets, the signals and the logs."""

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
        """Serves nothing yet.

        Args:
            application: What answers.
            listener: A bound socket.
            grace_seconds: Longest wait for answers under way after `stop`.
            tls: How callers speak TLS; None for plain text.
            patience: How long clients are waited for.
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
            # Its own context would be made of files, and never look at them again.
            config.ssl = tls
        self._server = _Server(config)

    async def serve(self) -> None:
        """Serves until told to stop and the answers under way are given."""
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Takes no more requests."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
