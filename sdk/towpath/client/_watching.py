"""Streams that a service may end at any time, and that are opened again where they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from towpath.client._calls import Calls

Answer = TypeVar("Answer", bound="Message")

AGAIN_SECONDS: Final = 0.1
"""Between a stream that the service ended and the next, so that a draining one isn't flooded."""


def resumed_stream(
    calls: Calls, method: str, request: Message, answer: type[Answer]
) -> Iterator[Answer]:
    """A stream's messages; one that ends because its reader is slow is opened again.

    Args:
        calls: The connection.
        method: "RunService/WatchRuns".
        request: Its request, in which the reader keeps the resume token of its last message.
        answer: The type of its messages.
    """
    while True:
        try:
            yield from calls.stream(method, request, answer)
        except RpcError as error:
            if error.reason != "SLOW_CONSUMER":
                raise
        else:
            return
