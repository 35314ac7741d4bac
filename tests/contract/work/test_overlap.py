"""Runs of one schedule overlap as its policy says, however the earlier ones end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState
from towpath_service.work.application.lease_expiry import unpark_where_room
from towpath_service.work.domain.rules import IntervalRule
from towpath_service.work.domain.schedules import ScheduleContent
from towpath_service.work.domain.slot_policy import Overlap
from towpath_service.work.storage import tables

from tests.contract.work.site import NOW_US
from tests.contract.work.timetable import MINUTE, Timetable
from tests.unit.service.work.test_slot_tables import OVERLAP

if TYPE_CHECKING:
    from towpath_service.database.port import SqlTransaction

    from tests.contract.work.site import Site

START = NOW_US - NOW_US % (10 * MINUTE)


@pytest_asyncio.fixture
async def times(site: Site) -> Timetable:
    """A deployment without schedules, just before a due time."""
    timetable = Timetable(site)
    timetable.clock.us = START - 1
    await timetable.deploy()
    return timetable


def every_ten(overlap: Overlap) -> ScheduleContent:
    return ScheduleContent(rule=IntervalRule(interval_us=10 * MINUTE), overlap=overlap)


async def ready(times: Timetable) -> list[str]:
    """The runs that a worker could take."""
    return [row.run_id for row in await times.site.rows(tables.queued) if row.parked_by is None]


async def start(times: Timetable, run_id: str) -> int:
    fence = await times.site.lease(run_id, now_us=times.clock.us)
    await times.site.report(run_id, StateReport(state=RunState.RUNNING, fence=fence))
    return fence


async def end(times: Timetable, run_id: str, fence: int, state: RunState) -> None:
    assert await times.site.report(run_id, StateReport(state=state, fence=fence)) == []


@pytest.mark.parametrize("overlap", Overlap)
async def test_runs_of_25_minutes_each_10_minutes(times: Timetable, overlap: Overlap) -> None:
    await times.add(every_ten(overlap))
    running: dict[str, tuple[int, int]] = {}
    began: dict[str, int] = {}
    for minute in range(0, 130, 5):
        times.clock.us = START + minute * MINUTE
        for run_id, (fence, ends) in list(running.items()):
            if ends == minute:
                del running[run_id]
                await end(times, run_id, fence, RunState.COMPLETED)
        if minute < 60:
            await times.tick()
        for slot in (await times.runs()).values():
            if slot.state == RunState.CANCELLING:
                fence, _ = running.pop(slot.run_id)
                await end(times, slot.run_id, fence, RunState.CANCELLED)
        for run_id in await ready(times):
            running[run_id] = await start(times, run_id), minute + 25
            began[run_id] = minute
    assert await ready(times) == []
    runs = await times.runs()
    shown: list[str] = []
    for minute in range(0, 60, 10):
        run = runs.get(START + minute * MINUTE)
        shown.append("-" if run is None else f"{minute:02}@{began[run.run_id]:02}")
    assert " ".join(shown) == OVERLAP[overlap]


async def two_runs(times: Timetable, overlap: Overlap = Overlap.QUEUE) -> list[str]:
    """The runs of two due times, the second of which waits for the first."""
    await times.add(every_ten(overlap))
    for due_us in (START, START + 10 * MINUTE):
        times.clock.us = due_us
        await times.tick()
    return [run.run_id for _, run in sorted((await times.runs()).items())]


async def test_a_run_waits_for_an_earlier_one_that_is_cancelled_in_the_queue(
    times: Timetable,
) -> None:
    first, second = await two_runs(times)
    assert await ready(times) == [first]
    await times.site.cancel(first)
    assert await ready(times) == [second]


async def test_a_run_that_is_cancelled_while_it_waits_passes_its_place_on(
    times: Timetable,
) -> None:
    first, second = await two_runs(times)
    times.clock.us = START + 20 * MINUTE
    await times.tick()
    third = (await times.runs())[START + 20 * MINUTE].run_id
    await times.site.cancel(second)
    assert await ready(times) == [first]
    await times.site.cancel(first)
    assert await ready(times) == [third]


async def test_of_runs_that_wait_one_starts_however_often_others_look(times: Timetable) -> None:
    first, second = await two_runs(times)
    times.clock.us = START + 20 * MINUTE
    await times.tick()
    fence = await start(times, first)
    await end(times, first, fence, RunState.FAILED)
    sweep = partial(unpark_where_room, now_us=times.clock.us)
    for _ in range(2):
        await times.site.dispatch.write(EVERY_TENANT, sweep)
        assert await ready(times) == [second]


async def test_a_sweep_finds_what_no_end_made_ready(times: Timetable) -> None:
    first, second = await two_runs(times)
    await times.site.cancel(first)

    def park(transaction: SqlTransaction) -> None:
        parked = tables.queued.update().values(parked_by="schedule/etl/nightly/daily")
        transaction.connection.execute(parked)

    await times.site.stores.database.write(park, tenants=EVERY_TENANT)
    assert await ready(times) == []
    sweep = partial(unpark_where_room, now_us=times.clock.us)
    await times.site.dispatch.write(EVERY_TENANT, sweep)
    assert await ready(times) == [second]


async def test_cancelled_runs_that_never_started_make_way_at_once(times: Timetable) -> None:
    first, second = await two_runs(times, Overlap.CANCEL_RUNNING)
    assert [state for state, _ in await times.site.history(first)] == ["SCHEDULED", "CANCELLED"]
    assert await ready(times) == [second]


async def test_a_run_starts_when_the_one_before_is_proved_to_have_stopped(
    times: Timetable,
) -> None:
    await times.add(every_ten(Overlap.CANCEL_RUNNING))
    times.clock.us = START
    await times.tick()
    [first] = await ready(times)
    fence = await start(times, first)
    times.clock.us = START + 10 * MINUTE
    await times.tick()
    assert (await times.site.run(first)).state == RunState.CANCELLING
    assert len(await times.site.rows(tables.run_directive)) == 1
    assert await ready(times) == []
    await end(times, first, fence, RunState.CANCELLED)
    assert len(await ready(times)) == 1
