"""Connections of the web port: few stay open for which nothing is asked, and none for ever.

uvicorn closes a connection that is idle between two requests. One that never sends a request, half
of one, or takes nothing of its answer, it would keep for as long as its client likes.
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
    """How long is waited for clients, and how many may be waited for."""

    request_seconds: float = REQUEST_SECONDS
    """From the beginning of a connection, or the answer before, to the last header."""
    answer_seconds: float = ANSWER_SECONDS
    """How long an answer may be stuck."""
    most_connections: int = MOST_CONNECTIONS
    """Beyond them, the one that has waited longest for a request makes room."""


class Connection(H11Protocol):
    """One connection, closed when its client keeps it waiting."""

    def __init__(self, *arguments: Any, patience: Patience, **named: Any) -> None:
        """Isn't connected yet; the rest is uvicorn's."""
        super().__init__(*arguments, **named)
        self._patience = patience
        self._request_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self.waits_since: float | None = None
        """Since when there is no complete request; None while one is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._look()
        if len(self.connections) > self._patience.most_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing any more."""
        super().connection_lost(exc)
        self.waits_since = None
        self._stop_request_timer()
        self._stop_answer_timer()

    def data_received(self, data: bytes) -> None:
        """Takes a part of a request."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        super().on_response_complete()
        self.waits_since = None
        self._look()

    def pause_writing(self) -> None:
        """Is told that the client takes nothing for now."""
        super().pause_writing()
        self._stop_answer_timer()
        self._answer_timer = self.loop.call_later(
            self._patience.answer_seconds, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Is told that it does again."""
        super().resume_writing()
        self._stop_answer_timer()

    def _look(self) -> None:
        """Sets the timer if there is something to wait for, and stops it if not."""
        their_state: Any = self.conn.their_state
        cycle: Any = self.cycle  # None before the first request.
        answered = not cycle or cycle.response_complete
        # A body that is still wanted has its time from whoever reads it.
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
