"""Reports on dispatched runs: only under the fence of their lease, which follows the run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from towpath_auth import RunGrant
from towpath_service.core.transactions import LeasedMove
from towpath_service.identity.storage.limits import storage_limits
from towpath_service.runs.domain.reports import Creation, StateReport
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage.store import SqlRunStore
from towpath_service.work.domain.leases import Phase
from towpath_service.work.storage import tables

from tests.contract.work.site import NOW_US, SCOPE, SECOND, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.transactions import Transaction

    from tests.contract.work.site import Site


def state(state: RunState, *, fence: int = 0) -> StateReport:
    return StateReport(state=state, fence=fence)


def creation(*, fence: int = 0, **fields: Any) -> Creation:
    """The creation as the run's process reports it."""
    known: dict[str, Any] = {"kind": RunKind.FLOW, "flow_id": "etl", "display_name": "brisk-otter"}
    return Creation(initial=state(RunState.RUNNING, fence=fence), **{**known, **fields})


def grant(run_id: str, *, fence: int, attempt: int = 1) -> RunGrant:
    return RunGrant(workspace_id=SCOPE.workspace_id, run_id=run_id, attempt=attempt, fence=fence)


async def leased(site: Site) -> tuple[str, int]:
    asked = request()
    await site.enqueue(asked)
    return asked.run_id, await site.lease(asked.run_id)


async def test_a_dispatched_run_accepts_no_report_without_its_fence(site: Site) -> None:
    run_id, fence = await leased(site)
    assert fence == 1
    for update in (creation(), state(RunState.RUNNING), state(RunState.COMPLETED)):
        assert await site.report(run_id, update) == ["LEASE_LOST"]
    assert await site.report(run_id, creation(fence=fence)) == []
    assert await site.report(run_id, state(RunState.COMPLETED)) == ["LEASE_LOST"]
    assert await site.report(run_id, state(RunState.COMPLETED, fence=fence)) == []
    history = await site.history(run_id)
    assert [name for name, _ in history] == ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]


async def test_the_fence_of_a_token_counts_in_place_of_the_reported_one(site: Site) -> None:
    run_id, fence = await leased(site)
    old, new = grant(run_id, fence=fence - 1), grant(run_id, fence=fence)
    assert await site.report(run_id, creation(fence=fence), only_run=old) == ["LEASE_LOST"]
    assert await site.report(run_id, creation(), only_run=new) == []


async def test_a_token_of_an_earlier_lease_reports_nothing_below_its_run(site: Site) -> None:
    run_id, fence = await leased(site)
    await site.report(run_id, creation(), only_run=grant(run_id, fence=fence))
    child = request().run_id
    task = Creation(
        kind=RunKind.TASK,
        flow_id="etl",
        display_name="load",
        parent_run_id=run_id,
        initial=state(RunState.RUNNING),
    )
    old = grant(run_id, fence=fence - 1)
    assert await site.report(child, task, only_run=old) == ["RUN_UNKNOWN"]
    assert await site.report(child, task, only_run=grant(run_id, fence=fence)) == []


async def test_a_report_raises_no_fence_of_a_run_that_was_not_dispatched(site: Site) -> None:
    asked = request()
    assert await site.report(asked.run_id, creation(fence=9)) == []
    assert (await site.run(asked.run_id)).fence == 0
    assert await site.report(asked.run_id, state(RunState.COMPLETED)) == []


async def test_the_process_completes_what_the_service_did_not_know(site: Site) -> None:
    asked = request(tags=("nightly",), labels={"team": "data"}, code_version="")
    await site.enqueue(asked)
    fence = await site.lease(asked.run_id)
    told = creation(
        fence=fence,
        flow_name="Other",
        code_version="4f1c",
        tags=("own", "nightly"),
        labels={"team": "x", "os": "linux"},
        retry_policy='{"maxAttempts": 3}',
    )
    assert await site.report(asked.run_id, told) == []
    run = await site.run(asked.run_id)
    assert (run.display_name, run.flow_name, run.code_version) == ("brisk-otter", "Etl", "4f1c")
    assert json.loads(run.tags) == ["nightly", "own"]
    assert json.loads(run.labels) == {"team": "data", "os": "linux"}
    details = await site.stores.runs.read(
        SCOPE.tenant_id, lambda reads: reads.details(SCOPE, [asked.run_id])
    )
    assert details[asked.run_id].retry_policy == '{"maxAttempts": 3}'
    # A report of another flow under the same id is no report of this run.
    assert await site.report(asked.run_id, creation(fence=fence, flow_id="x")) == ["RUN_CONFLICT"]


async def test_the_lease_follows_its_run(site: Site) -> None:
    run_id, fence = await leased(site)
    [lease] = await site.rows(tables.work_lease)
    assert (lease.phase, lease.counts) == (Phase.ACCEPTED, True)
    later = NOW_US + SECOND
    await site.report(run_id, creation(fence=fence), now_us=later)
    [lease] = await site.rows(tables.work_lease)
    assert (lease.phase, lease.counts, lease.phase_us) == (Phase.RUNNING, True, later)
    last = NOW_US + 2 * SECOND
    await site.report(run_id, state(RunState.FAILED, fence=fence), now_us=last)
    [lease] = await site.rows(tables.work_lease)
    assert (lease.phase, lease.counts, lease.phase_us) == (Phase.ENDING, False, last)


async def test_runs_without_a_fence_cost_nothing_of_leases(site: Site) -> None:
    asked: list[LeasedMove] = []

    def move(transaction: Transaction, moves: Sequence[LeasedMove], now_us: int) -> None:
        asked.extend(moves)

    store = SqlRunStore(site.stores.database, storage_limits, leases=move)
    site.stores = replace(site.stores, runs=store)
    script = request().run_id
    await site.report(script, creation())
    await site.report(script, state(RunState.COMPLETED))
    assert asked == []
    run_id, fence = await leased(site)
    await site.report(run_id, creation(fence=fence), state(RunState.FAILED, fence=fence))
    assert asked == [LeasedMove(SCOPE.tenant_id, run_id, fence, ended=True)]
