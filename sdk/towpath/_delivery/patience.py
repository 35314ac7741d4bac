"""How long the end of a process waits for its server to take the last reports."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY_SECONDS: Final = 1.0
"""How long a server that can't be reached is waited for."""


class Patience:
    """One wait for a server."""

    def __init__(
        self,
        address: str,
        began: float,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins to wait.

        Args:
            address: Of the server: "host:port", or the base URL of its web port.
            began: When the wait began, by the clock.
            deadline: When it ends at the latest, by the clock.
            clock: In seconds, growing.
        """
        self._address = address
        self._away_at = began + AWAY_SECONDS
        self._deadline = deadline
        self._clock = clock
        self._listens: bool | None = None

    def ends(self, *, reachable: bool, failing: bool) -> bool:
        """Returns whether to wait no longer.

        Args:
            reachable: Whether the server has answered on the present connection.
            failing: Whether the last attempt to reach it has failed; neither of both while the
                first one is under way, which takes long on a busy machine.
        """
        now = self._clock()
        if now >= self._deadline:
            return True
        if reachable or now < self._away_at:
            return False
        if failing:
            return True
        if self._listens is None:
            self._listens = listens(self._address, min(AWAY_SECONDS, self._deadline - now))
        return not self._listens


def listens(address: str, timeout_seconds: float) -> bool:
    """Returns whether something takes connections at "host:port" or at a URL."""
    url = urlsplit(address if "//" in address else f"//{address}")
    with suppress(OSError, ValueError):
        port = url.port or (443 if url.scheme == "https" else 80)
        with socket.create_connection((url.hostname or "", port), timeout_seconds):
            return True
    return False
