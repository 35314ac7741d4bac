"""The shutdown of a worker: when it exits, and when it ends its runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from towpath._work.lease_book import NEVER

if TYPE_CHECKING:
    from towpath._work.lease_book import LeaseBook

ACK_SECONDS: Final = 5.0
"""Longest wait for the service's word on ends, of a worker that has ended all its runs."""


class Leaving:
    """The end of a worker; times are by the loop's clock."""

    def __init__(self, grace_seconds: float, *, stop_runs: bool) -> None:
        """Wants nothing yet.

        Args:
            grace_seconds: Time that runs have to end by themselves.
            stop_runs: Whether those that go on after that are ended.
        """
        self._grace_seconds = grace_seconds
        self._stop_runs = stop_runs
        self._wanted = threading.Event()
        self._at_once = threading.Event()
        self._leave_at = NEVER
        self._wait_until = NEVER

    def want(self) -> None:
        """Has the worker leave; the second call has it end its runs at once. From any thread."""
        if self._wanted.is_set():
            self._at_once.set()
        self._wanted.set()

    @property
    def is_wanted(self) -> bool:
        """Whether the shutdown was requested."""
        return self._wanted.is_set()

    def ends_runs(self, now: float) -> bool:
        """Whether runs that go on are to be ended now."""
        if self._wanted.is_set() and self._leave_at == NEVER:
            self._leave_at = now + self._grace_seconds
        if self._at_once.is_set():
            self._leave_at = min(self._leave_at, now)
        return self._cancels and now >= self._leave_at

    def is_done(self, now: float, book: LeaseBook, *, attached: bool) -> bool:
        """Whether the worker may leave now."""
        if not self._wanted.is_set():
            return False
        if not len(book):
            return True
        if now < self._leave_at:
            return False
        if not self._cancels:
            return True
        if book.executing:
            return False
        # What the service doesn't hear of now, the next worker of this name tells it.
        self._wait_until = min(self._wait_until, now + ACK_SECONDS)
        return not attached or now >= self._wait_until

    def times(self, now: float) -> list[float]:
        """When to look again."""
        return [at for at in (self._leave_at, self._wait_until) if at > now]

    @property
    def _cancels(self) -> bool:
        return self._at_once.is_set() or self._stop_runs
