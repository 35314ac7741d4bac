"""The time limit of one attempt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Budget:
    """The time limit of one attempt, which stands still while its run is paused."""

    def __init__(self, seconds: float, postpone: Callable[[float | None], object]) -> None:
        """Begins now.

        Args:
            seconds: The limit.
            postpone: Moves what ends the attempt to a time of the monotonic clock; with None it
                doesn't end it for now.
        """
        self._ends = time.monotonic() + seconds
        self._postpone = postpone
        self._held: list[float] = []

    @property
    def left(self) -> float:
        """Seconds that are left; while it stands still, those that will be."""
        now = self._held[0] if self._held else time.monotonic()
        return max(0.0, self._ends - now)

    def hold(self) -> None:
        """Stands still."""
        self._held.append(time.monotonic())
        if len(self._held) == 1:
            self._postpone(None)

    def go_on(self) -> None:
        """Goes on once each `hold` has its `go_on`."""
        began = self._held[0]
        self._held.pop()
        if not self._held:
            self._ends += time.monotonic() - began
            self._postpone(self._ends)
