"""Makes, changes, removes and previews schedules."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from towpath_service.core.errors import not_found, outdated
from towpath_service.identity.domain.principals import exists
from towpath_service.work.application.revising import (
    Plan,
    Seen,
    check_arguments,
    found,
    plan_new,
    plan_revision,
    revise,
)
from towpath_service.work.domain.schedules import NEXT_TIMES, check_schedule, times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.work.application.revising import ScheduleChange
    from towpath_service.work.domain.names import DeploymentName, ScheduleName
    from towpath_service.work.domain.schedules import Schedule, ScheduleContent, Slot
    from towpath_service.work.ports.resources import Resources, ResourceStore


class WorkSchedules:
    """The schedules of all deployments of one installation."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, caller: Caller, parent: DeploymentName, change: ScheduleChange
    ) -> Schedule:
        """Makes a schedule.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, RESOURCE_EXISTS, QUOTA_EXCEEDED, INVALID_REQUEST.
        """
        now_us = self._clock.now_us()

        def work_out(seen: Seen) -> Plan:
            plan = Plan(deployment=found(seen, parent))
            if change.schedule_id in seen.by_id:
                raise exists(str(seen.by_id[change.schedule_id].name))
            plan_new(plan, change, now_us)
            check_arguments(plan.deployment, seen, plan)
            return plan

        _, schedules = await revise(self._store, caller.tenant_id, parent, work_out)
        return next(item for item in schedules if item.name.schedule_id == change.schedule_id)

    async def get(self, caller: Caller, name: ScheduleName) -> Schedule:
        """A schedule; raises RESOURCE_NOT_FOUND."""
        schedule = await self._store.read(
            caller.tenant_id, lambda resources: resources.schedules.get(name)
        )
        if schedule is None:
            raise not_found(str(name))
        return schedule

    async def page(
        self, caller: Caller, parent: DeploymentName, after: tuple[str, ...], limit: int
    ) -> list[Schedule]:
        """A page of schedules by flow, deployment and id; see `ports.resources.Schedules`."""
        return await self._store.read(
            caller.tenant_id, lambda resources: resources.schedules.page(parent, after, limit)
        )

    async def update(
        self, caller: Caller, name: ScheduleName, change: ScheduleChange, etag: str
    ) -> Schedule:
        """Changes a schedule; a changed rule holds from now on.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH, INVALID_REQUEST.
        """
        now_us = self._clock.now_us()

        def work_out(seen: Seen) -> Plan:
            was = _found(seen, name, etag)
            taken = {field: getattr(change.content, field) for field in change.fields}
            plan = Plan(deployment=found(seen, name.deployment))
            plan_revision(seen, plan, was, replace(was.content, **taken), now_us)
            check_arguments(plan.deployment, seen, plan)
            return plan

        _, schedules = await revise(self._store, caller.tenant_id, name.deployment, work_out)
        return next(item for item in schedules if item.name == name)

    async def delete(self, caller: Caller, name: ScheduleName, etag: str) -> None:
        """Removes a schedule; its runs stay. Raises RESOURCE_NOT_FOUND or ETAG_MISMATCH."""

        def work_out(seen: Seen) -> Plan:
            was = _found(seen, name, etag)
            return Plan(deployment=found(seen, name.deployment), removed=[was.name])

        await revise(self._store, caller.tenant_id, name.deployment, work_out)

    async def slots(
        self, caller: Caller, name: ScheduleName, before_us: int | None, limit: int
    ) -> list[Slot]:
        """A page of the slots of a schedule, newest first; raises RESOURCE_NOT_FOUND."""

        def work(resources: Resources) -> list[Slot]:
            if resources.schedules.get(name) is None:
                raise not_found(str(name))
            return resources.schedules.slots(name, before_us, limit)

        return await self._store.read(caller.tenant_id, work)

    async def preview(
        self,
        content: ScheduleContent,
        *,
        after_us: int | None,
        before_us: int | None,
        most: int,
        key: str = "",
    ) -> list[int]:
        """Works out the times at which a schedule would run.

        Args:
            content: The schedule.
            after_us: Due times up to here are left out; None for the present.
            before_us: The first due time that is left out at the end; None for no end.
            most: Most times.
            key: Resource name of the schedule, from which its jitter follows.

        Raises:
            ServiceError: INVALID_REQUEST, with the field.
        """
        now_us = self._clock.now_us()

        def work_out() -> list[int]:
            check_schedule(content, now_us)
            start_us = now_us if after_us is None else after_us
            return times(content, key, start_us, before_us, most)

        return await asyncio.to_thread(work_out)

    async def shown(
        self, caller: Caller, schedules: Sequence[Schedule]
    ) -> tuple[Mapping[ScheduleName, Sequence[int]], Mapping[ScheduleName, int]]:
        """The next times of schedules of one deployment, and their last decided due times.

        A schedule that isn't due, since it or its deployment is paused, has no next times.
        """
        names = [schedule.name for schedule in schedules]

        def work_out() -> dict[ScheduleName, Sequence[int]]:
            return {
                schedule.name: times(
                    schedule.content,
                    str(schedule.name),
                    schedule.next_due_us - 1,
                    None,
                    NEXT_TIMES,
                )
                for schedule in schedules
                if schedule.next_due_us is not None
            }

        last = await self._store.read(
            caller.tenant_id, lambda resources: resources.schedules.last_times(names)
        )
        return await asyncio.to_thread(work_out), last


def _found(seen: Seen, name: ScheduleName, etag: str) -> Schedule:
    found(seen, name.deployment)
    was = seen.by_id.get(name.schedule_id)
    if was is None:
        raise not_found(str(name))
    if etag and etag != was.etag:
        raise outdated(str(name))
    return was
