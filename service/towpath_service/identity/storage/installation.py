"""The installation as a whole, on SQL: what is looked up before it is known whose call it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, text, update

from towpath_service.database.sql import statements
from towpath_service.database.sql.statements import insert_new
from towpath_service.identity.domain.principals import ServerKey, Tenant, WaitingDevice
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.tenant import (
    CREDENTIALS,
    to_tenant,
)

if TYPE_CHECKING:
    from towpath_service.database.port import SqlTransaction

# With the address, the key of a lock; another first number than any other lock's.
_COUNTING: Final = text("SELECT pg_advisory_xact_lock(8697286, hashtext(CAST(:address AS text)))")


class SqlInstallation:
    """One transaction about the installation."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self.transaction = transaction
        self._connection = transaction.connection

    def tenants(self, *, after: str, limit: int) -> list[Tenant]:
        """Some tenants: the first ones above a slug, by slug."""
        columns = tables.tenant.c
        rows = self._connection.execute(
            select(tables.tenant).where(columns.slug > after).order_by(columns.slug).limit(limit)
        )
        return [to_tenant(row) for row in rows]

    def tenant(self, slug: str, *, lock: bool = False) -> Tenant | None:
        """A tenant by its slug, which nobody else changes meanwhile if it is locked."""
        query = select(tables.tenant).where(tables.tenant.c.slug == slug)
        row = self._connection.execute(query.with_for_update() if lock else query).one_or_none()
        return None if row is None else to_tenant(row)

    def add_tenant(self, tenant: Tenant) -> bool:
        """Makes a tenant; False when its slug is taken."""
        return insert_new(
            self._connection,
            tables.tenant,
            tenant_id=tenant.tenant_id,
            slug=tenant.slug,
            display_name=tenant.display_name,
            suspended=tenant.suspended,
            quotas=json.dumps(dict(tenant.quotas)),
            created_us=tenant.created_us,
            access_changed_us=tenant.created_us,
        )

    def change_tenant(self, tenant: Tenant) -> None:
        """Writes whether a tenant is suspended, and its limits."""
        self._connection.execute(
            update(tables.tenant)
            .where(tables.tenant.c.tenant_id == tenant.tenant_id)
            .values(
                suspended=tenant.suspended,
                quotas=json.dumps(dict(tenant.quotas)),
                access_changed_us=self.now_us(),
            )
        )

    def tenant_of(self, credential_id: str) -> str | None:
        """The tenant that a credential belongs to."""
        table = tables.credential_tenant
        found: str | None = self._connection.execute(
            select(table.c.tenant_id).where(table.c.credential_id == credential_id)
        ).scalar()
        return found

    def add_device(self, device: WaitingDevice) -> bool:
        """Keeps a device that waits; False when its codes are taken."""
        return insert_new(self._connection, tables.waiting_device, **asdict(device))

    def forget_devices(self, before_us: int) -> None:
        """Removes the devices that ended before a time; looks at all that there are."""
        table = tables.waiting_device
        self._connection.execute(delete(table).where(table.c.expires_us < before_us))

    def device(self, device_id: str) -> WaitingDevice | None:
        """A device by the public id of its device code."""
        return self._device(tables.waiting_device.c.device_id == device_id)

    def device_by_code(self, user_code: str) -> WaitingDevice | None:
        """A device by its user code."""
        return self._device(tables.waiting_device.c.user_code == user_code)

    def devices_from(self, address: str, now_us: int) -> int:
        """How many devices wait that began at an address; till this commits, no other counts."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_COUNTING, {"address": address})
        columns = tables.waiting_device.c
        waiting = (columns.address == address) & (columns.expires_us > now_us)
        counted = select(func.count()).select_from(tables.waiting_device).where(waiting)
        return int(self._connection.execute(counted).scalar_one())

    def note_poll(self, device_id: str, polled_us: int) -> None:
        """Writes when a device last asked."""
        self._change_waiting(device_id, polled_us=polled_us)

    def approve_device(self, device_id: str, tenant_id: str, credential_id: str) -> bool:
        """Writes which login a device gets; False when it has one already, or is gone."""
        return self._change_waiting(
            device_id, approved_tenant_id=tenant_id, credential_id=credential_id
        )

    def remove_device(self, device_id: str) -> bool:
        """Forgets a device; False when there is none."""
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

    def changed_since(self, since_us: int) -> list[str]:
        """Tenants in which callers' rights have changed since a time of the database's clock."""
        columns = tables.tenant.c
        return list(
            self._connection.execute(
                select(columns.tenant_id).where(columns.access_changed_us >= since_us)
            ).scalars()
        )

    def now_us(self) -> int:
        """The database's clock, microseconds since the Unix epoch."""
        return statements.database_now_us(self._connection)

    def server_keys(self) -> list[ServerKey]:
        """The service's own secrets, oldest first."""
        columns = tables.server_key.c
        rows = self._connection.execute(
            select(tables.server_key).order_by(columns.created_us, columns.key_id)
        )
        return [ServerKey(**row) for row in rows.mappings()]

    def add_server_key(self, key: ServerKey) -> None:
        """Keeps a secret."""
        self._connection.execute(insert(tables.server_key).values(**_values(key)))

    def change_server_key(self, key: ServerKey) -> None:
        """Writes a secret anew: sealed differently, or with other times."""
        self._connection.execute(update(tables.server_key).where(*_is(key)).values(**_values(key)))

    def remove_server_key(self, key: ServerKey) -> None:
        """Forgets a secret."""
        self._connection.execute(delete(tables.server_key).where(*_is(key)))

    def peppers_in_use(self, now_us: int) -> set[int]:
        """Versions of the pepper that an API key or a device is hashed under which holds."""
        key, device = tables.api_key.c, tables.waiting_device.c
        of_keys = select(key.pepper_version).where(_holds(now_us))
        of_devices = select(device.pepper_version).where(device.expires_us > now_us)
        return set(self._connection.execute(of_keys.union(of_devices)).scalars())

    def oldest_login_us(self, now_us: int) -> int | None:
        """When the first of the logins was made that hold at a time; None when there is none."""
        key = tables.api_key.c
        logins = (key.kind == CREDENTIALS["sign_in"]) & _holds(now_us)
        made_us: int | None = self._connection.execute(
            select(func.min(key.created_us)).where(logins)
        ).scalar()
        return made_us


def _holds(now_us: int) -> Any:
    key = tables.api_key.c
    return key.revoked_us.is_(None) & (key.expires_us.is_(None) | (key.expires_us > now_us))


def _is(key: ServerKey) -> tuple[Any, ...]:
    columns = tables.server_key.c
    return columns.purpose == key.purpose, columns.key_id == key.key_id


def _values(key: ServerKey) -> dict[str, Any]:
    return {
        "purpose": key.purpose,
        "key_id": key.key_id,
        "sealed": key.sealed,
        "created_us": key.created_us,
        "used_from_us": key.used_from_us,
        "used_until_us": key.used_until_us,
    }
