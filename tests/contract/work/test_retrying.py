"""Retries that callers ask for: which runs have them, and what the next attempt is made from."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from towpath_service.core.bus import Bus
from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.retrying import Retrying, RetryRequest
from towpath_service.work.domain.deployments import Deployment, DeploymentContent
from towpath_service.work.domain.names import DeploymentName, PoolName
from towpath_service.work.domain.pools import Pool, PoolSettings
from towpath_service.work.storage import tables
from towpath_service.work.storage.resource_store import SqlResources

from tests.contract.work.desk import Desk, running
from tests.contract.work.site import NOW_US, SCOPE, TENANT, FixedClock, new_id, request

if TYPE_CHECKING:
    from tests.contract.work.site import Site

NIGHTLY = DeploymentName("default", "etl", "nightly")


async def retry(site: Site, run_id: str, **fields: Any) -> None:
    known: dict[str, Any] = {"scope": SCOPE, "actor": "users/ada", "most_queued": 10}
    retrying = Retrying(site.control, Bus(), FixedClock())
    await retrying.retry(RetryRequest(run_id=run_id, **{**known, **fields}))


async def refusal(site: Site, run_id: str, **fields: Any) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await retry(site, run_id, **fields)
    return raised.value


async def deploy(site: Site, *, pool_id: str = "local", queue_id: str = "default") -> None:
    """Deploys etl/nightly, or changes it."""

    def work(transaction: Any) -> None:
        resources = SqlResources(transaction, TENANT)
        times = {"created_us": NOW_US, "updated_us": NOW_US}
        for each in ("local", "gpu"):
            name = PoolName("default", each)
            if resources.pools.get(name) is None:
                resources.pools.add(Pool(name=name, settings=PoolSettings(kind="process"), **times))
        content = DeploymentContent(
            flow_name="Etl", entrypoint="etl.py:etl", pool_id=pool_id, queue_id=queue_id
        )
        known = resources.deployments.get(NIGHTLY)
        made = Deployment(
            name=NIGHTLY,
            content=content,
            owner="users/ada",
            revision=1 if known is None else known.revision + 1,
            **times,
        )
        if known is not None:
            resources.deployments.remove(NIGHTLY)
        resources.deployments.add(made)

    await site.stores.database.write(work, tenants={TENANT})


async def failed(site: Site, state: RunState = RunState.FAILED) -> str:
    """A run of etl/nightly whose attempt has ended, with its process."""
    asked = request()
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    end = StateReport(state=state, fence=fence)
    assert await site.report(asked.run_id, running(fence), end) == []
    await Desk(site).end_lease(asked.run_id)
    return asked.run_id


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT])
async def test_an_ended_run_is_queued_as_its_next_attempt(site: Site, state: RunState):
    await deploy(site)
    run_id = await failed(site, state)
    await retry(site, run_id, message="the disk is repaired")
    run = await site.run(run_id)
    assert (run.state, run.reason, run.attempt) == (RunState.SCHEDULED, "RETRY_REQUESTED", 2)
    assert run.message == "retry requested by users/ada: the disk is repaired"
    assert (run.ended_us, run.producer_id) == (None, None)
    assert await site.queued() == [run_id]
    assert [name for name, _ in await site.history(run_id)] == [
        *("SCHEDULED", "PENDING", "RUNNING", state.name, "SCHEDULED")
    ]


async def test_what_the_earlier_process_still_reports_takes_no_effect(site: Site):
    await deploy(site)
    run_id = await failed(site)
    await retry(site, run_id)
    late = StateReport(state=RunState.COMPLETED, attempt=1, fence=1)
    assert await site.report(run_id, late) == ["STALE_ATTEMPT"]
    assert await site.report(run_id, StateReport(state=RunState.RUNNING, fence=1)) == ["LEASE_LOST"]
    fence = await site.lease(run_id)
    [lease] = await site.rows(tables.work_lease)
    assert (fence, lease.attempt) == (2, 2)


async def test_of_requests_at_once_one_takes_effect(site: Site):
    await deploy(site)
    run_id = await failed(site)
    answers = await asyncio.gather(*(retry(site, run_id) for _ in range(5)), return_exceptions=True)
    assert [answer for answer in answers if answer is None] == [None]
    assert (await site.run(run_id)).attempt == 2
    # A repeat that names the attempt is answered as the first.
    await retry(site, run_id, attempt=1)
    assert (await site.run(run_id)).attempt == 2
    assert (await refusal(site, run_id, attempt=7)).reason == "TRANSITION_NOT_ALLOWED"


async def test_the_next_attempt_is_made_from_what_the_deployment_is_now(site: Site):
    await deploy(site)
    run_id = await failed(site)
    await deploy(site)
    await retry(site, run_id, from_tasks=("load", "extract[7]"))
    [origin] = await site.rows(tables.run_origin)
    assert (origin.deployment_revision, origin.pool_id, origin.queue_id) == (2, "local", "default")
    assert json.loads(origin.replay) == {"tasks": ["load", "extract[7]"], "attempt": 2}
    await site.lease(run_id)
    key = RunKey(TENANT, run_id)
    jobs = await site.dispatch.read({TENANT}, lambda dispatch: dispatch.queue.jobs([key]))
    assert (jobs[key].deployment_revision, jobs[key].replay) == (2, origin.replay)


async def test_a_deployment_that_has_moved_takes_its_retries_along(site: Site):
    await deploy(site)
    run_id = await failed(site)
    await deploy(site, pool_id="gpu", queue_id="big")
    await retry(site, run_id)
    [entry] = await site.rows(tables.queued)
    assert (entry.pool_id, entry.queue_id) == ("gpu", "big")


@pytest.mark.parametrize(
    "state", [RunState.SCHEDULED, RunState.RUNNING, RunState.PAUSED, RunState.COMPLETED]
)
async def test_a_run_that_has_not_failed_is_left_as_it_is(site: Site, state: RunState):
    await deploy(site)
    asked = request()
    await site.enqueue(asked)
    if state is not RunState.SCHEDULED:
        fence = await site.lease(asked.run_id)
        states = [] if state is RunState.RUNNING else [StateReport(state=state, fence=fence)]
        assert await site.report(asked.run_id, running(fence), *states) == []
    history = await site.history(asked.run_id)
    error = await refusal(site, asked.run_id)
    assert (error.reason, error.metadata["from_state"]) == ("TRANSITION_NOT_ALLOWED", state.name)
    assert await site.history(asked.run_id) == history


async def test_a_run_that_is_not_there_is_not_found(site: Site):
    await deploy(site)
    run_id = await failed(site)
    assert (await refusal(site, new_id())).reason == "RESOURCE_NOT_FOUND"
    elsewhere = await refusal(site, run_id, scope=Scope(TENANT, "other"))
    assert elsewhere.reason == "RESOURCE_NOT_FOUND"
    other = await refusal(site, run_id, within=new_id())
    assert other.reason == "RESOURCE_NOT_FOUND"
    await site.stores.runs.remove(TENANT, lambda reads: reads.delete_runs(SCOPE, [run_id], NOW_US))
    assert (await refusal(site, run_id)).reason == "RESOURCE_NOT_FOUND"
    assert await site.queued() == []


async def test_a_run_whose_code_is_gone_is_refused(site: Site):
    run_id = await failed(site)
    error = await refusal(site, run_id)
    assert (error.reason, "deleted" in str(error)) == ("NOT_DISPATCHABLE", True)
    await deploy(site, pool_id="none")
    error = await refusal(site, run_id)
    assert (error.reason, "no work pool" in str(error)) == ("NOT_DISPATCHABLE", True)


async def test_a_tenant_queues_so_many_retries(site: Site):
    await deploy(site)
    run_id = await failed(site)
    assert (await refusal(site, run_id, most_queued=0)).reason == "QUOTA_EXCEEDED"
    assert (await site.run(run_id)).state is RunState.FAILED


async def test_a_script_executes_the_retry_of_its_run_itself(site: Site):
    run_id = new_id()
    end = StateReport(state=RunState.FAILED)
    assert await site.report(run_id, running(), end) == []
    error = await refusal(site, run_id)
    assert (error.reason, "--here" in str(error)) == ("NOT_DISPATCHABLE", True)
    await retry(site, run_id, in_place=True)
    assert await site.queued() == []
    site.producer_id, site.sequence = new_id(), 0
    begins = StateReport(state=RunState.RUNNING, attempt=2)
    assert await site.report(run_id, running(), begins) == []
    run = await site.run(run_id)
    assert (run.state, run.attempt, run.producer_id) == (RunState.RUNNING, 2, site.producer_id)


async def test_only_a_root_run_of_a_script_is_retried_in_place(site: Site):
    await deploy(site)
    run_id = await failed(site)
    assert (await refusal(site, run_id, in_place=True)).reason == "NOT_DISPATCHABLE"
    parent, child, below = new_id(), new_id(), new_id()
    end = StateReport(state=RunState.FAILED)
    await site.report(parent, running())
    for known, kind in ((child, RunKind.FLOW), (below, RunKind.TASK)):
        made = Creation(
            kind=kind,
            flow_id="etl",
            display_name="x",
            parent_run_id=parent,
            initial=StateReport(state=RunState.RUNNING),
        )
        await site.report(known, made, end)
        for in_place in (False, True):
            error = await refusal(site, known, in_place=in_place)
            assert (error.reason, "within" in str(error)) == ("NOT_DISPATCHABLE", True)
