"""Serves the dispatcher by connectrpc. No other module uses it, as its API isn't stable yet."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf import json_format
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.endpoints import PEER, JsonText
from towpath_service.web.refusals import Refusals, refusal, to_connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from google.protobuf.message import Message

    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.rpc.endpoints import Endpoint as Rpc

_STREAMS: Final = {
    "unary": StreamType.UNARY,
    "server_stream": StreamType.SERVER_STREAM,
    "bidi_stream": StreamType.BIDI_STREAM,
}


def connect_application(dispatcher: Dispatching) -> Any:
    """An ASGI application that answers every rpc over Connect and gRPC-Web."""
    by_limit: dict[int, list[Rpc]] = {}
    for rpc in dispatcher.endpoints.values():
        by_limit.setdefault(rpc.max_bytes, []).append(rpc)
    paths: dict[str, _Application] = {}
    for most_bytes, rpcs in by_limit.items():
        application = _Application(dispatcher, rpcs, most_bytes)
        paths |= {f"/{rpc.name}": application for rpc in rpcs}
    return _ByPath(paths)


class _Application(ConnectASGIApplication[None]):
    """Serves rpcs of one maximal request size; a larger body is neither read nor unpacked."""

    def __init__(self, dispatcher: Dispatching, rpcs: list[Rpc], most_bytes: int) -> None:
        endpoints: Any = {f"/{rpc.name}": _endpoint(dispatcher, rpc) for rpc in rpcs}
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - it leaves generics open
            service=None,
            endpoints=lambda _: endpoints,
            interceptors=[Refusals(most_bytes)],
            read_max_bytes=most_bytes,
            codecs=[_Binary(), _Json()],
        )

    @property
    def path(self) -> str:
        """Where the application is mounted."""
        return ""


class _ByPath:
    """Finds the application of an rpc.

    Answers 415 to plain gRPC, which needs trailers that HTTP/1.1 servers don't send.
    """

    def __init__(self, paths: Mapping[str, _Application]) -> None:
        self._paths = paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        kind = Headers(scope=scope).get("content-type", "").lower()
        if kind.startswith("application/grpc") and not kind.startswith("application/grpc-web"):
            refusal = PlainTextResponse("plain gRPC is served on the gRPC port", status_code=415)
            await refusal(scope, receive, send)
            return
        application = self._paths.get(scope["path"])
        if application is None:
            await Response(status_code=404)(scope, receive, send)
            return
        await application(scope, receive, send)


class _Binary:
    """Passes binary requests on unparsed: the dispatcher parses them after authentication."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Message) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Any:
        del message_class
        return bytes(data)


class _Json:
    """Passes JSON requests on unparsed."""

    def name(self) -> str:
        return "json"

    def encode(self, message: Message) -> bytes:
        return json_format.MessageToJson(message, indent=None).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Message]) -> Any:
        del message_class
        return JsonText(bytes(data))


def _endpoint(dispatcher: Dispatching, rpc: Rpc) -> Endpoint[Any, Any]:
    service, _, name = rpc.name.partition("/")
    safe = rpc.without_side_effects
    info: MethodInfo[Any, Any] = MethodInfo(
        name=name,
        service_name=service,
        input=rpc.request_type,
        output=rpc.response_type,
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS if safe else IdempotencyLevel.UNKNOWN,
        stream_type=_STREAMS[rpc.kind],
    )

    async def unary(request: Any, context: Any) -> Any:
        try:
            return await dispatcher.unary(rpc, request, _metadata(context))
        except ServiceError as error:
            raise to_connect(error) from None

    def server_stream(request: Any, context: Any) -> AsyncGenerator[Message, None]:
        return _told(dispatcher.server_stream(rpc, request, _metadata(context)))

    def bidi_stream(requests: Any, context: Any) -> AsyncGenerator[Message, None]:
        return _told(dispatcher.bidi_stream(rpc, _received(requests, rpc), _metadata(context)))

    if rpc.kind == "unary":
        return Endpoint.unary(info, unary)
    if rpc.kind == "server_stream":
        return Endpoint.server_stream(info, server_stream)
    return Endpoint.bidi_stream(info, bidi_stream)


async def _told(answers: AsyncGenerator[Message, None]) -> AsyncGenerator[Message, None]:
    """The responses of a stream; its failure ends the call."""
    try:
        async with aclosing(answers):
            async for answer in answers:
                yield answer
    except ServiceError as error:
        raise to_connect(error) from None


async def _received(requests: AsyncIterator[Any], rpc: Rpc) -> AsyncGenerator[Any, None]:
    """The requests of a stream; an error that connectrpc finds in one is sent to the caller."""
    try:
        async for request in requests:
            yield request
    except ConnectError as error:
        found = refusal(error, rpc.max_bytes, malformed="STREAM_PROTOCOL")
        if found is None:
            raise
        raise found from None


def _metadata(context: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in context.request_headers.allitems():
        found.setdefault(key.lower(), []).append(value)
    found[PEER] = [str(context.client_address or "").rpartition(":")[0].strip("[]")]
    return found
