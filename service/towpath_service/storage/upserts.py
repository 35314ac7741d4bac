"""INSERT with ON CONFLICT, which both databases have and SQLAlchemy spells by dialect."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


@lru_cache(maxsize=256)
def _insert(dialect: str, table: Table, replacing: tuple[str, ...], adding: tuple[str, ...]) -> Any:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = make(table)
    if not replacing and not adding:
        return statement.on_conflict_do_nothing()
    values: dict[str, Any] = {name: statement.excluded[name] for name in replacing}
    values.update({name: table.c[name] + statement.excluded[name] for name in adding})
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)


def insert_or_ignore(connection: Connection, table: Table) -> Any:
    """An INSERT that leaves rows alone whose key is there already."""
    return _insert(connection.dialect.name, table, (), ())


def upsert(
    connection: Connection,
    table: Table,
    replacing: tuple[str, ...],
    *,
    adding: tuple[str, ...] = (),
) -> Any:
    """An INSERT that updates the row of a key that is there already.

    Args:
        connection: Whose dialect it is for.
        table: Where to.
        replacing: Columns that take the new value.
        adding: Columns that the new value is added to.
    """
    return _insert(connection.dialect.name, table, replacing, adding)
