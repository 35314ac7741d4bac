"""Reads the facts about a run for its explanation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select

from towpath_service.core.names import Scope, run_name
from towpath_service.runs.domain.states import TERMINAL_STATES, RunKind, RunState
from towpath_service.runs.storage.pauses import latest_pause
from towpath_service.runs.storage.tables import producer, run, run_detail
from towpath_service.work.domain.explanations import Facts, ProcessFacts, WaitingFacts
from towpath_service.work.domain.names import PoolName, QueueName, WorkerName
from towpath_service.work.domain.pools import SILENCE_US
from towpath_service.work.storage.tables import (
    queued,
    run_directive,
    run_origin,
    work_lease,
    work_pool,
    work_queue,
    worker,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from towpath_service.core.transactions import SlotWaits
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.runs.domain.pauses import Pause

MOST_NAMES: Final = 20
_UNFINISHED: Final = sorted(set(RunState) - TERMINAL_STATES)


class SqlFacts:
    """Reads the facts about runs."""

    def __init__(self, database: Database, slot_waits: SlotWaits | None = None) -> None:
        """Takes its parts.

        Args:
            database: The database.
            slot_waits: Reads the slots that a run waits for; None for none.
        """
        self._database = database
        self._slot_waits = slot_waits

    async def __call__(self, scope: Scope, run_id: str, now_us: int, /) -> tuple[Facts, int] | None:
        """The facts about a run, and since when it is in its state; None for an unknown run."""

        def work(transaction: SqlTransaction) -> tuple[Facts, int] | None:
            found = _RunFacts(transaction.connection, scope, run_id, now_us).read()
            if found is None or self._slot_waits is None:
                return found
            facts, state_us = found
            waits = tuple(self._slot_waits(transaction, scope, run_id))
            return replace(facts, slot_waits=waits), state_us

        return await self._database.read(work, tenants={scope.tenant_id})


class _RunFacts:
    """The reads about one run, as of one moment."""

    def __init__(self, connection: Connection, scope: Scope, run_id: str, now_us: int) -> None:
        self._connection = connection
        self._scope = scope
        self._run_id = run_id
        self._now_us = now_us

    def read(self) -> tuple[Facts, int] | None:
        row = self._one(run, run.c.workspace_id == self._scope.workspace_id)
        if row is None:
            return None
        state = RunState(row.state)
        facts = Facts(
            name=run_name(self._scope.workspace_id, self._run_id),
            run_id=self._run_id,
            kind=RunKind(row.kind),
            state=state,
            state_reason=row.reason,
            state_message=row.message,
            now_us=self._now_us,
            next_attempt_us=row.next_attempt_us,
            scheduled_us=row.scheduled_us,
            waiting=self._waiting(state),
            process=self._process(row) if state not in TERMINAL_STATES else ProcessFacts(),
            pause=self._pause() if state is RunState.PAUSED else None,
            upstream=self._upstream() if row.kind == RunKind.TASK else (),
        )
        if state is RunState.CRASHED:
            facts = self._with_deployment(facts)
        return facts, row.state_us

    def _with_deployment(self, facts: Facts) -> Facts:
        origin = self._one(run_origin)
        if origin is None:
            return facts
        deployment = f"{origin.flow_id}/{origin.deployment_id}"
        return replace(facts, deployment=deployment, pool_id=origin.pool_id)

    def _pause(self) -> Pause | None:
        return latest_pause(self._connection, self._scope, self._run_id)

    def _one(self, table: Table, *conditions: Any) -> Any:
        """The row of the run in a table; None if there is none."""
        columns = table.c
        asked = select(table).where(
            columns.tenant_id == self._scope.tenant_id,
            columns.run_id == self._run_id,
            *conditions,
        )
        return self._connection.execute(asked).one_or_none()

    def _waiting(self, state: RunState) -> WaitingFacts | None:
        if state not in {RunState.SCHEDULED, RunState.TIMED_OUT}:
            return None
        entry = self._one(queued) or self._one(run_origin)
        if entry is None:
            return None
        scope, pool_id, queue_id = self._scope, entry.pool_id, entry.queue_id
        pool = self._place(work_pool, work_pool.c.pool_id == pool_id)
        queue = self._place(
            work_queue, work_queue.c.pool_id == pool_id, work_queue.c.queue_id == queue_id
        )
        workers = self._workers(pool_id, queue_id)
        parked_by = getattr(entry, "parked_by", None) or ""
        due_us = getattr(entry, "due_us", self._now_us)
        return WaitingFacts(
            due_us=due_us,
            pool=str(PoolName(scope.workspace_id, pool_id)),
            pool_id=pool_id,
            queue=str(QueueName(scope.workspace_id, pool_id, queue_id)),
            queue_id=queue_id,
            pool_exists=pool is not None,
            pool_paused=pool is not None and pool.paused,
            queue_paused=queue is not None and queue.paused,
            parked_by=parked_by,
            holders=self._holders(parked_by) if parked_by else (),
            ahead=self._ahead(entry, queue) if hasattr(entry, "due_us") else 0,
            **workers,
        )

    def _place(self, table: Table, *conditions: Any) -> Any:
        """A pool or queue of the workspace; None if there is none."""
        asked = select(table).where(
            table.c.tenant_id == self._scope.tenant_id,
            table.c.workspace_id == self._scope.workspace_id,
            *conditions,
        )
        return self._connection.execute(asked).one_or_none()

    def _workers(self, pool_id: str, queue_id: str) -> dict[str, Any]:
        """Workers that serve the queue, their free slots, and who was heard from last."""
        found = self._connection.execute(
            select(worker).where(*self._in_pool(worker, pool_id)).order_by(worker.c.seen_us.desc())
        ).all()
        taken = self._connection.execute(
            select(work_lease.c.worker_id, func.count())
            .where(*self._in_pool(work_lease, pool_id))
            .group_by(work_lease.c.worker_id)
        )
        leased: dict[str, int] = {row[0]: row[1] for row in taken}
        there = [
            row
            for row in found
            if row.attached
            and not row.draining
            and row.seen_us >= self._now_us - SILENCE_US
            and queue_id in (json.loads(row.queues or "[]") or [queue_id])
        ]
        serving = [row for row in there if not row.paused]
        return {
            "paused_workers": sorted(row.worker_id for row in there if row.paused),
            "online_workers": len(serving),
            "free_slots": sum(max(0, w.slots - leased.get(w.worker_id, 0)) for w in serving),
            "last_worker": found[0].worker_id if found else "",
            "last_seen_us": found[0].seen_us if found else None,
        }

    def _in_pool(self, table: Table, pool_id: str) -> tuple[Any, ...]:
        columns = table.c
        return (
            columns.tenant_id == self._scope.tenant_id,
            columns.workspace_id == self._scope.workspace_id,
            columns.pool_id == pool_id,
        )

    def _ahead(self, entry: Any, queue: Any) -> int:
        """Due runs of the pool that start before this one: by rank, priority, due time."""
        columns, place = queued.c, work_queue.c
        of_queue = and_(
            place.tenant_id == columns.tenant_id,
            place.workspace_id == columns.workspace_id,
            place.pool_id == columns.pool_id,
            place.queue_id == columns.queue_id,
        )
        rank = None if queue is None else queue.rank
        same_rank = and_(
            place.rank == rank,
            or_(
                columns.priority > entry.priority,
                and_(
                    columns.priority == entry.priority,
                    or_(
                        columns.due_us < entry.due_us,
                        and_(columns.due_us == entry.due_us, columns.run_id < entry.run_id),
                    ),
                ),
            ),
        )
        counted = (
            select(func.count())
            .select_from(queued)
            .join(work_queue, of_queue)
            .where(
                *self._in_pool(queued, entry.pool_id),
                columns.parked_by.is_(None),
                columns.due_us <= self._now_us,
                or_(place.rank < rank, same_rank),
            )
        )
        return int(self._connection.execute(counted).scalar_one())

    def _holders(self, parked_by: str) -> list[str]:
        """Names of runs that take up a limit, or of unfinished runs of a schedule."""
        kind, *parts = parked_by.split("/")
        columns: Any = run_origin.c if kind == "schedule" else work_lease.c
        names = {
            "pool": ("pool_id",),
            "queue": ("pool_id", "queue_id"),
            "deployment": ("flow_id", "deployment_id"),
            "schedule": ("flow_id", "deployment_id", "schedule_id"),
        }.get(kind, ())
        if len(names) != len(parts):
            return []
        conditions = [columns[name] == part for name, part in zip(names, parts, strict=True)]
        if kind != "schedule":
            conditions.append(columns.counts)
        of_run = and_(run.c.tenant_id == columns.tenant_id, run.c.run_id == columns.run_id)
        asked = (
            select(columns.run_id)
            .join(run, of_run)
            .where(
                columns.tenant_id == self._scope.tenant_id,
                columns.workspace_id == self._scope.workspace_id,
                columns.run_id != self._run_id,
                run.c.state.in_(_UNFINISHED),
                *conditions,
            )
            .order_by(columns.run_id)
            .limit(MOST_NAMES)
        )
        found = self._connection.execute(asked).scalars()
        return [run_name(self._scope.workspace_id, run_id) for run_id in found]

    def _process(self, row: Any) -> ProcessFacts:
        lease, directive = self._one(work_lease), self._one(run_directive)
        seen = None if row.producer_id is None else self._producer(row.producer_id)
        info: dict[str, Any] = {} if seen is None else json.loads(seen.info or "{}")
        place = lease and WorkerName(self._scope.workspace_id, lease.pool_id, lease.worker_id)
        return ProcessFacts(
            worker=str(place) if place else "",
            clock_offset_us=self._clock_offset(lease) if lease else 0,
            worker_id=lease.worker_id if lease else "",
            host=str(info.get("host", "")),
            pid=int(info.get("processId", 0)) or (lease.pid if lease else 0),
            seen_us=None if seen is None else seen.seen_us,
            asked_us=directive.created_us if directive else None,
            grace_us=directive.grace_us if directive else None,
        )

    def _clock_offset(self, lease: Any) -> int:
        """How far the clock of a lease's worker is ahead; 0 if it isn't known."""
        asked = select(worker.c.clock_offset_us).where(
            *self._in_pool(worker, lease.pool_id), worker.c.worker_id == lease.worker_id
        )
        return self._connection.execute(asked).scalar() or 0

    def _producer(self, producer_id: str) -> Any:
        columns = producer.c
        asked = select(producer).where(
            columns.tenant_id == self._scope.tenant_id,
            columns.workspace_id == self._scope.workspace_id,
            columns.producer_id == producer_id,
        )
        return self._connection.execute(asked).one_or_none()

    def _upstream(self) -> list[str]:
        """Names of the runs that it depends on and that haven't completed."""
        detail = self._one(run_detail)
        if detail is None or not detail.dependencies:
            return []
        ids = {str(item["runId"]) for item in json.loads(detail.dependencies) if "runId" in item}
        columns = run.c
        asked = (
            select(columns.run_id)
            .where(
                columns.tenant_id == self._scope.tenant_id,
                columns.workspace_id == self._scope.workspace_id,
                columns.run_id.in_(sorted(ids)[:500]),
                columns.state != RunState.COMPLETED,
            )
            .order_by(columns.run_id)
            .limit(MOST_NAMES)
        )
        found = self._connection.execute(asked).scalars()
        return [run_name(self._scope.workspace_id, run_id) for run_id in found]
