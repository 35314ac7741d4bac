"""Removes decided due times of schedules when they are old, in small transactions."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.work.domain.slot_policy import DAY_US

if TYPE_CHECKING:
    from towpath_service.core.clock import Clock
    from towpath_service.work.ports.scheduling import SchedulingStore

KEPT_US: Final = 90 * DAY_US
FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 3600.0
ROWS: Final = 500
PAUSE_SECONDS: Final = 0.05

_log = logging.getLogger(__name__)


class SlotRetention:
    """Removes old decisions; what is decided and when schedules are due next stays."""

    def __init__(self, store: SchedulingStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Removes old decisions each hour; never returns."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.sweep()
            except ServiceError as error:
                _log.warning("old due times of schedules could not be removed: %s", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> int:
        """Removes all decisions of more than 90 days ago; returns how many."""
        before_us = self._clock.now_us() - KEPT_US
        total = 0
        while removed := await self._store.write(
            EVERY_TENANT, lambda scheduling: scheduling.remove_slots(before_us, ROWS)
        ):
            total += removed
            await asyncio.sleep(PAUSE_SECONDS)
        return total
