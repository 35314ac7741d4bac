"""Backfills create runs for due times of the past, a few at a time, each once."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from towpath_auth import LOCAL_CALLER
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenant_limits import DEFAULTS
from towpath_service.identity.storage.limits import quotas
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState
from towpath_service.work.application.backfills import BackfillLoop, NewBackfill, WorkBackfills
from towpath_service.work.application.cancelling import Cancelling
from towpath_service.work.domain.backfills import BackfillState
from towpath_service.work.storage import tables
from towpath_service.work.storage.backfills import SqlBackfillStore

from tests.contract.work.site import SECOND, new_id
from tests.contract.work.timetable import NIGHTLY, Timetable, at, cron, told
from tests.unit.service.work.test_slot_tables import BACKFILL

if TYPE_CHECKING:
    from towpath_service.work.domain.backfills import Backfill

    from tests.contract.work.site import Site


class Filling:
    """The backfills of a timetable."""

    def __init__(self, times: Timetable) -> None:
        self.times = times
        bus, clock = times.bus, times.clock
        store = SqlBackfillStore(times.site.stores.database, times.site.stores.runs, quotas)
        self.backfills = WorkBackfills(
            store, Cancelling(times.site.control, bus, clock), bus, clock
        )
        self.loop = BackfillLoop(store, bus, clock)

    async def create(self, begin: str, end: str, **fields: Any) -> Backfill:
        asked = asked_for(at(begin), at(end), **fields)
        return await self.backfills.create(LOCAL_CALLER, asked)

    async def settle(self) -> int:
        """Creates all runs that may be created now; returns how many."""
        total = 0
        while some := await self.loop.advance():
            total += some
        return total

    async def end_one(self) -> None:
        """Has the first waiting run execute, and end."""
        [run_id, *_] = sorted(await self.times.site.queued())
        fence = await self.times.site.lease(run_id)
        for state in (RunState.RUNNING, RunState.COMPLETED):
            await self.times.site.report(run_id, StateReport(state=state, fence=fence))


def asked_for(start_us: int, end_us: int, **fields: Any) -> NewBackfill:
    known: dict[str, Any] = {
        "backfill_id": new_id(),
        "deployment": NIGHTLY,
        "schedule_id": "",
        "max_active": 2,
        "parameters": "",
    }
    return NewBackfill(start_us=start_us, end_us=end_us, **{**known, **fields})


@pytest_asyncio.fixture
async def filling(site: Site) -> Filling:
    """A deployment that runs each day at 02:00."""
    times = Timetable(site)
    times.clock.us = at("12-01T12:00")
    await times.deploy(paused=True, parameters='{"a": 1, "b": 1}')
    await times.add(cron("0 2 * * *", parameters='{"b": 2}'))
    return Filling(times)


@pytest.mark.parametrize(("zone", "expression", "begin", "end", "runs", "first", "last"), BACKFILL)
async def test_a_backfill_covers_local_days(
    site: Site, zone: str, expression: str, begin: str, end: str, runs: int, first: str, last: str
) -> None:
    times = Timetable(site)
    times.clock.us = at("12-01T12:00")
    await times.deploy()
    await times.add(cron(expression, zone))
    filling = Filling(times)
    span = [
        int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND
        for day in (begin, end)
    ]
    asked = asked_for(span[0], span[1], max_active=100)
    made, due = await filling.backfills.work_out(LOCAL_CALLER, asked)
    assert (made.total, told(due[0]), told(due[-1])) == (runs, first, last)
    assert await site.rows(tables.backfill) == []
    await filling.backfills.create(LOCAL_CALLER, asked)
    assert await filling.settle() == runs
    assert sorted(await times.runs()) == due


async def test_a_full_queue_holds_a_backfill_up(
    filling: Filling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast("dict[str, int]", DEFAULTS), "queued_runs", 2)
    await filling.create("11-01T00:00", "11-03T00:00")
    assert await filling.settle() == 2
    await filling.create("11-10T00:00", "11-12T00:00")
    assert await filling.settle() == 0
    await filling.end_one()
    assert await filling.settle() == 2


async def test_no_more_runs_are_unfinished_than_it_may_have(filling: Filling) -> None:
    made = await filling.create("11-01T00:00", "11-06T00:00")
    assert await filling.settle() == 2
    for created in (3, 4, 5):
        await filling.end_one()
        assert await filling.settle() == 1
        found, active = await filling.backfills.get(LOCAL_CALLER, made.name)
        assert (found.created, active) == (created, 2)
    assert found.state is BackfillState.DONE
    assert await filling.times.ran() == [f"11-0{day}T02:00" for day in range(1, 6)]
    await filling.end_one()
    assert await filling.settle() == 0
    origins = await filling.times.site.rows(tables.run_origin)
    assert {(row.backfill_id, row.schedule_id) for row in origins} == {(made.name.backfill_id, "")}


async def test_two_replicas_create_each_run_once(filling: Filling) -> None:
    await filling.create("11-01T00:00", "11-11T00:00", max_active=10)
    counts = await asyncio.gather(filling.settle(), Filling(filling.times).settle())
    assert sum(counts) == 10
    assert len(await filling.times.site.queued()) == 10


async def test_a_repeat_is_answered_with_the_first(filling: Filling) -> None:
    made = await filling.create("11-01T00:00", "11-06T00:00")
    again = await filling.create("11-01T00:00", "11-07T00:00", backfill_id=made.name.backfill_id)
    assert again == made
    assert len(await filling.times.site.rows(tables.backfill)) == 1


async def test_cancelling_ends_it_and_its_runs_that_wait(filling: Filling) -> None:
    made = await filling.create("11-01T00:00", "11-06T00:00", max_active=3)
    await filling.settle()
    first = min(await filling.times.site.queued())
    await filling.times.site.lease(first)
    for _ in range(2):
        await filling.backfills.cancel(LOCAL_CALLER, made.name)
    assert await filling.settle() == 0
    found, active = await filling.backfills.get(LOCAL_CALLER, made.name)
    assert (found.state, active) == (BackfillState.CANCELLED, 1)
    states = sorted((await filling.times.states()).values())
    assert states == ["CANCELLED", "CANCELLED", "PENDING"]


async def test_backfills_are_listed_newest_first_page_by_page(filling: Filling) -> None:
    made: list[Backfill] = []
    for _ in range(3):
        filling.times.clock.us += SECOND
        made.append(await filling.create("11-01T00:00", "11-02T00:00"))
    page = await filling.backfills.page(LOCAL_CALLER, "default", (), 2)
    assert [item for item, _ in page] == [made[2], made[1]]
    after = (str(made[1].created_us), made[1].name.backfill_id)
    rest = await filling.backfills.page(LOCAL_CALLER, "default", after, 2)
    assert [item for item, _ in rest] == [made[0]]


@pytest.mark.parametrize(
    ("begin", "end", "fields", "reason"),
    [
        ("11-02T00:00", "11-01T00:00", {}, "INVALID_REQUEST"),
        ("11-01T03:00", "11-01T04:00", {}, "INVALID_REQUEST"),
        ("11-01T00:00", "11-02T00:00", {"parameters": "[]"}, "INVALID_REQUEST"),
        ("11-01T00:00", "11-02T00:00", {"schedule_id": "weekly"}, "RESOURCE_NOT_FOUND"),
    ],
)
async def test_a_wrong_backfill_is_refused(
    filling: Filling, begin: str, end: str, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ServiceError) as raised:
        await filling.create(begin, end, **fields)
    assert raised.value.reason == reason
    assert await filling.times.site.rows(tables.backfill) == []


async def test_which_schedule_must_be_told_where_there_are_several(filling: Filling) -> None:
    await filling.times.add(cron("0 3 * * *"), "weekly")
    with pytest.raises(ServiceError, match="schedule_id"):
        await filling.create("11-01T00:00", "11-02T00:00")
    await filling.create("11-01T00:00", "11-02T00:00", schedule_id="weekly")
    await filling.settle()
    assert await filling.times.ran() == ["11-01T03:00"]
