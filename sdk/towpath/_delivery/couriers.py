"""The two ways to deliver to one server: over a stream, and by unary calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from towpath._delivery import messages
from towpath._delivery.backoff import Backoff
from towpath._delivery.stream import STREAM_UPDATES, UpdateStream
from towpath._transport.duplex import ThreadedDuplex
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._delivery.directives import Directive
    from towpath._delivery.drain import Drain
    from towpath._delivery.outbox import Outbox
    from towpath._transport.base import Transport


class Courier(Protocol):
    """Delivers an outbox to one server for as long as its connection lasts."""

    @property
    def reached(self) -> bool:
        """Whether the server has answered."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the server wants the next connection."""
        ...

    @property
    def pause_seconds(self) -> float:
        """How long the server wants it to wait with the next connection."""
        ...

    @property
    def idle(self) -> bool:
        """Whether no answer is due."""
        ...

    @property
    def has_news(self) -> bool:
        """Whether an answer has come that `step` would take."""
        ...

    @property
    def is_sign_of_life(self) -> bool:
        """Whether it reports by itself to the server that this process is alive."""
        ...

    def step(self) -> bool:
        """Delivers what it can now; False when there was nothing to do.

        Raises:
            RpcError: The connection is of no more use; another goes on from there.
        """
        ...

    def close(self) -> None:
        """Closes the connection; the transport stays open."""
        ...


class UnaryCourier:
    """One call in flight at a time, and no thread.

    For forked children, for services in process, and for the end of a process.
    """

    ended = False
    pause_seconds = 0.0
    idle = True
    has_news = False
    is_sign_of_life = False

    def __init__(self, drain: Drain, transport: Transport) -> None:
        self.reached = False
        self._drain = drain
        self._transport = transport

    def step(self) -> bool:
        """Delivers a batch of updates and one of log lines."""
        try:
            moved = self._drain.deliver(self._transport)
        except RpcError as error:
            if error.quota:
                self._drain.backlog.hold(error.quota)
            raise
        if moved:
            self.reached = True
            self._drain.backlog.hold("")
        return moved

    def close(self) -> None:
        """Does nothing: unary calls hold no connection."""


class StreamCourier:
    """Updates over a stream, several batches in flight; log lines by unary calls after them."""

    is_sign_of_life = True

    def __init__(
        self,
        drain: Drain,
        outbox: Outbox,
        transport: Transport,
        on_directive: Callable[[Directive], None],
    ) -> None:
        self._drain = drain
        self._transport = transport
        self._backoff = Backoff()
        self._logs_at = 0.0
        backlog = drain.backlog
        self._duplex = ThreadedDuplex(transport, STREAM_UPDATES, outbox.reported.set)
        opening = messages.stream_opening(
            backlog.workspace,
            backlog.producer_id,
            # The server takes a higher number than its own as it is, without a word of what it
            # lacks. So it gets one only once a gap is known: kept updates are sent again instead.
            last_acked=backlog.first_kept - 1 if backlog.past_gap else 0,
            waiting=outbox.updates.last - backlog.acked,
            run_ids=list(outbox.open_runs),
            info=messages.producer_info(),
        )
        self._stream = UpdateStream(
            backlog,
            self._duplex,
            opening,
            last=lambda: outbox.updates.last,
            on_directive=on_directive,
        )

    @property
    def reached(self) -> bool:
        """Whether the stream was opened."""
        return self._stream.opened

    @property
    def ended(self) -> bool:
        """Whether the server has asked for another stream, and has acknowledged all of this one."""
        return self._stream.ended

    @property
    def pause_seconds(self) -> float:
        """How long the server wants it to wait with the next one."""
        return self._stream.pause_seconds

    @property
    def idle(self) -> bool:
        """Whether no answer is due."""
        return not self._stream.waiting

    @property
    def has_news(self) -> bool:
        """Whether a message of the server has arrived."""
        return self._duplex.has_news

    def step(self) -> bool:
        """Takes verdicts, sends updates, and then log lines whose updates have theirs."""
        moved = self._stream.step()
        return self._deliver_logs() or moved

    def close(self) -> None:
        """Half-closes the stream."""
        self._duplex.half_close()

    def _deliver_logs(self) -> bool:
        """Delivers log lines; lines without room at the server wait, and delay no update."""
        if time.monotonic() < self._logs_at:
            return False
        try:
            delivered = self._drain.deliver_logs(self._transport)
        except RpcError as error:
            if error.code != "RESOURCE_EXHAUSTED":
                raise
            self._logs_at = time.monotonic() + self._backoff.pause(error.retry_after_seconds)
            return False
        if delivered:
            self._backoff.reset()
        return delivered
