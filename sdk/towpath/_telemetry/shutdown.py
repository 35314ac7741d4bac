"""Shuts a provider down within a bounded time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

END_SECONDS: Final = 2.0
"""Longest wait, in seconds, at the end of a process for unsent spans."""


class Ending:
    """The end of a provider, in a thread that waits for it.

    Python starts no thread once its main thread has ended, from 3.12 on, so this one is there
    before. A forked child has none and begins its own.
    """

    def __init__(self, end: Callable[[], object]) -> None:
        """Starts the thread.

        Args:
            end: Shuts the provider down.
        """
        self._end = end
        self._due = threading.Event()
        self._over = False
        self._thread = self._begun()

    def within(self, seconds: float) -> bool:
        """Shuts the provider down, once, and waits for it.

        Args:
            seconds: Longest wait.

        Returns:
            Whether it ended in time.
        """
        if not self._over and not self._thread.is_alive():
            self._due = threading.Event()
            self._thread = self._begun()
        self._due.set()
        self._thread.join(seconds)
        return self._over

    def _begun(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="towpath-telemetry-end", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        self._due.wait()
        try:
            self._end()
        finally:
            self._over = True


def end_within(seconds: float, end: Callable[[], object]) -> bool:
    """Calls a provider's shutdown, and waits for it for a limited time.

    Args:
        seconds: Longest wait.
        end: Shuts the provider down.

    Returns:
        Whether it ended in time.
    """
    return Ending(end).within(seconds)
