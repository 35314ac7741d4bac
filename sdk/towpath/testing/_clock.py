"""Virtual time, which passes only when code sleeps."""

from __future__ import annotations

import asyncio
import threading
import time


class VirtualClock:
    """A clock whose sleeps return at once and advance the time.

    Sleepers in several threads each wake at their own time; the clock shows the latest of them.
    Calls of `time.sleep` in user code take real time, and so do timeouts.
    """

    def __init__(self) -> None:
        self._began = time.time()
        self._elapsed = 0.0
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Virtual seconds that have passed."""
        return self._elapsed

    def time(self) -> float:
        """Returns the seconds since the Unix epoch: the time of creation plus all sleeps."""
        return self._began + self._elapsed

    def sleep(self, seconds: float) -> None:
        """Advances the time of this context by some seconds."""
        if seconds > 0:
            with self._lock:
                self._elapsed += seconds

    async def sleep_async(self, seconds: float) -> None:
        """Advances the time of this context by some seconds; other coroutines run meanwhile."""
        self.sleep(seconds)
        await asyncio.sleep(0)
