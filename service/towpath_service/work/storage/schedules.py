"""Schedules of one tenant and their slots, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, tuple_, update

from towpath_service.core.bus import SCHEDULES
from towpath_service.database.sql.statements import insert_new
from towpath_service.work.domain.names import EVERY, DeploymentName, ScheduleName
from towpath_service.work.domain.schedules import Schedule, ScheduleContent, Slot
from towpath_service.work.domain.slot_policy import SlotOutcome
from towpath_service.work.storage.deployments import of_deployment
from towpath_service.work.storage.locking import locked
from towpath_service.work.storage.tables import schedule, schedule_slot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from towpath_service.database.port import SqlTransaction
    from towpath_service.work.ports.resources import Lock


class SqlSchedules:
    """The schedules of one tenant."""

    def __init__(self, transaction: SqlTransaction, tenant_id: str) -> None:
        self._connection = transaction.connection
        self._topics = transaction.topics
        self._tenant_id = tenant_id

    def get(self, name: ScheduleName) -> Schedule | None:
        """A schedule; None when there is none."""
        row = self._connection.execute(
            select(schedule).where(*self._named(schedule, name))
        ).one_or_none()
        return None if row is None else to_schedule(row)

    def of_deployment(self, name: DeploymentName, *, lock: Lock = "") -> list[Schedule]:
        """The schedules of a deployment, by id."""
        found = (
            select(schedule)
            .where(*of_deployment(schedule, self._tenant_id, name))
            .order_by(schedule.c.schedule_id)
        )
        return list(map(to_schedule, self._connection.execute(locked(found, lock))))

    def page(self, parent: DeploymentName, after: tuple[str, ...], limit: int) -> list[Schedule]:
        """A page of schedules by flow, deployment and id; see `Schedules`."""
        columns = schedule.c
        found = select(schedule).where(
            columns.tenant_id == self._tenant_id, columns.workspace_id == parent.workspace_id
        )
        if parent.flow_id != EVERY:
            found = found.where(columns.flow_id == parent.flow_id)
        if parent.deployment_id != EVERY:
            found = found.where(columns.deployment_id == parent.deployment_id)
        place = (columns.flow_id, columns.deployment_id, columns.schedule_id)
        if after:
            found = found.where(tuple_(*place) > after)
        ordered = found.order_by(*place).limit(limit)
        return list(map(to_schedule, self._connection.execute(ordered)))

    def count(self) -> int:
        """The number of schedules of the tenant."""
        mine = schedule.c.tenant_id == self._tenant_id
        counted = select(func.count()).select_from(schedule).where(mine)
        return int(self._connection.execute(counted).scalar_one())

    def next_times(
        self, workspace_id: str, names: Sequence[DeploymentName]
    ) -> Mapping[DeploymentName, int]:
        """The next time at which each of some deployments runs by itself; without those with none.

        Args:
            workspace_id: Their workspace.
            names: The deployments.
        """
        if not names:
            return {}
        columns = schedule.c
        rows = self._connection.execute(
            select(columns.flow_id, columns.deployment_id, func.min(columns.wake_us))
            .where(
                columns.tenant_id == self._tenant_id,
                columns.workspace_id == workspace_id,
                columns.wake_us.is_not(None),
                tuple_(columns.flow_id, columns.deployment_id).in_([name[1:] for name in names]),
            )
            .group_by(columns.flow_id, columns.deployment_id)
        )
        return {DeploymentName(workspace_id, row[0], row[1]): row[2] for row in rows}

    def add(self, made: Schedule) -> bool:
        """Makes a schedule; False when its id is taken."""
        self._topics.add(SCHEDULES)
        key = {"tenant_id": self._tenant_id, **made.name._asdict()}
        return insert_new(self._connection, schedule, **key, **_changing(made))

    def change(self, now: Schedule) -> None:
        """Replaces a schedule, which the transaction has locked."""
        self._topics.add(SCHEDULES)
        self._connection.execute(
            update(schedule).where(*self._named(schedule, now.name)).values(**_changing(now))
        )

    def remove(self, name: ScheduleName) -> None:
        """Removes a schedule with its slots."""
        for table in (schedule_slot, schedule):
            self._connection.execute(delete(table).where(*self._named(table, name)))

    def add_slots(self, name: ScheduleName, slots: Sequence[Slot]) -> None:
        """Records decisions on due times; each due time has at most one."""
        key = {"tenant_id": self._tenant_id, **name._asdict()}
        for slot in slots:
            self._connection.execute(
                insert(schedule_slot).values(
                    **key,
                    slot_us=slot.slot_us,
                    outcome=int(slot.outcome),
                    run_id=slot.run_id,
                    count=slot.count,
                    message=slot.message,
                    decided_us=slot.decided_us,
                )
            )

    def slots(self, name: ScheduleName, before_us: int | None, limit: int) -> list[Slot]:
        """A page of the slots of a schedule, newest first; see `Schedules`."""
        columns = schedule_slot.c
        found = select(schedule_slot).where(*self._named(schedule_slot, name))
        if before_us is not None:
            found = found.where(columns.slot_us < before_us)
        ordered = found.order_by(columns.slot_us.desc()).limit(limit)
        return list(map(_to_slot, self._connection.execute(ordered)))

    def last_times(self, names: Sequence[ScheduleName]) -> Mapping[ScheduleName, int]:
        """The last due time that was decided of each of some schedules of one deployment."""
        if not names:
            return {}
        columns = schedule_slot.c
        rows = self._connection.execute(
            select(columns.schedule_id, func.max(columns.slot_us))
            .where(
                *of_deployment(schedule_slot, self._tenant_id, names[0].deployment),
                columns.schedule_id.in_([name.schedule_id for name in names]),
            )
            .group_by(columns.schedule_id)
        )
        return {ScheduleName(*names[0].deployment, row[0]): row[1] for row in rows}

    def _named(self, table: Table, name: ScheduleName) -> tuple[Any, ...]:
        return (
            *of_deployment(table, self._tenant_id, name.deployment),
            table.c.schedule_id == name.schedule_id,
        )


def _changing(item: Schedule) -> dict[str, Any]:
    return {
        "content": item.content.to_json(),
        "paused": item.content.paused,
        "zone_version": item.zone_version,
        "next_due_us": item.next_due_us,
        "wake_us": item.wake_us,
        "decided_us": item.decided_us,
        "revision": item.revision,
        "created_us": item.created_us,
        "updated_us": item.updated_us,
    }


def to_schedule(row: Any) -> Schedule:
    """The schedule of a row of its table."""
    return Schedule(
        name=ScheduleName(row.workspace_id, row.flow_id, row.deployment_id, row.schedule_id),
        content=ScheduleContent.from_json(row.content),
        zone_version=row.zone_version,
        next_due_us=row.next_due_us,
        wake_us=row.wake_us,
        decided_us=row.decided_us,
        revision=row.revision,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def _to_slot(row: Any) -> Slot:
    return Slot(
        slot_us=row.slot_us,
        outcome=SlotOutcome(row.outcome),
        run_id=row.run_id,
        count=row.count,
        message=row.message,
        decided_us=row.decided_us,
    )
