"""The end of a provider, which may not keep a process waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

END_SECONDS: Final = 2.0
"""Longest wait at the end of a process for spans that are still to be sent."""


def end_within(seconds: float, end: Callable[[], object]) -> bool:
    """Runs what ends a provider, and waits so long for it at most; whether that was enough."""
    ending = threading.Thread(target=end, name="towpath-telemetry-end", daemon=True)
    ending.start()
    ending.join(seconds)
    return not ending.is_alive()
