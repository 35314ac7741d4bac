"""That a commit on PostgreSQL is on the disk when it is answered, as far as a client can see to it.

`synchronous_commit` is a session's own to choose. `fsync` and `full_page_writes` are the server's:
of those it is only told.
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
"""Has commits wait for the disk, whatever the server's default is or will be; a default that
waits for replicas too, or for this server alone, stays."""

FOR_THE_TRANSACTION: Final = _CHOICE.format(local="true")
"""The same as a column of a SELECT, until the transaction ends."""

_SERVER_SETTINGS: Final = ("fsync", "full_page_writes")


def settings_at_risk(connection: Connection) -> list[str]:
    """Settings of the server under which a power cut may take what was acknowledged."""
    columns = ", ".join(f"current_setting('{name}')" for name in _SERVER_SETTINGS)
    values = connection.exec_driver_sql(f"SELECT {columns}").one()
    return [name for name, value in zip(_SERVER_SETTINGS, values, strict=True) if value == "off"]


def warning_of(settings: list[str]) -> str:
    """What an administrator is told of them."""
    wrong = ", ".join(f"{name}=off" for name in settings)
    cure = " ".join(f"ALTER SYSTEM SET {name} = on;" for name in settings)
    return (
        f"PostgreSQL runs with {wrong}: when its machine loses power or crashes, what was"
        " acknowledged can be lost and the database be damaged. As its administrator run:"
        f" {cure} SELECT pg_reload_conf();"
    )
