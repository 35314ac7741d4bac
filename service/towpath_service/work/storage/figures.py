"""Counts waiting runs, leases and workers over all tenants, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select

from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.work.domain.leases import Phase
from towpath_service.work.ports.figures import WorkFigures
from towpath_service.work.storage.tables import queued, run_directive, work_lease, worker

if TYPE_CHECKING:
    from towpath_service.database.port import Database, SqlTransaction

_WORKER_KEY = ("tenant_id", "workspace_id", "pool_id", "worker_id")


class SqlWorkFigures:
    """Reads the numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, now_us: int, /) -> WorkFigures:
        """The numbers over all tenants, from one state of the database."""
        return await self._database.read(
            lambda transaction: _read(transaction, now_us), tenants=EVERY_TENANT
        )


def _read(transaction: SqlTransaction, now_us: int) -> WorkFigures:
    connection = transaction.connection
    rows: Any = connection.execute(_waiting(now_us))
    waiting: dict[str, tuple[int, int | None]] = {row[0]: (row[1], row[2]) for row in rows}
    ready, oldest_us = waiting.get("ready", (0, None))
    by_phase = select(work_lease.c.phase, func.count()).group_by(work_lease.c.phase)
    phases: Any = connection.execute(by_phase)
    directives = select(func.count()).select_from(run_directive)
    return WorkFigures(
        ready=ready,
        parked=waiting.get("parked", (0, None))[0],
        later=waiting.get("later", (0, None))[0],
        oldest_us=oldest_us,
        leases={Phase(phase): count for phase, count in phases},
        directives=connection.execute(directives).scalar_one(),
        **_workers(connection.execute(_with_leases())),
    )


def _waiting(now_us: int) -> Any:
    columns = queued.c
    state = case(
        (columns.parked_by.is_not(None), "parked"),
        (columns.due_us > now_us, "later"),
        else_="ready",
    ).label("waiting")
    return select(state, func.count(), func.min(columns.due_us)).group_by(state)


def _with_leases() -> Any:
    """Each worker with the number of its leases."""
    leases = work_lease.c
    key = [leases[name] for name in _WORKER_KEY]
    held = select(*key, func.count().label("held")).group_by(*key).subquery()
    of_worker = and_(*(held.c[name] == worker.c[name] for name in _WORKER_KEY))
    columns = worker.c
    return select(
        columns.attached, columns.draining, columns.paused, columns.slots, held.c.held
    ).join_from(worker, held, of_worker, isouter=True)


def _workers(rows: Any) -> dict[str, int]:
    figures: dict[str, int] = {
        "available": 0,
        "busy": 0,
        "offline": 0,
        "slots": 0,
        "used_slots": 0,
    }
    for row in rows:
        if not row.attached:
            figures["offline"] += 1
            continue
        held = row.held or 0
        figures["busy" if row.draining or row.paused or held >= row.slots else "available"] += 1
        figures["slots"] += row.slots
        figures["used_slots"] += min(held, row.slots)
    return figures
