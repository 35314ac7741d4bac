"""Limits on idle and stuck connections of the web port; used by its server.

uvicorn closes a connection that is idle between two requests. It keeps a connection without any
request, with an incomplete one, or with an unread response, for as long as the client likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

REQUEST_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 120.0
MOST_CONNECTIONS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits on waits for clients: seconds, and a number of connections."""

    request_seconds: float = REQUEST_SECONDS
    """Longest time from the connection, or the previous response, to the last header."""
    answer_seconds: float = ANSWER_SECONDS
    """Longest time without progress of a response."""
    most_connections: int = MOST_CONNECTIONS
    """Most waiting connections; beyond that, the one that has waited longest is closed."""


class Connection(H11Protocol):
    """One connection, closed when its client exceeds a limit."""

    def __init__(self, *arguments: Any, patience: Patience, **named: Any) -> None:
        """Takes the limits; the other arguments are uvicorn's."""
        super().__init__(*arguments, **named)
        self._patience = patience
        self._request_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self.waits_since: float | None = None
        """Since when it waits for a complete request; None while one is being answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._look()
        if len(self.connections) > self._patience.most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all waits."""
        super().connection_lost(exc)
        self.waits_since = None
        self._stop_request_timer()
        self._stop_answer_timer()

    def data_received(self, data: bytes) -> None:
        """Receives a part of a request."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        self.waits_since = None
        self._look()

    def pause_writing(self) -> None:
        """Is called when the client reads no more for now."""
        super().pause_writing()
        self._stop_answer_timer()
        self._answer_timer = self.loop.call_later(
            self._patience.answer_seconds, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Is called when the client reads again."""
        super().resume_writing()
        self._stop_answer_timer()

    def _look(self) -> None:
        """Sets the timer if the connection waits for the client, and stops it otherwise."""
        their_state: Any = self.conn.their_state
        cycle: Any = self.cycle  # None before the first request.
        answered = not cycle or cycle.response_complete
        # The reader of a body limits its time itself (`bodies.py`).
        in_head = their_state is h11.IDLE or (their_state is h11.SEND_BODY and answered)
        in_body = their_state is h11.SEND_BODY and not cycle.response_started
        if not in_head and not in_body:
            self.waits_since = None
        elif self.waits_since is None:
            self.waits_since = self.loop.time()
        if not in_head:
            self._stop_request_timer()
        elif self._request_timer is None and not self.transport.is_closing():
            self._request_timer = self.loop.call_later(
                self._patience.request_seconds, self.transport.abort
            )

    def _make_room(self) -> None:
        others: Any = self.connections
        waiting = [each for each in others if each.waits_since is not None]
        oldest = min(waiting, key=lambda each: each.waits_since, default=self)
        oldest.transport.abort()

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
