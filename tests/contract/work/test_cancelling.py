"""Cancellation of runs in each state, with the runs below them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.storage import tables
from towpath_service.work.storage.directives import SqlDirectives

from tests.contract.work.site import SCOPE, SECOND, TENANT, new_id, request

if TYPE_CHECKING:
    from tests.contract.work.site import Site


def flow(parent: str | None = None, *, fence: int = 0) -> Creation:
    return Creation(
        kind=RunKind.FLOW,
        flow_id="etl",
        display_name="x",
        parent_run_id=parent,
        initial=StateReport(state=RunState.RUNNING, fence=fence),
    )


async def state_of(site: Site, run_id: str) -> RunState:
    run = await site.run(run_id)
    return RunState(run.state)


async def test_a_waiting_run_is_cancelled_at_once(site: Site) -> None:
    asked = request()
    await site.enqueue(asked)
    assert await site.cancel(asked.run_id, message="not today") == 0
    run = await site.run(asked.run_id)
    assert (run.state, run.message) == (RunState.CANCELLED, "not today")
    assert await site.queued() == []
    assert await site.rows(tables.run_directive) == []
    [*_, last] = await site.stores.runs.read(
        TENANT, lambda reads: reads.transitions(SCOPE, asked.run_id, 0, 10)
    )
    assert json.loads(last.evidence or "") == {"kind": "STOP_KIND_NEVER_STARTED"}
    assert last.actor == "users/ada"


@pytest.mark.parametrize("begun", [False, True])
async def test_a_leased_run_is_asked_to_end(site: Site, *, begun: bool) -> None:
    asked = request()
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    if begun:
        await site.report(asked.run_id, flow(fence=fence))
    await site.cancel(asked.run_id, message="stop")
    run = await site.run(asked.run_id)
    assert run.state is RunState.CANCELLING
    [directive] = await site.rows(tables.run_directive)
    # Without a pool of that name, the grace is that of a new pool.
    assert (directive.kind, directive.revision, directive.grace_us) == (
        1,
        run.revision,
        30 * SECOND,
    )
    # The process is told to stop when it reports that it goes on.
    goes_on = await site.report(asked.run_id, flow(fence=fence))
    assert goes_on == ["NOT_IN_TABLE"]
    ended = StateReport(state=RunState.CANCELLED, fence=fence)
    assert await site.report(asked.run_id, ended) == []
    assert await site.rows(tables.run_directive) == []


async def test_a_run_of_a_script_gets_its_directive_on_each_stream(site: Site) -> None:
    run_id = new_id()
    await site.report(run_id, flow())
    await site.cancel(run_id, message="stop", grace_us=5 * SECOND)
    source = SqlDirectives(site.stores.database)
    for _ in range(2):
        [directive] = await source()
        assert directive.producer.producer_id == site.producer_id
        assert (directive.run_id, directive.kind) == (run_id, 1)
        # Nobody kills the process of a script.
        assert directive.grace_us is None
    await site.report(run_id, StateReport(state=RunState.CANCELLED))
    assert await source() == []
    assert len(await site.rows(tables.run_directive)) == 1
    await source.forget_followed()
    assert await site.rows(tables.run_directive) == []


async def test_a_repeat_changes_nothing_and_an_ended_run_is_refused(site: Site) -> None:
    run_id = new_id()
    await site.report(run_id, flow())
    await site.cancel(run_id)
    before = await site.history(run_id)
    await site.cancel(run_id)
    assert await site.history(run_id) == before
    await site.report(run_id, StateReport(state=RunState.COMPLETED))
    with pytest.raises(ServiceError) as raised:
        await site.cancel(run_id)
    assert raised.value.reason == "TRANSITION_NOT_ALLOWED"
    with pytest.raises(ServiceError) as raised:
        await site.cancel(new_id())
    assert raised.value.reason == "RESOURCE_NOT_FOUND"


async def test_what_is_below_a_run_is_asked_to_end_over_processes_and_pools(site: Site) -> None:
    top, task, queued, below, beside = new_id(), new_id(), new_id(), new_id(), new_id()
    await site.report(top, flow())
    of_task = Creation(
        kind=RunKind.TASK,
        flow_id="etl",
        display_name="t",
        parent_run_id=top,
        initial=StateReport(state=RunState.RUNNING),
    )
    await site.report(task, of_task)
    # Started with run_deployment within a task.
    await site.enqueue(request(run_id=queued, parent_run_id=task, root_run_id=top))
    await site.report(below, flow(queued))
    await site.report(beside, flow())
    assert await site.cancel(top) == 2
    states = [await state_of(site, run_id) for run_id in (top, task, queued, below, beside)]
    assert [item.name for item in states] == [
        "CANCELLING",
        "RUNNING",
        "CANCELLED",
        "CANCELLING",
        "RUNNING",
    ]
    assert await site.queued() == []


async def test_more_runs_than_one_transaction_takes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towpath_service.work.application.cancelling.LIMIT", 2)
    top = new_id()
    await site.report(top, flow())
    await site.enqueue(*(request(parent_run_id=top, root_run_id=top) for _ in range(5)))
    assert await site.cancel(top) == 5
    assert await site.queued() == []


async def test_a_run_cancels_what_is_below_it_only(site: Site) -> None:
    top, child, other = new_id(), new_id(), new_id()
    await site.report(top, flow())
    await site.report(child, flow(top))
    await site.report(other, flow())
    with pytest.raises(ServiceError) as raised:
        await site.cancel(other, within=top)
    assert raised.value.reason == "RESOURCE_NOT_FOUND"
    await site.cancel(child, within=top)
    assert await state_of(site, child) is RunState.CANCELLING
    assert await state_of(site, other) is RunState.RUNNING


@pytest.mark.parametrize("begun", [False, True])
async def test_a_dispatched_run_without_a_lease_is_not_confirmed(
    site: Site, *, begun: bool
) -> None:
    asked = request()
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    if begun:
        await site.report(asked.run_id, flow(fence=fence))
    key = RunKey(TENANT, asked.run_id)
    await site.dispatch.write({TENANT}, lambda dispatch: dispatch.leases.remove([key]))
    await site.cancel(asked.run_id)
    assert await site.reap(after_seconds=29) == 0
    assert await site.reap(after_seconds=31) == begun
    run = await site.run(asked.run_id)
    assert (run.state, run.reason, run.inferred) == (RunState.CANCELLED, "NOT_CONFIRMED", True)
    assert run.message.startswith("not confirmed")


async def test_a_silent_script_is_cancelled_without_confirmation(site: Site) -> None:
    run_id = new_id()
    await site.report(run_id, flow())
    await site.cancel(run_id)
    assert await site.reap(after_seconds=31) == 1
    run = await site.run(run_id)
    assert (run.state, run.reason, run.inferred) == (RunState.CANCELLED, "NOT_CONFIRMED", True)
    assert [name for name, _ in await site.history(run_id)] == [
        "RUNNING",
        "CANCELLING",
        "CANCELLED",
    ]


async def test_a_leased_run_is_not_ended_by_the_silence_of_its_producer(site: Site) -> None:
    asked = request()
    await site.enqueue(asked)
    await site.report(asked.run_id, flow(fence=await site.lease(asked.run_id)))
    await site.cancel(asked.run_id)
    assert await site.reap(after_seconds=3600) == 0
