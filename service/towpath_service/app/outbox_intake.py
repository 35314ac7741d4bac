"""Delivers the outboxes that ended processes of this home left behind."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from towpath_service.app.in_process import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from towpath_service.rpc.dispatcher import Dispatching

_log = logging.getLogger(__name__)


class Intake:
    """Delivers waiting outboxes to the service in the same process."""

    def __init__(
        self, home: Path, dispatcher: Dispatching, *, address: str, pause_seconds: float
    ) -> None:
        """Makes an intake.

        Args:
            home: The Towpath home of the outboxes.
            dispatcher: The service.
            address: The gRPC address of the service as processes know it: an outbox for another
                server stays where it is.
            pause_seconds: Pause between two looks for outboxes.
        """
        self._home = home
        self._dispatcher = dispatcher
        self._address = address
        self._pause_seconds = pause_seconds
        self._warned: set[str] = set()

    async def run(self) -> None:
        """Looks for outboxes periodically; never returns."""
        while True:
            await self._deliver()
            await asyncio.sleep(self._pause_seconds)

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        transport = InProcessTransport(self._dispatcher, loop, self._address)
        delivering = asyncio.ensure_future(asyncio.to_thread(_deliver, self._home, transport))
        try:
            self._warn(await asyncio.shield(delivering))
        finally:
            # A thread can't be cancelled: it ends at its next call, and the service outlives it.
            transport.close()
            await asyncio.wait({delivering})

    def _warn(self, warnings: Iterable[str]) -> None:
        """Logs each warning once."""
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s", warning)


def _deliver(home: Path, transport: InProcessTransport) -> Iterable[str]:
    from towpath.extensions.outboxes import deliver_waiting  # noqa: PLC0415 - the SDK's delivery, once the server answers

    return deliver_waiting(home, transport).warnings
