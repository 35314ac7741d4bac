"""A bidirectional rpc without blocking calls, over any transport that streams."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

    from towpath._transport.base import Transport


class ThreadedDuplex:
    """A call whose answers are read by a thread of its own; for use by one other thread.

    Closing the transport ends the reading thread; it needs no join.
    """

    def __init__(self, transport: Transport, method: str, on_change: Callable[[], object]) -> None:
        """Begins the call.

        Args:
            transport: Transport of the call.
            method: A bidirectional rpc of the contract.
            on_change: Called in the reading thread when `receive` has an answer or an error.
        """
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._answers: deque[Message] = deque()
        self._failure: RpcError | None = None
        self._over = False
        self._on_change = on_change
        answers = transport.bidi_stream(method, iter(self._requests.get, None))
        threading.Thread(
            target=self._read, args=(answers,), name="towpath-acks", daemon=True
        ).start()

    @property
    def ended(self) -> bool:
        """Whether the service ended the call without an error, and all its answers are taken."""
        return self._over and not self._answers and self._failure is None

    @property
    def has_news(self) -> bool:
        """Whether `receive` has an answer or an error, or the call has ended."""
        return bool(self._answers) or self._over

    def send(self, request: bytes) -> None:
        """Sends a request; returns at once."""
        self._requests.put(request)

    def half_close(self) -> None:
        """Ends the stream of requests, and releases the thread that sends them."""
        self._requests.put(None)

    def receive(self) -> Message | None:
        """Takes the next answer; returns None when none has arrived.

        Raises:
            RpcError: The call has failed, and all its answers are taken.
        """
        over = self._over
        if self._answers:
            return self._answers.popleft()
        if over and self._failure is not None:
            raise self._failure
        return None

    def _read(self, answers: Iterator[Message]) -> None:
        try:
            for answer in answers:
                self._answers.append(answer)
                self._on_change()
        except RpcError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - the thread that sends is to know of it
            self._failure = RpcError(f"the stream to the server broke: {error}")
        self._over = True
        self._on_change()
