"""The queue of runs, on SQL; the rows of new runs beside those that `runs` keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, delete, func, select, update

from towpath_service.core.bus import Topic
from towpath_service.core.tenancy import check_tenants
from towpath_service.database.sql.bulk import insert_rows, upsert_rows
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.storage.rows import chunks
from towpath_service.runs.storage.tables import run_count
from towpath_service.work.ports.enqueueing import QueueEntry, RequestKey
from towpath_service.work.storage.tables import queued, run_key, run_origin

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from towpath_service.database.port import SqlTransaction
    from towpath_service.work.domain.names import DeploymentName
    from towpath_service.work.domain.requests import RunRequest
    from towpath_service.work.ports.enqueueing import RenewedOrigin

_KEY_COLUMNS: Final = tuple(run_key.c.keys())
_QUEUED_COLUMNS: Final = tuple(queued.c.keys())
_SCHEDULED: Final = select(func.coalesce(func.sum(run_count.c.runs), 0)).where(
    run_count.c.tenant_id == bindparam("tenant"),
    run_count.c.kind == int(RunKind.FLOW),
    run_count.c.state == int(RunState.SCHEDULED),
)
_COUNTED: Final = select(func.count()).select_from(
    select(queued.c.run_id)
    .where(queued.c.tenant_id == bindparam("tenant"))
    .limit(bindparam("most"))
    .subquery()
)


class SqlEnqueueing:
    """One transaction on the queue of runs."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenants = transaction.tenants

    def claim_keys(self, keys: Mapping[RequestKey, str], now_us: int) -> dict[RequestKey, str]:
        """Gives keys to runs, and returns the run that each key belongs to."""
        check_tenants(self._tenants, (key.scope.tenant_id for key in keys))
        upsert_rows(self._connection, run_key, _KEY_COLUMNS, _key_rows(keys, now_us))
        owners: dict[RequestKey, str] = {}
        for scope, flow_id, deployment_id in sorted({key[:3] for key in keys}):
            columns = run_key.c
            where = and_(
                columns.tenant_id == scope.tenant_id,
                columns.workspace_id == scope.workspace_id,
                columns.flow_id == flow_id,
                columns.deployment_id == deployment_id,
            )
            asked = [key.key for key in keys if key[:3] == (scope, flow_id, deployment_id)]
            for chunk in chunks(asked):
                # A key may pass from a deleted run to another: it is read under its lock.
                found = self._connection.execute(
                    select(columns.key, columns.run_id)
                    .where(where, columns.key.in_(sorted(chunk)))
                    .order_by(columns.key)
                    .with_for_update()
                )
                owners |= {
                    RequestKey(scope, flow_id, deployment_id, key): run_id for key, run_id in found
                }
        return owners

    def pass_keys(self, keys: Mapping[RequestKey, str], now_us: int) -> None:
        """Gives claimed keys to other runs."""
        check_tenants(self._tenants, (key.scope.tenant_id for key in keys))
        rows = _key_rows(keys, now_us)
        changing = ("run_id", "created_us")
        upsert_rows(self._connection, run_key, _KEY_COLUMNS, rows, replacing=changing)

    def deployments_of(self, tenant_id: str, run_ids: Collection[str]) -> dict[str, str]:
        """The deployments of runs as "workspace/flow/deployment", by run id."""
        check_tenants(self._tenants, (tenant_id,))
        columns = run_origin.c
        found: dict[str, str] = {}
        for chunk in chunks(run_ids):
            rows = self._connection.execute(
                select(
                    columns.run_id, columns.workspace_id, columns.flow_id, columns.deployment_id
                ).where(columns.tenant_id == tenant_id, columns.run_id.in_(chunk))
            )
            found |= {run_id: "/".join(place) for run_id, *place in rows}
        return found

    def room(self, tenant_id: str, most: int, wanted: int) -> int:
        """How many of some new runs a tenant may queue.

        A queued run is SCHEDULED, and those are counted already; the queue itself, which may be
        long, is counted only where they are too many.
        """
        check_tenants(self._tenants, (tenant_id,))
        named = {"tenant": tenant_id, "most": most}
        scheduled = int(self._connection.execute(_SCHEDULED, named).scalar_one())
        if scheduled + wanted <= most:
            return wanted
        return min(wanted, most - int(self._connection.execute(_COUNTED, named).scalar_one()))

    def add_origins(self, requests: Sequence[RunRequest]) -> None:
        """Records what new runs were created from."""
        check_tenants(self._tenants, (request.scope.tenant_id for request in requests))
        insert_rows(self._connection, run_origin, [_origin_row(item) for item in requests])

    def renew_origin(self, renewed: RenewedOrigin) -> None:
        """Has the next attempt of a run made from what its deployment is now."""
        check_tenants(self._tenants, (renewed.run.tenant_id,))
        columns = run_origin.c
        self._connection.execute(
            update(run_origin)
            .where(columns.tenant_id == renewed.run.tenant_id, columns.run_id == renewed.run.run_id)
            .values(
                deployment_revision=renewed.deployment_revision,
                pool_id=renewed.pool_id,
                queue_id=case(
                    (columns.pool_id == renewed.pool_id, columns.queue_id),
                    else_=renewed.queue_id,
                ),
                replay=_replay_text(renewed),
                returns=0,
            )
        )

    def add_entries(self, entries: Sequence[QueueEntry]) -> None:
        """Queues runs and wakes their pools; a run that is queued already stays as it is."""
        check_tenants(self._tenants, (entry.scope.tenant_id for entry in entries))
        upsert_rows(self._connection, queued, _QUEUED_COLUMNS, [_entry_row(e) for e in entries])
        self._transaction.topics.update(
            Topic("pool", *entry.scope, entry.pool_id) for entry in entries
        )

    def lock_entries(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Locks queue entries until the transaction ends, before their runs are read."""
        check_tenants(self._tenants, (tenant_id,))
        if self._connection.dialect.name == "sqlite":
            return  # Writing transactions on SQLite are serialised.
        for chunk in chunks(sorted(run_ids)):
            self._connection.execute(
                select(queued.c.run_id)
                .where(queued.c.tenant_id == tenant_id, queued.c.run_id.in_(chunk))
                .order_by(queued.c.run_id)
                .with_for_update()
            ).all()

    def lock_of_deployment(self, tenant_id: str, name: DeploymentName) -> list[str]:
        """Locks the queue entries of a deployment, and returns the ids of their runs."""
        check_tenants(self._tenants, (tenant_id,))
        columns = queued.c
        asked = (
            select(columns.run_id)
            .where(
                columns.tenant_id == tenant_id,
                columns.workspace_id == name.workspace_id,
                columns.flow_id == name.flow_id,
                columns.deployment_id == name.deployment_id,
            )
            .order_by(columns.run_id)
            .with_for_update()
        )
        return list(self._connection.execute(asked).scalars())

    def remove_entries(self, tenant_id: str, run_ids: Collection[str]) -> None:
        """Takes runs out of the queue; those that aren't queued are left out."""
        check_tenants(self._tenants, (tenant_id,))
        for chunk in chunks(run_ids):
            self._connection.execute(
                delete(queued).where(queued.c.tenant_id == tenant_id, queued.c.run_id.in_(chunk))
            )


def _key_rows(keys: Mapping[RequestKey, str], now_us: int) -> list[tuple[Any, ...]]:
    """All columns of keys, in their order."""
    return [
        (*key.scope, key.flow_id, key.deployment_id, key.key, run_id, now_us)
        for key, run_id in sorted(keys.items())
    ]


def _origin_row(request: RunRequest) -> tuple[Any, ...]:
    """All columns of an origin, in their order."""
    return (
        request.scope.tenant_id,
        request.run_id,
        request.scope.workspace_id,
        request.flow_id,
        request.deployment_id,
        request.deployment_revision,
        request.schedule_id,
        request.slot_us,
        request.backfill_id,
        int(request.trigger),
        request.pool_id,
        request.queue_id,
        request.priority,
        request.start_deadline_us,
        request.job_overrides,
        request.actor,
        0,
        0,
        None,
    )


def _replay_text(renewed: RenewedOrigin) -> str | None:
    if not renewed.from_tasks:
        return None
    return json.dumps({"tasks": renewed.from_tasks, "attempt": renewed.attempt})


def _entry_row(entry: QueueEntry) -> tuple[Any, ...]:
    """All columns of a queue entry, in their order."""
    return (
        entry.scope.tenant_id,
        entry.run_id,
        entry.scope.workspace_id,
        entry.pool_id,
        entry.queue_id,
        entry.flow_id,
        entry.deployment_id,
        entry.schedule_id,
        entry.priority,
        entry.due_us,
        entry.deadline_us,
        entry.parked_by,
    )
