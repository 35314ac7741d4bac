"""A service with identity on another thread's loop, and clients of its callers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from towpath._transport.statuses import to_rpc_error
from towpath.client import Client
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import to_status

from tests.in_process.place import API, Place, open_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedTransport:
    """Calls a place as the principal of a token."""

    place: Place
    loop: asyncio.AbstractEventLoop
    token: str | None
    address: str = "127.0.0.1:4200"

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        calling = self.place.raw(self.token, method.removeprefix(f"{API}."), request)
        future = asyncio.run_coroutine_threadsafe(calling, self.loop)
        try:
            answer: Message = future.result(timeout_seconds)
        except ServiceError as error:
            raise to_rpc_error(to_status(error), self.address) from error
        return answer

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        raise NotImplementedError

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        raise NotImplementedError

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Clients of one service, each of another caller."""

    transport: IdentifiedTransport

    @property
    def owner(self) -> Client:
        return Client(self.transport)

    @property
    def stranger(self) -> Client:
        """Calls without a credential."""
        return Client(replace(self.transport, token=None))

    def holder(self, api_key: str) -> Client:
        """Calls with an API key."""
        getting = self.transport.place.token(api_key)
        token = asyncio.run_coroutine_threadsafe(getting, self.transport.loop).result(10)
        return Client(replace(self.transport, token=token))


@contextmanager
def open_callers(database: Path) -> Iterator[Callers]:
    opened: Future[IdentifiedTransport] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with open_place(database) as place:
            loop = asyncio.get_running_loop()
            opened.set_result(IdentifiedTransport(place=place, loop=loop, token=place.owner))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    transport = opened.result(60)
    try:
        yield Callers(transport=transport)
    finally:
        transport.loop.call_soon_threadsafe(ended.set)
        thread.join()
