"""Pools, queues and workers of one tenant, on SQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, delete, exists, func, select, update

from towpath_service.core.bus import Topic
from towpath_service.database.sql.statements import insert_new
from towpath_service.work.domain.names import PoolName, QueueName, WorkerName
from towpath_service.work.domain.pools import (
    SILENCE_US,
    Pool,
    PoolSettings,
    PoolUse,
    Queue,
    QueueSettings,
    Worker,
)
from towpath_service.work.storage.locking import locked
from towpath_service.work.storage.tables import (
    deployment,
    queued,
    work_lease,
    work_pool,
    work_queue,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from towpath_service.database.port import SqlTransaction
    from towpath_service.work.ports.resources import Lock

_POOL_SETTINGS: Final = tuple(PoolSettings.__dataclass_fields__)
_QUEUE_SETTINGS: Final = tuple(QueueSettings.__dataclass_fields__)


class SqlPools:
    """The pools of one tenant."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._topics = transaction.topics
        self._tenant_id = tenant_id

    def get(self, name: PoolName, *, lock: Lock = "") -> Pool | None:
        """A pool; None when there is none."""
        found = select(work_pool).where(*_of_pool(work_pool, self._tenant_id, name))
        row = self._connection.execute(locked(found, lock)).one_or_none()
        return None if row is None else _to_pool(row)

    def of_workspace(self, workspace_id: str) -> list[Pool]:
        """The pools of a workspace, by id."""
        columns = work_pool.c
        rows = self._connection.execute(
            select(work_pool)
            .where(columns.tenant_id == self._tenant_id, columns.workspace_id == workspace_id)
            .order_by(columns.pool_id)
        )
        return list(map(_to_pool, rows))

    def count(self) -> int:
        """The number of pools of the tenant."""
        return _count(self._connection, work_pool, work_pool.c.tenant_id == self._tenant_id)

    def add(self, pool: Pool) -> bool:
        """Makes a pool; False when its id is taken."""
        key = {"tenant_id": self._tenant_id, **pool.name._asdict()}
        return insert_new(self._connection, work_pool, **key, **_changing(pool))

    def change(self, pool: Pool) -> None:
        """Replaces a pool, which the transaction has locked."""
        self._connection.execute(
            update(work_pool)
            .where(*_of_pool(work_pool, self._tenant_id, pool.name))
            .values(**_changing(pool))
        )
        # Its runs may have become ready, when it was resumed or its limit raised.
        self._topics.add(Topic("pool", self._tenant_id, *pool.name))

    def remove(self, name: PoolName) -> None:
        """Removes a pool with its queues and workers."""
        for table in (worker, work_queue, work_pool):
            self._connection.execute(delete(table).where(*_of_pool(table, self._tenant_id, name)))

    def uses(
        self, workspace_id: str, pool_ids: Sequence[str], now_us: int
    ) -> Mapping[str, PoolUse]:
        """Counts runs and workers of pools, by pool id."""
        if not pool_ids:
            return {}
        online = and_(
            worker.c.attached,
            worker.c.seen_us >= now_us - SILENCE_US,
            ~worker.c.draining,
            ~worker.c.paused,
        )
        counted: list[tuple[Table, Any]] = [
            (queued, queued.c.due_us <= now_us),
            (work_lease, work_lease.c.counts),
            (worker, online),
        ]
        waiting, leased, workers = (
            self._by_pool(table, workspace_id, pool_ids, condition) for table, condition in counted
        )
        return {
            pool_id: PoolUse(
                queued=waiting.get(pool_id, 0),
                leased=leased.get(pool_id, 0),
                online=workers.get(pool_id, 0),
            )
            for pool_id in pool_ids
        }

    def users(self, name: PoolName) -> str:
        """What uses a pool, such as "deployments"; empty when nothing does."""

        def of_pool(table: Table) -> Any:
            return and_(*_of_pool(table, self._tenant_id, name))

        return _users(self._connection, of_pool)

    def _by_pool(
        self, table: Table, workspace_id: str, pool_ids: Sequence[str], condition: Any
    ) -> dict[str, int]:
        columns = table.c
        rows = self._connection.execute(
            select(columns.pool_id, func.count())
            .where(
                columns.tenant_id == self._tenant_id,
                columns.workspace_id == workspace_id,
                columns.pool_id.in_(pool_ids),
                condition,
            )
            .group_by(columns.pool_id)
        )
        return {row[0]: row[1] for row in rows}


class SqlQueues:
    """The queues of one tenant's pools."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._topics = transaction.topics
        self._tenant_id = tenant_id

    def get(self, name: QueueName, *, lock: Lock = "") -> Queue | None:
        """A queue; None when there is none."""
        found = select(work_queue).where(*self._named(work_queue, name))
        row = self._connection.execute(locked(found, lock)).one_or_none()
        return None if row is None else _to_queue(row)

    def of_pool(self, name: PoolName) -> list[Queue]:
        """The queues of a pool, by id."""
        rows = self._connection.execute(
            select(work_queue)
            .where(*_of_pool(work_queue, self._tenant_id, name))
            .order_by(work_queue.c.queue_id)
        )
        return list(map(_to_queue, rows))

    def count(self, name: PoolName) -> int:
        """The number of queues of a pool."""
        return _count(
            self._connection, work_queue, and_(*_of_pool(work_queue, self._tenant_id, name))
        )

    def add(self, queue: Queue) -> bool:
        """Makes a queue; False when its id is taken."""
        key = {"tenant_id": self._tenant_id, **queue.name._asdict()}
        return insert_new(self._connection, work_queue, **key, **_changing(queue))

    def change(self, queue: Queue) -> None:
        """Replaces a queue, which the transaction has locked."""
        self._connection.execute(
            update(work_queue)
            .where(*self._named(work_queue, queue.name))
            .values(**_changing(queue))
        )
        self._topics.add(Topic("pool", self._tenant_id, *queue.name.pool))

    def remove(self, name: QueueName) -> None:
        """Removes a queue."""
        self._connection.execute(delete(work_queue).where(*self._named(work_queue, name)))

    def uses(self, name: PoolName, now_us: int) -> Mapping[str, PoolUse]:
        """Counts runs of the queues of a pool, by queue id."""
        waiting = self._by_queue(queued, name, queued.c.due_us <= now_us)
        leased = self._by_queue(work_lease, name, work_lease.c.counts)
        return {
            queue_id: PoolUse(queued=waiting.get(queue_id, 0), leased=leased.get(queue_id, 0))
            for queue_id in waiting.keys() | leased.keys()
        }

    def users(self, name: QueueName) -> str:
        """What uses a queue, such as "deployments"; empty when nothing does."""

        def of_queue(table: Table) -> Any:
            return and_(*self._named(table, name))

        return _users(self._connection, of_queue)

    def _by_queue(self, table: Table, name: PoolName, condition: Any) -> dict[str, int]:
        rows = self._connection.execute(
            select(table.c.queue_id, func.count())
            .where(*_of_pool(table, self._tenant_id, name), condition)
            .group_by(table.c.queue_id)
        )
        return {row[0]: row[1] for row in rows}

    def _named(self, table: Table, name: QueueName) -> tuple[Any, ...]:
        return *_of_pool(table, self._tenant_id, name.pool), table.c.queue_id == name.queue_id


class SqlWorkers:
    """The records of one tenant's workers."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._topics = transaction.topics
        self._tenant_id = tenant_id

    def get(self, name: WorkerName, *, lock: Lock = "") -> Worker | None:
        """A worker; None when there is none."""
        found = select(worker).where(*self._named(name))
        row = self._connection.execute(locked(found, lock)).one_or_none()
        if row is None:
            return None
        return _to_worker(row, self._leased(name.pool, [name.worker_id]))

    def page(self, name: PoolName, after: str, limit: int) -> list[Worker]:
        """A page of a pool's workers by id: the first ones above `after`."""
        rows = self._connection.execute(
            select(worker)
            .where(*_of_pool(worker, self._tenant_id, name), worker.c.worker_id > after)
            .order_by(worker.c.worker_id)
            .limit(limit)
        ).all()
        leased = self._leased(name, [row.worker_id for row in rows])
        return [_to_worker(row, leased) for row in rows]

    def drain(self, name: WorkerName) -> None:
        """Has a worker take no more runs."""
        self._connection.execute(update(worker).where(*self._named(name)).values(draining=True))
        self._topics.add(Topic("workers", self._tenant_id, *name.pool))

    def pause(self, name: WorkerName, *, paused: bool) -> None:
        """Has a worker take no runs, or take runs again."""
        self._connection.execute(update(worker).where(*self._named(name)).values(paused=paused))
        self._topics.add(Topic("workers", self._tenant_id, *name.pool))

    def remove(self, name: WorkerName) -> None:
        """Removes the record of a worker."""
        self._connection.execute(delete(worker).where(*self._named(name)))

    def _leased(self, name: PoolName, worker_ids: Sequence[str]) -> dict[str, int]:
        columns = work_lease.c
        rows = self._connection.execute(
            select(columns.worker_id, func.count())
            .where(*_of_pool(work_lease, self._tenant_id, name), columns.worker_id.in_(worker_ids))
            .group_by(columns.worker_id)
        )
        return {row[0]: row[1] for row in rows}

    def _named(self, name: WorkerName) -> tuple[Any, ...]:
        return *_of_pool(worker, self._tenant_id, name.pool), worker.c.worker_id == name.worker_id


def _of_pool(table: Table, tenant_id: str, name: PoolName) -> tuple[Any, ...]:
    columns = table.c
    return (
        columns.tenant_id == tenant_id,
        columns.workspace_id == name.workspace_id,
        columns.pool_id == name.pool_id,
    )


def _count(connection: Connection, table: Table, condition: Any) -> int:
    return int(
        connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
    )


def _users(connection: Connection, condition: Callable[[Table], Any]) -> str:
    """What uses a pool or a queue: rows of one of three tables that meet the condition."""
    used = [
        (exists().where(condition(table)), text)
        for table, text in (
            (deployment, "deployments"),
            (queued, "runs that wait"),
            (work_lease, "leased runs"),
        )
    ]
    return str(connection.execute(select(case(*used, else_=""))).scalar_one())


def _changing(item: Pool | Queue) -> dict[str, Any]:
    return {
        **asdict(item.settings),
        "revision": item.revision,
        "created_us": item.created_us,
        "updated_us": item.updated_us,
    }


def _to_pool(row: Any) -> Pool:
    return Pool(
        name=PoolName(row.workspace_id, row.pool_id),
        settings=PoolSettings(**{name: getattr(row, name) for name in _POOL_SETTINGS}),
        revision=row.revision,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def _to_queue(row: Any) -> Queue:
    return Queue(
        name=QueueName(row.workspace_id, row.pool_id, row.queue_id),
        settings=QueueSettings(**{name: getattr(row, name) for name in _QUEUE_SETTINGS}),
        revision=row.revision,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def _to_worker(row: Any, leased: Mapping[str, int]) -> Worker:
    return Worker(
        name=WorkerName(row.workspace_id, row.pool_id, row.worker_id),
        instance_id=row.instance_id,
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
        leased=leased.get(row.worker_id, 0),
    )
