"""Ctrl-C for a whole flow run: what has not begun does not begin, what runs is asked to stop.

Only the body of a task is interrupted, never what reports it: an exception that arrives amid the
bookkeeping would be lost there, or would lose what was to be kept.

How a body that runs in a thread meets its stop is in `towpath._strikes`.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from towpath._strikes import Strike, Struck, call_exposed
from towpath.exceptions import RunCancelled, RunError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Interruption:
    """Whether a flow run was interrupted, and how to stop the bodies of its tasks."""

    def __init__(self, why: str = "the flow was interrupted") -> None:
        """Interrupts nothing yet.

        Args:
            why: The reason, as the errors of what is stopped give it.
        """
        self.why = why
        self._lock = threading.Lock()
        self._stops: dict[object, Callable[[], object]] = {}
        """How bodies under way are stopped."""
        self.requested = False

    def check(self) -> None:
        """Raises RunCancelled when the flow was interrupted: what would begin now does not."""
        if self.requested:
            raise self.error("not begun")

    def error(self, did: str) -> RunError:
        """The error of a body, "stopped" or "not begun"."""
        return RunCancelled(f"{did}, since {self.why}")

    def run(self, body: Callable[[], Any]) -> Any:
        """Calls a task's body, which is the user's code, in this thread; raises as `within`."""
        return self.within(partial(call_exposed, body))

    def within(self, body: Callable[[], Any]) -> Any:
        """Calls code that exposes the user's code in it.

        Raises:
            RunCancelled: The flow was interrupted before or while it ran.
        """
        strike = Strike()
        try:
            with strike:
                self.begin(strike, strike.demand)
                try:
                    return body()
                finally:
                    self.forget(strike)
        except Struck:
            if not strike.due:
                raise
            raise self.error("stopped") from None

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Awaits a task's body, which is cancelled when the flow is interrupted.

        Raises:
            RunCancelled: The flow was interrupted before.
        """
        running = asyncio.current_task()
        assert running is not None
        loop = asyncio.get_running_loop()
        key = object()
        self.begin(key, lambda: loop.call_soon_threadsafe(running.cancel))
        try:
            return await body()
        finally:
            self.forget(key)

    def unlock_in_child(self) -> None:
        """In a forked child: makes the lock anew, which another thread may have held."""
        self._lock = threading.Lock()

    def request(self) -> None:
        """Stops the bodies of all tasks under way."""
        with self._lock:
            self.requested = True
            for stop in self._stops.values():
                stop()

    def _is_begun(self, key: object) -> bool:
        with self._lock:
            return key in self._stops

    def forget(self, key: object) -> None:
        """Notes that a body has ended."""
        with self._lock:
            self._stops.pop(key, None)

    def begin(self, key: object, stop: Callable[[], object]) -> None:
        """Notes a body, or a wait, that is under way.

        Args:
            key: Tells it from others.
            stop: Stops it; called from any thread, under a lock.

        Raises:
            RunCancelled: The flow was interrupted before.
        """
        with self._lock:
            self.check()
            self._stops[key] = stop
