"""Makes commits on PostgreSQL durable before they are acknowledged, as far as a client can.

A session sets `synchronous_commit` itself. `fsync` and `full_page_writes` are settings of the
server, which a client can only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CHOICE: Final = (
    "set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'),"
    " {local})"
)

FOR_THE_SESSION: Final = "SELECT " + _CHOICE.format(local="false")
"""Turns `synchronous_commit = off` into `on`, so that commits wait for the disk. Any other default
of the server (remote_apply, remote_write, local) stays."""

FOR_THE_TRANSACTION: Final = _CHOICE.format(local="true")
"""The same as a column of a SELECT, until the transaction ends."""

_SERVER_SETTINGS: Final = ("fsync", "full_page_writes")


def settings_at_risk(connection: Connection) -> list[str]:
    """Settings of the server under which a power failure may lose acknowledged commits."""
    columns = ", ".join(f"current_setting('{name}')" for name in _SERVER_SETTINGS)
    values = connection.exec_driver_sql(f"SELECT {columns}").one()
    return [name for name, value in zip(_SERVER_SETTINGS, values, strict=True) if value == "off"]


def warning_of(settings: list[str]) -> str:
    """The warning about them, with the statements that an administrator should run."""
    wrong = ", ".join(f"{name}=off" for name in settings)
    cure = " ".join(f"ALTER SYSTEM SET {name} = on;" for name in settings)
    return (
        f"PostgreSQL runs with {wrong}: when its machine loses power or crashes, what was"
        " acknowledged can be lost and the database be damaged. As its administrator run:"
        f" {cure} SELECT pg_reload_conf();"
    )
