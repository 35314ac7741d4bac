"""The entries of runs that wait, on SQL.

A pick takes the first runs of each priority of a queue. An index probe finds the next lower
priority, so that runs that are not due yet, and a long backlog of another priority, cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, and_, bindparam, delete, exists, func, or_, select, update

from towpath_service.core.bus import SCHEDULES, Topic
from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import update_rows, upsert_rows
from towpath_service.database.sql.keys import Keyed
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.runs.storage.tables import run, run_detail
from towpath_service.work.domain.dispatching import (
    AGEING_STEP,
    AGEING_US,
    SCHEDULE,
    Candidate,
    LimitKey,
    PoolKey,
)
from towpath_service.work.ports.dispatching import JobRow, Place
from towpath_service.work.storage import tables
from towpath_service.work.storage.keys import of_runs, run_portions
from towpath_service.work.storage.unfinished import unfinished_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.sql.one_statement import Executor

_queued: Final[Any] = tables.queued.c
_origin: Final[Any] = tables.run_origin.c
_lease: Final[Any] = tables.work_lease.c
_run: Final[Any] = run.c

_QUEUED_COLUMNS: Final = tuple(_queued.keys())
_PICKED: Final = ("run_id", "flow_id", "deployment_id", "priority", "due_us")

# All places in one statement: a row for each priority of each place, then the first runs of it.
# A run that waits has at most a lease that doesn't count. Those are hashed once: looked up for each
# run, PostgreSQL may read all leases of the tenant each time, as it knows little of a table whose
# rows come and go.
_PICK_SQL: Final = """
WITH RECURSIVE place AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[])
    WITH ORDINALITY AS place (tenant, workspace, pool, queue, most, number)
), level AS (
  SELECT place.*, (
    SELECT max(priority) FROM queued WHERE tenant_id = tenant AND workspace_id = workspace
      AND pool_id = pool AND queue_id = queue AND parked_by IS NULL
  ) AS priority FROM place
  UNION ALL
  SELECT tenant, workspace, pool, queue, most, number, (
    SELECT max(queued.priority) FROM queued WHERE tenant_id = tenant AND workspace_id = workspace
      AND pool_id = pool AND queue_id = queue AND parked_by IS NULL
      AND queued.priority < level.priority
  ) FROM level WHERE priority IS NOT NULL
)
SELECT level.number, picked.run_id::text, picked.flow_id, picked.deployment_id, picked.priority,
  picked.due_us, EXISTS (
    SELECT 1 FROM deployment WHERE deployment.tenant_id = tenant
      AND deployment.workspace_id = workspace AND deployment.flow_id = picked.flow_id
      AND deployment.deployment_id = picked.deployment_id AND concurrency_limit > 0
  )
FROM level CROSS JOIN LATERAL (
  SELECT run_id, flow_id, deployment_id, queued.priority, due_us FROM queued
  WHERE tenant_id = tenant AND workspace_id = workspace AND pool_id = pool AND queue_id = queue
    AND queued.priority = level.priority AND parked_by IS NULL AND due_us <= $6
    AND (deadline_us IS NULL OR deadline_us >= $6)
    AND (queued.tenant_id, queued.run_id) NOT IN (
      SELECT work_lease.tenant_id, work_lease.run_id FROM work_lease
      WHERE work_lease.tenant_id = ANY ($1) AND NOT counts
    )
  ORDER BY due_us, run_id LIMIT most FOR UPDATE OF queued SKIP LOCKED
) AS picked
WHERE level.priority IS NOT NULL
"""

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
_REMOVE: Final = delete(tables.queued).where(of_runs(_queued))
# The same on PostgreSQL, for an executor that joins it with others.
_REMOVE_SQL: Final = (
    "DELETE FROM queued USING unnest($1::uuid[], $2::uuid[]) AS gone (tenant, run)"
    " WHERE queued.tenant_id = gone.tenant AND queued.run_id = gone.run"
)
_ORIGINS: Final = (
    select(
        *(_origin.tenant_id, _origin.run_id, _origin.workspace_id, _origin.pool_id),
        *(_origin.queue_id, _origin.flow_id, _origin.deployment_id, _origin.schedule_id),
        *(_origin.priority, _run.scheduled_us, _origin.start_deadline_us),
    )
    .join(run, and_(_run.tenant_id == _origin.tenant_id, _run.run_id == _origin.run_id))
    .where(of_runs(_origin))
)
_RETURNS: Final = select(_origin.tenant_id, _origin.run_id, _origin.returns).where(of_runs(_origin))
_COUNT_RETURN: Final = (
    update(tables.run_origin).where(of_runs(_origin)).values(returns=_origin.returns + 1)
)
_PARKED: Final = and_(
    _queued.tenant_id == bindparam("tenant"),
    _queued.workspace_id == bindparam("workspace"),
    _queued.parked_by == bindparam("name"),
)
_AGED: Final = _queued.priority + (bindparam("now") - _queued.due_us) // AGEING_US * AGEING_STEP
_UNPARKABLE: Final = (
    select(_queued.tenant_id, _queued.run_id, _queued.workspace_id, _queued.pool_id)
    .outerjoin(
        tables.work_queue,
        and_(
            *(
                tables.work_queue.c[name] == _queued[name]
                for name in ("tenant_id", "workspace_id", "pool_id", "queue_id")
            )
        ),
    )
    .where(_PARKED)
    .order_by(
        *(tables.work_queue.c.rank, _AGED.desc(), _queued.due_us, _queued.run_id),
    )
    .limit(bindparam("most"))
    .with_for_update(of=tables.queued, skip_locked=True)
)
_PARKING: Final = select(_queued.tenant_id, _queued.workspace_id, _queued.parked_by).where(
    _queued.parked_by.is_not(None)
)
_OVERDUE: Final = (
    select(_queued.tenant_id, _queued.run_id)
    .where(_queued.deadline_us < bindparam("now"))
    .order_by(_queued.tenant_id, _queued.run_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


def _jobs(chosen: Any) -> Any:
    return (
        select(
            *(_origin.tenant_id, _run.run_id, _origin.deployment_revision),
            tables.deployment_revision.c.content,
            *(tables.work_pool.c.kind, tables.work_pool.c.job_template),
            *(tables.work_pool.c.grace_us, _origin.job_overrides),
            *(_run.flow_name, _run.display_name, run_detail.c.parameters, run_detail.c.timeout_us),
            *(_run.tags, _run.scheduled_us, _run.parent_run_id, _run.root_run_id),
            *(_run.traceparent, _run.tracestate, _origin.replay),
        )
        .join(run, and_(_run.tenant_id == _origin.tenant_id, _run.run_id == _origin.run_id))
        .join(
            tables.work_pool,
            and_(
                *(
                    tables.work_pool.c[name] == _origin[name]
                    for name in ("tenant_id", "workspace_id", "pool_id")
                )
            ),
        )
        .outerjoin(
            run_detail,
            and_(run_detail.c.tenant_id == _run.tenant_id, run_detail.c.run_id == _run.run_id),
        )
        .outerjoin(
            tables.deployment_revision,
            and_(
                tables.deployment_revision.c.revision == _origin.deployment_revision,
                *(
                    tables.deployment_revision.c[name] == _origin[name]
                    for name in ("tenant_id", "workspace_id", "flow_id", "deployment_id")
                ),
            ),
        )
        .where(chosen)
    )


_JOBS: Final = Keyed(_jobs, _origin.tenant_id, _origin.run_id)


_WAITING_FOR: Final = (
    select(_queued.tenant_id, _queued.workspace_id, _queued.parked_by)
    .join(
        tables.run_origin,
        and_(
            *(
                _origin[name] == _queued[name]
                for name in (
                    *("tenant_id", "workspace_id", "flow_id", "deployment_id"),
                    "schedule_id",
                )
            )
        ),
    )
    .where(of_runs(_origin), _origin.schedule_id != "", _queued.parked_by.like(f"{SCHEDULE}/%"))
    .distinct()
)
_OF_BACKFILL: Final = (
    select(_origin.run_id).where(of_runs(_origin), _origin.backfill_id != "").limit(1)
)
_FIRST_PARKED: Final = (
    select(_queued.run_id, _queued.pool_id)
    .where(_PARKED)
    .order_by(_queued.due_us, _queued.run_id)
    .limit(1)
)
_ONE_PARKED: Final = and_(_PARKED, _queued.run_id == bindparam("run"))
_LOCK_PARKED: Final = select(_queued.run_id).where(_ONE_PARKED).with_for_update(skip_locked=True)
_READY: Final = update(tables.queued).where(_ONE_PARKED).values(parked_by=None)


class SqlQueueRows:
    """The entries of runs that wait, within a transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self._connection: Any = transaction.connection

    def pick(self, places: Sequence[Place], now_us: int) -> list[Candidate]:
        """Reads and locks the first runs of queues that are due and not parked."""
        self._check(place.pool.tenant_id for place in places)
        if not places:
            return []
        if self._connection.dialect.name == "postgresql":
            return self._pick_locked(places, now_us)
        return [run for place in places for run in self._pick_of(place, now_us)]

    def _pick_locked(self, places: Sequence[Place], now_us: int) -> list[Candidate]:
        asked = [(*place.pool, place.queue_id, place.most) for place in places]
        columns: list[list[Any]] = [list(column) for column in zip(*asked, strict=True)]
        rows: Any = self._connection.exec_driver_sql(_PICK_SQL, (*columns, now_us))
        return [_candidate(places[int(row[0]) - 1], row[1:]) for row in rows]

    def _pick_of(self, place: Place, now_us: int) -> Iterator[Candidate]:
        here: dict[str, Any] = {
            "tenant": place.pool.tenant_id,
            "workspace": place.pool.workspace_id,
            "pool": place.pool.pool_id,
            "queue": place.queue_id,
        }
        priority = self._connection.execute(_HIGHEST, here).scalar()
        while priority is not None:
            named = here | {"priority": priority}
            first = named | {"now": now_us, "most": place.most}
            yield from (_candidate(place, row) for row in self._connection.execute(_FIRST, first))
            priority = self._connection.execute(_NEXT, named).scalar()

    def remove(self, keys: Collection[RunKey]) -> None:
        """Removes entries."""
        self._check(key.tenant_id for key in keys)
        for portion in run_portions(keys):
            self._connection.execute(_REMOVE, portion)

    def remove_by(self, executor: Executor, keys: Collection[RunKey]) -> None:
        """Removes entries by an executor on PostgreSQL, which may join it with other statements."""
        self._check(key.tenant_id for key in keys)
        columns = [key.tenant_id for key in keys], [key.run_id for key in keys]
        executor.exec_driver_sql(_REMOVE_SQL, columns)

    def park(self, parked: Iterable[tuple[RunKey, LimitKey]]) -> None:
        """Holds entries back until their limit has room."""
        rows = [(*key, limit.name) for key, limit in parked]
        self._check(row[0] for row in rows)
        update_rows(self._connection, tables.queued, ("tenant_id", "run_id", "parked_by"), rows)

    def unpark(self, freed: Mapping[LimitKey, int], now_us: int) -> None:
        """Makes the first entries that are parked by limits ready again, and wakes their pools."""
        self._check(limit.tenant_id for limit in freed)
        rows: list[Row[Any]] = []
        for limit, most in sorted(freed.items()):
            named: dict[str, Any] = {"tenant": limit.tenant_id, "workspace": limit.workspace_id}
            named |= {"name": limit.name, "most": most, "now": now_us}
            rows += self._connection.execute(_UNPARKABLE, named)
        ready = {RunKey(row.tenant_id, row.run_id): None for row in rows}
        update_rows(
            self._connection,
            tables.queued,
            ("tenant_id", "run_id", "parked_by"),
            [(*key, None) for key in ready],
        )
        self._wake(PoolKey(row.tenant_id, row.workspace_id, row.pool_id) for row in rows)

    def release_after(self, ended: Collection[RunKey]) -> None:
        """Makes runs ready that waited for these, or for others of their schedules, to end.

        Backfills with such runs are woken.
        """
        self._check(key.tenant_id for key in ended)
        waiting: set[LimitKey] = {
            LimitKey(*row)
            for portion in run_portions(ended)
            for row in self._connection.execute(_WAITING_FOR, portion)
        }
        self.release(waiting)
        for portion in run_portions(ended):
            if self._connection.execute(_OF_BACKFILL, portion).first() is not None:
                self._transaction.topics.add(SCHEDULES)

    def release(self, schedules: Collection[LimitKey]) -> None:
        """Makes the first run of schedules ready that waits for earlier ones, if those have ended.

        The unfinished ones are counted after the lock of the first one: of two transactions, one
        finds it locked, or started.
        """
        self._check(limit.tenant_id for limit in schedules)
        for limit in sorted(schedules):
            named = {"tenant": limit.tenant_id, "workspace": limit.workspace_id, "name": limit.name}
            first = self._connection.execute(_FIRST_PARKED, named).one_or_none()
            if first is None:
                continue
            of_first = named | {"run": first.run_id}
            if self._connection.execute(_LOCK_PARKED, of_first).one_or_none() is None:
                continue
            if any(not waits for _, waits in unfinished_of(self._connection, limit)):
                continue
            self._connection.execute(_READY, of_first)
            self._wake([PoolKey(limit.tenant_id, limit.workspace_id, first.pool_id)])

    def overdue(self, now_us: int, limit: int) -> list[RunKey]:
        """Locks entries of all tenants whose start deadline has passed, and returns their runs."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        rows = self._connection.execute(_OVERDUE, {"now": now_us, "most": limit})
        return [RunKey(*row) for row in rows]

    def parked_limits(self) -> list[LimitKey]:
        """The limits that entries of all tenants are parked by."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        return [LimitKey(*row) for row in self._connection.execute(_PARKING.distinct())]

    def put_back(self, keys: Collection[RunKey], due_us: int, *, started: bool = False) -> None:
        """Queues dispatched runs again, and wakes their pools."""
        self._check(key.tenant_id for key in keys)
        rows: list[tuple[Any, ...]] = []
        for portion in run_portions(keys):
            for *row, scheduled_us, deadline_us in self._connection.execute(_ORIGINS, portion):
                latest_us = None if started else deadline_us
                rows.append((*row, max(due_us, scheduled_us or 0), latest_us, None))
        upsert_rows(self._connection, tables.queued, _QUEUED_COLUMNS, rows)
        self._wake(PoolKey(row[0], row[2], row[3]) for row in rows)

    def returns_of(self, keys: Collection[RunKey]) -> dict[RunKey, int]:
        """How often runs returned to the queue after a worker had accepted them."""
        self._check(key.tenant_id for key in keys)
        return {
            RunKey(tenant_id, run_id): returns
            for portion in run_portions(keys)
            for tenant_id, run_id, returns in self._connection.execute(_RETURNS, portion)
        }

    def count_returns(self, keys: Collection[RunKey]) -> None:
        """Adds one to the returns of runs."""
        self._check(key.tenant_id for key in keys)
        for portion in run_portions(keys):
            self._connection.execute(_COUNT_RETURN, portion)

    def jobs(self, keys: Collection[RunKey]) -> dict[RunKey, JobRow]:
        """What the jobs of leased runs are worked out from."""
        self._check(key.tenant_id for key in keys)
        return {RunKey(row[0], row[1]): _job(row) for row in _JOBS.rows(self._connection, keys)}

    def _check(self, tenant_ids: Iterable[str]) -> None:
        check_tenants(self._transaction.tenants, tenant_ids)

    def _wake(self, pools: Iterable[PoolKey]) -> None:
        self._transaction.topics.update(Topic("pool", *pool) for pool in pools)


def _candidate(place: Place, row: Any) -> Candidate:
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


def _job(row: Any) -> JobRow:
    return JobRow(
        run_id=row.run_id,
        deployment_revision=row.deployment_revision,
        content=row.content,
        kind=row.kind,
        template=row.job_template,
        grace_us=row.grace_us,
        overrides=row.job_overrides,
        flow_name=row.flow_name,
        display_name=row.display_name,
        parameters=row.parameters,
        timeout_us=row.timeout_us,
        tags=row.tags,
        scheduled_us=row.scheduled_us,
        parent_run_id=row.parent_run_id,
        root_run_id=row.root_run_id,
        traceparent=row.traceparent,
        tracestate=row.tracestate,
        replay=row.replay,
    )
