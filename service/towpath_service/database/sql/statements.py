"""Statements that differ between databases, for the storage of every subject."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_CLOCK: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Inserts a row unless one of its keys is taken; returns whether it did."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement).rowcount > 0


def database_now_us(connection: Connection) -> int:
    """The database's clock, microseconds since the Unix epoch."""
    if connection.dialect.name != "postgresql":
        return time.time_ns() // 1000
    return int(connection.execute(_CLOCK).scalar_one())
