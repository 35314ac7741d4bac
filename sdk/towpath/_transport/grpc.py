"""Calls a service over gRPC, by the synchronous API only, since grpc.aio breaks forked children."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
from google.rpc import code_pb2, status_pb2

from towpath._telemetry.switch import call_metadata
from towpath._threads import is_refusal, keep_for_good
from towpath._transport.credentials import EXCHANGE_SECONDS, USED_UP, Credentials, with_token
from towpath._transport.methods import response_type
from towpath._transport.security import tls_trouble
from towpath._transport.statuses import to_rpc_error
from towpath.exceptions import NotATowpathServer, RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from google.protobuf.message import Message

    from towpath._transport.security import Tls
    from towpath._transport.sources import Source

_DETAILS: Final = "grpc-status-details-bin"
_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # The least time for one attempt to connect, TLS and the server's first frame included.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.enable_http_proxy", 0),
    # Otherwise a new channel shares the failed connection of a closed one, and its backoff.
    ("grpc.use_local_subchannel_pool", 1),
)
_SILENT: Final = "before receiving settings frame"
"""What gRPC says of a peer that is connected and sends nothing."""


class GrpcTransport:
    """One channel to one server."""

    def __init__(
        self, address: str, *, tls: Tls | None = None, source: Source | None = None
    ) -> None:
        """Connects on first use.

        Args:
            address: "host:port".
            tls: Files for TLS; None for plain text.
            source: Source of access tokens; None for calls without credentials.

        Raises:
            ConfigurationError: A file of the TLS settings can't be read.
        """
        self._address = address
        self._secure = tls is not None
        self._channel = _channel(address, tls)
        self._lame = False
        """Whether the channel has a call whose events no thread reads."""
        self._credentials = None if source is None else Credentials(source, self._exchange)

    @property
    def address(self) -> str:
        """The server's address."""
        return self._address

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc and returns its answer."""
        return with_token(self._credentials, partial(self._unary, method, request, timeout_seconds))

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        """Calls a server-streaming rpc; closing the iterator cancels it."""
        multi = self._channel.unary_stream(
            f"/{method}", _serialize, response_type(method).FromString
        )

        def call(carried: dict[str, str]) -> Any:
            with self._reading():
                return multi(request, timeout=timeout_seconds, metadata=_metadata(carried))

        return self._renewing(call)

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Calls a bidirectional rpc with requests already serialized.

        Raises:
            RuntimeError: Python is ending, and starts no thread to read the answers.
        """
        parse = response_type(method).FromString
        # The stubs demand a serializer, and bytes need none.
        channel: Any = self._channel
        multi = channel.stream_stream(f"/{method}", None, parse)
        carried = self._carried()
        with self._reading():
            call = multi(requests, metadata=_metadata(carried))
        return self._dropping(call, carried)

    def close(self) -> None:
        """Closes the channel, and ends all calls on it."""
        if not self._lame:
            self._channel.close()

    @contextmanager
    def _reading(self) -> Generator[None]:
        """Around the beginning of a stream, which gRPC begins before the thread that reads it.

        A channel waits for the last event of each of its calls when it is closed, and it is closed
        when it is collected. If no thread reads the events, it would wait for ever. Python is
        ending then, and the process takes the channel with it.
        """
        try:
            yield
        except RuntimeError as error:
            if is_refusal(error) and not self._lame:
                self._lame = True
                keep_for_good(self._channel)
            raise

    def _unary(
        self, method: str, request: Message, timeout_seconds: float, carried: dict[str, str]
    ) -> Message:
        call = self._channel.unary_unary(f"/{method}", _serialize, response_type(method).FromString)
        try:
            return call(request, timeout=timeout_seconds, metadata=_metadata(carried))
        except grpc.RpcError as error:
            raise self._converted(error) from error

    def _exchange(self, method: str, request: Message) -> Message:
        return self._unary(method, request, EXCHANGE_SECONDS, {})

    def _carried(self) -> dict[str, str]:
        return {} if self._credentials is None else self._credentials.metadata()

    def _dropped(self, error: RpcError, carried: dict[str, str]) -> bool:
        """Whether a call failed because its token was refused; drops the token then."""
        if self._credentials is None or error.reason not in USED_UP:
            return False
        self._credentials.drop(carried)
        return True

    def _renewing(self, call: Callable[[dict[str, str]], Any]) -> Iterator[Message]:
        """Yields the answers of a stream, which is begun anew if its token is refused at once.

        A stream whose token expires later ends, and its caller begins another.
        """
        for last in (False, True):
            carried, begun = self._carried(), False
            try:
                for answer in self._answers(call(carried)):
                    begun = True
                    yield answer
            except RpcError as error:
                if not self._dropped(error, carried) or (last and not begun):
                    raise
                if not begun:
                    continue
            return

    def _dropping(self, call: Any, carried: dict[str, str]) -> Iterator[Message]:
        try:
            yield from self._answers(call)
        except RpcError as error:
            self._dropped(error, carried)
            raise

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
        if code == "UNAVAILABLE" and (why := tls_trouble(text, secure=self._secure)):
            return NotATowpathServer(f"{self._address}: {why}", code=code)
        if code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"} and not _is_foreign(text):
            return ServerUnreachable(self._why_unreachable(text), code=code)
        if code in {"UNIMPLEMENTED", "UNKNOWN", "INTERNAL", "UNAVAILABLE"}:
            return NotATowpathServer(
                f"{self._address} answers, but not as a Towpath server: check server.address",
                code=code,
            )
        status = status_pb2.Status(code=code_pb2.Code.Value(code), message=text)
        return to_rpc_error(status, self._address)

    def _why_unreachable(self, text: str) -> str:
        if self._secure and "failed to connect" in text and "Socket closed" in text:
            # gRPC gives no more detail when a server refuses the client's certificate.
            return (
                f"{self._address} ends connections once TLS is begun: it stops just now, or wants a"
                " valid client certificate from an authority that it trusts:"
                " look at server.client_cert and server.client_key"
            )
        if _SILENT in text.lower():
            return (
                f"{self._address} takes connections, but doesn't answer: the server is too busy or"
                " stopped, or something else is there; try again, or check server.address"
            )
        return (
            f"no Towpath server answers at {self._address}: start one with"
            " `towpath server start`, or check server.address"
        )


def _metadata(carried: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (*call_metadata().items(), *carried.items())


def _channel(address: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    authorities, key, certificate = tls.pem()
    secured = grpc.ssl_channel_credentials(authorities, key, certificate)
    return grpc.secure_channel(address, secured, options=_OPTIONS)


def _is_foreign(text: str) -> bool:
    """Whether an error means that the peer speaks a protocol other than gRPC."""
    signs = ("http/1", "expected settings", "content-type", "http status", "connect an http")
    return any(sign in text.lower() for sign in signs)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
