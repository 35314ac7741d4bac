"""Runs that the service creates: written with their origin, entry and key, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState, Source
from towpath_service.work.domain.requests import Trigger
from towpath_service.work.storage import tables

from tests.contract.work.site import NOW_US, SECOND, TENANT, new_id, request

if TYPE_CHECKING:
    from tests.contract.work.site import Site


async def test_a_run_is_written_with_origin_entry_and_key(site: Site) -> None:
    asked = request(
        key="k1",
        priority=70,
        due_us=NOW_US + SECOND,
        start_deadline_us=NOW_US + 60 * SECOND,
        schedule_id="daily",
        slot_us=NOW_US,
        trigger=Trigger.SCHEDULE,
        source=Source.SYSTEM,
        tags=("b", "a"),
        labels={"team": "data"},
    )
    [answer] = await site.enqueue(asked)
    assert (answer.run_id, answer.existing) == (asked.run_id, False)
    run = await site.run(asked.run_id)
    assert (run.state, run.kind, run.attempt) == (RunState.SCHEDULED, RunKind.FLOW, 1)
    assert (run.flow_name, run.tags, run.labels) == ("Etl", '["a", "b"]', '{"team": "data"}')
    assert (run.scheduled_us, run.root_run_id) == (NOW_US + SECOND, asked.run_id)
    [origin] = await site.rows(tables.run_origin)
    assert origin[1:] == (
        *(asked.run_id, "default", "etl", "nightly", 3, "daily", NOW_US, "", 3),
        *("local", "default", 70, NOW_US + 60 * SECOND, "", "users/ada", 0, 0, None),
    )
    [entry] = await site.rows(tables.queued)
    assert entry[1:] == (
        *(asked.run_id, "default", "local", "default", "etl", "nightly", "daily", 70),
        *(NOW_US + SECOND, NOW_US + 60 * SECOND, None),
    )
    [key] = await site.rows(tables.run_key)
    assert key[-3:] == ("k1", asked.run_id, NOW_US)


async def test_a_repeated_key_is_answered_with_the_first_run(site: Site) -> None:
    first, second = request(key="k1"), request(key="k1")
    [made] = await site.enqueue(first)
    [again] = await site.enqueue(second)
    assert (again.run_id, again.existing) == (made.run_id, True)
    assert await site.queued() == [first.run_id]
    # Another deployment, and another workspace, have keys of their own.
    others = [
        request(key="k1", deployment_id="weekly"),
        request(key="k1", scope=Scope(TENANT, "b")),
    ]
    assert [item.existing for item in await site.enqueue(*others)] == [False, False]


async def test_a_key_within_one_batch_makes_one_run(site: Site) -> None:
    first, second, other = request(key="k"), request(key="k"), request()
    answers = await site.enqueue(first, second, other)
    assert [(item.run_id, item.existing) for item in answers] == [
        (first.run_id, False),
        (first.run_id, True),
        (other.run_id, False),
    ]


async def test_of_concurrent_requests_with_one_key_one_makes_the_run(site: Site) -> None:
    asked = [request(key="k") for _ in range(8)]
    answers = await asyncio.gather(*(site.enqueue(item) for item in asked))
    assert len({answer.run_id for [answer] in answers}) == 1
    assert sorted(answer.existing for [answer] in answers) == [False] + [True] * 7
    assert len(await site.queued()) == 1


async def test_a_repeated_id_is_the_same_run_of_the_same_deployment_only(site: Site) -> None:
    asked = request()
    await site.enqueue(asked)
    [again] = await site.enqueue(replace(asked, key="late"))
    assert again.existing
    concurrent = request()
    both = await asyncio.gather(site.enqueue(concurrent), site.enqueue(concurrent))
    assert sorted(answer.existing for [answer] in both) == [False, True]
    with pytest.raises(ServiceError) as raised:
        await site.enqueue(replace(asked, deployment_id="weekly"))
    assert raised.value.reason == "RUN_CONFLICT"


async def test_an_id_of_a_reported_run_is_taken(site: Site) -> None:
    run_id = new_id()
    running = StateReport(state=RunState.RUNNING)
    await site.report(
        run_id, Creation(kind=RunKind.FLOW, initial=running, display_name="x", flow_id="etl")
    )
    with pytest.raises(ServiceError) as raised:
        await site.enqueue(request(run_id=run_id, key="k"))
    assert raised.value.reason == "RUN_CONFLICT"
    assert await site.rows(tables.run_key) == []


@pytest.mark.parametrize(
    ("most", "wanted", "room"), [(10, 2, 2), (5, 3, 2), (4, 1, 1), (3, 1, 0), (2, 1, 0)]
)
async def test_a_tenant_has_room_for_as_many_runs_as_its_queue_lacks(
    site: Site, most: int, wanted: int, room: int
) -> None:
    """Runs that are SCHEDULED without being queued, such as for a retry, take no room."""
    await site.enqueue(request(), request(), request())
    initial = StateReport(state=RunState.SCHEDULED)
    waiting = Creation(kind=RunKind.FLOW, initial=initial, display_name="etl")
    for _ in range(3):
        await site.report(new_id(), waiting)
    found = await site.control.write(
        {TENANT}, lambda control: control.queue.room(TENANT, most, wanted)
    )
    assert found == room
