"""How often a producer may find itself fenced off and still open another stream.

An outbox is locked by its process, so that a fence is nearly always this process's own: the opening
of a connection that was given up, which reached the server after that of the next one. A second
process that reports under the same producer, as on a copy of a machine, fences again and again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 3
WITHIN_SECONDS: Final = 60.0


class Fences:
    """Counts the fences of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Has seen none.

        Args:
            clock: In seconds, growing.
        """
        self._clock = clock
        self._met: deque[float] = deque()

    def bearable(self) -> bool:
        """Notes a fence, and returns whether to open another stream all the same."""
        now = self._clock()
        self._met.append(now)
        while now - self._met[0] > WITHIN_SECONDS:
            self._met.popleft()
        return len(self._met) <= MOST
