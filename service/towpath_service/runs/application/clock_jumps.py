"""Clocks that jump: what a service concludes from times of day has to wait for them to settle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.clock import Clock


class ClockJumps:
    """Compares the clock with one that only ever goes on, as a suspended machine's doesn't."""

    def __init__(self, clock: Clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        self._offset = self._read()

    def seconds(self) -> float:
        """How far the clock has jumped since this was asked last; below zero when back."""
        before, self._offset = self._offset, self._read()
        return self._offset - before

    def _read(self) -> float:
        return self._clock.now_us() / 1e6 - self._steady()
