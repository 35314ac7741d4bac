"""A dispatcher behind both ports, in a test's own loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from towpath_service.rpc.grpc_server import GrpcServer, listening_socket
from towpath_service.web import Condition, WebServer, web_application

from tests.in_process.edges import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.web.connections import Patience

# A client that reads nothing is felt at once, and not after megabytes.
_SMALL_WINDOWS = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where it answers."""

    port: int
    web_port: int

    def channel(self) -> Any:
        return grpc.aio.insecure_channel(f"{HOST}:{self.port}", options=_SMALL_WINDOWS)

    @asynccontextmanager
    async def http(
        self, request: bytes
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that has sent something."""
        reader, writer = await asyncio.open_connection(HOST, self.web_port)
        try:
            writer.write(request)
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def serving(
    dispatcher: Dispatching,
    *,
    request_seconds: float = 30.0,
    body_seconds: float = 30.0,
    patience: Patience | None = None,
) -> AsyncGenerator[Ports]:
    """Serves for a while.

    Args:
        dispatcher: What answers.
        request_seconds: How long calls over gRPC may be silent.
        body_seconds: How long requests over HTTP may take to be complete.
        patience: How long clients of the web port are waited for.
    """
    grpc_server = GrpcServer(dispatcher, request_seconds=request_seconds)
    port = grpc_server.bind(HOST, 0)
    listener = listening_socket(HOST, 0)
    application = web_application(dispatcher, Condition(), hosts=[HOST], body_seconds=body_seconds)
    server = WebServer(application, listener, grace_seconds=1, patience=patience)
    await grpc_server.start()
    running = asyncio.create_task(server.serve())
    try:
        yield Ports(port=port, web_port=listener.getsockname()[1])
    finally:
        server.stop()
        await asyncio.gather(grpc_server.stop(0), running)
        listener.close()


def post(method: str, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    """A request over HTTP."""
    lines = (
        f"POST /towpath.api.v1.{method} HTTP/1.1",
        f"host: {HOST}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
