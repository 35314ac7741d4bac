"""A service over gRPC: the synchronous stack only, since grpc.aio breaks forked children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import grpc
from google.rpc import code_pb2, status_pb2

from towpath._telemetry.in_force import call_metadata
from towpath._transport.methods import response_type
from towpath._transport.statuses import to_rpc_error
from towpath.exceptions import NotATowpathServer, RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

_DETAILS: Final = "grpc-status-details-bin"
_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_http_proxy", 0),
    # Otherwise a new channel inherits the failed connection of one closed before, and its pause.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcTransport:
    """One channel to one server."""

    def __init__(self, address: str) -> None:
        """Connects on first use.

        Args:
            address: "host:port".
        """
        self._address = address
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._address

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc and returns its answer."""
        call = self._channel.unary_unary(f"/{method}", _serialize, response_type(method).FromString)
        try:
            return call(request, timeout=timeout_seconds, metadata=_metadata())
        except grpc.RpcError as error:
            raise self._converted(error) from error

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        """Calls a server-streaming rpc; closing the iterator cancels it."""
        multi = self._channel.unary_stream(
            f"/{method}", _serialize, response_type(method).FromString
        )
        return self._answers(multi(request, timeout=timeout_seconds, metadata=_metadata()))

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Calls a bidirectional rpc with requests already serialized."""
        parse = response_type(method).FromString
        # The stubs ask for a serializer, which bytes need none of.
        channel: Any = self._channel
        call = channel.stream_stream(f"/{method}", None, parse)
        return self._answers(call(requests, metadata=_metadata()))

    def close(self) -> None:
        """Closes the channel, and with it what is still open."""
        self._channel.close()

    def _answers(self, call: Any) -> Iterator[Message]:
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._converted(error) from error
        finally:
            call.cancel()

    def _converted(self, error: grpc.RpcError) -> RpcError:
        call = cast("Any", error)
        for key, value in call.trailing_metadata() or ():
            if key == _DETAILS:
                return to_rpc_error(status_pb2.Status.FromString(value), self._address)
        code = call.code().name
        text = str(call.details() or "")
        if code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} and not _is_foreign(text):
            return ServerUnreachable(
                f"no Towpath server answers at {self._address}: start one with"
                " `towpath server start`, or check server.address",
                code=code,
            )
        if code in {"UNIMPLEMENTED", "UNKNOWN", "INTERNAL", "UNAVAILABLE"}:
            return NotATowpathServer(
                f"{self._address} answers, but not as a Towpath server: check server.address",
                code=code,
            )
        status = status_pb2.Status(code=code_pb2.Code.Value(code), message=text)
        return to_rpc_error(status, self._address)


def _metadata() -> tuple[tuple[str, str], ...]:
    return tuple(call_metadata().items())


def _is_foreign(text: str) -> bool:
    """Whether the peer speaks, but something other than gRPC."""
    signs = ("http/1", "settings frame", "content-type", "http status", "trying to connect an http")
    return any(sign in text.lower() for sign in signs)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
