"""Due schedules and their slots, on SQL; the store of the scheduler."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import bindparam, delete, func, select

from towpath_service.core.tenancy import EVERY_TENANT, check_tenants
from towpath_service.database.sql.bulk import insert_rows, update_rows
from towpath_service.database.sql.keys import Keyed, among, portions
from towpath_service.work.domain.names import DeploymentName, ScheduleName
from towpath_service.work.domain.slot_policy import Overlap, Unfinished
from towpath_service.work.ports.scheduling import (
    DeploymentKey,
    Due,
    DueSchedule,
    ScheduleKey,
    UnfinishedRun,
    counted,
)
from towpath_service.work.storage.control import SqlControl
from towpath_service.work.storage.deployments import to_deployment, with_content
from towpath_service.work.storage.queueing import SqlQueueRows
from towpath_service.work.storage.schedules import to_schedule
from towpath_service.work.storage.tables import deployment, schedule, schedule_slot
from towpath_service.work.storage.unfinished import unfinished_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from towpath_service.core.transactions import Quotas
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.work.domain.deployments import Deployment
    from towpath_service.work.domain.schedules import Schedule, Slot

Result = TypeVar("Result")

SCHEDULE: Final = "schedule"
"""Name of the transactions of the scheduler."""

_schedule = schedule.c
_deployment = deployment.c

# A tenant's first due time, and in the same pass the next one of all.
_FIRST: Final = (
    select(_schedule.tenant_id, func.min(_schedule.wake_us).label("wake_us"))
    .where(_schedule.wake_us.is_not(None))
    .group_by(_schedule.tenant_id)
)
_DUE: Final = (
    select(schedule)
    .where(_schedule.tenant_id == bindparam("tenant"), _schedule.wake_us <= bindparam("now"))
    .order_by(_schedule.wake_us)
    .limit(bindparam("most"))
)
_OTHER_ZONES: Final = (
    select(schedule)
    .where(_schedule.wake_us.is_not(None), _schedule.zone_version != bindparam("version"))
    .order_by(_schedule.tenant_id, _schedule.wake_us)
    .limit(bindparam("most"))
)
_SCHEDULE_KEY: Final = (
    _schedule.tenant_id,
    *(_schedule.workspace_id, _schedule.flow_id, _schedule.deployment_id, _schedule.schedule_id),
)
_LOCK: Final = Keyed(
    lambda named: (
        select(*_SCHEDULE_KEY, _schedule.revision, _schedule.decided_us, _schedule.wake_us)
        .where(named)
        .order_by(*_SCHEDULE_KEY)
        .with_for_update(skip_locked=True)
    ),
    *_SCHEDULE_KEY,
)
_DEPLOYMENT_KEY: Final = (
    _deployment.tenant_id,
    *(_deployment.workspace_id, _deployment.flow_id, _deployment.deployment_id),
)
_DEPLOYMENTS: Final = Keyed(lambda named: with_content().where(named), *_DEPLOYMENT_KEY)
_KEEP: Final = Keyed(
    lambda named: (
        select(*_DEPLOYMENT_KEY, _deployment.revision)
        .where(named)
        .order_by(*_DEPLOYMENT_KEY)
        .with_for_update(read=True, key_share=True)
    ),
    *_DEPLOYMENT_KEY,
)
_SLOT_KEY: Final = tuple(schedule_slot.primary_key.columns)
_MOVED: Final = (
    *("tenant_id", "workspace_id", "flow_id", "deployment_id", "schedule_id"),
    *("zone_version", "next_due_us", "wake_us", "decided_us"),
)


class SqlScheduling:
    """One transaction over schedules and runs."""

    def __init__(self, transaction: SqlTransaction, runs: RunStore, quotas: Quotas) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._quotas = quotas
        self.control = SqlControl(transaction, runs.on(transaction))

    def due(self, now_us: int, of_tenant: int, most: int) -> Due:
        """Reads schedules of all tenants that are to be looked at now, the longest due first."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        first = {row.tenant_id: row.wake_us for row in self._connection.execute(_FIRST)}
        tenants = deque(sorted((us, key) for key, us in first.items() if us <= now_us))
        share = max(of_tenant, most // max(1, len(tenants)))
        found: list[tuple[str, Schedule]] = []
        while tenants and len(found) < most:
            _, tenant_id = tenants.popleft()
            named = {"tenant": tenant_id, "now": now_us, "most": share}
            rows = self._connection.execute(_DUE, named)
            found += [(tenant_id, to_schedule(row)) for row in rows]
        return Due(
            schedules=self._with_deployments(found),
            next_us=min((us for us in first.values() if us > now_us), default=None),
        )

    def _with_deployments(self, found: Sequence[tuple[str, Schedule]]) -> list[DueSchedule]:
        deployments = self._deployments(
            {DeploymentKey(tenant_id, item.name.deployment) for tenant_id, item in found}
        )
        made: list[DueSchedule] = []
        for tenant_id, item in found:
            of = deployments.get(DeploymentKey(tenant_id, item.name.deployment))
            if of is None:
                continue
            unfinished = Unfinished()
            if item.content.overlap is not Overlap.ALLOW:
                unfinished = counted(self.unfinished(ScheduleKey(tenant_id, item.name)))
            made.append(
                DueSchedule(
                    tenant_id=tenant_id, schedule=item, deployment=of, unfinished=unfinished
                )
            )
        return made

    def _deployments(self, keys: Collection[DeploymentKey]) -> Mapping[DeploymentKey, Deployment]:
        rows = _DEPLOYMENTS.rows(self._connection, [(key.tenant_id, *key.name) for key in keys])
        made = [(row.tenant_id, to_deployment(row)) for row in rows]
        return {DeploymentKey(tenant_id, item.name): item for tenant_id, item in made}

    def of_other_zone_data(self, version: str, limit: int) -> list[tuple[str, Schedule]]:
        """Reads due schedules of all tenants whose times were computed with other zone data."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        rows = self._connection.execute(_OTHER_ZONES, {"version": version, "most": limit})
        return [(row.tenant_id, to_schedule(row)) for row in rows]

    def lock(self, seen: Collection[tuple[str, Schedule]]) -> set[ScheduleKey]:
        """Locks schedules; those that are locked by others, or have changed, are left out."""
        check_tenants(self._transaction.tenants, (tenant_id for tenant_id, _ in seen))
        known = {
            (tenant_id, *item.name): (item.revision, item.decided_us, item.wake_us)
            for tenant_id, item in seen
        }
        return {
            ScheduleKey(tenant_id, ScheduleName(*name))
            for tenant_id, *name, revision, decided_us, wake_us in _LOCK.rows(
                self._connection, known
            )
            if known[tenant_id, *name] == (revision, decided_us, wake_us)
        }

    def keep_deployments(self, keys: Collection[DeploymentKey]) -> Mapping[DeploymentKey, int]:
        """Locks deployments against changes, and returns their revisions; others are left out."""
        check_tenants(self._transaction.tenants, (key.tenant_id for key in keys))
        return {
            DeploymentKey(tenant_id, DeploymentName(*name)): revision
            for tenant_id, *name, revision in _KEEP.rows(
                self._connection, [(key.tenant_id, *key.name) for key in keys]
            )
        }

    def unfinished(self, key: ScheduleKey) -> list[UnfinishedRun]:
        """The unfinished runs of a schedule."""
        check_tenants(self._transaction.tenants, (key.tenant_id,))
        return unfinished_of(self._connection, key.limit)

    def queued_most(self, tenant_ids: Collection[str]) -> Mapping[str, int]:
        """Most queued runs of tenants that have such a quota."""
        if not tenant_ids:
            return {}
        return self._quotas(self._transaction, tenant_ids, "queued_runs")

    def add_slots(self, slots: Sequence[tuple[ScheduleKey, Slot]]) -> None:
        """Records decisions; fails as a whole if one of the due times is decided already."""
        check_tenants(self._transaction.tenants, (key.tenant_id for key, _ in slots))
        insert_rows(self._connection, schedule_slot, [_slot_row(*item) for item in slots])

    def remove_slots(self, before_us: int, most: int) -> int:
        """Removes decisions of all tenants from before a time; returns how many."""
        check_tenants(self._transaction.tenants, EVERY_TENANT)
        old = select(*_SLOT_KEY).where(schedule_slot.c.decided_us < before_us).limit(most)
        keys = [tuple(row) for row in self._connection.execute(old)]
        for portion in portions(keys):
            self._connection.execute(delete(schedule_slot).where(among(*_SLOT_KEY)), portion)
        return len(keys)

    def move(self, schedules: Sequence[tuple[str, Schedule]]) -> None:
        """Writes what is decided and when schedules are due next."""
        check_tenants(self._transaction.tenants, (tenant_id for tenant_id, _ in schedules))
        rows = [
            (
                tenant_id,
                *item.name,
                *(item.zone_version, item.next_due_us, item.wake_us, item.decided_us),
            )
            for tenant_id, item in schedules
        ]
        update_rows(self._connection, schedule, _MOVED, rows)

    def release(self, keys: Collection[ScheduleKey]) -> None:
        """Makes the first waiting run of schedules ready, if no earlier one is unfinished."""
        SqlQueueRows(self._transaction).release([key.limit for key in keys])


class SqlSchedulingStore:
    """A store over schedules and runs, on any database."""

    def __init__(self, database: Database, runs: RunStore, quotas: Quotas) -> None:
        """Takes the database, and the reads of other subjects.

        Args:
            database: The database, which must be open before the first call.
            runs: The store of runs on the same one.
            quotas: Reads the quotas of tenants.
        """
        self._database = database
        self._runs = runs
        self._quotas = quotas

    def _on(self, transaction: SqlTransaction) -> SqlScheduling:
        return SqlScheduling(transaction, self._runs, self._quotas)

    async def write(
        self, tenants: Collection[str], work: Callable[[SqlScheduling], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._database.write(
            lambda transaction: work(self._on(transaction)), tenants=tenants, name=SCHEDULE
        )

    async def read(
        self, tenants: Collection[str], work: Callable[[SqlScheduling], Result]
    ) -> Result:
        """Runs reads that see one state of the database."""
        return await self._database.read(
            lambda transaction: work(self._on(transaction)), tenants=tenants
        )


def _slot_row(key: ScheduleKey, slot: Slot) -> tuple[Any, ...]:
    """All columns of a slot, in their order."""
    return (
        key.tenant_id,
        *key.name,
        slot.slot_us,
        int(slot.outcome),
        slot.run_id,
        slot.count,
        slot.message,
        slot.decided_us,
    )
