"""Workers as dispatch sees them, on SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, func, insert, select, update

from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import upsert_rows
from towpath_service.database.sql.keys import among, portions
from towpath_service.work.domain.dispatching import PoolKey, WorkerKey
from towpath_service.work.domain.leases import LeaseTimes
from towpath_service.work.ports.dispatching import DirectiveRow, PoolTerms, WorkerRow
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_service.database.port import SqlTransaction

_worker: Final[Any] = tables.worker.c
_pool: Final[Any] = tables.work_pool.c
_lease: Final[Any] = tables.work_lease.c
_directive: Final[Any] = tables.run_directive.c
_alive: Final[Any] = tables.service_alive.c

_COLUMNS: Final = tuple(_worker.keys())
_KEY: Final = (_worker.tenant_id, _worker.workspace_id, _worker.pool_id, _worker.worker_id)
_CHANGED: Final = tuple(
    name for name in _COLUMNS if name not in {column.name for column in _KEY} | {"created_us"}
)
_ONE: Final = and_(*(column == bindparam(f"its_{column.name}") for column in _KEY))
_READ: Final = select(tables.worker).where(among(*_KEY)).order_by(*_KEY)
_CONFIRM: Final = _READ.with_for_update(read=True)
_LOCK: Final = _READ.with_for_update()
_TOUCH: Final = update(tables.worker).where(among(*_KEY)).values(seen_us=bindparam("now"))
_DETACH: Final = (
    update(tables.worker)
    .where(_ONE, _worker.attachment == bindparam("was"))
    .values(attached=False, seen_us=bindparam("now"))
)
_DRAIN: Final = update(tables.worker).where(_ONE).values(draining=True)
_POOL: Final = select(tables.work_pool).where(
    _pool.tenant_id == bindparam("tenant"),
    _pool.workspace_id == bindparam("workspace"),
    _pool.pool_id == bindparam("pool"),
)
_ATTACHED: Final = (
    select(func.count())
    .where(_worker.tenant_id == bindparam("tenant"), _worker.seen_us >= bindparam("since"))
    .where(_worker.attached, ~_ONE)
)
_CANCEL, _ABANDON = 1, 4
_DIRECTIVES: Final = (
    select(
        _lease.lease_id,
        *(_lease[column.name] for column in _KEY),
        *(_directive.kind, _directive.revision, _directive.message, _directive.grace_us),
    )
    .join(
        tables.run_directive,
        and_(_directive.tenant_id == _lease.tenant_id, _directive.run_id == _lease.run_id),
    )
    .where(among(*(_lease[column.name] for column in _KEY)))
    .where(_directive.kind.in_((_CANCEL, _ABANDON)))
)
_ALIVE: Final = select(_alive.seen_us).with_for_update()


class SqlWorkerRows:
    """Workers, and the pools that they attach to, within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection: Any = transaction.connection
        self._tenants = transaction.tenants

    def confirm(
        self, keys: Collection[WorkerKey], *, alone: bool = False
    ) -> dict[WorkerKey, WorkerRow]:
        """Reads workers and keeps them from attaching anew until the transaction ends."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        rows = [
            to_worker(row)
            for portion in portions(keys)
            for row in self._connection.execute(_LOCK if alone else _CONFIRM, portion)
        ]
        return {row.key: row for row in rows}

    def save(self, row: WorkerRow) -> None:
        """Writes a worker, new or not."""
        check_tenants(self._tenants, (row.key.tenant_id,))
        values = (
            *row.key,
            row.instance_id,
            row.attachment,
            row.started_us,
            row.attached,
            row.draining,
            row.slots,
            json.dumps(row.queues),
            json.dumps(dict(row.labels)),
            row.version,
            row.host,
            row.principal,
            row.created_us,
            row.seen_us,
            row.clock_offset_us,
            row.paused,
        )
        upsert_rows(self._connection, tables.worker, _COLUMNS, [values], replacing=_CHANGED)

    def touch(self, keys: Collection[WorkerKey], now_us: int) -> None:
        """Records that locked workers were heard from."""
        check_tenants(self._tenants, (key.tenant_id for key in keys))
        for portion in portions(keys):
            self._connection.execute(_TOUCH, portion | {"now": now_us})

    def detach(self, key: WorkerKey, attachment: str, now_us: int) -> None:
        """Records that a worker's stream has ended, unless it has a newer one."""
        self._connection.execute(_DETACH, self._its(key) | {"was": attachment, "now": now_us})

    def drain(self, key: WorkerKey) -> None:
        """Records that a worker takes no more runs."""
        self._connection.execute(_DRAIN, self._its(key))

    def pool(self, key: PoolKey) -> PoolTerms | None:
        """A pool; None when there is none."""
        check_tenants(self._tenants, (key.tenant_id,))
        named = dict(zip(("tenant", "workspace", "pool"), key, strict=True))
        row = self._connection.execute(_POOL, named).first()
        if row is None:
            return None
        return PoolTerms(
            kind=row.kind,
            paused=row.paused,
            description=row.description,
            job_template=row.job_template,
            concurrency_limit=row.concurrency_limit,
            times=LeaseTimes(lease_us=row.lease_us, start_timeout_us=row.start_timeout_us),
            grace_us=row.grace_us,
        )

    def attached_count(self, tenant_id: str, seen_since_us: int, *, beside: WorkerKey) -> int:
        """The number of a tenant's attached workers that were seen since a time."""
        check_tenants(self._tenants, (tenant_id,))
        named = self._its(beside) | {"tenant": tenant_id, "since": seen_since_us}
        return int(self._connection.execute(_ATTACHED, named).scalar_one())

    def directives(self, workers: Collection[WorkerKey]) -> list[DirectiveRow]:
        """The directives about the leases of workers that are for the worker."""
        check_tenants(self._tenants, (key.tenant_id for key in workers))
        return [
            DirectiveRow(
                lease_id=lease_id,
                worker=WorkerKey(*key),
                kind=kind,
                revision=revision,
                message=message,
                grace_us=grace_us,
            )
            for portion in portions(workers)
            for lease_id, *key, kind, revision, message, grace_us in self._connection.execute(
                _DIRECTIVES, portion
            )
        ]

    def alive(self, now_us: int) -> int | None:
        """Records that the service lives; returns when it last did, None for the first time."""
        check_tenants(self._tenants, EVERY_TENANT)
        before = self._connection.execute(_ALIVE).scalar()
        if before is None:
            self._connection.execute(insert(tables.service_alive).values(only=1, seen_us=now_us))
            return None
        self._connection.execute(update(tables.service_alive).values(seen_us=now_us))
        return int(before)

    def _its(self, key: WorkerKey) -> dict[str, Any]:
        check_tenants(self._tenants, (key.tenant_id,))
        return {f"its_{column.name}": value for column, value in zip(_KEY, key, strict=True)}


def to_worker(row: Any) -> WorkerRow:
    """A worker, from its row."""
    return WorkerRow(
        key=WorkerKey(row.tenant_id, row.workspace_id, row.pool_id, row.worker_id),
        instance_id=row.instance_id,
        attachment=row.attachment or "",
        started_us=row.started_us or 0,
        attached=row.attached,
        draining=row.draining,
        slots=row.slots,
        queues=tuple(json.loads(row.queues)),
        labels=json.loads(row.labels),
        version=row.version,
        host=row.host,
        principal=row.principal,
        created_us=row.created_us,
        seen_us=row.seen_us,
        clock_offset_us=row.clock_offset_us,
        paused=row.paused,
    )
