"""Time that passes when somebody sleeps."""

from __future__ import annotations

import asyncio
import threading
import time


class VirtualClock:
    """A clock whose sleeps return at once, later.

    Sleepers in several threads each wake at their own time; the clock shows the latest of them.
    Code of users that calls `time.sleep` itself sleeps for real, and timeouts are real, too.
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
        """Seconds since the Unix epoch: when the clock was made, and what was slept since."""
        return self._began + self._elapsed

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        if seconds > 0:
            with self._lock:
                self._elapsed += seconds

    async def sleep_async(self, seconds: float) -> None:
        """Lets time pass; others run meanwhile."""
        self.sleep(seconds)
        await asyncio.sleep(0)
