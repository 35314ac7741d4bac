"""Devices that wait for a login, on SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, text, update

from towpath_service.database.sql.statements import insert_new
from towpath_service.identity.domain.principals import WaitingDevice
from towpath_service.identity.storage import tables

if TYPE_CHECKING:
    from towpath_service.database.port import SqlTransaction


# The number and the address are the lock's key; no other lock has this number.
_COUNTING: Final = text("SELECT pg_advisory_xact_lock(8697286, hashtext(CAST(:address AS text)))")


class SqlWaitingDevices:
    """The devices whose login waits for approval."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection

    def add(self, device: WaitingDevice) -> bool:
        """Keeps a device that waits; False when its codes are taken."""
        return insert_new(self._connection, tables.waiting_device, **asdict(device))

    def forget(self, before_us: int) -> None:
        """Removes the devices that expired before a time; reads all devices."""
        table = tables.waiting_device
        self._connection.execute(delete(table).where(table.c.expires_us < before_us))

    def find(self, device_id: str) -> WaitingDevice | None:
        """A device by the public id of its device code."""
        return self._device(tables.waiting_device.c.device_id == device_id)

    def find_by_code(self, user_code: str) -> WaitingDevice | None:
        """A device by its user code."""
        return self._device(tables.waiting_device.c.user_code == user_code)

    def count_from(self, address: str, now_us: int) -> int:
        """The number of pending devices of an address; locks that count until the commit."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_COUNTING, {"address": address})
        columns = tables.waiting_device.c
        waiting = (columns.address == address) & (columns.expires_us > now_us)
        counted = select(func.count()).select_from(tables.waiting_device).where(waiting)
        return int(self._connection.execute(counted).scalar_one())

    def note_poll(self, device_id: str, polled_us: int) -> None:
        """Writes when a device last polled."""
        self._change_waiting(device_id, polled_us=polled_us)

    def approve(self, device_id: str, tenant_id: str, credential_id: str) -> bool:
        """Writes the login of a device; False when it has one already, or is gone."""
        return self._change_waiting(
            device_id, approved_tenant_id=tenant_id, credential_id=credential_id
        )

    def remove(self, device_id: str) -> bool:
        """Removes a device; False when there is none."""
        table = tables.waiting_device
        removed = self._connection.execute(delete(table).where(table.c.device_id == device_id))
        return removed.rowcount > 0

    def _change_waiting(self, device_id: str, **values: Any) -> bool:
        columns = tables.waiting_device.c
        changed = self._connection.execute(
            update(tables.waiting_device)
            .where(columns.device_id == device_id, columns.credential_id.is_(None))
            .values(**values)
        )
        return changed.rowcount > 0

    def _device(self, condition: Any) -> WaitingDevice | None:
        rows = self._connection.execute(select(tables.waiting_device).where(condition))
        row = rows.mappings().one_or_none()
        return None if row is None else WaitingDevice(**row)
