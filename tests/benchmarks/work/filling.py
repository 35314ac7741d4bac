"""Fills an empty database with deployments and schedules, waiting runs, and leases.

Rows are written in bulk, as the service writes them: through its own store they would take longer
than what is measured.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from towpath_service.app.stores import open_stores
from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.sql.bulk import insert_rows
from towpath_service.runs.application.commit import Batch
from towpath_service.work.application.enqueueing import enqueue
from towpath_service.work.domain.deployment_runs import run_of
from towpath_service.work.domain.deployments import Deployment, DeploymentContent
from towpath_service.work.domain.names import DeploymentName
from towpath_service.work.domain.rules import CronRule, IntervalRule
from towpath_service.work.domain.schedules import ScheduleContent
from towpath_service.work.domain.zones import zone_data_version
from towpath_service.work.storage import tables
from towpath_service.work.storage.control import SqlControl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection
    from towpath_service.app.stores import Stores
    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.postgres_url import PostgresUrl

TENANT: Final = "00000000-0000-7000-8000-000000000001"
"""The tenant of a service without identity."""
WORKSPACE: Final = "default"
POOL: Final = "local"
FLOW: Final = "etl"
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND
ZONE: Final = "Europe/Berlin"
PORTION: Final = 5_000
"""Rows of a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Schedules that are to be there."""

    schedules: int
    tenants: int
    wake_us: int
    """When all of them are looked at; their due time is the last full minute."""
    now_us: int

    @property
    def due_us(self) -> int:
        """The due time, which is not decided yet."""
        return self.now_us - self.now_us % MINUTE


def other_tenants(count: int) -> list[str]:
    """Ids of tenants that aren't the one of a service without identity."""
    return [str(uuid.UUID(int=(0x7000 << 64) + (2 << 62) + 100 + n)) for n in range(count)]


async def fill_timetable(location: Path | PostgresUrl, timetable: Timetable) -> None:
    """Writes schedules, a deployment for each, and a pool for each tenant."""
    tenants = other_tenants(timetable.tenants)
    each = timetable.schedules // timetable.tenants
    due_us = timetable.due_us
    schedule = _daily(due_us)
    async with open_stores(location) as stores:
        for tenant_id in tenants:
            await _write(stores, lambda it, of=tenant_id: add_pool(it, of, timetable.now_us))
            for start in range(0, each, PORTION):
                names = [f"n{n}" for n in range(start, min(each, start + PORTION))]
                await _write(
                    stores,
                    lambda it, of=tenant_id, ids=names: _add_schedules(
                        it, of, ids, schedule, timetable
                    ),
                )


def _daily(due_us: int) -> str:
    """A cron schedule that is due at a time of each day, as stored text."""
    local = datetime.fromtimestamp(due_us / SECOND, UTC).astimezone(ZoneInfo(ZONE))
    rule = CronRule(expression=f"{local.minute} {local.hour} * * *", time_zone=ZONE)
    return ScheduleContent(rule=rule, parameters='{"day":"yesterday"}').to_json()


async def _write(stores: Stores, work: Any) -> None:
    await stores.database.write(lambda it: work(it.connection), tenants=EVERY_TENANT)


def add_pool(connection: Connection, tenant_id: str, now_us: int) -> None:
    """Writes a pool of processes, with its default queue."""
    named: dict[str, Any] = {"tenant_id": tenant_id, "workspace_id": WORKSPACE, "pool_id": POOL}
    named |= {"description": "", "paused": False, "concurrency_limit": 0, "revision": 1}
    named |= {"created_us": now_us, "updated_us": now_us}
    pool: dict[str, Any] = {"kind": "process", "job_template": "{}", "lease_us": 30 * SECOND}
    pool |= {"start_timeout_us": 120 * SECOND, "grace_us": 30 * SECOND}
    connection.execute(insert(tables.work_pool).values(**named, **pool))
    connection.execute(insert(tables.work_queue).values(**named, queue_id="default", rank=100))


def content_of() -> DeploymentContent:
    """What each deployment is."""
    return DeploymentContent(
        entrypoint="flows.py:etl",
        flow_name=FLOW,
        pool_id=POOL,
        queue_id="default",
        parameters='{"day":"today","rows":1000}',
        tags=("nightly",),
    )


def add_deployments(
    connection: Connection, tenant_id: str, ids: Sequence[str], now_us: int
) -> None:
    """Writes deployments with their revision."""
    key = (tenant_id, WORKSPACE, FLOW)
    content = content_of()
    text = content.to_json()
    actor = "users/ada"
    rows = [
        (
            *(*key, it, POOL, "default", False, 0, int(content.collision_strategy)),
            *(1, actor, now_us, now_us),
        )
        for it in ids
    ]
    insert_rows(connection, tables.deployment, rows)
    revisions = [(*key, it, 1, text, actor, now_us) for it in ids]
    insert_rows(connection, tables.deployment_revision, revisions)


def _add_schedules(
    connection: Connection,
    tenant_id: str,
    ids: Sequence[str],
    content: str,
    timetable: Timetable,
) -> None:
    now_us, wake_us = timetable.now_us, timetable.wake_us
    add_deployments(connection, tenant_id, ids, now_us)
    due_us = timetable.due_us
    rows = [_schedule_row(tenant_id, it, content, due_us, wake_us, now_us) for it in ids]
    insert_rows(connection, tables.schedule, rows)


def _schedule_row(
    tenant_id: str, deployment_id: str, content: str, due_us: int, wake_us: int, now_us: int
) -> tuple[Any, ...]:
    return (
        *(tenant_id, WORKSPACE, FLOW, deployment_id, "daily", content, False),
        *(zone_data_version(), due_us, wake_us, due_us - 1, 1, now_us, now_us),
    )


async def fill_staggered(location: Path | PostgresUrl, count: int, first_us: int, gap: int) -> None:
    """Writes schedules that are due one after the other, of the tenant that has the pool.

    Args:
        location: The database.
        count: Number of schedules.
        first_us: When the first one is due.
        gap: Microseconds between two.
    """
    now_us = time.time_ns() // 1_000
    ids = [f"n{n}" for n in range(count)]
    due = {it: first_us + number * gap for number, it in enumerate(ids)}
    rows = [
        _schedule_row(TENANT, it, _every_day(due_us), due_us, due_us, now_us)
        for it, due_us in due.items()
    ]
    async with open_stores(location) as stores:
        await _write(stores, lambda it: add_deployments(it, TENANT, ids, now_us))
        await _write(stores, lambda it: insert_rows(it, tables.schedule, rows))


def _every_day(due_us: int) -> str:
    return ScheduleContent(rule=IntervalRule(interval_us=DAY, anchor_us=due_us)).to_json()


async def fill_waiting(location: Path | PostgresUrl, runs: int) -> list[str]:
    """Writes a pool of the tenant without identity, and runs that wait in it; returns their ids."""
    now_us = time.time_ns() // 1_000
    run_ids = sorted(str(uuid.uuid4()) for _ in range(runs))
    async with open_stores(location) as stores:
        await _write(stores, lambda it: add_pool(it, TENANT, now_us))
        await _write(stores, lambda it: add_deployments(it, TENANT, ["nightly"], now_us))
        for start in range(0, runs, PORTION):
            part = run_ids[start : start + PORTION]
            await stores.database.write(
                lambda it, ids=part: _enqueue(it, stores, ids, now_us), tenants={TENANT}
            )
    return run_ids


def _enqueue(
    transaction: SqlTransaction, stores: Stores, run_ids: Sequence[str], now_us: int
) -> None:
    control = SqlControl(transaction, stores.runs.on(transaction))
    deployment = Deployment(
        name=DeploymentName(WORKSPACE, FLOW, "nightly"),
        content=content_of(),
        owner="users/ada",
        created_us=now_us,
        updated_us=now_us,
    )
    requests = [
        run_of(
            deployment,
            Scope(TENANT, WORKSPACE),
            run_id=run_id,
            actor="users/ada",
            due_us=now_us,
            parameters={"day": "today", "rows": 1000},
        )
        for run_id in run_ids
    ]
    batch = Batch(control.runs, now_us)
    enqueue(control.queue, control.runs, batch, requests, now_us, new_ids=True)
    batch.commit([])
