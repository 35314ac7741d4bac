"""Picks the runs that workers can take from the queues of their pools, on SQL.

A pick takes the first runs of each priority of a queue. An index probe finds the next lower
priority, so that runs that are not due yet, and a long backlog of another priority, cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, exists, func, or_, select

from towpath_service.database.sql.keys import among, portions
from towpath_service.work.domain.dispatching import Candidate, PoolKey
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from towpath_service.work.domain.dispatching import FreeWorker

_queued: Final[Any] = tables.queued.c
_lease: Final[Any] = tables.work_lease.c
_pool: Final[Any] = tables.work_pool.c
_queue: Final[Any] = tables.work_queue.c

_PICKED: Final = ("run_id", "flow_id", "deployment_id", "priority", "due_us")

# All queues in one statement: the free slots of workers by pool, or by queue where a worker serves
# some only; the queues that these serve; a row for each priority of each queue; the first runs of
# it.
# A run that waits has at most a lease that doesn't count. Those are hashed once: looked up for each
# run, PostgreSQL may read all leases of the tenant each time, as it knows little of a table whose
# rows come and go.
_PICK_SQL: Final = """
WITH RECURSIVE offer AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[])
    AS offer (tenant, workspace, pool, queue, free)
), place AS MATERIALIZED (
  SELECT tenant, workspace, pool, work_queue.queue_id AS queue, work_queue.rank,
    least(sum(free), $6::int) AS most, work_queue.concurrency_limit > 0 AS queue_limited,
    work_pool.concurrency_limit > 0 AS pool_limited
  FROM offer
  JOIN work_pool ON work_pool.tenant_id = tenant AND work_pool.workspace_id = workspace
    AND work_pool.pool_id = pool AND NOT work_pool.paused
  JOIN work_queue ON work_queue.tenant_id = tenant AND work_queue.workspace_id = workspace
    AND work_queue.pool_id = pool AND NOT work_queue.paused
    AND (queue IS NULL OR work_queue.queue_id = queue)
  GROUP BY tenant, workspace, pool, work_queue.queue_id, work_queue.rank,
    work_queue.concurrency_limit, work_pool.concurrency_limit
), level AS (
  SELECT place.*, (
    SELECT max(priority) FROM queued WHERE tenant_id = tenant AND workspace_id = workspace
      AND pool_id = pool AND queue_id = queue AND parked_by IS NULL
  ) AS priority FROM place
  UNION ALL
  SELECT tenant, workspace, pool, queue, rank, most, queue_limited, pool_limited, (
    SELECT max(queued.priority) FROM queued WHERE tenant_id = tenant AND workspace_id = workspace
      AND pool_id = pool AND queue_id = queue AND parked_by IS NULL
      AND queued.priority < level.priority
  ) FROM level WHERE priority IS NOT NULL
)
SELECT level.tenant::text, level.workspace, level.pool, level.queue, level.rank,
  level.queue_limited, level.pool_limited,
  picked.run_id::text, picked.flow_id, picked.deployment_id, picked.priority,
  picked.due_us, EXISTS (
    SELECT 1 FROM deployment WHERE deployment.tenant_id = tenant
      AND deployment.workspace_id = workspace AND deployment.flow_id = picked.flow_id
      AND deployment.deployment_id = picked.deployment_id AND concurrency_limit > 0
  )
FROM level CROSS JOIN LATERAL (
  SELECT run_id, flow_id, deployment_id, queued.priority, due_us FROM queued
  WHERE tenant_id = tenant AND workspace_id = workspace AND pool_id = pool AND queue_id = queue
    AND queued.priority = level.priority AND parked_by IS NULL AND due_us <= $7
    AND (deadline_us IS NULL OR deadline_us >= $7)
    AND (queued.tenant_id, queued.run_id) NOT IN (
      SELECT work_lease.tenant_id, work_lease.run_id FROM work_lease
      WHERE work_lease.tenant_id = ANY ($1) AND NOT counts
    )
  ORDER BY due_us, run_id LIMIT most FOR UPDATE OF queued SKIP LOCKED
) AS picked
WHERE level.priority IS NOT NULL
"""

_QUEUES: Final = (
    select(
        *(_queue.tenant_id, _queue.workspace_id, _queue.pool_id, _queue.queue_id, _queue.rank),
        (_queue.concurrency_limit > 0).label("queue_limited"),
        (_pool.concurrency_limit > 0).label("pool_limited"),
    )
    .join(
        tables.work_pool,
        and_(*(_pool[name] == _queue[name] for name in ("tenant_id", "workspace_id", "pool_id"))),
    )
    .where(among(_queue.tenant_id, _queue.workspace_id, _queue.pool_id))
    .where(~_queue.paused, ~_pool.paused)
)
_HERE: Final = and_(
    _queued.tenant_id == bindparam("tenant"),
    _queued.workspace_id == bindparam("workspace"),
    _queued.pool_id == bindparam("pool"),
    _queued.queue_id == bindparam("queue"),
    _queued.parked_by.is_(None),
)
_HIGHEST: Final = select(func.max(_queued.priority)).where(_HERE)
_NEXT: Final = _HIGHEST.where(_queued.priority < bindparam("priority"))
_LIMITED: Final = exists().where(
    *(
        tables.deployment.c[name] == _queued[name]
        for name in ("tenant_id", "workspace_id", "flow_id", "deployment_id")
    ),
    tables.deployment.c.concurrency_limit > 0,
)
_FIRST: Final = (
    select(*(_queued[name] for name in _PICKED), _LIMITED)
    .where(_HERE, _queued.priority == bindparam("priority"), _queued.due_us <= bindparam("now"))
    .where(or_(_queued.deadline_us.is_(None), _queued.deadline_us >= bindparam("now")))
    .where(~exists().where(_lease.tenant_id == _queued.tenant_id, _lease.run_id == _queued.run_id))
    .order_by(_queued.due_us, _queued.run_id)
    .limit(bindparam("most"))
)


class _Place(NamedTuple):
    """A queue to pick runs from."""

    pool: PoolKey
    queue_id: str
    rank: int
    limited: tuple[bool, bool]
    """Whether the queue and its pool have a limit."""


def pick(connection: Any, workers: Sequence[FreeWorker], now_us: int, most: int) -> list[Candidate]:
    """Reads and locks the first runs of the queues that workers serve.

    Args:
        connection: A connection in a transaction.
        workers: Workers with free slots.
        now_us: The time.
        most: Most runs of each priority of a queue.
    """
    if not workers:
        return []
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(_PICK_SQL, (*_offers(workers), most, now_us))
        return [_candidate(_place(row), row[7:]) for row in rows]
    by_pool: dict[PoolKey, list[FreeWorker]] = {}
    for worker in workers:
        by_pool.setdefault(worker.key.pool, []).append(worker)
    places = [
        _place(row) for portion in portions(by_pool) for row in connection.execute(_QUEUES, portion)
    ]
    picked: list[Candidate] = []
    for place in places:
        serving = [worker for worker in by_pool[place.pool] if worker.serves(place.queue_id)]
        free = min(most, sum(worker.free for worker in serving))
        picked += _pick_of(connection, place, now_us, free) if free else ()
    return picked


def _offers(workers: Sequence[FreeWorker]) -> list[list[Any]]:
    """The free slots of pools, or of single queues, as columns."""
    free: dict[tuple[PoolKey, str | None], int] = {}
    for worker in workers:
        for queue_id in worker.queues or (None,):
            place = worker.key.pool, queue_id
            free[place] = free.get(place, 0) + worker.free
    rows = [(*pool, queue_id, slots) for (pool, queue_id), slots in free.items()]
    return [list(column) for column in zip(*rows, strict=True)]


def _pick_of(connection: Any, place: _Place, now_us: int, most: int) -> Iterator[Candidate]:
    here: dict[str, Any] = {
        "tenant": place.pool.tenant_id,
        "workspace": place.pool.workspace_id,
        "pool": place.pool.pool_id,
        "queue": place.queue_id,
    }
    priority = connection.execute(_HIGHEST, here).scalar()
    while priority is not None:
        named = here | {"priority": priority}
        first = named | {"now": now_us, "most": most}
        yield from (_candidate(place, row) for row in connection.execute(_FIRST, first))
        priority = connection.execute(_NEXT, named).scalar()


def _place(row: Any) -> _Place:
    tenant_id, workspace_id, pool_id, queue_id, rank, *limited = row[:7]
    pool = PoolKey(tenant_id, workspace_id, pool_id)
    return _Place(pool, queue_id, rank, (bool(limited[0]), bool(limited[1])))


def _candidate(place: _Place, row: Any) -> Candidate:
    run_id, flow_id, deployment_id, priority, due_us, is_limited = row
    return Candidate(
        pool=place.pool,
        run_id=run_id,
        queue_id=place.queue_id,
        rank=place.rank,
        flow_id=flow_id,
        deployment_id=deployment_id,
        priority=priority,
        due_us=due_us,
        limited=(bool(is_limited), *place.limited),
    )
