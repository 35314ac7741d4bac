"""The interface of all transports: calls of a service's rpcs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message


class Duplex(Protocol):
    """A call of a bidirectional rpc, for a thread that must not block on it."""

    @property
    def ended(self) -> bool:
        """Whether the service ended the call without an error, and all its answers are taken."""
        ...

    def send(self, request: bytes) -> None:
        """Sends a request; returns at once."""
        ...

    def half_close(self) -> None:
        """Ends the stream of requests."""
        ...

    def receive(self) -> Message | None:
        """Takes the next answer; returns None when none has arrived.

        Raises:
            RpcError: The call has failed, and all its answers are taken.
        """
        ...


class Transport(Protocol):
    """Calls the rpcs of a service.

    Methods are named as in the contract, "towpath.api.v1.RunService/GetRun"; request and answer
    types follow from the name. Failures are raised as `towpath.exceptions.RpcError`.
    """

    @property
    def address(self) -> str:
        """The service's address for messages: "127.0.0.1:4200", or a path when embedded."""
        ...

    def unary(self, method: str, request: Message, *, timeout_seconds: float = 10.0) -> Message:
        """Calls a unary rpc and returns its answer."""
        ...

    def server_stream(
        self, method: str, request: Message, *, timeout_seconds: float | None = None
    ) -> Iterator[Message]:
        """Calls a server-streaming rpc; closing the iterator cancels it."""
        ...

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        """Calls a bidirectional rpc with requests already serialized."""
        ...

    def close(self) -> None:
        """Closes the transport's connections and files."""
        ...
