"""Leases as dispatch writes them, for tests without workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete, insert
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.work.storage.tables import work_lease, worker

if TYPE_CHECKING:
    from sqlalchemy import Column
    from towpath_service.database.port import Database, SqlTransaction

NOW_US = 1_790_000_000_000_000


async def give_lease(
    database: Database,
    tenant_id: str,
    run_id: str,
    principal: str,
    *,
    attempt: int = 1,
    fence: int = 1,
    workspace_id: str = "default",
) -> str:
    """Gives a worker of a principal the lease of a run, in place of an earlier one.

    Returns:
        Id of the lease.
    """
    lease_id, instance_id, worker_id = str(uuid4()), str(uuid4()), f"w-{uuid4().hex[:8]}"
    place: dict[str, Any] = {
        "tenant_id": tenant_id,
        "workspace_id": workspace_id,
        "pool_id": "local",
        "worker_id": worker_id,
        "instance_id": instance_id,
    }
    record = {
        **{column.name: _nothing(column) for column in worker.c},
        **place,
        "queues": "[]",
        "labels": "{}",
        "slots": 1,
        "principal": principal,
    }
    lease = {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "workspace_id": workspace_id,
        "lease_id": lease_id,
        "fence": fence,
        "attempt": attempt,
        "pool_id": "local",
        "queue_id": "default",
        "flow_id": "nightly",
        "deployment_id": "main",
        "worker_id": worker_id,
        "instance_id": instance_id,
        "phase": 2,
        "counts": True,
        "pid": 4711,
        "granted_us": NOW_US,
        "phase_us": NOW_US,
        "expires_us": NOW_US,
    }

    def work(transaction: SqlTransaction) -> None:
        connection, columns = transaction.connection, work_lease.c
        connection.execute(
            delete(work_lease).where(columns.tenant_id == tenant_id, columns.run_id == run_id)
        )
        connection.execute(insert(worker).values(record))
        connection.execute(insert(work_lease).values(lease))

    await database.write(work, tenants=EVERY_TENANT)
    return lease_id


def _nothing(column: Column[Any]) -> Any:
    return None if column.nullable else column.type.python_type()
