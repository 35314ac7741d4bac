"""The real service behind both ports, in this process, for tests of what arrives over a network."""

from __future__ import annotations

import asyncio
import http.client
import json
import struct
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from towpath_service.app.wiring import Service, open_service
from towpath_service.rpc.grpc_server import GrpcServer, listening_socket
from towpath_service.web import Condition, WebServer, web_application

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from towpath_service.app.options import IdentityOptions
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.sealing import Sealing

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Both ports of one service."""

    service: Service
    port: int
    web_port: int

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"{HOST}:{self.port}")

    def http(
        self,
        path: str,
        body: bytes | None = None,
        *,
        method: str = "POST",
        **headers: str,
    ) -> Reply:
        """One request; underscores in the names of headers stand for dashes."""
        connection = http.client.HTTPConnection(HOST, self.web_port, timeout=20)
        try:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Reply(
                status=response.status,
                headers={key.lower(): value for key, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()

    def connect(self, method: str, request: Any) -> Reply:
        """A unary call over Connect in JSON."""
        body = json.dumps(request).encode()
        return self.http(f"/towpath.api.v1.{method}", body, content_type="application/json")


@contextmanager
def open_edge(
    database: Path | PostgresUrl | None = None,
    identity: IdentityOptions | None = None,
    sealing: Sealing | None = None,
) -> Generator[Edge]:
    opened: Future[tuple[Edge, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        async with open_service(database, identity=identity, sealing=sealing) as service:
            grpc_server = GrpcServer(service.dispatcher)
            port = grpc_server.bind(HOST, 0)
            listener = listening_socket(HOST, 0)
            web = WebServer(
                web_application(
                    service.dispatcher,
                    Condition(draining=lambda: service.draining.begun),
                    hosts=[HOST],
                ),
                listener,
                grace_seconds=1,
            )
            await grpc_server.start()
            serving = asyncio.create_task(web.serve())
            stop = asyncio.Event()
            edge = Edge(service=service, port=port, web_port=listener.getsockname()[1])
            opened.set_result((edge, asyncio.get_running_loop(), stop))
            await stop.wait()
            service.drain()
            web.stop()
            await asyncio.gather(grpc_server.stop(1), serving)
            listener.close()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    edge, loop, stop = opened.result()
    try:
        yield edge
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def frame(data: bytes, flags: int = 0) -> bytes:
    """An envelope of Connect streams and gRPC-Web."""
    return struct.pack(">BI", flags, len(data)) + data


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """The envelopes of a body: flags and content."""
    found: list[tuple[int, bytes]] = []
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        found.append((flags, body[5 : 5 + size]))
        body = body[5 + size :]
    return found
