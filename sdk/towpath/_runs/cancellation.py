"""The request to cancel a flow run, and how it reaches the run's code.

A coroutine gets CancelledError, other code is ended at its next step of Python code, and waits for
other runs end at once: as with a timeout. The run ends CANCELLED, and its hooks are called.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from towpath._runs.interruption import Interruption
from towpath.exceptions import RunCancelled, RunTimedOut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Cancellation(Interruption):
    """Whether one flow run is to be cancelled, and how its own code is stopped."""

    def __init__(self) -> None:
        super().__init__("its cancellation was requested")
        self._timed_out = False

    def demand(self, message: str, *, timed_out: bool) -> None:
        """Stops the run's code; any thread may call it, and it returns at once.

        Args:
            message: The reason, for people; empty for none.
            timed_out: Whether the run ends TIMED_OUT.
        """
        if not self.requested:
            self._timed_out = timed_out
            if message:
                self.why = message if timed_out else f"{self.why}: {message}"
        self.request()

    def check(self) -> None:
        """Raises the error of the request if there is one: code that would go on does not."""
        if self.requested:
            raise self.error("stopped")

    async def run_async(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Awaits code of the run.

        Raises:
            RunCancelled: Its cancellation was requested before or while it ran.
            RunTimedOut: So was its end, since it took too long.
        """
        running = asyncio.current_task()
        assert running is not None
        loop = asyncio.get_running_loop()
        key = object()

        def cancel_within() -> None:
            if self._is_begun(key):
                running.cancel()

        def stop() -> None:
            with suppress(RuntimeError):  # The loop has ended, and its coroutines with it.
                loop.call_soon_threadsafe(cancel_within)

        self.begin(key, stop)
        try:
            return await body()
        except asyncio.CancelledError:
            if not self.requested:
                raise
            running.uncancel()
            raise self.error("stopped") from None
        finally:
            self.forget(key)

    def error(self, did: str) -> RunCancelled | RunTimedOut:
        """The error that ends the run's code."""
        if self._timed_out:
            return RunTimedOut(f"{did}, since {self.why}")
        return RunCancelled(f"{did}, since {self.why}", reason="REQUESTED")
