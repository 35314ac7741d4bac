"""Word that something was committed, for those who wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towpath_service.core.names import Scope


class Bus:
    """Wakes those who wait for a workspace to change, within one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[Scope, set[asyncio.Event]] = defaultdict(set)

    def notify(self, scope: Scope) -> None:
        """Wakes everybody who waits for the scope."""
        for event in self._waiting.get(scope, ()):
            event.set()

    def notify_all(self) -> None:
        """Wakes everybody, for example to let them see that the service drains."""
        for scope in list(self._waiting):
            self.notify(scope)

    async def wait(self, scope: Scope, seconds: float) -> None:
        """Waits for the next word about a scope, at most so long."""
        event = asyncio.Event()
        self._waiting[scope].add(event)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            self._waiting[scope].discard(event)
            if not self._waiting[scope]:
                del self._waiting[scope]
