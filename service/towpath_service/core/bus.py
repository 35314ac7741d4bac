"""Notifications of commits within one process; used by the committer and by watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towpath_service.core.names import Scope


class Bus:
    """Wakes tasks that wait for changes of a workspace, within one event loop."""

    def __init__(self) -> None:
        self._waiting: defaultdict[Scope, set[asyncio.Event]] = defaultdict(set)

    def notify(self, scope: Scope) -> None:
        """Wakes all tasks that wait for the scope."""
        for event in self._waiting.get(scope, ()):
            event.set()

    def notify_all(self) -> None:
        """Wakes all tasks, for example when the service drains."""
        for scope in list(self._waiting):
            self.notify(scope)

    async def wait(self, scope: Scope, seconds: float) -> None:
        """Waits for the next notification of a scope, for at most `seconds`."""
        event = asyncio.Event()
        self._waiting[scope].add(event)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            self._waiting[scope].discard(event)
            if not self._waiting[scope]:
                del self._waiting[scope]
