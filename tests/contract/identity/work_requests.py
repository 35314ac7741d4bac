"""Requests about resources of work, for the tests that call every rpc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

if TYPE_CHECKING:
    from tests.in_process.place import Place

RULE: dict[str, Any] = {"cron": {"expression": "0 2 * * *"}}
REQUEST_ID: Final = "00000000-0000-4000-8000-0000000000bf"


def work_request(method: str, workspace: str, id_: str) -> dict[str, Any]:
    """A request that is well formed, and names resources that all have one id.

    Args:
        method: The rpc; of other services there is none.
        workspace: Id of the workspace.
        id_: Id of the pool, the queue, the flow and all others.
    """
    parent = f"workspaces/{workspace}"
    pool = f"{parent}/workPools/{id_}"
    flow = f"{parent}/flows/{id_}"
    deployment = f"{flow}/deployments/{id_}"
    schedule = f"{deployment}/schedules/{id_}"
    content = {"entrypoint": "etl.py:etl", "work_pool": pool}
    hello = {"parent": pool, "worker_id": id_, "instance_id": str(uuid4()), "slots": 1}
    known: dict[str, dict[str, Any]] = {
        "WorkService/CreateWorkPool": {
            "parent": parent,
            "work_pool_id": "same",
            "work_pool": {"kind": "process"},
        },
        "RunService/CreateRun": {"parent": parent, "deployment": deployment},
        "WorkService/UpdateWorkPool": {"work_pool": {"name": pool}},
        "WorkService/CreateWorkQueue": {
            "parent": pool,
            "work_queue_id": "same",
            "work_queue": {},
        },
        "WorkService/UpdateWorkQueue": {"work_queue": {"name": f"{pool}/queues/{id_}"}},
        "WorkService/ListWorkQueues": {"parent": pool},
        "WorkService/ListWorkers": {"parent": pool},
        "WorkService/AttachWorker": {"hello": {**hello, "kind": "process"}},
        "DeploymentService/CreateDeployment": {
            "parent": flow,
            "deployment_id": "same",
            "deployment": content,
        },
        "DeploymentService/UpdateDeployment": {"deployment": {"name": deployment, **content}},
        "DeploymentService/CreateSchedule": {
            "parent": deployment,
            "schedule_id": "same",
            "schedule": RULE,
        },
        "DeploymentService/UpdateSchedule": {"schedule": {"name": schedule, **RULE}},
        "DeploymentService/ListDeployments": {"parent": flow},
        "DeploymentService/ListSchedules": {"parent": deployment},
        "DeploymentService/ListScheduleSlots": {"parent": schedule},
        "LimitService/SetLimit": {"parent": parent, "limit_id": "same", "limit": {"slots": 1}},
        "LimitService/AcquireSlots": _slots(parent, id_),
        "LimitService/ReserveSlots": _slots(parent, id_),
        "LimitService/RenewSlots": {"parent": parent, "acquisition_ids": [REQUEST_ID]},
        "LimitService/ReleaseSlots": {"parent": parent, "acquisition_ids": [REQUEST_ID]},
        "LimitService/ListHolders": {"parent": f"{parent}/limits/{id_}"},
        "LimitService/EndHolder": {"name": f"{parent}/limits/{id_}/holders/{REQUEST_ID}"},
        "BackfillService/CreateBackfill": {
            "parent": parent,
            "backfill": {
                "deployment": deployment,
                "start_time": {"seconds": 1_700_000_000},
                "end_time": {"seconds": 1_700_100_000},
            },
            "request_id": REQUEST_ID,
        },
        "BackfillService/ListBackfills": {"parent": parent},
        "BackfillService/GetBackfill": {"name": f"{parent}/backfills/{REQUEST_ID}"},
        "BackfillService/CancelBackfill": {"name": f"{parent}/backfills/{REQUEST_ID}"},
        "DeploymentService/PreviewSchedule": {
            "parent": parent,
            "schedule": RULE,
            "after_time": {"seconds": 1_800_000_000},
        },
    }
    named = {
        "WorkService": {
            "WorkPool": pool,
            "WorkQueue": f"{pool}/queues/{id_}",
            "Worker": f"{pool}/workers/{id_}",
        },
        "DeploymentService": {"Deployment": deployment, "Schedule": schedule},
        "LimitService": {"Limit": f"{parent}/limits/{id_}"},
    }
    for service, resources in named.items():
        for resource, name in resources.items():
            for verb in ("Get", "Delete", "Drain"):
                known[f"{service}/{verb}{resource}"] = {"name": name}
    return known.get(method, {})


def _slots(parent: str, id_: str) -> dict[str, Any]:
    """A request for a slot of one limit."""
    return {"parent": parent, "acquisition_id": REQUEST_ID, "slots": [{"limit_id": id_}]}


async def make_work(place: Place, id_: str) -> None:
    """Makes a pool with a queue, and a deployment with a schedule, that all have one id."""
    pool = f"workspaces/default/workPools/{id_}"
    for method, fields in {
        "WorkService/CreateWorkPool": {"work_pool_id": id_},
        "WorkService/CreateWorkQueue": {"work_queue_id": id_},
        "DeploymentService/CreateDeployment": {"deployment_id": id_},
        "DeploymentService/CreateSchedule": {"schedule_id": id_},
    }.items():
        request = work_request(method, "default", id_)
        await place.call(place.owner, method, **request | fields)
    found = await place.call(place.owner, "WorkService/GetWorkPool", name=pool)
    assert found.work_pool.name == pool


async def work_is_there(place: Place, id_: str) -> bool:
    """Whether the resources of `make_work` are as they were made."""
    pool = await place.call(
        place.owner,
        "WorkService/GetWorkPool",
        **work_request("WorkService/GetWorkPool", "default", id_),
    )
    deployment = await place.call(
        place.owner,
        "DeploymentService/GetDeployment",
        **work_request("DeploymentService/GetDeployment", "default", id_),
    )
    return (
        not pool.work_pool.paused
        and deployment.deployment.revision == 1
        and [item.name.rpartition("/")[2] for item in deployment.deployment.schedules] == [id_]
    )
