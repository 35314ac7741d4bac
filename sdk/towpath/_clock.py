"""The clock that runs use: the system's, or a test's own."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Protocol


class Clock(Protocol):
    """A source of the time, which can also wait."""

    def time(self) -> float:
        """Returns the seconds since the Unix epoch."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Waits for some seconds."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Waits for some seconds; other coroutines run meanwhile."""
        ...


class SystemClock:
    """The system's time."""

    def __init__(self) -> None:
        # As attributes, without methods around them: every report reads the time.
        self.time = time.time
        self.sleep = time.sleep

    async def sleep_async(self, seconds: float) -> None:
        """Waits for some seconds; other coroutines run meanwhile."""
        from asyncio import sleep  # noqa: PLC0415 - loaded anyway by the time a coroutine runs

        await sleep(seconds)


current_clock: ContextVar[Clock | None] = ContextVar("towpath_clock", default=None)
system_clock = SystemClock()
