"""Whoever answers pauses at a site, and the workers whose processes exit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from towpath_service.core.bus import Bus
from towpath_service.core.draining import Draining
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import Creation, PauseTerms, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.lease_expiry import end_unanswered
from towpath_service.work.application.pausing import PauseRequest, Pausing
from towpath_service.work.application.settling import Ending, settle
from towpath_service.work.domain.leases import Outcome, on_end

from tests.contract.work.site import SCOPE, SECOND, TENANT, FixedClock

if TYPE_CHECKING:
    from towpath_service.work.application.pausing import Awaited
    from towpath_service.work.storage.dispatching import SqlDispatch

    from tests.contract.work.site import Site

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"approve": {"type": "boolean"}},
        "required": ["approve"],
        "additionalProperties": False,
    }
)
YES = '{"approve": true}'


@dataclass
class Desk:
    """Answers pauses at a site."""

    site: Site
    clock: FixedClock = field(default_factory=FixedClock)

    def __post_init__(self) -> None:
        self.draining = Draining(asyncio.Event())
        self.bus = Bus()
        self.pausing = Pausing(self.site.control, self.bus, self.clock, self.draining)

    async def resume(self, run_id: str, text: str | None = None, **fields: Any) -> None:
        fields = {"actor": "users/ada", **fields}
        await self.pausing.resume(PauseRequest(scope=SCOPE, run_id=run_id, input=text, **fields))

    async def pause(self, run_id: str, **fields: Any) -> None:
        await self.pausing.pause(
            PauseRequest(scope=SCOPE, run_id=run_id, actor="users/ada", **fields)
        )

    async def wait(self, run_id: str, key: str = "1", wait_us: int = 0, **fields: Any) -> Awaited:
        asked = PauseRequest(scope=SCOPE, run_id=run_id, actor="users/ada", key=key, **fields)
        return await self.pausing.wait(asked, wait_us)

    async def sweep(self) -> int:
        """Ends suspended runs past their deadline; returns in how many workspaces."""
        work = partial(end_unanswered, now_us=self.clock.us)
        return len(await self.site.dispatch.write(EVERY_TENANT, work))

    async def end_lease(self, run_id: str, outcome: Outcome = Outcome.EXITED) -> None:
        """The worker says that the process is gone."""
        key = RunKey(TENANT, run_id)

        def work(dispatch: SqlDispatch) -> None:
            run = dispatch.runs.standing({key}, ())[0][key]
            [lease] = dispatch.leases.lock([key]).values()
            verdict = on_end(outcome, run.state, suspended=run.is_suspended)
            batch = Batch(dispatch.runs, self.clock.us)
            settle(dispatch, batch, [Ending(lease=lease, run=run, verdict=verdict)], self.clock.us)
            batch.commit([])

        await self.site.dispatch.write({TENANT}, work)


def running(fence: int = 0) -> Creation:
    return Creation(
        kind=RunKind.FLOW,
        flow_id="etl",
        display_name="x",
        initial=StateReport(state=RunState.RUNNING, fence=fence),
    )


def paused(
    key: str = "1",
    *,
    schema: str = SCHEMA,
    seconds: int | None = 3600,
    suspended: bool = False,
    fence: int = 0,
) -> StateReport:
    timeout_us = None if seconds is None else seconds * SECOND
    return StateReport(
        state=RunState.PAUSED,
        reason="SUSPENDED" if suspended else "BLOCKED",
        fence=fence,
        pause=PauseTerms(key=key, input_schema=schema, timeout_us=timeout_us),
    )
