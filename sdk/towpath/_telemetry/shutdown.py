"""Shuts a provider down within a bounded time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

END_SECONDS: Final = 2.0
"""Longest wait, in seconds, at the end of a process for unsent spans."""


def end_within(seconds: float, end: Callable[[], object]) -> bool:
    """Calls a provider's shutdown, and waits for it for a limited time.

    Args:
        seconds: Longest wait.
        end: Shuts the provider down.

    Returns:
        Whether it ended in time.
    """
    ending = threading.Thread(target=end, name="towpath-telemetry-end", daemon=True)
    ending.start()
    ending.join(seconds)
    return not ending.is_alive()
