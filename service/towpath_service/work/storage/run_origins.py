"""Reads what runs were created from; given to the reads of runs, which know no deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from towpath_service.runs.ports.origins import RunOrigin
from towpath_service.runs.storage.rows import chunks
from towpath_service.work.domain.names import DeploymentName, QueueName, ScheduleName, WorkerName
from towpath_service.work.storage.tables import run_origin, work_lease

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from towpath_service.core.names import Scope
    from towpath_service.database.port import Database, SqlTransaction


class SqlRunOrigins:
    """Reads the origins of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, scope: Scope, run_ids: Collection[str], /) -> Mapping[str, RunOrigin]:
        """Origins by run id; a run without a deployment is left out."""

        def work(transaction: SqlTransaction) -> dict[str, RunOrigin]:
            return _read(transaction, scope, run_ids)

        return await self._database.read(work, tenants={scope.tenant_id})


def _read(
    transaction: SqlTransaction, scope: Scope, run_ids: Collection[str]
) -> dict[str, RunOrigin]:
    origin, lease = run_origin.c, work_lease.c
    of_run = and_(lease.tenant_id == origin.tenant_id, lease.run_id == origin.run_id)
    asked = (
        select(run_origin, lease.worker_id, lease.pool_id.label("worker_pool_id"))
        .join(work_lease, of_run, isouter=True)
        .where(origin.tenant_id == scope.tenant_id, origin.workspace_id == scope.workspace_id)
    )
    found: dict[str, RunOrigin] = {}
    for chunk in chunks(run_ids):
        rows = transaction.connection.execute(asked.where(origin.run_id.in_(chunk)))
        found |= {row.run_id: _to_origin(row) for row in rows}
    return found


def _to_origin(row: Any) -> RunOrigin:
    deployment = DeploymentName(row.workspace_id, row.flow_id, row.deployment_id)
    worker = row.worker_id and WorkerName(row.workspace_id, row.worker_pool_id, row.worker_id)
    return RunOrigin(
        deployment=str(deployment),
        deployment_revision=row.deployment_revision,
        schedule=str(ScheduleName(*deployment, row.schedule_id)) if row.schedule_id else "",
        slot_us=row.slot_us,
        creator=row.creator,
        trigger=row.trigger,
        queue=str(QueueName(row.workspace_id, row.pool_id, row.queue_id)),
        priority=row.priority,
        worker=str(worker) if worker else "",
    )
