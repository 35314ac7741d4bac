"""Calls about pools, deployments and schedules; used by the suites of work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert
from towpath_auth import LOCAL_TENANT_ID
from towpath_service.database.tables import metadata

if TYPE_CHECKING:
    from towpath_service.database.port import SqlTransaction

    from tests.in_process.place import Place

PARENT: Final = "workspaces/default"
FLOW: Final = f"{PARENT}/flows/etl"
POOL: Final = f"{PARENT}/workPools/local"
NIGHTLY: Final = f"{FLOW}/deployments/nightly"
SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {"day": {"type": "string"}, "size": {"type": "integer"}},
        "required": ["day"],
        "additionalProperties": False,
    }
)
"""A JSON Schema of arguments."""


async def create_pool(place: Place, pool_id: str = "local", **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "WorkService/CreateWorkPool",
        parent=PARENT,
        work_pool_id=pool_id,
        work_pool={"kind": "process", **fields},
    )
    return answer.work_pool


async def create_queue(place: Place, queue_id: str, pool: str = POOL, **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "WorkService/CreateWorkQueue",
        parent=pool,
        work_queue_id=queue_id,
        work_queue=fields,
    )
    return answer.work_queue


async def create_deployment(place: Place, deployment_id: str = "nightly", **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "DeploymentService/CreateDeployment",
        parent=FLOW,
        deployment_id=deployment_id,
        deployment={"entrypoint": "etl.py:etl", **fields},
    )
    return answer.deployment


async def deploy(place: Place, *, token: str = "", **fields: Any) -> Any:
    """Deploys with all schedules, as the SDK does."""
    answer = await place.call(
        token or place.owner,
        "DeploymentService/UpdateDeployment",
        deployment={"name": NIGHTLY, "entrypoint": "etl.py:etl", **fields},
        allow_missing=True,
        replace_schedules=True,
    )
    return answer.deployment


async def update_deployment(place: Place, *mask: str, **fields: Any) -> Any:
    answer = await place.call(
        place.owner,
        "DeploymentService/UpdateDeployment",
        deployment={"name": NIGHTLY, **fields},
        update_mask={"paths": mask},
    )
    return answer.deployment


async def get_deployment(place: Place, name: str = NIGHTLY) -> Any:
    answer = await place.call(place.owner, "DeploymentService/GetDeployment", name=name)
    return answer.deployment


def arguments(text: str) -> dict[str, Any]:
    """Arguments as the contract has them."""
    return {"data": text.encode(), "content_type": "application/json"}


def cron(expression: str, **more: Any) -> dict[str, Any]:
    """A schedule with a cron rule."""
    return {"cron": {"expression": expression, **more.pop("rule", {})}, **more}


async def insert_row(place: Place, table_name: str, **values: Any) -> None:
    """Writes a row of the first tenant, as another part of the service would."""
    table = metadata.tables[table_name]
    row = {"tenant_id": LOCAL_TENANT_ID, "workspace_id": "default", **values}

    def work(transaction: SqlTransaction) -> None:
        transaction.connection.execute(insert(table).values(**row))

    await place.service.stores.database.write(work)
