"""A Transport to a service in the same process, for callers on other threads than its loop."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import CancelledError, Future
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from towpath.extensions.transports import to_rpc_error

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import to_service_error, to_status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

    from google.protobuf.message import Message

    from towpath_service.rpc.dispatcher import Dispatching

Result = TypeVar("Result")

READ_AHEAD: Final = 16
"""The most messages of a stream that wait for the caller, or for the service, to take them."""


class InProcessTransport:
    """Calls a dispatcher that lives on the event loop of another thread."""

    def __init__(
        self, dispatcher: Dispatching, loop: asyncio.AbstractEventLoop, address: str
    ) -> None:
        """Makes a transport.

        Args:
            dispatcher: Answers the calls.
            loop: The running loop that the dispatcher belongs to.
            address: The location of the service, for messages.
        """
        self._dispatcher = dispatcher
        self._loop = loop
        self._address = address
        self._pid = os.getpid()
        self._closed = False

    @property
    def address(self) -> str:
        """The location of the service, for messages."""
        return self._address

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc, and returns its answer.

        Args:
            method: The full name of the rpc.
            request: The request message.
            timeout_seconds: Longest wait for the answer.

        Raises:
            towpath.exceptions.RpcError: The service refuses the call, or has ended.
        """

        async def call() -> Message:
            async with _deadline(timeout_seconds):
                endpoint = self._dispatcher.endpoint(method)
                return await self._dispatcher.unary(endpoint, request, {})

        return self._run(call())

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        """Calls a server-streaming rpc; closing the iterator cancels it.

        Args:
            method: The full name of the rpc.
            request: The request message.
            timeout_seconds: Longest life of the stream; None for no limit.
        """

        def start() -> AsyncGenerator[Message, None]:
            return self._dispatcher.server_stream(self._dispatcher.endpoint(method), request, {})

        return self._answers(start, timeout_seconds)

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Calls a bidirectional rpc.

        Args:
            method: The full name of the rpc.
            requests: The requests, already serialized.
        """

        def start() -> AsyncGenerator[Message, None]:
            return self._dispatcher.bidi_stream(
                self._dispatcher.endpoint(method), self._received(requests), {}
            )

        return self._answers(start, None)

    def close(self) -> None:
        """Refuses further calls."""
        self._closed = True

    async def _received(self, requests: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Reads requests from a blocking iterator in a thread of its own.

        The thread is a daemon and is never joined: the iterator may block for any time, as it may
        under gRPC.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(READ_AHEAD)
        ended = threading.Event()

        def read() -> None:
            for request in requests:
                if ended.is_set() or not self._put(queue, request):
                    return
            if not ended.is_set():
                self._put(queue, None)

        threading.Thread(target=read, name="towpath-requests", daemon=True).start()
        try:
            while (request := await queue.get()) is not None:
                yield request
        finally:
            ended.set()
            while not queue.empty():
                queue.get_nowait()

    def _put(self, queue: asyncio.Queue[bytes | None], request: bytes | None) -> bool:
        putting = queue.put(request)
        try:
            asyncio.run_coroutine_threadsafe(putting, self._loop).result()
        except (RuntimeError, CancelledError):  # The loop has ended meanwhile.
            putting.close()
            return False
        return True

    def _answers(
        self, start: Callable[[], AsyncGenerator[Message, None]], timeout_seconds: float | None
    ) -> Iterator[Message]:
        queue: asyncio.Queue[Message | ServiceError | None] = asyncio.Queue(READ_AHEAD)

        async def pump() -> None:
            last: ServiceError | None = None
            try:
                async with _deadline(timeout_seconds), aclosing(start()) as answers:
                    async for answer in answers:
                        await queue.put(answer)
            except ServiceError as error:
                last = error
            except asyncio.CancelledError:
                if not queue.full():
                    queue.put_nowait(_ended())
                raise
            await queue.put(last)

        pumping = self._submit(pump())
        try:
            while (answer := self._run(queue.get())) is not None:
                if isinstance(answer, ServiceError):
                    raise to_rpc_error(to_status(answer), self._address) from answer
                yield answer
        finally:
            pumping.cancel()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = self._submit(work)
        try:
            return future.result()
        except ServiceError as error:
            raise to_rpc_error(to_status(error), self._address) from error
        except CancelledError as error:
            raise to_rpc_error(to_status(_ended()), self._address) from error
        except BaseException:
            future.cancel()
            raise

    def _submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        if self._closed or self._pid != os.getpid():
            work.close()
            raise to_rpc_error(to_status(_ended()), self._address)
        return asyncio.run_coroutine_threadsafe(work, self._loop)


@asynccontextmanager
async def _deadline(seconds: float | None) -> AsyncGenerator[None, None]:
    """Ends its body with DEADLINE_EXCEEDED after a number of seconds; None for no limit."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise to_service_error(error) from error


def _ended() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the service in this process has ended: open it again"
    )
