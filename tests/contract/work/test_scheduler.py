"""Schedules create runs: each due time is decided once, as its policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from towpath_service.runs.domain.states import RunState
from towpath_service.work.domain.slot_policy import CatchUp
from towpath_service.work.storage import tables

from tests.contract.work.site import SECOND
from tests.contract.work.timetable import MINUTE, Timetable, at, cron
from tests.unit.service.work.test_slot_tables import CATCH_UP

if TYPE_CHECKING:
    from tests.contract.work.site import Site


@pytest_asyncio.fixture
async def times(site: Site) -> Timetable:
    """A deployment without schedules."""
    timetable = Timetable(site)
    await timetable.deploy()
    return timetable


async def test_a_due_time_becomes_a_run(times: Timetable) -> None:
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 2 * * *", parameters='{"day": 1}', start_deadline_us=MINUTE))
    assert (await times.tick()).wait_us == 14 * 60 * MINUTE
    assert await times.ran() == []
    times.clock.us = at("12-02T02:00") + SECOND
    assert (await times.tick()).wait_us == 24 * 60 * MINUTE - SECOND
    [(slot_us, run)] = (await times.runs()).items()
    assert (slot_us, run.state) == (at("12-02T02:00"), RunState.SCHEDULED)
    [origin] = await times.site.rows(tables.run_origin)
    assert (origin.schedule_id, origin.slot_us, origin.trigger) == ("daily", slot_us, 3)
    [entry] = await times.site.rows(tables.queued)
    assert (entry.due_us, entry.deadline_us, entry.parked_by) == (slot_us, slot_us + MINUTE, None)
    [slot] = await times.site.rows(tables.schedule_slot)
    assert (slot.slot_us, slot.outcome, slot.run_id) == (slot_us, 1, run.run_id)
    schedule = await times.get()
    assert (schedule.decided_us, schedule.wake_us) == (times.clock.us, at("12-03T02:00"))
    await times.tick()
    assert await times.ran() == ["12-02T02:00"]


@pytest.mark.parametrize(
    ("zone", "expression", "decided", "back", "policy", "window", "runs", "missed"), CATCH_UP
)
async def test_an_outage_is_caught_up(
    times: Timetable,
    zone: str,
    expression: str,
    decided: str,
    back: str,
    policy: str,
    window: int,
    runs: str,
    missed: int,
) -> None:
    times.clock.us = at(decided)
    window_us = window * MINUTE
    await times.add(cron(expression, zone, catch_up=CatchUp[policy], catch_up_window_us=window_us))
    times.clock.us = at(back)
    await times.tick()
    assert await times.ran() == runs.split()
    counts = await times.counts()
    assert (counts["RUN"], counts["MISSED"]) == (len(runs.split()), missed)
    assert (await times.get()).decided_us == times.clock.us
