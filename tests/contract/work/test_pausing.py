"""Pauses: who answers them, what becomes of their runs, and when they are over."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage.tables import run_pause
from towpath_service.work.application.lease_expiry import expire
from towpath_service.work.domain.leases import Outcome
from towpath_service.work.storage import tables
from towpath_service.work.storage.directives import SqlDirectives

from tests.contract.work.desk import SCHEMA, YES, Desk, paused, running
from tests.contract.work.site import NOW_US, SCOPE, SECOND, TENANT, new_id, request

if TYPE_CHECKING:
    from tests.contract.work.site import Site


@pytest.fixture
def desk(site: Site) -> Desk:
    return Desk(site)


async def blocked(site: Site, **terms: Any) -> str:
    """A run of a script that waits in its process."""
    run_id = new_id()
    assert await site.report(run_id, running(), paused(**terms)) == []
    return run_id


async def suspended(site: Site, **terms: Any) -> str:
    """A leased run that has suspended itself, whose process is about to exit."""
    asked = request()
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    report = paused(suspended=True, fence=fence, **terms)
    assert await site.report(asked.run_id, running(fence), report) == []
    return asked.run_id


async def refused(answer: Any) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await answer
    return raised.value


async def test_an_answer_reaches_the_process_that_waits(site: Site, desk: Desk):
    run_id = await blocked(site)
    state, pause = await desk.wait(run_id)
    assert state is RunState.PAUSED
    assert pause is not None
    assert (pause.key, pause.suspended, pause.input_schema) == ("1", False, SCHEMA)
    assert pause.deadline_us == NOW_US + 3600 * SECOND
    assert pause.answered_us is None
    waiting = asyncio.create_task(desk.wait(run_id, wait_us=60 * SECOND))
    await desk.resume(run_id, YES)
    _, pause = await waiting
    assert pause is not None
    assert (pause.input, pause.actor, pause.answered_us) == (YES, "users/ada", NOW_US)
    # Its own process says that it goes on.
    assert (await site.run(run_id)).state is RunState.PAUSED
    assert await site.report(run_id, StateReport(state=RunState.RUNNING)) == []


async def test_of_two_answers_at_once_exactly_one_takes_effect(site: Site, desk: Desk):
    run_id = await blocked(site)
    answers = await asyncio.gather(
        *(desk.resume(run_id, YES, actor=f"users/{n}") for n in range(6)), return_exceptions=True
    )
    errors = [answer for answer in answers if answer is not None]
    assert len(errors) == 5
    [row] = await site.rows(run_pause)
    for error in errors:
        assert isinstance(error, ServiceError)
        assert error.reason == "PAUSE_ANSWERED"
        assert error.metadata["answered_by"] == row.actor
    assert answers[int(row.actor.removeprefix("users/"))] is None


async def test_a_repeated_request_is_answered_as_the_first(site: Site, desk: Desk):
    run_id = await suspended(site)
    await desk.end_lease(run_id)
    asked = new_id()
    await desk.resume(run_id, YES, request_id=asked)
    history = await site.history(run_id)
    await desk.resume(run_id, YES, request_id=asked)
    await desk.resume(run_id, YES, request_id=asked, key="1")
    assert await site.history(run_id) == history
    assert await site.queued() == [run_id]
    other = await refused(desk.resume(run_id, YES, request_id=new_id()))
    assert other.reason == "TRANSITION_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"approve": "perhaps"}', "input.approve"),
        # No process replaces names in an answer.
        ('{"approve": "{{ variables.answer }}"}', "input.approve"),
        ("{}", "input"),
        (None, "input"),
        ('{"approve": true, "more": 1}', "input"),
        ("[]", "input"),
        ("{", "input"),
    ],
)
async def test_an_answer_that_does_not_fit_leaves_the_pause_open(
    site: Site, desk: Desk, text: str | None, field: str
):
    run_id = await blocked(site)
    error = await refused(desk.resume(run_id, text))
    assert error.reason == "INVALID_REQUEST"
    assert [item.field for item in error.violations] == [field]
    await desk.resume(run_id, YES)


async def test_a_pause_without_a_schema_takes_no_input(site: Site, desk: Desk):
    run_id = await blocked(site, schema="")
    assert (await refused(desk.resume(run_id, YES))).reason == "INVALID_REQUEST"
    await desk.resume(run_id, "{}")


async def test_a_run_that_is_not_paused_takes_no_answer(site: Site, desk: Desk):
    run_id = new_id()
    await site.report(run_id, running())
    assert (await refused(desk.resume(run_id))).reason == "TRANSITION_NOT_ALLOWED"
    assert (await refused(desk.resume(new_id()))).reason == "RESOURCE_NOT_FOUND"
    await site.report(run_id, paused(schema=""), StateReport(state=RunState.COMPLETED))
    await site.report(run_id, StateReport(state=RunState.FAILED))
    error = await refused(desk.resume(run_id))
    assert (error.reason, error.metadata["from_state"]) == ("TRANSITION_NOT_ALLOWED", "FAILED")


async def test_a_suspended_run_gives_its_slot_back_and_is_queued_by_the_answer(
    site: Site, desk: Desk
):
    run_id = await suspended(site)
    await desk.end_lease(run_id)
    assert await site.rows(tables.work_lease) == []
    assert await site.queued() == []
    run = await site.run(run_id)
    assert (run.state, run.reason, run.fence) == (RunState.PAUSED, "SUSPENDED", 1)
    # Nothing of it ends by silence.
    assert await site.reap(after_seconds=3600) == 0
    await desk.resume(run_id, YES)
    assert await site.queued() == [run_id]
    run = await site.run(run_id)
    assert (run.state, run.reason, run.message, run.attempt) == (
        RunState.SCHEDULED,
        "RESUMED",
        "resumed by users/ada",
        1,
    )
    fence = await site.lease(run_id)
    assert fence == 2
    # The process of before has nothing more to say.
    late = StateReport(state=RunState.COMPLETED, fence=1)
    assert await site.report(run_id, late) == ["LEASE_LOST"]
    assert (await desk.wait(run_id)).pause is not None
    assert await site.report(run_id, running(fence)) == []


async def test_an_answer_while_the_process_exits_takes_effect_when_it_has(site: Site, desk: Desk):
    run_id = await suspended(site)
    await desk.resume(run_id, YES)
    assert (await site.run(run_id)).state is RunState.PAUSED
    assert await site.queued() == []
    assert (await refused(desk.resume(run_id, YES))).reason == "PAUSE_ANSWERED"
    await desk.end_lease(run_id, Outcome.KILLED)
    assert await site.queued() == [run_id]
    assert [state for state, _ in await site.history(run_id)][-2:] == ["PAUSED", "SCHEDULED"]


async def test_an_answer_takes_effect_when_the_lease_ends_by_silence(site: Site, desk: Desk):
    run_id = await suspended(site)
    await desk.resume(run_id, YES)
    late_us = NOW_US + 3600 * SECOND
    work = partial(expire, now_us=late_us, silent_since_us=late_us)
    await site.dispatch.write(EVERY_TENANT, work)
    assert await site.rows(tables.work_lease) == []
    assert await site.queued() == [run_id]


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_process_that_ends_otherwise_than_it_said_is_no_crash(
    site: Site, desk: Desk, outcome: Outcome
):
    run_id = await suspended(site)
    await desk.end_lease(run_id, outcome)
    assert (await site.run(run_id)).state is RunState.PAUSED


async def test_a_suspended_run_that_nobody_resumes_in_time_fails(site: Site, desk: Desk):
    run_id = await suspended(site, seconds=60)
    await desk.end_lease(run_id)
    desk.clock.us = NOW_US + 60 * SECOND - 1
    assert await desk.sweep() == 0
    desk.clock.us += 1
    assert (await refused(desk.resume(run_id, YES))).reason == "PAUSE_EXPIRED"
    assert await desk.sweep() == 1
    run = await site.run(run_id)
    assert (run.state, run.reason, run.inferred) == (RunState.FAILED, "PAUSE_TIMEOUT", False)
    assert await desk.sweep() == 0
    assert (await refused(desk.resume(run_id, YES))).reason == "TRANSITION_NOT_ALLOWED"
    assert await site.queued() == []


async def test_an_answer_before_the_deadline_counts_after_it(site: Site, desk: Desk):
    run_id = await suspended(site, seconds=60)
    await desk.resume(run_id, YES)
    desk.clock.us += 61 * SECOND
    assert await desk.sweep() == 0
    await desk.end_lease(run_id)
    assert await site.queued() == [run_id]


async def test_a_process_that_waits_is_told_of_its_deadline(site: Site, desk: Desk):
    run_id = await blocked(site, seconds=60)
    desk.clock.us += 60 * SECOND
    # The service leaves its end to it.
    assert await desk.sweep() == 0
    found = await desk.wait(run_id, wait_us=60 * SECOND)
    assert found.pause is not None
    assert found.pause.is_expired(desk.clock.us)
    assert await site.report(run_id, StateReport(state=RunState.RUNNING)) == []


async def test_a_cancelled_pause_is_over(site: Site, desk: Desk):
    run_id = await suspended(site, seconds=60)
    await desk.end_lease(run_id)
    await site.cancel(run_id)
    assert (await refused(desk.resume(run_id, YES))).reason == "TRANSITION_NOT_ALLOWED"
    desk.clock.us += 61 * SECOND
    assert await desk.sweep() == 0
    assert [row.waiting for row in await site.rows(run_pause)] == [False]
    assert (await site.run(run_id)).state is RunState.CANCELLED
    assert (await desk.wait(run_id, wait_us=60 * SECOND)).state is RunState.CANCELLED


async def test_code_that_runs_again_meets_its_answers(site: Site, desk: Desk):
    run_id = await blocked(site)
    await desk.resume(run_id, YES)
    await site.report(run_id, StateReport(state=RunState.RUNNING), paused(key="2"))
    with pytest.raises(ServiceError):
        await desk.resume(run_id, YES, key="1")
    # As after a crash: the first pause keeps its answer, the second begins anew.
    await site.report(run_id, StateReport(state=RunState.RUNNING), paused(), now_us=NOW_US + 1)
    _, pause = await desk.wait(run_id)
    assert pause is not None
    assert (pause.input, pause.deadline_us) == (YES, NOW_US + 3600 * SECOND)


async def test_a_run_that_waits_is_taken_out_of_the_queue_and_put_back(site: Site, desk: Desk):
    asked = request(due_us=NOW_US + 900 * SECOND)
    await site.enqueue(asked)
    await desk.pause(asked.run_id, message="not today")
    await desk.pause(asked.run_id)
    run = await site.run(asked.run_id)
    assert (run.state, run.reason, run.message) == (RunState.PAUSED, "SUSPENDED", "not today")
    assert await site.queued() == []
    desk.clock.us += 86_400 * SECOND
    assert await desk.sweep() == 0
    await desk.resume(asked.run_id)
    assert await site.queued() == [asked.run_id]
    assert await site.history(asked.run_id) == [
        ("SCHEDULED", ""),
        ("PAUSED", "SUSPENDED"),
        ("SCHEDULED", "RESUMED"),
    ]


async def test_a_run_that_executes_is_asked_to_pause_until_it_was_resumed(site: Site, desk: Desk):
    run_id = new_id()
    await site.report(run_id, running())
    source = SqlDirectives(site.stores.database)
    await desk.pause(run_id, message="look first")
    await desk.pause(run_id, message="look first")
    [asked] = await source()
    assert (asked.kind, asked.run_id, asked.message, asked.revision) == (2, run_id, "look first", 1)
    assert asked.producer.producer_id == site.producer_id
    await source.forget_followed()
    assert (await site.run(run_id)).state is RunState.RUNNING
    await site.report(run_id, paused("requested-1-1", schema="", seconds=None))
    assert await source() == []
    await desk.resume(run_id)
    await site.report(run_id, StateReport(state=RunState.RUNNING))
    # The request that was followed doesn't pause it again.
    assert await source() == []
    assert await site.rows(tables.run_directive) == []


async def test_a_cancellation_takes_the_place_of_a_request_to_pause(site: Site, desk: Desk):
    run_id = new_id()
    await site.report(run_id, running())
    await desk.pause(run_id)
    await site.cancel(run_id)
    [asked] = await SqlDirectives(site.stores.database)()
    assert asked.kind == 1
    assert (await refused(desk.pause(run_id))).reason == "TRANSITION_NOT_ALLOWED"


async def test_what_has_ended_or_has_no_deployment_is_not_paused_from_outside(
    site: Site, desk: Desk
):
    run_id = new_id()
    await site.report(run_id, running(), StateReport(state=RunState.COMPLETED))
    assert (await refused(desk.pause(run_id))).reason == "TRANSITION_NOT_ALLOWED"
    ahead = new_id()
    scheduled = Creation(
        kind=RunKind.FLOW,
        flow_id="etl",
        display_name="x",
        initial=StateReport(state=RunState.SCHEDULED),
    )
    await site.report(ahead, scheduled)
    assert (await refused(desk.pause(ahead))).reason == "NOT_DISPATCHABLE"
    of_script = await blocked(site, suspended=True)
    assert (await refused(desk.resume(of_script, YES))).reason == "NOT_DISPATCHABLE"
    assert [row.answered_us for row in await site.rows(run_pause)] == [None]


async def test_a_run_answers_what_is_below_it_only(site: Site, desk: Desk):
    run_id, other = await blocked(site), new_id()
    await site.report(other, running())
    error = await refused(desk.resume(run_id, YES, within=other))
    assert error.reason == "RESOURCE_NOT_FOUND"
    assert (await refused(desk.wait(run_id, within=other))).reason == "RESOURCE_NOT_FOUND"
    assert (await desk.wait(run_id, within=run_id)).pause is not None
    await desk.resume(run_id, YES, within=run_id)


async def test_a_wait_ends_when_the_service_drains(site: Site, desk: Desk):
    run_id = await blocked(site)
    desk.draining.event.set()
    assert (await desk.wait(run_id, wait_us=60 * SECOND)).state is RunState.PAUSED


async def test_pauses_go_with_their_run(site: Site, desk: Desk):
    run_id = await blocked(site)
    await desk.resume(run_id, YES)
    await site.report(run_id, StateReport(state=RunState.FAILED))
    from towpath_service.runs.storage.removal import remove_runs  # noqa: PLC0415

    await site.stores.database.write(
        lambda transaction: remove_runs(transaction.connection, SCOPE, [run_id], NOW_US),
        tenants={TENANT},
        name="test",
    )
    assert await site.rows(run_pause) == []
