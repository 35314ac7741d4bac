"""Deployments: how they are made, changed and removed; deploying is idempotent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from towpath_auth import LOCAL_TENANT_ID, Caller
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.tables import metadata
from towpath_service.work.application import revising
from towpath_service.work.application.deployments import WorkDeployments
from towpath_service.work.domain.names import parse_deployment

from tests.contract.work.resources import (
    FLOW,
    NIGHTLY,
    PARENT,
    POOL,
    SCHEMA,
    arguments,
    create_deployment,
    create_pool,
    create_queue,
    cron,
    deploy,
    get_deployment,
    update_deployment,
)

if TYPE_CHECKING:
    import pytest
    from towpath_service.core.transactions import Transaction
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.ports.resources import Resources

    from tests.in_process.place import Place

EVERYTHING: dict[str, Any] = {
    "flow_name": "ETL",
    "description": "of the warehouse",
    "code_source": {
        "git": {"url": "https://git.example/etl.git", "ref": "main", "credential_secret": "git"}
    },
    "work_pool": POOL,
    "work_queue": "urgent",
    "job_overrides_json": '{"env":{"A":"b"}}',
    "parameters": arguments('{"day":"2026-12-01"}'),
    "parameter_schema_json": SCHEMA,
    "enforce_parameter_schema": True,
    "concurrency_limit": 2,
    "collision_strategy": 2,
    "max_crash_retries": 3,
    "on_lost_contact": 2,
    "timeout": {"seconds": 60},
    "start_deadline": {"seconds": 3600},
    "priority": 7,
    "secrets": ["db-password"],
    "tags": ["nightly"],
    "labels": {"team": "data"},
    "code_version": "1.4.2",
}


async def rows(place: Place, table_name: str) -> int:
    table = metadata.tables[table_name]
    return await place.service.stores.database.write(
        lambda transaction: int(
            transaction.connection.execute(select(func.count()).select_from(table)).scalar_one()
        ),
        tenants=EVERY_TENANT,
    )


async def test_a_deployment_is_shown_as_it_was_given(place: Place) -> None:
    await create_pool(place)
    await create_queue(place, "urgent")
    made = await create_deployment(place, **EVERYTHING)
    request = place.request(
        "DeploymentService/CreateDeployment", deployment={"entrypoint": "etl.py:etl", **EVERYTHING}
    )
    given: Any = request
    for field, _ in given.deployment.ListFields():
        if field.name != "parameters":
            assert getattr(made, field.name) == getattr(given.deployment, field.name), field.name
    assert json.loads(made.parameters.data) == {"day": "2026-12-01"}
    assert (made.name, made.revision, made.owner.principal) == (
        NIGHTLY,
        1,
        "users/owner@example.org",
    )
    assert await get_deployment(place) == made
    listed = await place.call(place.owner, "DeploymentService/ListDeployments", parent=PARENT)
    assert list(listed.deployments) == [made]
    flows = await place.call(place.owner, "FlowService/ListFlows", parent=PARENT)
    assert [(flow.name, flow.display_name) for flow in flows.flows] == [(FLOW, "ETL")]


async def test_a_bare_deployment_has_defaults(place: Place) -> None:
    made = await create_deployment(place)
    assert (made.flow_name, made.work_pool, made.work_queue) == ("etl", "", "")
    assert (made.collision_strategy, made.on_lost_contact, made.priority) == (1, 1, 50)
    assert (made.paused, made.HasField("timeout"), made.HasField("parameters")) == (
        False,
        False,
        False,
    )


async def test_deploying_again_changes_nothing(place: Place) -> None:
    await create_pool(place)
    await create_queue(place, "urgent")
    given: Any = {**EVERYTHING, "schedules": [cron("0 2 * * *", name="daily")]}
    first = await deploy(place, **given)
    again = await deploy(place, **given)
    assert again == first
    assert await rows(place, "deployment_revision") == 1
    _, key = await place.user("developer")
    other = await deploy(place, token=await place.token(key), **given)
    assert other.owner == first.owner


async def test_each_change_that_differs_is_a_revision_which_stays(place: Place) -> None:
    first = await deploy(place, description="one")
    second = await deploy(place, description="two")
    assert (first.revision, second.revision) == (1, 2)
    assert first.etag != second.etag
    store = place.service.stores.work
    name = parse_deployment(NIGHTLY)

    def read(resources: Resources) -> list[Any]:
        return [resources.deployments.content(name, revision) for revision in (1, 2, 3)]

    kept = await store.read(LOCAL_TENANT_ID, read)
    assert [content and content.description for content in kept] == ["one", "two", None]


async def test_deploying_again_leaves_a_paused_deployment_and_schedule_paused(
    place: Place,
) -> None:
    await deploy(place, schedules=[cron("0 2 * * *", name="daily")])
    await update_deployment(place, "paused", paused=True)
    await place.call(
        place.owner,
        "DeploymentService/UpdateSchedule",
        schedule={"name": f"{NIGHTLY}/schedules/daily", "paused": True},
        update_mask={"paths": ["paused"]},
    )
    again = await deploy(place, description="new", schedules=[cron("0 3 * * *", name="daily")])
    assert (again.paused, again.schedules[0].paused) == (True, True)
    said = [cron("0 3 * * *", name="daily", paused=False)]
    said_so = await deploy(place, paused=False, schedules=said)
    assert (said_so.paused, said_so.schedules[0].paused) == (False, False)


async def test_schedules_that_are_left_out_are_deleted_only_if_they_are_replaced(
    place: Place,
) -> None:
    two = [cron("0 2 * * *", name="daily"), cron("0 3 * * 1", name="weekly")]
    first = await deploy(place, schedules=two)
    kept = await update_deployment(place, "description", description="new")
    assert list(kept.schedules) == list(first.schedules)
    changed = cron("0 5 * * 1", name=f"{NIGHTLY}/schedules/weekly")
    second = await deploy(place, schedules=[changed, cron("@hourly", name="hourly")])
    assert [item.name.rpartition("/")[2] for item in second.schedules] == ["hourly", "weekly"]
    assert second.schedules[1].cron.expression == "0 5 * * 1"
    assert second.schedules[1].create_time == first.schedules[1].create_time
    assert second.schedules[1].etag != first.schedules[1].etag
    third = await deploy(place)
    assert len(third.schedules) == 0
    assert await rows(place, "schedule") == 0


async def test_a_deploy_that_fails_changes_nothing(place: Place) -> None:
    await deploy(place, description="old", schedules=[cron("0 2 * * *", name="daily")])
    before = await get_deployment(place)
    refusal = await place.refusal(
        place.owner,
        "DeploymentService/UpdateDeployment",
        deployment={
            "name": NIGHTLY,
            "entrypoint": "etl.py:etl",
            "description": "new",
            "schedules": [cron("60 * * * *", name="broken")],
        },
        replace_schedules=True,
    )
    assert (refusal.reason, refusal.violations[0].field) == ("INVALID_REQUEST", "cron.expression")
    assert await get_deployment(place) == before


async def test_a_mask_changes_what_it_names(place: Place) -> None:
    await create_pool(place)
    await create_pool(place, "other")
    await create_queue(place, "urgent")
    await create_deployment(place, **EVERYTHING)
    changed = await update_deployment(place, "tags", "timeout", tags=["new"])
    assert (list(changed.tags), changed.HasField("timeout"), changed.priority) == (
        ["new"],
        False,
        7,
    )
    # The queue of the other pool doesn't stay.
    moved = await update_deployment(place, "work_pool", work_pool=f"{PARENT}/workPools/other")
    assert moved.work_queue == "default"
    nowhere = await update_deployment(place, "work_pool")
    assert (nowhere.work_pool, nowhere.work_queue) == ("", "")


async def test_a_missing_or_changed_deployment_is_refused(place: Place) -> None:
    fields = {"deployment": {"name": NIGHTLY, "entrypoint": "x"}}
    for method in ("Get", "Delete"):
        refusal = await place.refusal(
            place.owner, f"DeploymentService/{method}Deployment", name=NIGHTLY
        )
        assert refusal.reason == "RESOURCE_NOT_FOUND", method
    refusal = await place.refusal(place.owner, "DeploymentService/UpdateDeployment", **fields)
    assert refusal.reason == "RESOURCE_NOT_FOUND"
    first = await create_deployment(place)
    refusal = await place.refusal(
        place.owner,
        "DeploymentService/CreateDeployment",
        parent=FLOW,
        deployment_id="nightly",
        deployment={"entrypoint": "x"},
    )
    assert refusal.reason == "RESOURCE_EXISTS"
    await update_deployment(place, "priority", priority=3)
    fields["deployment"]["etag"] = first.etag
    refusal = await place.refusal(place.owner, "DeploymentService/UpdateDeployment", **fields)
    assert refusal.reason == "ETAG_MISMATCH"
    refusal = await place.refusal(
        place.owner, "DeploymentService/DeleteDeployment", name=NIGHTLY, etag=first.etag
    )
    assert refusal.reason == "ETAG_MISMATCH"


async def test_deployments_are_listed_page_by_page_by_flow_and_pool(place: Place) -> None:
    await create_pool(place)
    for number in range(3):
        await create_deployment(place, f"d-{number}", work_pool=POOL if number else "")
    await place.call(
        place.owner,
        "DeploymentService/CreateDeployment",
        parent=f"{PARENT}/flows/another",
        deployment_id="d-0",
        deployment={"entrypoint": "x"},
    )
    method = "DeploymentService/ListDeployments"
    seen: list[str] = []
    token = ""
    while True:
        page = await place.call(place.owner, method, parent=PARENT, page_size=3, page_token=token)
        seen += ["/".join(item.name.split("/")[3::2]) for item in page.deployments]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["another/d-0", "etl/d-0", "etl/d-1", "etl/d-2"]
    of_flow = await place.call(place.owner, method, parent=FLOW)
    assert len(of_flow.deployments) == 3
    of_pool = await place.call(place.owner, method, parent=PARENT, work_pool_id="local")
    assert [item.name[-3:] for item in of_pool.deployments] == ["d-1", "d-2"]
    refusal = await place.refusal(place.owner, method, parent=FLOW, page_token="AAAA")
    assert refusal.reason == "INVALID_PAGE_TOKEN"


async def test_the_served_pool_and_its_queues_come_with_deployments(place: Place) -> None:
    served = f"{PARENT}/workPools/served"
    await create_deployment(place, work_pool=served, work_queue="etl-nightly")
    await create_deployment(place, "other", work_pool=served, work_queue="etl-other")
    pool = (await place.call(place.owner, "WorkService/GetWorkPool", name=served)).work_pool
    assert pool.kind == "process"
    await place.call(place.owner, "DeploymentService/DeleteDeployment", name=NIGHTLY)
    queues = await place.call(place.owner, "WorkService/ListWorkQueues", parent=served)
    assert [queue.name.rpartition("/")[2] for queue in queues.work_queues] == [
        "default",
        "etl-other",
    ]


class Recorded:
    """Records what a removal asks of the waiting runs."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def lock(self, transaction: Transaction, tenant_id: str, name: DeploymentName) -> None:
        self.asked.append(f"lock {name}")

    def cancel(
        self, transaction: Transaction, tenant_id: str, name: DeploymentName, *, actor: str
    ) -> int:
        self.asked.append(f"cancel by {actor}")
        return 1

    def tell(self, tenant_id: str, name: DeploymentName) -> None:
        self.asked.append("tell")


async def test_a_deleted_deployment_leaves_no_row_and_cancels_its_waiting_runs(
    place: Place,
) -> None:
    await deploy(place, schedules=[cron("0 2 * * *", name="daily")])
    service = place.service
    waiting = Recorded()
    deployments = WorkDeployments(service.stores.work, waiting, SystemClock())
    caller = Caller(tenant_id=LOCAL_TENANT_ID, principal="users/owner@example.org")
    await deployments.delete(caller, parse_deployment(NIGHTLY), "")
    assert waiting.asked == [f"lock {NIGHTLY}", "cancel by users/owner@example.org", "tell"]
    for table in ("deployment", "deployment_revision", "schedule", "schedule_slot"):
        assert await rows(place, table) == 0, table
    again = await create_deployment(place)
    assert (again.revision, len(again.schedules)) == (1, 0)


async def test_changes_at_once_come_one_after_the_other(place: Place) -> None:
    await create_deployment(place)
    changes = [
        update_deployment(place, "description", description=str(number)) for number in range(4)
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    done = [item for item in outcomes if not isinstance(item, BaseException)]
    refused = [item.reason for item in outcomes if isinstance(item, ServiceError)]
    assert set(refused) <= {"OVERLOADED"}
    assert len(done) + len(refused) == 4
    assert (await get_deployment(place)).revision == 1 + len(done)
    assert await rows(place, "deployment_revision") == 1 + len(done)


async def test_deployments_and_schedules_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revising, "MOST_DEPLOYMENTS", 2)
    monkeypatch.setattr(revising, "MOST_OF_DEPLOYMENT", 2)
    monkeypatch.setattr(revising, "MOST_SCHEDULES", 3)
    await create_deployment(place, schedules=[cron("@daily", name=name) for name in "ab"])
    await create_deployment(place, "second", schedules=[cron("@daily", name="a")])
    fields: dict[str, Any] = {"parent": FLOW, "deployment": {"entrypoint": "x"}}
    fields["deployment_id"] = "third"
    refusal = await place.refusal(place.owner, "DeploymentService/CreateDeployment", **fields)
    assert refusal.metadata["quota"] == "deployments_per_tenant"
    for deployment, quota in (("nightly", "per_deployment"), ("second", "per_tenant")):
        refusal = await place.refusal(
            place.owner,
            "DeploymentService/CreateSchedule",
            parent=f"{FLOW}/deployments/{deployment}",
            schedule_id="c",
            schedule=cron("@daily"),
        )
        assert (refusal.reason, refusal.metadata["quota"]) == (
            "QUOTA_EXCEEDED",
            f"schedules_{quota}",
        )
    # One that replaces another fits.
    await deploy(place, schedules=[cron("@daily", name=name) for name in "cd"])


async def test_a_deployment_leaves_required_arguments_to_its_runs(small: Place) -> None:
    lacking = {
        "entrypoint": "etl.py:etl",
        "parameter_schema_json": SCHEMA,
        "enforce_parameter_schema": True,
    }
    asked = {"parent": FLOW, "deployment_id": "nightly"}
    by_itself = {**lacking, "schedules": [cron("@daily", name="a")]}
    method = "DeploymentService/CreateDeployment"
    refusal = await small.refusal(small.owner, method, **asked, deployment=by_itself)
    assert refusal.violations[0].field.startswith("schedules[a].parameters")
    await small.call(small.owner, method, **asked, deployment=lacking)
