"""The gRPC server: limits, health, reflection, and the dispatcher behind generic handlers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from urllib.parse import unquote

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.endpoints import MAX_MESSAGE_BYTES, PEER
from towpath_service.rpc.errors import to_status, unimplemented

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from google.protobuf.message import Message

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.rpc.endpoints import Endpoint

    Context = grpc.aio.ServicerContext[Any, Any]

OPTIONS: Final = (
    # Otherwise a second server could bind the same port and get half of the calls.
    ("grpc.so_reuseport", 0),
    # Twice the accepted size: gRPC refuses larger messages without details, so a slightly too large
    # one reaches the dispatcher, whose error has the limit and the reason.
    ("grpc.max_receive_message_length", 2 * MAX_MESSAGE_BYTES),
    # gRPC refuses at random between a soft and a hard limit, so both are equal.
    ("grpc.max_metadata_size", 16_384),
    ("grpc.absolute_max_metadata_size", 16_384),
    ("grpc.max_concurrent_streams", 100),
    ("grpc.max_connection_age_ms", 20 * 60_000),
    ("grpc.max_connection_age_grace_ms", 5 * 60_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.server_handshake_timeout_ms", 5_000),
)

REQUEST_SECONDS: Final = 30.0
"""How long a call may last before its request arrives; gRPC itself sets no limit."""


# The stubs type handlers by messages, but these take and return bytes.
_HANDLERS: Final[Any] = grpc


class GrpcServer:
    """Serves a dispatcher over gRPC."""

    def __init__(
        self,
        dispatcher: Dispatching,
        *,
        reflects: bool = True,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """Makes the server; `start` serves.

        Args:
            dispatcher: Handles the calls.
            reflects: Whether to offer gRPC server reflection to all callers.
            request_seconds: How long a call may last before its request arrives.
        """
        self._server = grpc.aio.server(options=OPTIONS)
        self._health: Any = cast("Any", health).aio.HealthServicer()
        self._names = (*dispatcher.services, "")
        cast("Any", health_pb2_grpc).add_HealthServicer_to_server(self._health, self._server)
        if reflects:
            names = (
                *dispatcher.services,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            )
            reflection.enable_server_reflection(names, self._server)
        # Last, since it takes every call that no handler before it takes.
        self._server.add_generic_rpc_handlers((_Handlers(dispatcher, request_seconds),))

    def bind(self, host: str, port: int, credentials: Any = None) -> int:
        """Binds an address and returns the port; 0 chooses a free one.

        Args:
            host: Address of this machine.
            port: Port of it.
            credentials: gRPC server credentials for TLS; None for plain text.

        Raises:
            OSError: The port is in use or the address is not this machine's.
        """
        # gRPC prints a failed bind to stderr, so a plain socket tries first. It doesn't listen: a
        # client that connected meanwhile would be cut off when it closes.
        with contextlib.closing(_bound_socket(host, port)):
            pass
        try:
            if credentials is not None:
                return self._server.add_secure_port(address_of(host, port), credentials)
            return self._server.add_insecure_port(address_of(host, port))
        except RuntimeError as error:
            raise OSError(f"can't listen on {address_of(host, port)}") from error

    async def start(self) -> None:
        """Starts to serve."""
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def report_health(self, *, serving: bool) -> None:
        """Changes what health checks are answered: SERVING or NOT_SERVING."""
        status = health_pb2.HealthCheckResponse
        await self._set_health(status.SERVING if serving else status.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Refuses new calls, and stops when the present ones have ended or the time is over."""
        await self._server.stop(grace_seconds)

    async def _set_health(self, status: Any) -> None:
        for name in self._names:
            await self._health.set(name, status)


def address_of(host: str, port: int) -> str:
    """An address as people and gRPC write it, "127.0.0.1:4200" or "[::1]:4200"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket bound to an address.

    Raises:
        OSError: The port is in use or the address is not this machine's.
    """
    listener = _bound_socket(host, port)
    try:
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _bound_socket(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class _Handlers(grpc.GenericRpcHandler):
    """Takes requests as bytes, so that the dispatcher answers unparsable ones, too."""

    def __init__(self, dispatcher: Dispatching, request_seconds: float) -> None:
        self._dispatcher = dispatcher
        self._request_seconds = request_seconds

    def service(self, handler_call_details: Any) -> Any:
        name = str(handler_call_details.method).removeprefix("/")
        endpoint = self._dispatcher.endpoints.get(name)
        if endpoint is None:
            return _HANDLERS.stream_stream_rpc_method_handler(_refuse(name))
        metadata = metadata_of(handler_call_details.invocation_metadata)
        # All handlers read their requests themselves: gRPC would wait for one without a limit.
        if endpoint.kind == "unary":
            return _HANDLERS.stream_unary_rpc_method_handler(
                self._unary(endpoint, metadata), None, _serialize
            )
        if endpoint.kind == "server_stream":
            return _HANDLERS.stream_stream_rpc_method_handler(
                self._server_stream(endpoint, metadata), None, _serialize
            )
        return _HANDLERS.stream_stream_rpc_method_handler(
            self._bidi_stream(endpoint, metadata), None, _serialize
        )

    def _unary(self, endpoint: Endpoint, metadata: Mapping[str, Sequence[str]]) -> Any:
        async def call(requests: AsyncIterator[bytes], context: Context) -> Any:
            del requests
            try:
                request = await self._first(context)
                return await self._dispatcher.unary(endpoint, request, _from(context, metadata))
            except ServiceError as error:
                await _abort(context, error)

        return call

    def _server_stream(self, endpoint: Endpoint, metadata: Mapping[str, Sequence[str]]) -> Any:
        async def call(
            requests: AsyncIterator[bytes], context: Context
        ) -> AsyncGenerator[Message, None]:
            del requests
            known = _from(context, metadata)
            try:
                request = await self._first(context)
            except ServiceError as error:
                await _abort(context, error)
            answers = self._dispatcher.server_stream(endpoint, request, known)
            async for answer in _told(answers, context):
                yield answer

        return call

    def _bidi_stream(self, endpoint: Endpoint, metadata: Mapping[str, Sequence[str]]) -> Any:
        async def call(
            requests: AsyncIterator[bytes], context: Context
        ) -> AsyncGenerator[Message, None]:
            known = _from(context, metadata)
            answers = self._dispatcher.bidi_stream(endpoint, requests, known)
            async for answer in _told(answers, context):
                yield answer

        return call

    async def _first(self, context: Context) -> bytes:
        """The request of a unary or server-streaming call; later messages are ignored.

        Reads it through the context, which is cheaper than the iterator of requests.
        """
        try:
            async with asyncio.timeout(self._request_seconds):
                request: Any = await context.read()
        except TimeoutError:
            raise ServiceError(
                reason="DEADLINE_EXCEEDED",
                message=f"no request came within {self._request_seconds:g} s: call again",
            ) from None
        if request is grpc.aio.EOF:
            raise ServiceError(
                reason="INVALID_REQUEST", message="the call ended before its request: send one"
            )
        return bytes(request)


async def _told(
    answers: AsyncGenerator[Message, None], context: Context
) -> AsyncGenerator[Message, None]:
    """The responses of a stream; its failure ends the call."""
    try:
        async with aclosing(answers):
            async for answer in answers:
                yield answer
    except ServiceError as error:
        await _abort(context, error)


def _refuse(name: str) -> Any:
    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        del requests
        await _abort(context, unimplemented(name))

    return call


async def _abort(context: Context, error: ServiceError) -> NoReturn:
    await context.abort_with_status(cast("Any", rpc_status).to_status(to_status(error)))


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _from(context: Context, metadata: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Metadata with the caller's address, which gRPC gives as "ipv4:127.0.0.1:1234"."""
    _, _, address = unquote(str(context.peer())).partition(":")
    return {**metadata, PEER: (address.rpartition(":")[0].strip("[]"),)}


def metadata_of(pairs: Any) -> dict[str, list[str]]:
    """Metadata with every value of each key: a repeated key must not hide."""
    found: dict[str, list[str]] = {}
    for key, value in pairs or ():
        found.setdefault(str(key).lower(), []).append(
            value if isinstance(value, str) else value.decode("latin-1")
        )
    return found
