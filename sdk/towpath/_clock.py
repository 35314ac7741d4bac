"""The time that runs live in: the system's, or a test's own."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def time(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Returns once so many seconds have passed."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Returns once so many seconds have passed; others run meanwhile."""
        ...


class SystemClock:
    """The system's time."""

    def __init__(self) -> None:
        # As attributes, and not methods around them: the time is told with every report.
        self.time = time.time
        self.sleep = time.sleep

    async def sleep_async(self, seconds: float) -> None:
        """Returns once so many seconds have passed; others run meanwhile."""
        from asyncio import sleep  # noqa: PLC0415 - loaded anyway by the time a coroutine runs

        await sleep(seconds)


current_clock: ContextVar[Clock | None] = ContextVar("towpath_clock", default=None)
system_clock = SystemClock()
