"""Pools, queues and workers: how they are made, changed, counted and removed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.core.bus import Topic
from towpath_service.work.application import pools as application

from tests.contract.work.resources import (
    NIGHTLY,
    PARENT,
    POOL,
    create_deployment,
    create_pool,
    create_queue,
    insert_row,
)

if TYPE_CHECKING:
    from tests.in_process.place import Place

ONLINE, DRAINING, OFFLINE = 1, 2, 3
WORKER: Final = f"{POOL}/workers/w-1"


def now_us() -> int:
    return time.time_ns() // 1000


async def update_pool(place: Place, *mask: str, **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "WorkService/UpdateWorkPool",
        work_pool={"name": POOL, **fields},
        update_mask={"paths": mask},
    )
    return answer.work_pool


async def get_pool(place: Place) -> Any:
    return (await place.call(place.owner, "WorkService/GetWorkPool", name=POOL)).work_pool


async def add_worker(place: Place, worker_id: str = "w-1", **changes: Any) -> None:
    """A worker that attached just now."""
    known = {
        "pool_id": "local",
        "worker_id": worker_id,
        "instance_id": str(uuid4()),
        "attached": True,
        "draining": False,
        "slots": 4,
        "queues": '["default"]',
        "labels": '{"zone":"a"}',
        "version": "towpath-python 1.0",
        "host": "w-1.example",
        "principal": "serviceAccounts/workers",
        "created_us": now_us(),
        "seen_us": now_us(),
    }
    await insert_row(place, "worker", **known | changes)


async def add_queued(place: Place, **changes: Any) -> None:
    """A run that waits and is due."""
    known = {
        "run_id": str(uuid4()),
        "pool_id": "local",
        "queue_id": "default",
        "flow_id": "etl",
        "deployment_id": "gone",
        "schedule_id": "",
        "priority": 50,
        "due_us": now_us() - 1_000_000,
    }
    await insert_row(place, "queued", **known | changes)


async def add_lease(place: Place, **changes: Any) -> None:
    known = {
        "run_id": str(uuid4()),
        "lease_id": str(uuid4()),
        "fence": 1,
        "attempt": 1,
        "pool_id": "local",
        "queue_id": "default",
        "flow_id": "etl",
        "deployment_id": "gone",
        "worker_id": "w-1",
        "instance_id": str(uuid4()),
        "phase": 1,
        "counts": True,
        "pid": 0,
        "granted_us": now_us(),
        "phase_us": now_us(),
        "expires_us": now_us(),
    }
    await insert_row(place, "work_lease", **known | changes)


async def test_a_pool_has_its_defaults_and_a_default_queue(place: Place) -> None:
    made = await create_pool(place, description="laptop")
    assert (made.name, made.kind, made.description) == (POOL, "process", "laptop")
    assert (made.lease_duration.seconds, made.start_timeout.seconds) == (30, 120)
    assert made.cancel_grace_period.seconds == 30
    assert (made.paused, made.concurrency_limit, made.queued_count) == (False, 0, 0)
    assert made.create_time == made.update_time
    assert await get_pool(place) == made
    listed = await place.call(place.owner, "WorkService/ListWorkPools", parent=PARENT)
    assert list(listed.work_pools) == [made]
    queues = await place.call(place.owner, "WorkService/ListWorkQueues", parent=POOL)
    assert [(queue.name, queue.rank) for queue in queues.work_queues] == [
        (f"{POOL}/queues/default", 100)
    ]


async def test_a_pool_of_jobs_gives_pods_longer_to_start(place: Place) -> None:
    made = await create_pool(place, "k", kind="kubernetes")
    assert made.start_timeout.seconds == 600


async def test_a_pool_of_a_taken_id_is_refused(place: Place) -> None:
    await create_pool(place)
    refusal = await place.refusal(
        place.owner,
        "WorkService/CreateWorkPool",
        parent=PARENT,
        work_pool_id="local",
        work_pool={"kind": "process"},
    )
    assert refusal.reason == "RESOURCE_EXISTS"


async def test_a_mask_changes_what_it_names_and_each_change_has_an_etag(place: Place) -> None:
    first = await create_pool(place, description="old", concurrency_limit=3)
    second = await update_pool(place, "paused", paused=True, description="ignored")
    assert (second.paused, second.description, second.concurrency_limit) == (True, "old", 3)
    same = await update_pool(place, "paused", paused=True)
    assert (same.etag, same.update_time) == (second.etag, second.update_time)
    # Without a mask all is replaced, but the kind.
    third = await update_pool(place, description="new", etag=second.etag)
    assert (third.paused, third.description, third.concurrency_limit) == (False, "new", 0)
    assert third.kind == "process"
    assert len({pool.etag for pool in (first, second, third)}) == 3
    for method, fields in {
        "UpdateWorkPool": {"work_pool": {"name": POOL, "etag": first.etag}},
        "DeleteWorkPool": {"name": POOL, "etag": first.etag},
    }.items():
        refusal = await place.refusal(place.owner, f"WorkService/{method}", **fields)
        assert refusal.reason == "ETAG_MISMATCH", method


@pytest.mark.parametrize(
    ("fields", "mask", "field"),
    [
        ({"kind": "kubernetes"}, ["kind"], "work_pool.kind"),
        ({"job_template_json": "[1]"}, ["job_template_json"], "work_pool.job_template_json"),
        ({"job_template_json": "{"}, ["job_template_json"], "work_pool.job_template_json"),
        ({"job_template_json": '{"a": NaN}'}, [], "work_pool.job_template_json"),
        ({"job_template_json": "[" * 90 + "]" * 90}, [], "work_pool.job_template_json"),
        ({"lease_duration": {"seconds": 1}}, [], "work_pool.lease_duration"),
        ({}, ["queued_count"], "update_mask"),
    ],
)
async def test_a_bad_change_of_a_pool_is_refused_with_its_field(
    small: Place, fields: dict[str, Any], mask: list[str], field: str
) -> None:
    await create_pool(small)
    refusal = await small.refusal(
        small.owner,
        "WorkService/UpdateWorkPool",
        work_pool={"name": POOL, **fields},
        update_mask={"paths": mask},
    )
    assert (refusal.reason, refusal.violations[0].field) == ("INVALID_REQUEST", field)


@pytest.mark.parametrize("pool_id", ["served", "local"])
async def test_no_pool_is_made_without_a_kind_or_of_a_reserved_id(
    small: Place, pool_id: str
) -> None:
    refusal = await small.refusal(
        small.owner,
        "WorkService/CreateWorkPool",
        parent=PARENT,
        work_pool_id=pool_id,
        work_pool={"kind": "process" if pool_id == "served" else ""},
    )
    assert refusal.reason == "INVALID_REQUEST"


async def test_a_missing_pool_is_told_with_the_command_that_makes_it(small: Place) -> None:
    refusal = await small.refusal(small.owner, "WorkService/GetWorkPool", name=POOL)
    assert refusal.reason == "RESOURCE_NOT_FOUND"
    assert "towpath pool create local" in refusal.message


async def test_runs_and_workers_of_a_pool_are_counted(place: Place) -> None:
    await create_pool(place)
    await create_pool(place, "other")
    await create_queue(place, "urgent", rank=1)
    await add_queued(place)
    await add_queued(place, queue_id="urgent")
    await add_queued(place, due_us=now_us() + 3_600_000_000)
    await add_queued(place, pool_id="other")
    await add_lease(place)
    await add_lease(place, counts=False)
    await add_worker(place)
    await add_worker(place, "w-2", draining=True)
    await add_worker(place, "w-3", attached=False)
    await add_worker(place, "w-4", seen_us=now_us() - 120_000_000)
    found = await get_pool(place)
    assert (found.queued_count, found.leased_count, found.online_worker_count) == (2, 1, 1)
    queues = await place.call(place.owner, "WorkService/ListWorkQueues", parent=POOL)
    counted = {queue.name.rpartition("/")[2]: queue.queued_count for queue in queues.work_queues}
    assert counted == {"default": 1, "urgent": 1}
    listed = await place.call(place.owner, "WorkService/ListWorkPools", parent=PARENT)
    assert [pool.queued_count for pool in listed.work_pools] == [2, 1]


USERS = {
    "a deployment": "deployments",
    "a run that waits": "runs that wait",
    "a leased run": "leased runs",
}


@pytest.mark.parametrize("user", USERS)
async def test_a_pool_in_use_is_not_deleted(place: Place, user: str) -> None:
    await create_pool(place)
    await create_queue(place, "urgent")
    if user == "a deployment":
        await create_deployment(place, work_pool=POOL, work_queue="urgent")
    elif user == "a leased run":
        await add_lease(place, queue_id="urgent")
    else:
        await add_queued(place, queue_id="urgent")
    for method, name in {"WorkPool": POOL, "WorkQueue": f"{POOL}/queues/urgent"}.items():
        refusal = await place.refusal(place.owner, f"WorkService/Delete{method}", name=name)
        assert (refusal.reason, refusal.metadata["used_by"]) == ("RESOURCE_IN_USE", USERS[user])


async def test_a_deleted_pool_takes_its_queues_and_workers_along(place: Place) -> None:
    made = await create_pool(place)
    await create_queue(place, "urgent")
    await add_worker(place)
    await place.call(place.owner, "WorkService/DeleteWorkPool", name=POOL, etag=made.etag)
    for method, name in {
        "GetWorkPool": POOL,
        "GetWorkQueue": f"{POOL}/queues/urgent",
        "GetWorker": WORKER,
        "DeleteWorkPool": POOL,
    }.items():
        refusal = await place.refusal(place.owner, f"WorkService/{method}", name=name)
        assert refusal.reason == "RESOURCE_NOT_FOUND", method
    again = await create_pool(place)
    assert again.etag != made.etag
    queues = await place.call(place.owner, "WorkService/ListWorkQueues", parent=POOL)
    assert len(queues.work_queues) == 1
    workers = await place.call(place.owner, "WorkService/ListWorkers", parent=POOL)
    assert len(workers.workers) == 0


async def test_a_queue_is_changed_and_deleted_but_for_the_default_one(place: Place) -> None:
    await create_pool(place)
    made = await create_queue(place, "urgent", rank=7, concurrency_limit=2)
    assert (made.rank, made.concurrency_limit) == (7, 2)
    answer = await place.call(
        place.owner,
        "WorkService/UpdateWorkQueue",
        work_queue={"name": made.name, "paused": True, "etag": made.etag},
        update_mask={"paths": ["paused"]},
    )
    assert (answer.work_queue.paused, answer.work_queue.rank) == (True, 7)
    refusal = await place.refusal(
        place.owner, "WorkService/DeleteWorkQueue", name=made.name, etag=made.etag
    )
    assert refusal.reason == "ETAG_MISMATCH"
    await place.call(place.owner, "WorkService/DeleteWorkQueue", name=made.name)
    refusal = await place.refusal(place.owner, "WorkService/GetWorkQueue", name=made.name)
    assert refusal.reason == "RESOURCE_NOT_FOUND"
    refusal = await place.refusal(
        place.owner, "WorkService/DeleteWorkQueue", name=f"{POOL}/queues/default"
    )
    assert refusal.reason == "RESOURCE_IN_USE"


async def test_a_changed_pool_or_queue_wakes_the_workers_of_the_pool(place: Place) -> None:
    await create_pool(place)
    topic = Topic("pool", LOCAL_TENANT_ID, "default", "local")
    queue = {"name": f"{POOL}/queues/default", "paused": True}
    changes: list[tuple[str, dict[str, Any]]] = [
        ("UpdateWorkPool", {"work_pool": {"name": POOL, "concurrency_limit": 9}}),
        ("UpdateWorkQueue", {"work_queue": queue}),
    ]
    for method, fields in changes:
        woken = asyncio.Event()
        with place.service.bus.waking(woken, topic):
            await place.call(place.owner, f"WorkService/{method}", **fields)
            await asyncio.wait_for(woken.wait(), 20)


async def test_a_worker_is_shown_drained_and_removed(place: Place) -> None:
    await create_pool(place)
    await add_worker(place)
    await add_lease(place, counts=False)
    found = (await place.call(place.owner, "WorkService/GetWorker", name=WORKER)).worker
    assert (found.state, found.slots, found.leased_count) == (ONLINE, 4, 1)
    assert (list(found.queues), dict(found.labels)) == (["default"], {"zone": "a"})
    drained = (await place.call(place.owner, "WorkService/DrainWorker", name=WORKER)).worker
    assert drained.state == DRAINING
    # What drains isn't shown as paused, and is so after all.
    paused = (await place.call(place.owner, "WorkService/PauseWorker", name=WORKER)).worker
    assert (paused.state, paused.paused) == (DRAINING, True)
    resumed = (await place.call(place.owner, "WorkService/ResumeWorker", name=WORKER)).worker
    assert (resumed.state, resumed.paused) == (DRAINING, False)
    refusal = await place.refusal(place.owner, "WorkService/DeleteWorker", name=WORKER)
    assert refusal.reason == "RESOURCE_IN_USE"
    await add_worker(place, "w-0", seen_us=now_us() - 120_000_000)
    await add_worker(place, "w-2", attached=False)
    await add_lease(place, worker_id="w-2")
    listed = await place.call(place.owner, "WorkService/ListWorkers", parent=POOL)
    assert [(worker.name[-3:], worker.state) for worker in listed.workers] == [
        ("w-0", OFFLINE),
        ("w-1", DRAINING),
        ("w-2", OFFLINE),
    ]
    refusal = await place.refusal(
        place.owner, "WorkService/DeleteWorker", name=f"{POOL}/workers/w-2"
    )
    assert refusal.reason == "RESOURCE_IN_USE"
    await place.call(place.owner, "WorkService/DeleteWorker", name=f"{POOL}/workers/w-0")
    page = await place.call(place.owner, "WorkService/ListWorkers", parent=POOL, page_size=1)
    assert [worker.name for worker in page.workers] == [WORKER]
    page = await place.call(
        place.owner, "WorkService/ListWorkers", parent=POOL, page_token=page.next_page_token
    )
    assert [worker.name for worker in page.workers] == [f"{POOL}/workers/w-2"]


async def test_pools_and_queues_are_bounded(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "MOST_POOLS", 2)
    monkeypatch.setattr(application, "MOST_QUEUES", 2)
    for pool_id in ("local", "other"):
        await create_pool(small, pool_id)
    await create_queue(small, "urgent")
    more: dict[str, dict[str, Any]] = {
        "CreateWorkPool": {"work_pool_id": "third", "work_pool": {"kind": "process"}},
        "CreateWorkQueue": {"parent": POOL, "work_queue_id": "third", "work_queue": {}},
    }
    for method, fields in more.items():
        known = {"parent": PARENT, **fields}
        refusal = await small.refusal(small.owner, f"WorkService/{method}", **known)
        assert refusal.reason == "QUOTA_EXCEEDED", method
    # Deleting makes room.
    await small.call(small.owner, "WorkService/DeleteWorkPool", name=f"{PARENT}/workPools/other")
    await create_pool(small, "third")


async def test_a_workspace_with_a_pool_is_not_deleted(small: Place) -> None:
    await small.call(small.owner, "AccessService/CreateWorkspace", workspace_id="team-a")
    await small.call(
        small.owner,
        "WorkService/CreateWorkPool",
        parent="workspaces/team-a",
        work_pool_id="local",
        work_pool={"kind": "process"},
    )
    refusal = await small.refusal(
        small.owner, "AccessService/DeleteWorkspace", name="workspaces/team-a"
    )
    assert refusal.reason == "RESOURCE_IN_USE"
    await small.call(
        small.owner, "WorkService/DeleteWorkPool", name="workspaces/team-a/workPools/local"
    )
    await small.call(small.owner, "AccessService/DeleteWorkspace", name="workspaces/team-a")


async def test_the_pool_of_a_deployment_must_be_there(small: Place) -> None:
    for fields in ({"work_pool": POOL}, {"work_pool": POOL, "work_queue": "urgent"}):
        refusal = await small.refusal(
            small.owner,
            "DeploymentService/UpdateDeployment",
            deployment={"name": NIGHTLY, "entrypoint": "etl.py:etl", **fields},
            allow_missing=True,
        )
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        if "work_queue" not in fields:
            assert "towpath pool create local" in refusal.message
            await create_pool(small)
