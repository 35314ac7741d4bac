"""Makes, reads and cancels backfills, and has them create their runs, a few at a time.

Invariants, each of which a test names:
  - a due time of a backfill has one run: the run is written with the backfill's progress, under the
    lock of its row;
  - no more of its runs are unfinished than it may have at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import uuid_utils

from towpath_service.core.bus import SCHEDULES
from towpath_service.core.errors import ServiceError, invalid, not_found
from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.core.tenant_limits import DEFAULTS
from towpath_service.runs.application.commit import Batch
from towpath_service.work.application.cancelling import CancelRequest
from towpath_service.work.application.enqueueing import enqueue
from towpath_service.work.application.slot_plans import NO_POOL
from towpath_service.work.domain.backfills import (
    MOST_ACTIVE,
    Backfill,
    BackfillState,
    checked_times,
    times_of,
)
from towpath_service.work.domain.deployment_runs import checked_parameters, run_of
from towpath_service.work.domain.names import BackfillName
from towpath_service.work.domain.refusals import too_many
from towpath_service.work.ports.backfills import BackfillKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth import Caller

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.work.application.cancelling import Cancelling
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.domain.requests import RunRequest
    from towpath_service.work.domain.schedules import Schedule
    from towpath_service.work.ports.backfills import Backfills, BackfillStore, OpenBackfill

POLL_SECONDS: Final = 5.0
MOST: Final = 50
"""Most backfills of one round."""
AT_ONCE: Final = 100
"""Most runs that a backfill creates in one transaction."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBackfill:
    """A request for a backfill."""

    backfill_id: str
    deployment: DeploymentName
    schedule_id: str
    """Empty for the only schedule of the deployment."""
    start_us: int
    end_us: int
    max_active: int
    parameters: str
    """JSON object, merged over those of the deployment and the schedule; empty for none."""


class WorkBackfills:
    """The backfills of all deployments of one installation."""

    def __init__(
        self, store: BackfillStore, cancelling: Cancelling, bus: Bus, clock: Clock
    ) -> None:
        self._store = store
        self._cancelling = cancelling
        self._bus = bus
        self._clock = clock

    async def work_out(self, caller: Caller, asked: NewBackfill) -> tuple[Backfill, Sequence[int]]:
        """Works out a backfill and its due times, and stores nothing.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: the deployment or the schedule; NOT_DISPATCHABLE;
                INVALID_REQUEST: the range, or the arguments.
        """
        deployment, schedule = await self._store.read(
            {caller.tenant_id}, lambda backfills: _found(backfills, caller.tenant_id, asked)
        )
        if deployment.pool is None:
            raise ServiceError(
                reason="NOT_DISPATCHABLE",
                message=f"{deployment.name}: {NO_POOL}",
                metadata={"resource": str(deployment.name)},
            )

        def compute() -> Sequence[int]:
            given = (schedule.content.parameters, asked.parameters)
            checked_parameters(deployment.content, *given)
            return checked_times(schedule.content.rule, asked.start_us, asked.end_us)

        times = await asyncio.to_thread(compute)
        made = Backfill(
            name=BackfillName(asked.deployment.workspace_id, asked.backfill_id),
            schedule=schedule.name,
            start_us=asked.start_us,
            end_us=asked.end_us,
            max_active=asked.max_active or 1,
            parameters=asked.parameters,
            total=len(times),
            next_us=asked.start_us,
            creator=caller.principal,
            created_us=self._clock.now_us(),
        )
        return made, times

    async def create(self, caller: Caller, asked: NewBackfill) -> Backfill:
        """Makes a backfill; a repeat is answered with the first one's.

        Raises:
            ServiceError: As `work_out`; QUOTA_EXCEEDED.
        """
        key = BackfillKey(
            caller.tenant_id, BackfillName(asked.deployment.workspace_id, asked.backfill_id)
        )
        known = await self._store.read({caller.tenant_id}, lambda backfills: backfills.get(key))
        if known is not None:
            return known
        made, _ = await self.work_out(caller, asked)

        def write(backfills: Backfills) -> Backfill:
            if backfills.open_count(caller.tenant_id) >= MOST_ACTIVE:
                raise too_many("active_backfills", MOST_ACTIVE, "the tenant")
            if backfills.add(caller.tenant_id, made):
                return made
            there = backfills.get(key)
            assert there is not None, key
            return there

        return await self._store.write({caller.tenant_id}, write)

    async def get(self, caller: Caller, name: BackfillName) -> tuple[Backfill, int]:
        """A backfill and the number of its unfinished runs; raises RESOURCE_NOT_FOUND."""

        def read(backfills: Backfills) -> tuple[Backfill, int]:
            found = backfills.get(BackfillKey(caller.tenant_id, name))
            if found is None:
                raise not_found(str(name))
            active = backfills.active(caller.tenant_id, name.workspace_id, {name.backfill_id})
            return found, active.get(name.backfill_id, 0)

        return await self._store.read({caller.tenant_id}, read)

    async def page(
        self, caller: Caller, workspace_id: str, after: tuple[str, ...], limit: int
    ) -> list[tuple[Backfill, int]]:
        """A page of backfills, newest first, each with the number of its unfinished runs."""

        def read(backfills: Backfills) -> tuple[Sequence[Backfill], Mapping[str, int]]:
            page = backfills.page(caller.tenant_id, workspace_id, after, limit)
            ids = {item.name.backfill_id for item in page}
            return page, backfills.active(caller.tenant_id, workspace_id, ids)

        page, active = await self._store.read({caller.tenant_id}, read)
        return [(item, active.get(item.name.backfill_id, 0)) for item in page]

    async def cancel(self, caller: Caller, name: BackfillName) -> None:
        """Ends a backfill, and cancels those of its runs that wait; raises RESOURCE_NOT_FOUND."""
        key = BackfillKey(caller.tenant_id, name)
        scope = Scope(caller.tenant_id, name.workspace_id)
        request = CancelRequest(
            scope=scope, run_id="", actor=caller.principal, message=f"{name} was cancelled"
        )

        def write(backfills: Backfills) -> None:
            found = backfills.get(key, lock=True)
            if found is None:
                raise not_found(str(name))
            if found.state is not BackfillState.CANCELLED:
                now = replace(
                    found,
                    state=BackfillState.CANCELLED,
                    ended_us=found.ended_us or self._clock.now_us(),
                )
                backfills.change(caller.tenant_id, now)
            self._cancelling.within(backfills.control, request, backfills.waiting(key))

        await self._store.write({caller.tenant_id}, write)
        self._bus.notify(scope)


class BackfillLoop:
    """Has backfills create their runs."""

    def __init__(self, store: BackfillStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock

    async def run(self) -> None:
        """Creates runs as others end; never returns."""
        woken = asyncio.Event()
        with self._bus.waking(woken, SCHEDULES):
            while True:
                woken.clear()
                try:
                    while await self.advance():
                        pass
                except ServiceError as error:
                    _log.warning("backfills could not be continued: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), POLL_SECONDS)

    async def advance(self) -> int:
        """Creates the next runs of backfills that may have more; returns how many."""
        now_us = self._clock.now_us()
        opened = await self._store.read(EVERY_TENANT, lambda backfills: backfills.open(MOST))
        total = 0
        for seen in opened:
            now, requests = await asyncio.to_thread(next_runs, seen, now_us)

            def write(
                backfills: Backfills,
                seen: OpenBackfill = seen,
                now: Backfill = now,
                requests: Sequence[RunRequest] = requests,
            ) -> int:
                return _carry_out(backfills, seen, now, requests, now_us)

            made = await self._store.write({seen.tenant_id}, write)
            total += made
            if made:
                self._bus.notify(Scope(seen.tenant_id, seen.backfill.name.workspace_id))
        return total


def next_runs(seen: OpenBackfill, now_us: int) -> tuple[Backfill, Sequence[RunRequest]]:
    """The next runs of a backfill, and the backfill after them.

    It ends early, as if cancelled, when its schedule is gone or the arguments don't fit any more.
    """
    item, deployment, schedule = seen.backfill, seen.deployment, seen.schedule
    ended = replace(item, state=BackfillState.CANCELLED, ended_us=now_us)
    if deployment is None or schedule is None or deployment.pool is None:
        return ended, ()
    room = min(AT_ONCE, item.max_active - seen.active)
    try:
        given = (schedule.content.parameters, item.parameters)
        parameters = checked_parameters(deployment.content, *given)
        times = times_of(schedule.content.rule, item.next_us, item.end_us, room + 1)
    except ServiceError as error:
        _log.warning("%s ends early: %s", item.name, error)
        return ended, ()
    requests = [
        replace(
            run_of(
                deployment,
                Scope(seen.tenant_id, item.name.workspace_id),
                run_id=str(uuid_utils.uuid7()),
                actor=item.creator,
                due_us=now_us,
                parameters=parameters,
            ),
            slot_us=slot_us,
            backfill_id=item.name.backfill_id,
        )
        for slot_us in times[:room]
    ]
    now = replace(item, created=item.created + len(requests))
    if len(times) > room:
        return replace(now, next_us=times[room]), requests
    return (
        replace(now, next_us=item.end_us, state=BackfillState.DONE, ended_us=now_us),
        requests,
    )


def _carry_out(
    backfills: Backfills,
    seen: OpenBackfill,
    now: Backfill,
    requests: Sequence[RunRequest],
    now_us: int,
) -> int:
    """Writes the next runs of a backfill, unless it has changed; returns how many."""
    item = seen.backfill
    if backfills.get(seen.key, lock=True) != item:
        return 0
    control = backfills.control
    resources = control.resources(seen.tenant_id)
    there = resources.deployments.get(item.deployment, lock="keep")
    if (there and there.revision) != (seen.deployment and seen.deployment.revision):
        return 0
    if requests:
        most = backfills.queued_most(seen.tenant_id) or DEFAULTS["queued_runs"]
        if not control.queue.room(seen.tenant_id, most, 1):
            return 0
        batch = Batch(control.runs, now_us)
        enqueue(control.queue, control.runs, batch, requests, now_us)
        batch.commit([])
    backfills.change(seen.tenant_id, now)
    return len(requests)


def _found(backfills: Backfills, tenant_id: str, asked: NewBackfill) -> tuple[Deployment, Schedule]:
    resources = backfills.control.resources(tenant_id)
    deployment = resources.deployments.get(asked.deployment)
    if deployment is None:
        raise not_found(str(asked.deployment))
    schedules = {
        item.name.schedule_id: item for item in resources.schedules.of_deployment(asked.deployment)
    }
    if not asked.schedule_id and len(schedules) != 1:
        raise invalid(
            "backfill.schedule_id",
            f"must be given: {asked.deployment} has {len(schedules)} schedules",
        )
    schedule_id = asked.schedule_id or next(iter(schedules))
    if schedule_id not in schedules:
        raise not_found(f"{asked.deployment}/schedules/{schedule_id}")
    return deployment, schedules[schedule_id]
