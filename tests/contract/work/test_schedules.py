"""Schedules: how they are made, changed, paused, previewed and removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from tests.contract.work.resources import (
    FLOW,
    NIGHTLY,
    PARENT,
    create_deployment,
    cron,
    deploy,
    get_deployment,
    insert_row,
    update_deployment,
)

if TYPE_CHECKING:
    from tests.in_process.place import Place

DAILY: Final = f"{NIGHTLY}/schedules/daily"
SKIPPED_PAUSED: Final = 4


async def create(place: Place, schedule_id: str = "daily", **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "DeploymentService/CreateSchedule",
        parent=NIGHTLY,
        schedule_id=schedule_id,
        schedule=fields or cron("0 2 * * *"),
    )
    return answer.schedule


async def get(place: Place) -> Any:
    return (await place.call(place.owner, "DeploymentService/GetSchedule", name=DAILY)).schedule


async def update(place: Place, *mask: str, **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "DeploymentService/UpdateSchedule",
        schedule={"name": DAILY, **fields},
        update_mask={"paths": mask},
    )
    return answer.schedule


async def preview(place: Place, after: datetime, count: int = 5, **schedule: Any) -> list[str]:
    answer = await place.call(
        place.owner,
        "DeploymentService/PreviewSchedule",
        parent=PARENT,
        schedule=schedule,
        after_time=after,
        count=count,
    )
    return [f"{moment.ToDatetime():%m-%dT%H:%M}" for moment in answer.times]


async def slots(place: Place, **fields: Any) -> Any:
    return await place.call(
        place.owner, "DeploymentService/ListScheduleSlots", parent=DAILY, **fields
    )


async def test_a_schedule_is_shown_as_it_was_given_with_its_next_times(place: Place) -> None:
    await create_deployment(place)
    given = {
        "label": "night",
        "parameters": {"data": b'{"a": 1}'},
        "overlap_policy": 2,
        "catch_up_policy": 3,
        "catch_up_window": {"seconds": 3600},
        "start_deadline": {"seconds": 600},
        "end_time": {"seconds": 32_000_000_000 // 10},
    }
    zone = {"time_zone": "Europe/London", "day_or": False}
    made = await create(place, **cron("0 2 * * *", rule=zone, **given))
    assert (made.name, made.label, made.overlap_policy, made.catch_up_policy) == (
        DAILY,
        "night",
        2,
        3,
    )
    assert (made.cron.time_zone, made.cron.day_or, made.parameters.data) == (
        "Europe/London",
        False,
        b'{"a": 1}',
    )
    assert (made.catch_up_window.seconds, made.start_deadline.seconds) == (3600, 600)
    times = [moment.ToDatetime() for moment in made.next_times]
    assert len(times) == 5
    assert times == sorted(times)
    assert all(timedelta(hours=23) <= later - time for time, later in pairwise(times))
    assert await get(place) == made
    whole = await get_deployment(place)
    assert list(whole.schedules) == [made]
    assert whole.next_run_time == made.next_times[0]
    listed = await place.call(place.owner, "DeploymentService/ListDeployments", parent=PARENT)
    assert listed.deployments[0].next_run_time == made.next_times[0]


async def test_a_bare_schedule_has_defaults(place: Place) -> None:
    await create_deployment(place)
    made = await create(place, interval={"interval": {"seconds": 60}})
    assert (made.overlap_policy, made.catch_up_policy, made.paused) == (1, 2, False)
    assert made.catch_up_window.seconds == 86_400
    assert not made.HasField("jitter")


async def test_a_paused_schedule_is_not_due_and_its_times_are_recorded(place: Place) -> None:
    await create_deployment(place)
    await create(place, interval={"interval": {"seconds": 1}})
    paused = await update(place, "paused", paused=True)
    assert (paused.paused, len(paused.next_times)) == (True, 0)
    assert not (await get_deployment(place)).HasField("next_run_time")
    # Nothing else of it changed: a second such call is none.
    assert await update(place, "paused", paused=True) == paused
    await _wait_for_a_due_time(place)
    resumed = await update(place, "paused", paused=False)
    assert len(resumed.next_times) == 5
    [slot] = (await slots(place)).slots
    assert (slot.outcome, slot.run) == (SKIPPED_PAUSED, "")
    assert slot.count >= 1
    assert resumed.last_time == slot.due_time
    assert resumed.next_times[0].seconds > slot.due_time.seconds


async def _wait_for_a_due_time(place: Place) -> None:
    """Moves the schedule's past back, so that nothing needs to be waited for."""
    from sqlalchemy import update as change  # noqa: PLC0415 - the name is taken here
    from towpath_service.work.storage.tables import schedule  # noqa: PLC0415 - as above

    earlier = schedule.c.decided_us - 10_000_000
    await place.service.stores.database.write(
        lambda transaction: (
            transaction.connection.execute(change(schedule).values(decided_us=earlier)).rowcount
        )
    )


async def test_a_paused_deployment_makes_none_of_its_schedules_due(place: Place) -> None:
    await deploy(
        place,
        schedules=[cron("@hourly", name="daily"), cron("@hourly", name="off", paused=True)],
    )
    paused = await update_deployment(place, "paused", paused=True)
    assert [len(item.next_times) for item in paused.schedules] == [0, 0]
    added = await create(place, "third", **cron("@hourly"))
    assert len(added.next_times) == 0
    resumed = await update_deployment(place, "paused", paused=False)
    assert [len(item.next_times) for item in resumed.schedules] == [5, 0, 5]
    # The schedules themselves didn't change.
    assert [item.etag for item in resumed.schedules][:2] == [item.etag for item in paused.schedules]


async def test_a_changed_rule_holds_from_now_on(place: Place) -> None:
    await create_deployment(place)
    first = await create(place, **cron("0 2 * * *", label="kept"))
    second = await update(place, "interval", interval={"interval": {"seconds": 7200}})
    assert (second.WhichOneof("rule"), second.label) == ("interval", "kept")
    assert second.etag != first.etag
    now = datetime.now(UTC).timestamp()
    assert now - 60 < second.next_times[0].seconds < now + 7260
    refusal = await place.refusal(
        place.owner,
        "DeploymentService/UpdateSchedule",
        schedule={"name": DAILY, "etag": first.etag, **cron("@daily")},
    )
    assert refusal.reason == "ETAG_MISMATCH"


async def test_a_change_that_keeps_the_times_keeps_what_is_decided(place: Place) -> None:
    await create_deployment(place)
    made = await create(place)
    changed = await update(place, "label", label="new")
    assert list(changed.next_times) == list(made.next_times)


async def test_schedules_are_listed_and_removed(place: Place) -> None:
    await create_deployment(place)
    await create_deployment(place, "other")
    for schedule_id in ("daily", "weekly"):
        await create(place, schedule_id)
    await place.call(
        place.owner,
        "DeploymentService/CreateSchedule",
        parent=f"{FLOW}/deployments/other",
        schedule_id="a",
        schedule=cron("@daily"),
    )
    method = "DeploymentService/ListSchedules"
    counts = {NIGHTLY: 2, f"{FLOW}/deployments/-": 3, f"{PARENT}/flows/-/deployments/-": 3}
    for parent, count in counts.items():
        found = await place.call(place.owner, method, parent=parent)
        assert len(found.schedules) == count, parent
        assert all(len(item.next_times) == 1 for item in found.schedules)
    page = await place.call(
        place.owner, method, parent=f"{PARENT}/flows/-/deployments/-", page_size=2
    )
    rest = await place.call(
        place.owner,
        method,
        parent=f"{PARENT}/flows/-/deployments/-",
        page_token=page.next_page_token,
    )
    assert [item.name for item in rest.schedules] == [f"{FLOW}/deployments/other/schedules/a"]
    refusal = await place.refusal(
        place.owner, method, parent=f"{PARENT}/flows/-/deployments/nightly"
    )
    assert refusal.reason == "INVALID_REQUEST"
    await place.call(place.owner, "DeploymentService/DeleteSchedule", name=DAILY)
    for name in ("Get", "Delete"):
        refusal = await place.refusal(place.owner, f"DeploymentService/{name}Schedule", name=DAILY)
        assert refusal.reason == "RESOURCE_NOT_FOUND"
    await place.call(place.owner, "DeploymentService/DeleteDeployment", name=NIGHTLY)
    refusal = await place.refusal(
        place.owner,
        "DeploymentService/CreateSchedule",
        parent=NIGHTLY,
        schedule_id="a",
        schedule=cron("@daily"),
    )
    assert refusal.reason == "RESOURCE_NOT_FOUND"


async def test_slots_are_listed_newest_first(place: Place) -> None:
    await create_deployment(place)
    await create(place)
    run_id = str(uuid4())
    for number in range(5):
        await insert_row(
            place,
            "schedule_slot",
            flow_id="etl",
            deployment_id="nightly",
            schedule_id="daily",
            slot_us=number * 86_400_000_000,
            outcome=1 if number == 4 else 3,
            run_id=run_id if number == 4 else None,
            count=1,
            message="",
            decided_us=number,
        )
    seen: list[int] = []
    token = ""
    for _ in range(3):
        page = await slots(place, page_size=2, page_token=token)
        seen += [slot.due_time.seconds // 86_400 for slot in page.slots]
        token = page.next_page_token
    assert (seen, token) == ([4, 3, 2, 1, 0], "")
    first = (await slots(place, page_size=1)).slots[0]
    assert (first.outcome, first.run) == (1, f"{PARENT}/runs/{run_id}")


async def test_a_preview_shows_the_due_times_across_a_change_of_clocks(place: Place) -> None:
    rule = {"expression": "30 1 * * *", "time_zone": "Europe/London"}
    after = datetime(2026, 10, 24, 12, tzinfo=UTC)
    expected = ["10-25T00:30", "10-26T01:30", "10-27T01:30"]
    assert await preview(place, after, 3, cron=rule) == expected
    ends = datetime(2026, 10, 26, tzinfo=UTC)
    assert await preview(place, after, 3, cron=rule, end_time=ends) == expected[:1]
    starts = datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert await preview(place, after, 2, cron=rule, start_time=starts) == expected[1:]
    answer = await place.call(
        place.owner,
        "DeploymentService/PreviewSchedule",
        parent=PARENT,
        schedule={"cron": rule},
        after_time=after,
        before_time=datetime(2026, 10, 27, tzinfo=UTC),
    )
    assert len(answer.times) == 2


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (cron("60 * * * *"), "cron.expression"),
        (cron("* * * * * *"), "cron.expression"),
        (cron("0 2 * * *", rule={"time_zone": "Europe/Londn"}), "cron.time_zone"),
        ({"recurrence": {"rrule": "RRULE:FREQ=SECONDLY"}}, "recurrence.rrule"),
        (
            cron("@daily", start_time={"seconds": 2_000_000_000}, end_time={"seconds": 9}),
            "end_time",
        ),
        ({"label": "no rule"}, "schedule"),
    ],
)
async def test_a_bad_schedule_is_refused_with_its_field(
    small: Place, schedule: dict[str, Any], field: str
) -> None:
    await create_deployment(small)
    for method, fields in {
        "CreateSchedule": {"parent": NIGHTLY, "schedule_id": "daily"},
        "PreviewSchedule": {"parent": PARENT},
    }.items():
        refusal = await small.refusal(
            small.owner, f"DeploymentService/{method}", schedule=schedule, **fields
        )
        assert (refusal.reason, refusal.violations[0].field) == ("INVALID_REQUEST", field)
