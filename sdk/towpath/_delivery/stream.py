"""One stream of the ingestion protocol: batches go out within a window, verdicts come back.

`protos/towpath/api/v1/ingest_service.proto` describes the whole protocol. A stream never waits; the
caller of `step` does. After a failure the backlog stands where the service's verdicts ended, and
another stream goes on from there.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from towpath._delivery import messages
from towpath._delivery.backlog import BATCH, BATCH_BYTES
from towpath._delivery.directives import to_directive
from towpath.api.v1 import ingest_service_pb2
from towpath.exceptions import RpcError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.backlog import Backlog
    from towpath._delivery.directives import Directive
    from towpath._transport.base import Duplex

STREAM_UPDATES: Final = "towpath.api.v1.IngestService/StreamUpdates"
PRODUCER_AHEAD: Final = "PRODUCER_AHEAD"
"""The server has more updates than this process reported: another process uses its producer."""
PATIENCE_SECONDS: Final = 30.0
HEAD_BYTES: Final = 64
"""Most bytes of a batch beside its updates."""


class _Sent(NamedTuple):
    last: int
    updates: int
    size: int


class UpdateStream:
    """Sends a backlog's updates and takes their verdicts."""

    def __init__(
        self,
        backlog: Backlog,
        duplex: Duplex,
        opening: bytes,
        *,
        last: Callable[[], int],
        on_directive: Callable[[Directive], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Sends the opening; nothing else until it is answered.

        Args:
            backlog: What to send.
            duplex: The call.
            opening: The first message, serialized.
            last: Returns the number of the last update that the producer has reported.
            on_directive: Called with what the service wants done with a run.
            clock: In seconds, growing.
        """
        self.opened = False
        self.ended = False
        self.pause_seconds: float = 0.0
        """When it has ended: how long the service wants the producer to wait with the next one."""
        self._backlog = backlog
        self._duplex = duplex
        self._last = last
        self._on_directive = on_directive
        self._clock = clock
        self._window = ingest_service_pb2.SendWindow()
        self._resume_at = 0.0
        self._leaving = False
        self._in_flight: deque[_Sent] = deque()
        self._heard_at = clock()
        duplex.send(opening)

    @property
    def waiting(self) -> bool:
        """Whether an answer is due."""
        return not self.opened or self._leaving or bool(self._in_flight) or self._shut

    def step(self) -> bool:
        """Takes what has come and sends what may go; False when there was nothing of either.

        Raises:
            RpcError: The stream has failed, or the service was silent for too long.
        """
        received = self._receive()
        if self._duplex.ended:
            if not self._leaving:
                raise ServerUnreachable("the server ended the stream", code="UNAVAILABLE")
            self.ended = True
            return received
        if self.waiting and self._clock() - self._heard_at > PATIENCE_SECONDS:
            raise ServerUnreachable(
                f"the server took updates and gave no verdict for {PATIENCE_SECONDS:g} s",
                code="DEADLINE_EXCEEDED",
            )
        return self._send() or received

    @property
    def _shut(self) -> bool:
        """Whether the service has taken away the window while there is something to send."""
        return self._window.max_inflight_updates == 0 and self._backlog.next <= self._last()

    def _receive(self) -> bool:
        ack: ingest_service_pb2.UpdateAck | None = None
        received = False
        while (message := self._duplex.receive()) is not None:
            assert isinstance(message, ingest_service_pb2.StreamUpdatesResponse)
            received = True
            frame = message.WhichOneof("frame")
            if frame == "opened":
                self._begin(message.opened)
            elif frame == "ack":
                ack = self._follow(message.ack)
            elif frame == "directive":
                directive = to_directive(message.directive)
                if directive is not None:
                    self._on_directive(directive)
            elif frame == "reconnect":
                self._leave(message.reconnect)
        if ack is not None:
            # The last of several says all that the earlier ones did.
            self._backlog.acknowledge(ack.committed_sequence, ack.rejections)
        if received:
            self._heard_at = self._clock()
        return received

    def _begin(self, opened: ingest_service_pb2.StreamOpened) -> None:
        last = self._last()
        if opened.committed_sequence > last:
            raise RpcError(
                f"the server has {opened.committed_sequence} updates of this process's producer,"
                f" which has reported {last}",
                code="ABORTED",
                reason=PRODUCER_AHEAD,
            )
        self._backlog.resume(opened.committed_sequence)
        self._backlog.acknowledge(opened.committed_sequence, opened.rejections)
        self._allow(opened.window)
        self.opened = True
        if self._backlog.past_gap:
            # Lost updates have been reported; the opening of the next stream informs the service.
            self._leave(ingest_service_pb2.ReconnectRequest())

    def _follow(self, ack: ingest_service_pb2.UpdateAck) -> ingest_service_pb2.UpdateAck:
        while self._in_flight and self._in_flight[0].last <= ack.committed_sequence:
            self._in_flight.popleft()
        if ack.HasField("window"):
            self._allow(ack.window)
        return ack

    def _allow(self, window: ingest_service_pb2.SendWindow) -> None:
        self._window = window
        self._backlog.hold(window.held_by_quota)
        if window.HasField("delay"):
            self._resume_at = self._clock() + window.delay.ToMilliseconds() / 1000

    def _leave(self, request: ingest_service_pb2.ReconnectRequest) -> None:
        if not self._leaving:
            self._leaving = True
            self.pause_seconds = request.delay.ToMilliseconds() / 1000
            self._duplex.half_close()

    def _send(self) -> bool:
        if not self.opened or self._leaving or self._clock() < self._resume_at:
            return False
        sent = False
        while self._send_batch():
            sent = True
        return sent

    def _send_batch(self) -> bool:
        window = self._window
        idle = not self._in_flight
        updates = window.max_inflight_updates - sum(item.updates for item in self._in_flight)
        size = window.max_inflight_bytes - sum(item.size for item in self._in_flight)
        if updates <= 0 or size <= 0:
            return False
        first = self._backlog.next
        batch = self._backlog.take(
            min(updates, window.max_batch_updates or BATCH, BATCH),
            min(size, window.max_batch_bytes or BATCH_BYTES, BATCH_BYTES) - HEAD_BYTES,
            at_least_one=idle,
        )
        if not batch:
            return False
        request, size = messages.stream_batch(first, batch, self._backlog.acked)
        if idle:
            self._heard_at = self._clock()
        self._in_flight.append(_Sent(first + len(batch) - 1, len(batch), size))
        self._duplex.send(request)
        return True
