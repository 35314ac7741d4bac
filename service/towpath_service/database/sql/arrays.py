"""Writes many rows in one statement on PostgreSQL: an array per column, unnested by the server.

The statement's text is the same for any number of rows, so each connection parses it once. An array
goes as its text: the driver would look at the type of each element, which takes three times as
long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Column, Table

    from towpath_service.database.sql.one_statement import Executor

    Row = tuple[Any, ...]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
# The only character that PostgreSQL's texts can't contain.
_NUL = "\0"
_INSTEAD = "\N{REPLACEMENT CHARACTER}"
_SPECIAL = re.compile(r'[\0\\"]')
_NUMBERS = ("BIGINT", "INTEGER", "SMALLINT")
_TEXTS = ("TEXT", "VARCHAR")


def insert_arrays(
    connection: Executor,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Row],
    *,
    conflict: str = "",
    returning: str = "",
) -> Any:
    """Inserts rows of some columns.

    Args:
        connection: Runs the statement, now or later.
        table: The table.
        columns: Names of the rows' columns.
        rows: The rows.
        conflict: An ON CONFLICT clause; empty for none.
        returning: Expressions to return of the written rows; empty for none.

    Returns:
        The executor's result.
    """
    statement = _inserting(table, columns, conflict, returning)
    return connection.exec_driver_sql(statement, _arrays(table, columns, rows))


def update_arrays(
    connection: Executor, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Updates rows by their primary key, whose columns come first."""
    connection.exec_driver_sql(_updating(table, columns), _arrays(table, columns, rows))


@lru_cache(maxsize=256)
def _inserting(table: Table, columns: tuple[str, ...], conflict: str, returning: str) -> str:
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)})"  # noqa: S608 - names of the schema
        f" SELECT * FROM {_unnested(table, columns)}{conflict}"
        + (f" RETURNING {returning}" if returning else "")
    )


@lru_cache(maxsize=64)
def _updating(table: Table, columns: tuple[str, ...]) -> str:
    keys = len(table.primary_key)
    setting = ", ".join(f"{name} = new.{name}" for name in columns[keys:])
    meeting = " AND ".join(f"{table.name}.{name} = new.{name}" for name in columns[:keys])
    return (
        f"UPDATE {table.name} SET {setting} FROM {_unnested(table, columns)}"  # noqa: S608 - names of the schema
        f" AS new({', '.join(columns)}) WHERE {meeting}"
    )


def selected(columns: Sequence[Column[Any]]) -> str:
    """The select list of columns, cast to numbers and texts."""
    return ", ".join(
        f"{item.name}::text" if type_name(item) == "UUID" else item.name for item in columns
    )


def _unnested(table: Table, columns: tuple[str, ...]) -> str:
    arrays = (
        f"${number}{'::text' if _is_text(table.c[name]) else ''}::{type_name(table.c[name])}[]"
        for number, name in enumerate(columns, start=1)
    )
    return f"unnest({', '.join(arrays)})"


@lru_cache(maxsize=512)
def type_name(column: Column[Any]) -> str:
    """PostgreSQL's name of a column's type."""
    return column.type.compile(_DIALECT).partition(" COLLATE")[0]


@lru_cache(maxsize=512)
def _is_text(column: Column[Any]) -> bool:
    """Whether an array of a column goes as its text."""
    return type_name(column).startswith((*_NUMBERS, *_TEXTS, "BOOLEAN", "UUID"))


def _arrays(
    table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> tuple[str | list[Any], ...]:
    return tuple(
        _array(table.c[name], values)
        for name, values in zip(columns, zip(*rows, strict=True), strict=True)
    )


def _array(column: Column[Any], values: Sequence[Any]) -> str | list[Any]:
    if not _is_text(column):
        return list(values)
    write = _writer(column)
    first = values[0]
    # Most columns of a batch have one value, which is written once.
    if values.count(first) == len(values):
        return _array_text(["NULL" if first is None else write(first)] * len(values))
    if None in values:
        return _array_text("NULL" if value is None else write(value) for value in values)
    # One search for all, since few texts have a character that needs an escape.
    if write is _quoted and not _SPECIAL.search("".join(values)):
        return '{"' + '","'.join(values) + '"}'
    return _array_text(map(write, values))


@lru_cache(maxsize=512)
def _writer(column: Column[Any]) -> Callable[[Any], str]:
    """How an element of a column's array is written."""
    name = type_name(column)
    if name.startswith(_TEXTS):
        return _quoted
    # Of a flag, too: PostgreSQL reads 1 and 0 as its values.
    return str if name == "UUID" else int.__repr__


def _array_text(elements: Iterable[str]) -> str:
    return f"{{{','.join(elements)}}}"


def _quoted(value: str) -> str:
    if _SPECIAL.search(value):
        value = value.replace(_NUL, _INSTEAD).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
