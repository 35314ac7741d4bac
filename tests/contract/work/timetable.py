"""Schedules, a clock that is moved by hand, and the scheduler over a site."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.bus import Bus
from towpath_service.identity.storage.limits import quotas
from towpath_service.runs.domain.states import TERMINAL_STATES, RunState
from towpath_service.runs.storage.tables import run as run_table
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.application.scheduler import Scheduler
from towpath_service.work.domain.deployments import Deployment, DeploymentContent
from towpath_service.work.domain.names import DeploymentName, ScheduleName
from towpath_service.work.domain.rules import CronRule, IntervalRule
from towpath_service.work.domain.schedules import Schedule, ScheduleContent, new_schedule
from towpath_service.work.domain.slot_policy import SlotOutcome
from towpath_service.work.storage import tables
from towpath_service.work.storage.slots import SqlSchedulingStore

from tests.contract.work.site import NOW_US, SECOND, TENANT, FixedClock

if TYPE_CHECKING:
    from towpath_service.work.application.scheduler import Ticked
    from towpath_service.work.ports.resources import Resources

    from tests.contract.work.site import Site

NIGHTLY: Final = DeploymentName("default", "etl", "nightly")
MINUTE: Final = 60 * SECOND
EVERY_MINUTE: Final = ScheduleContent(rule=IntervalRule(interval_us=MINUTE))


def at(text: str) -> int:
    """A UTC time of 2026 such as "12-01T12:00" in microseconds."""
    return int(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC).timestamp()) * SECOND


def told(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%m-%dT%H:%M}"


def cron(expression: str, zone: str = "UTC", **fields: Any) -> ScheduleContent:
    return ScheduleContent(rule=CronRule(expression=expression, time_zone=zone), **fields)


def deployment(**fields: Any) -> Deployment:
    known: dict[str, Any] = {
        "flow_name": "Etl",
        "entrypoint": "etl.py:etl",
        "pool_id": "local",
        "queue_id": "default",
    }
    content = DeploymentContent(**{**known, **fields})
    return Deployment(
        name=NIGHTLY, content=content, owner="users/ada", created_us=NOW_US, updated_us=NOW_US
    )


@dataclass
class Timetable:
    """A deployment with schedules, and their scheduler."""

    site: Site
    clock: FixedClock = field(default_factory=FixedClock)
    bus: Bus = field(default_factory=Bus)

    @property
    def store(self) -> SqlSchedulingStore:
        """The schedules with their runs."""
        return SqlSchedulingStore(self.site.stores.database, self.site.stores.runs, quotas)

    def scheduler(self, **options: Any) -> Scheduler:
        """Another replica's scheduler."""
        cancelling = Cancelling(self.site.control, self.bus, self.clock)
        return Scheduler(self.store, cancelling, self.bus, self.clock, **options)

    async def deploy(self, **fields: Any) -> None:
        made = deployment(**fields)

        def work(resources: Resources) -> None:
            assert resources.deployments.add(made)

        await self.site.stores.work.write(TENANT, work)

    async def add(self, content: ScheduleContent, schedule_id: str = "daily") -> None:
        """A schedule from now on."""
        name = ScheduleName(*NIGHTLY, schedule_id)
        made = new_schedule(name, content, deployment_paused=False, now_us=self.clock.us)

        def work(resources: Resources) -> None:
            assert resources.schedules.add(made)

        await self.site.stores.work.write(TENANT, work)

    async def change(self, name: str = "daily", **fields: Any) -> None:
        """Changes columns of a schedule as they are, by hand."""

        def work(resources: Resources) -> None:
            was = resources.schedules.get(ScheduleName(*NIGHTLY, name))
            assert was is not None
            resources.schedules.change(replace(was, **fields))

        await self.site.stores.work.write(TENANT, work)

    async def get(self, name: str = "daily") -> Schedule:
        found = await self.site.stores.work.read(
            TENANT, lambda resources: resources.schedules.get(ScheduleName(*NIGHTLY, name))
        )
        assert found is not None
        return found

    async def tick(self) -> Ticked:
        """Decides all that is due now; the last round's answer."""
        scheduler = self.scheduler()
        while (ticked := await scheduler.tick()).wait_us == 0:
            pass
        return ticked

    async def play(self, until_us: int) -> int:
        """Decides all slots up to a time, each when it is due; returns the number of rounds."""
        scheduler, rounds = self.scheduler(), 0
        while True:
            rounds += 1
            ticked = await scheduler.tick()
            if ticked.wait_us is None or self.clock.us + ticked.wait_us > until_us:
                self.clock.us = until_us
                return rounds
            self.clock.us += ticked.wait_us

    async def slots(self) -> list[tuple[str, str]]:
        """The decided due times in order, each with its outcome."""
        rows = sorted(await self.site.rows(tables.schedule_slot), key=lambda row: row.slot_us)
        return [(told(row.slot_us), SlotOutcome(row.outcome).name) for row in rows]

    async def counts(self) -> Counter[str]:
        """The numbers of due times by their outcome."""
        counts: Counter[str] = Counter()
        for row in await self.site.rows(tables.schedule_slot):
            counts[SlotOutcome(row.outcome).name] += row.count
        return counts

    async def runs(self) -> dict[int, Any]:
        """The runs by their due time."""
        # In this order: a run that is made in between has its origin, which is written with it.
        rows = await self.site.rows(run_table)
        origins = {row.run_id: row for row in await self.site.rows(tables.run_origin)}
        return {origins[row.run_id].slot_us: row for row in rows}

    async def ran(self) -> list[str]:
        """The due times that have runs."""
        return [told(slot_us) for slot_us in sorted(await self.runs())]

    async def states(self) -> dict[str, str]:
        """The state of the run of each due time; "parked" for one that waits for others."""
        parked = {row.run_id for row in await self.site.rows(tables.queued) if row.parked_by}
        return {
            told(slot_us): "parked" if row.run_id in parked else RunState(row.state).name
            for slot_us, row in sorted((await self.runs()).items())
        }

    async def unfinished(self) -> int:
        return sum(row.state not in TERMINAL_STATES for row in (await self.runs()).values())
