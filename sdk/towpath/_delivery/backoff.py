"""Pauses between tries, by the rules of the ingestion protocol."""

from __future__ import annotations

import random
from typing import Final

FIRST_SECONDS: Final = 0.25
MOST_SECONDS: Final = 30.0


class Backoff:
    """Pauses that double with each failure in a row, spread over their whole length."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def reset(self) -> None:
        """Resets the pauses, after a success."""
        self._next = FIRST_SECONDS

    def pause(self, wanted_seconds: float | None = None) -> float:
        """Seconds to wait after a failure.

        Args:
            wanted_seconds: Pause that the server asks for, which is the least then.
        """
        longest, self._next = self._next, min(MOST_SECONDS, self._next * 2)
        return (wanted_seconds or 0.0) + random.uniform(0, longest)  # noqa: S311 - spreads load
