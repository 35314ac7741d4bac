"""Writes and reads many rows in few statements; used by the storage of subjects.

SQLAlchemy converts every row into a dict and processes its values, which costs more than the
database itself. sqlite3 releases the interpreter's lock at every row of an `executemany`, and a
busy event loop then holds it for milliseconds. So rows are tuples in the order of their columns. A
statement takes hundreds of them on SQLite, and all of them on PostgreSQL (`arrays.py`).
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from itertools import chain, count, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from towpath_service.database.sql.arrays import insert_arrays, update_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, Connection, Table

    from towpath_service.database.sql.one_statement import Executor

    Row = tuple[Any, ...]

# SQLite takes 32,766 variables in a statement.
MAX_VARIABLES: Final = 16_000
# Few sizes of a statement, so that they stay prepared: a power of this, or the largest possible.
_SHAPES: Final = 4
_first_two: Final = itemgetter(0, 1)


def insert_rows(connection: Executor, table: Table, rows: Sequence[Row]) -> None:
    """Inserts rows, each a tuple of all columns of the table in their order.

    Rows are sorted by their first columns, those of the primary key, so that neighbours in the
    index are inserted together.
    """
    _insert(connection, table, tuple(table.c.keys()), rows, "")


def update_rows(
    connection: Executor, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Updates rows by their primary key.

    Args:
        connection: Runs the statements.
        table: The table.
        columns: The columns of the primary key, then the columns to set.
        rows: Values in the order of the columns; no key twice.
    """
    if not rows:
        return
    rows = sorted(rows, key=_first_two)
    if connection.dialect.name == "postgresql":
        update_arrays(connection, table, columns, rows)
    else:
        _in_chunks(connection, partial(_updating, table, columns), len(columns), rows)


def upsert_rows(
    connection: Executor,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Row],
    *,
    replacing: tuple[str, ...] = (),
    adding: tuple[str, ...] = (),
) -> None:
    """Inserts rows; an existing row with the same key is kept or changed.

    Args:
        connection: Runs the statements.
        table: The table.
        columns: Names of the rows' columns.
        rows: The rows; no key twice.
        replacing: Columns of an existing row that are set to the new value.
        adding: Columns of an existing row that the new value is added to.
    """
    _insert(connection, table, columns, rows, _conflict(table, replacing, adding))


def read_rows(
    connection: Connection,
    columns: Sequence[Column[Any]],
    *,
    condition: tuple[Column[str], str],
    among: tuple[Column[str], Sequence[str]],
) -> list[Sequence[Any]]:
    """Reads numbers and texts of one table on SQLite; booleans may come as numbers.

    Args:
        connection: A connection to SQLite.
        columns: The columns to read.
        condition: A column and its required value.
        among: A column and its permitted values.
    """
    column, value = condition
    picked, values = among
    statement = _reading(tuple(columns), column, picked)
    found = connection.exec_driver_sql(statement, (value, json.dumps(values))).scalar_one()
    rows: list[Sequence[Any]] = json.loads(found)
    return rows


@lru_cache(maxsize=16)
def _reading(columns: tuple[Column[Any], ...], column: Column[str], picked: Column[str]) -> str:
    # All rows as one JSON row: fetching each row releases the interpreter's lock.
    names = ", ".join(item.name for item in columns)
    return (
        f"SELECT json_group_array(json_array({names})) FROM {column.table.name}"  # noqa: S608 - names of the schema
        f" WHERE {column.name} = ? AND {picked.name} IN (SELECT value FROM json_each(?))"
    )


def _insert(
    connection: Executor,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Row],
    conflict: str,
) -> None:
    if not rows:
        return
    rows = sorted(rows, key=_first_two)
    if connection.dialect.name == "postgresql":
        insert_arrays(connection, table, columns, rows, conflict=conflict)
    else:
        _in_chunks(connection, partial(_inserting, table, columns, conflict), len(columns), rows)


@lru_cache(maxsize=64)
def _conflict(table: Table, replacing: tuple[str, ...], adding: tuple[str, ...]) -> str:
    """The ON CONFLICT clause, the same on both databases."""
    if not replacing and not adding:
        return " ON CONFLICT DO NOTHING"
    keys = ", ".join(column.name for column in table.primary_key)
    setting = [f"{name} = excluded.{name}" for name in replacing]
    setting += [f"{name} = {table.name}.{name} + excluded.{name}" for name in adding]
    return f" ON CONFLICT ({keys}) DO UPDATE SET {', '.join(setting)}"


def _in_chunks(
    connection: Executor, make: Callable[[int], str], width: int, rows: Sequence[Row]
) -> None:
    start = 0
    for size in _shapes(MAX_VARIABLES // width):
        while len(rows) - start >= size:
            values = tuple(chain.from_iterable(rows[start : start + size]))
            connection.exec_driver_sql(make(size), values)
            start += size


@lru_cache(maxsize=64)
def _shapes(most: int) -> tuple[int, ...]:
    """The sizes of a statement in rows, largest first."""
    powers = takewhile(lambda size: size < most, (_SHAPES**number for number in count()))
    return (most, *reversed(list(powers)))


@lru_cache(maxsize=256)
def _inserting(table: Table, columns: tuple[str, ...], conflict: str, rows: int) -> str:
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)})"  # noqa: S608 - names of the schema
        f" VALUES {_marks(columns, rows)}{conflict}"
    )


@lru_cache(maxsize=64)
def _updating(table: Table, columns: tuple[str, ...], rows: int) -> str:
    keys = len(table.primary_key)
    setting = ", ".join(f"{name} = new.{name}" for name in columns[keys:])
    meeting = " AND ".join(f"{table.name}.{name} = new.{name}" for name in columns[:keys])
    return (
        f"WITH new ({', '.join(columns)}) AS (VALUES {_marks(columns, rows)})"  # noqa: S608 - names of the schema
        f" UPDATE {table.name} SET {setting} FROM new WHERE {meeting}"
    )


def _marks(columns: tuple[str, ...], rows: int) -> str:
    one = f"({', '.join('?' * len(columns))})"
    return ", ".join([one] * rows)
