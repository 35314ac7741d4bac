"""Ends queued runs that no worker has taken before their start deadline."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.work.ports.control import Control, ControlStore

LIMIT: Final = 500
"""Most runs that one transaction ends."""
LOOK_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class StartDeadlines:
    """Ends queued runs that no worker has taken in time."""

    def __init__(self, store: ControlStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def run(self) -> None:
        """Looks every second; never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                while await self.look() == LIMIT:
                    pass
            except ServiceError as error:
                _log.warning("late runs could not be searched for: %s", error)

    async def look(self) -> int:
        """Ends at most `LIMIT` runs whose start deadline has passed; returns how many."""
        now_us = self._clock.now_us()
        ended = await self._store.write(EVERY_TENANT, lambda control: end_late(control, now_us))
        for scope in {scope for scope, _ in ended}:
            self._bus.notify(scope)
        return len(ended)


def end_late(control: Control, now_us: int) -> list[tuple[Scope, str]]:
    """Ends queued runs whose start deadline has passed, within a transaction of all tenants."""
    late = control.queue.too_late(now_us, LIMIT)
    by_id = {run_id: scope for scope, run_id in late}
    keys = {RunKey(scope.tenant_id, run_id) for scope, run_id in late}
    batch = Batch(control.runs, now_us)
    report = StateReport(
        state=RunState.TIMED_OUT,
        reason="START_DEADLINE",
        message="no worker started it before its start deadline",
    )
    source = Source.SYSTEM
    for run in control.runs.standing(keys, ())[0].values():
        if run.state is RunState.SCHEDULED:
            scope = by_id[run.run_id]
            move(batch, scope, run, report, now_us, actor="system", source=source)
    for tenant_id in {key.tenant_id for key in keys}:
        of_tenant = [run_id for scope, run_id in late if scope.tenant_id == tenant_id]
        control.queue.remove_entries(tenant_id, of_tenant)
    if late:
        batch.commit([])
    return late
