"""Schedules create runs: each due time is decided once, as its policy says."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio
from towpath_auth import LOCAL_CALLER
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenant_limits import DEFAULTS
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.runs.domain.states import RunState
from towpath_service.work.application import scheduler
from towpath_service.work.application.revising import ScheduleChange
from towpath_service.work.application.schedules import WorkSchedules
from towpath_service.work.application.slot_retention import SlotRetention
from towpath_service.work.domain.slot_policy import CatchUp, SlotOutcome
from towpath_service.work.storage import tables
from towpath_service.work.storage.slots import SqlScheduling

from tests.contract.work.site import SCOPE, SECOND, open_site
from tests.contract.work.timetable import EVERY_MINUTE, MINUTE, Timetable, at, cron, told
from tests.unit.service.work.test_slot_tables import CATCH_UP

if TYPE_CHECKING:
    from pathlib import Path

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


async def test_a_due_time_that_is_decided_gets_no_second_run(times: Timetable) -> None:
    """Also where the schedule has forgotten it: the key of the decision holds."""
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 2 * * *"))
    before = await times.get()
    times.clock.us = at("12-02T02:00")
    await times.tick()
    await times.change(decided_us=before.decided_us, wake_us=before.wake_us)
    times.clock.us += SECOND
    await times.tick()
    assert len(await times.site.rows(tables.run_origin)) == 1
    assert len(await times.site.rows(tables.schedule_slot)) == 1


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


async def test_three_replicas_decide_each_due_time_once(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 due times: 20 of each of 100 schedules, in small transactions."""
    monkeypatch.setattr(scheduler, "MOST", 20)
    monkeypatch.setattr(scheduler, "OF_TENANT", 20)
    async with AsyncExitStack() as stack:
        sites = [
            await stack.enter_async_context(open_site(parse_postgres_url(postgres_dsn)))
            for _ in range(3)
        ]
        replicas = [Timetable(site) for site in sites]
        first = replicas[0]
        start_us = first.clock.us - first.clock.us % MINUTE
        await first.deploy()
        names = [f"s{number}" for number in range(100)]
        content = replace(EVERY_MINUTE, catch_up=CatchUp.ALL)
        for name in names:
            first.clock.us = start_us
            await first.add(content, name)

        async def decide(replica: Timetable) -> int:
            deciding_replica, runs = replica.scheduler(), 0
            for minute in range(5, 21, 5):
                replica.clock.us = start_us + minute * MINUTE
                while (ticked := await deciding_replica.tick()).wait_us is not None:
                    runs += ticked.runs
                    if not ticked.schedules and ticked.wait_us > SECOND:
                        break
            return runs

        counts = await asyncio.gather(*map(decide, replicas))
        assert sum(counts) == 2_000
        slots = await first.site.rows(tables.schedule_slot)
        assert sum(slot.count for slot in slots) == 2_000
        origins = await first.site.rows(tables.run_origin)
        assert len({(row.schedule_id, row.slot_us) for row in origins}) == len(origins) == 2_000
        assert {row.run_id for row in origins} == {slot.run_id for slot in slots}
        assert len(await first.site.queued()) == 2_000


async def test_a_round_is_written_in_portions(
    times: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PORTION", 2)
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await times.add(EVERY_MINUTE, name)
    times.clock.us += MINUTE
    ticked = await times.scheduler().tick()
    assert (ticked.schedules, ticked.runs) == (5, 5)
    origins = await times.site.rows(tables.run_origin)
    assert sorted(row.schedule_id for row in origins) == names


async def test_a_portion_that_fails_leaves_the_portions_before_it(
    times: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PORTION", 2)
    for number in range(5):
        await times.add(EVERY_MINUTE, f"s{number}")
    times.clock.us += MINUTE
    write, written = scheduler.write_plans, 0

    def fail_second(*given: Any, **named: Any) -> Any:
        nonlocal written
        written += 1
        if written == 2:
            raise ServiceError(reason="OVERLOADED", message="the database is away")
        return write(*given, **named)

    monkeypatch.setattr(scheduler, "write_plans", fail_second)
    with pytest.raises(ServiceError, match="away"):
        await times.scheduler().tick()
    assert len(await times.site.rows(tables.run_origin)) == 2
    await times.tick()
    assert await times.counts() == {"RUN": 5}
    assert len(await times.site.queued()) == 5


async def test_a_year_passes_in_virtual_time(tmp_path: Path) -> None:
    async with open_site(tmp_path / "towpath.db") as site:
        times = Timetable(site)
        await times.deploy()
        await play_a_year(times)


async def play_a_year(times: Timetable) -> None:
    times.clock.us = at("01-01T00:00")
    await times.add(cron("30 1 * * *", "Europe/London"))
    rounds = await times.play(at("12-31T23:59"))
    runs = sorted(await times.runs())
    assert len(runs) == 365
    assert rounds == 2 * 365 + 1
    # The clock is put forward at 01:00 on 29 March, when 01:30 doesn't come.
    assert [told(us) for us in runs[86:90]] == [
        *("03-28T01:30", "03-29T01:00", "03-30T00:30", "03-31T00:30")
    ]
    assert await times.counts() == {"RUN": 365}


async def test_a_paused_deployment_and_a_paused_schedule_are_never_caught_up(
    times: Timetable,
) -> None:
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 * * * *", catch_up=CatchUp.ALL))
    caller = LOCAL_CALLER
    name = (await times.get()).name
    schedules = WorkSchedules(times.site.stores.work, times.clock)

    async def pause(*, paused: bool) -> None:
        content = replace((await times.get()).content, paused=paused)
        change = ScheduleChange(schedule_id="daily", content=content, fields=("paused",))
        await schedules.update(caller, name, change, "")

    await pause(paused=True)
    times.clock.us = at("12-01T15:30")
    assert (await times.tick()).wait_us is None
    await pause(paused=False)
    await times.tick()
    assert await times.ran() == []
    assert await times.counts() == {"SKIPPED_PAUSED": 3}
    times.clock.us = at("12-01T16:00")
    await times.tick()
    assert await times.ran() == ["12-01T16:00"]


async def test_a_changed_rule_holds_from_now_on(times: Timetable) -> None:
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 * * * *", catch_up=CatchUp.ALL))
    times.clock.us = at("12-01T14:30")
    schedules = WorkSchedules(times.site.stores.work, times.clock)
    change = ScheduleChange(schedule_id="daily", content=cron("0 16 * * *"), fields=("rule",))
    await schedules.update(LOCAL_CALLER, (await times.get()).name, change, "")
    await times.tick()
    assert (await times.runs(), await times.counts()) == ({}, {})
    assert (await times.get()).wake_us == at("12-01T16:00")


async def test_arguments_are_checked_at_each_due_time(site: Site) -> None:
    times = Timetable(site)
    times.clock.us = at("12-01T12:00")
    schema = '{"properties": {"day": {"type": "integer"}}}'
    await times.deploy(parameter_schema=schema, enforce_parameter_schema=True)
    await times.add(cron("0 * * * *", parameters='{"day": "x"}'))
    times.clock.us = at("12-01T13:00")
    await times.tick()
    [slot] = await site.rows(tables.schedule_slot)
    assert (slot.outcome, slot.run_id) == (SlotOutcome.REFUSED, None)
    assert "day" in slot.message
    assert await times.ran() == []
    good = replace((await times.get()).content, parameters='{"day": 1}')
    await times.change(content=good)
    times.clock.us = at("12-01T14:00")
    await times.tick()
    assert await times.ran() == ["12-01T14:00"]


async def test_a_deployment_without_a_pool_runs_nothing(site: Site) -> None:
    times = Timetable(site)
    times.clock.us = at("12-01T12:00")
    await times.deploy(pool_id="", queue_id="")
    await times.add(cron("0 * * * *"))
    times.clock.us = at("12-01T13:00")
    await times.tick()
    [slot] = await site.rows(tables.schedule_slot)
    assert (slot.outcome, "--pool" in slot.message) == (SlotOutcome.REFUSED, True)


async def test_a_full_quota_refuses_the_due_times_that_find_no_room(
    times: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast("dict[str, int]", DEFAULTS), "queued_runs", 2)
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 * * * *", catch_up=CatchUp.ALL))
    times.clock.us = at("12-01T15:00")
    await times.tick()
    assert await times.ran() == ["12-01T13:00", "12-01T14:00"]
    assert (await times.slots())[2] == ("12-01T15:00", "REFUSED")


async def test_due_times_are_computed_again_with_newer_zone_data(times: Timetable) -> None:
    times.clock.us = at("12-01T12:00")
    await times.add(cron("0 2 * * *"))
    await times.change(zone_version="tzdata 1999.1", wake_us=at("12-09T00:00"))
    replica = times.scheduler()
    assert await replica.refresh_zones() == 1
    assert (await times.get()).wake_us == at("12-02T02:00")
    assert await replica.refresh_zones() == 0


async def test_one_schedule_that_fails_by_a_defect_does_not_hold_up_others(
    times: Timetable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times.clock.us = at("12-01T12:00")
    for name in ("bad", "good", "better"):
        await times.add(cron("0 * * * *"), name)
    add_slots = SqlScheduling.add_slots

    def failing(self: Any, slots: Any) -> None:
        if any(key.name.schedule_id == "bad" for key, _ in slots):
            raise RuntimeError("a defect")
        add_slots(self, slots)

    monkeypatch.setattr(SqlScheduling, "add_slots", failing)
    times.clock.us = at("12-01T13:00")
    replica = times.scheduler()
    assert (await replica.tick()).runs == 2
    assert "schedules/bad could not be decided" in caplog.text
    assert (await replica.tick()).schedules == 0
    monkeypatch.undo()
    times.clock.us += 61 * SECOND
    assert (await replica.tick()).runs == 1


async def test_a_changed_schedule_wakes_the_scheduler(times: Timetable) -> None:
    listening = asyncio.create_task(times.site.stores.database.listen(times.bus))
    await asyncio.sleep(0)
    times.clock.us = at("12-01T12:00")
    running = asyncio.create_task(times.scheduler(poll_seconds=600).run())
    woken = asyncio.Event()
    try:
        await times.add(cron("0 * * * *"))
        times.clock.us = at("12-01T13:00")
        with times.bus.waking(woken, SCOPE):
            await times.change(revision=2)
            while not await times.ran():
                await asyncio.wait_for(woken.wait(), 20)
                woken.clear()
        assert await times.ran() == ["12-01T13:00"]
    finally:
        running.cancel()
        listening.cancel()


async def test_decisions_are_kept_for_90_days(times: Timetable) -> None:
    times.clock.us = at("01-01T12:00")
    await times.add(cron("0 0 1 * *"))
    for month in (2, 3, 4, 5):
        times.clock.us = at(f"0{month}-01T00:00")
        await times.tick()
    times.clock.us = at("05-03T00:00")
    retention = SlotRetention(times.store, times.clock)
    assert (await retention.sweep(), await retention.sweep()) == (1, 0)
    assert [due for due, _ in await times.slots()] == [
        *("03-01T00:00", "04-01T00:00", "05-01T00:00")
    ]
    assert (await times.get()).decided_us == at("05-01T00:00")
