"""Detects jumps of the system clock, for the reaper and retention, which rely on its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.clock import Clock


class ClockJumps:
    """Compares the clock with a monotonic one; the suspension of a machine shows as a jump."""

    def __init__(self, clock: Clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._offset = self._read()

    def seconds(self) -> float:
        """How far the clock has jumped since the last call; negative for a jump back."""
        before, self._offset = self._offset, self._read()
        return self._offset - before

    def _read(self) -> float:
        return self._clock.now_us() / 1e6 - self._steady()
