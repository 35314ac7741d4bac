"""Attempts after crashes: within the budget, at once on proof, later after silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.crash_retries import retry_after_crash
from towpath_service.work.application.moving import move
from towpath_service.work.application.settling import Crashed
from towpath_service.work.domain.deployments import DeploymentContent
from towpath_service.work.storage import tables

from tests.contract.work.site import NOW_US, SCOPE, SECOND, TENANT, request

if TYPE_CHECKING:
    from towpath_service.work.storage.dispatching import SqlDispatch

    from tests.contract.work.site import Site

CRASH_US = NOW_US + 100 * SECOND


async def deploy(site: Site, max_crash_retries: int) -> None:
    """Writes revision 3 of etl/nightly."""
    content = DeploymentContent(entrypoint="etl.py:etl", max_crash_retries=max_crash_retries)
    row = {
        "tenant_id": TENANT,
        "workspace_id": "default",
        "flow_id": "etl",
        "deployment_id": "nightly",
        "revision": 3,
        "content": content.to_json(),
        "actor": "users/ada",
        "created_us": NOW_US,
    }
    await site.stores.database.write(
        lambda transaction: transaction.connection.execute(
            insert(tables.deployment_revision).values(row)
        ),
        tenants={TENANT},
    )


async def crash(site: Site, run_id: str, *, proven: bool) -> None:
    """Ends the lease of a run as dispatch does, and the run with it."""

    def work(dispatch: SqlDispatch) -> None:
        key = RunKey(TENANT, run_id)
        run = dispatch.runs.standing({key}, ())[0][key]
        batch = Batch(dispatch.runs, CRASH_US)
        report = StateReport(state=RunState.CRASHED, reason="PROCESS_EXITED")
        source = Source.WORKER
        assert move(batch, SCOPE, run, report, CRASH_US, actor="system", source=source)
        dispatch.leases.remove([key])
        crashed = [Crashed(scope=SCOPE, run=run, proven=proven)]
        retry_after_crash(dispatch, batch, crashed, CRASH_US)
        batch.commit([])

    await site.dispatch.write({TENANT}, work)


@pytest.mark.parametrize(("proven", "wait_us"), [(True, 0), (False, 30 * SECOND)])
async def test_a_crashed_run_is_queued_again(site: Site, *, proven: bool, wait_us: int) -> None:
    await deploy(site, 1)
    asked = request(start_deadline_us=NOW_US + 10 * SECOND)
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    begun = Creation(
        kind=RunKind.FLOW,
        flow_id="etl",
        display_name="x",
        initial=StateReport(state=RunState.RUNNING, fence=fence),
    )
    await site.report(asked.run_id, begun)
    await crash(site, asked.run_id, proven=proven)
    run = await site.run(asked.run_id)
    assert (run.state, run.attempt, run.producer_id) == (RunState.SCHEDULED, 2, None)
    assert run.message == "attempt 1 of 1 after a crash"
    assert [item for item in await site.history(asked.run_id) if item[1]] == [
        ("CRASHED", "PROCESS_EXITED"),
        ("SCHEDULED", "CRASH_RETRY"),
    ]
    [entry] = await site.rows(tables.queued)
    # It has started in time once: no deadline applies to another attempt.
    assert (entry.due_us, entry.deadline_us) == (CRASH_US + wait_us, None)
    [origin] = await site.rows(tables.run_origin)
    assert origin.crash_retries == 1
    # What the lost process reports now changes nothing.
    late = StateReport(state=RunState.COMPLETED, attempt=1, fence=fence)
    assert await site.report(asked.run_id, late) == ["STALE_ATTEMPT"]


async def test_the_budget_ends(site: Site) -> None:
    await deploy(site, 2)
    asked = request()
    await site.enqueue(asked)
    for _ in range(3):
        assert await site.queued() == [asked.run_id]
        await site.lease(asked.run_id)
        await crash(site, asked.run_id, proven=True)
    run = await site.run(asked.run_id)
    assert (run.state, run.attempt, run.fence) == (RunState.CRASHED, 3, 3)
    assert await site.queued() == []


async def test_a_deployment_without_a_budget_retries_no_crash(site: Site) -> None:
    await deploy(site, 0)
    asked = request()
    await site.enqueue(asked)
    await site.lease(asked.run_id)
    await crash(site, asked.run_id, proven=True)
    assert (await site.run(asked.run_id)).state is RunState.CRASHED
