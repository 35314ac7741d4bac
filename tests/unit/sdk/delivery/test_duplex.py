from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from towpath._transport.duplex import ThreadedDuplex
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath.exceptions import RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message


class Echoes:
    """A transport whose stream answers each request with its text as a token, then ends."""

    address = "echo"

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure

    def bidi_stream(self, method: str, requests: Iterator[bytes]) -> Iterator[Message]:
        assert method == "service/Method"
        for request in requests:
            ack = pb.UpdateAck(consistency_token=request.decode())
            yield pb.StreamUpdatesResponse(ack=ack)
        if self._failure is not None:
            raise self._failure


def call(failure: Exception | None = None) -> tuple[ThreadedDuplex, threading.Semaphore]:
    changes = threading.Semaphore(0)
    transport: Any = Echoes(failure)
    return ThreadedDuplex(transport, "service/Method", changes.release), changes


def tokens(duplex: ThreadedDuplex) -> list[str]:
    found: list[str] = []
    while (message := duplex.receive()) is not None:
        assert isinstance(message, pb.StreamUpdatesResponse)
        found.append(message.ack.consistency_token)
    return found


def test_answers_come_in_order_and_then_the_end() -> None:
    duplex, changes = call()
    assert duplex.receive() is None
    assert not duplex.has_news
    for text in (b"a", b"b", b"c"):
        duplex.send(text)
    duplex.half_close()
    for _ in range(4):
        assert changes.acquire(timeout=10)
    assert duplex.has_news
    assert not duplex.ended
    assert tokens(duplex) == ["a", "b", "c"]
    assert duplex.ended


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (ServerUnreachable("gone", code="UNAVAILABLE"), ServerUnreachable),
        (ValueError("the channel is closed"), RpcError),
    ],
)
def test_a_failure_is_raised_after_all_answers_were_taken(
    failure: Exception, raised: type[Exception]
) -> None:
    duplex, changes = call(failure)
    duplex.send(b"a")
    duplex.half_close()
    for _ in range(2):
        assert changes.acquire(timeout=10)
    assert duplex.receive() is not None
    with pytest.raises(raised, match=str(failure)):
        duplex.receive()
    assert not duplex.ended
