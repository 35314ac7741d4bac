"""The service's own secrets, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from towpath_service.identity.domain.principals import ServerKey
from towpath_service.identity.storage import tables
from towpath_service.identity.storage.keys import CREDENTIALS

if TYPE_CHECKING:
    from towpath_service.database.port import SqlTransaction


class SqlServerKeyRecords:
    """The service's own secrets, sealed."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection

    def all(self) -> list[ServerKey]:
        """The service's own secrets, oldest first."""
        columns = tables.server_key.c
        rows = self._connection.execute(
            select(tables.server_key).order_by(columns.created_us, columns.key_id)
        )
        return [ServerKey(**row) for row in rows.mappings()]

    def add(self, key: ServerKey) -> None:
        """Keeps a secret."""
        self._connection.execute(insert(tables.server_key).values(**_values(key)))

    def change(self, key: ServerKey) -> None:
        """Overwrites a secret: sealed differently, or with other times."""
        self._connection.execute(update(tables.server_key).where(*_is(key)).values(**_values(key)))

    def remove(self, key: ServerKey) -> None:
        """Removes a secret."""
        self._connection.execute(delete(tables.server_key).where(*_is(key)))

    def peppers_in_use(self, now_us: int) -> set[int]:
        """Pepper versions under which a valid API key or device is hashed."""
        key, device = tables.api_key.c, tables.waiting_device.c
        of_keys = select(key.pepper_version).where(_holds(now_us))
        of_devices = select(device.pepper_version).where(device.expires_us > now_us)
        return set(self._connection.execute(of_keys.union(of_devices)).scalars())

    def oldest_login_us(self, now_us: int) -> int | None:
        """When the oldest login valid at a time was made; None when there is none."""
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
