"""Sizes of a database and its tables; used by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


class TableSize(NamedTuple):
    """The size of a table and its indexes: bytes."""

    table: str
    rows: int
    """An estimate on PostgreSQL."""
    table_bytes: int
    index_bytes: int

    @property
    def total_bytes(self) -> int:
        """Bytes of the table and its indexes."""
        return self.table_bytes + self.index_bytes


# A table that was never analyzed has -1 rows; the count of the statistics replaces it.
_POSTGRES: Final = text("""
SELECT c.relname,
       CASE WHEN c.reltuples < 0 THEN coalesce(s.n_live_tup, 0)
            ELSE greatest(c.reltuples, coalesce(s.n_live_tup, 0)) END::bigint,
       pg_table_size(c.oid), pg_indexes_size(c.oid)
  FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
 WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
""")
_SQLITE: Final = text("""
SELECT m.tbl_name, sum(CASE WHEN m.type = 'table' THEN s.pgsize ELSE 0 END),
       sum(CASE WHEN m.type = 'index' THEN s.pgsize ELSE 0 END)
  FROM dbstat s JOIN sqlite_schema m ON m.name = s.name
 GROUP BY m.tbl_name
""")


def table_sizes(connection: Connection) -> list[TableSize]:
    """The size of each table, the largest first."""
    if connection.dialect.name == "postgresql":
        sizes = [TableSize(*row) for row in connection.execute(_POSTGRES)]
    else:
        rows = row_estimates(connection)
        sizes = [
            TableSize(table, rows.get(table, 0), used, of_indexes)
            for table, used, of_indexes in _sqlite_pages(connection, rows)
        ]
    return sorted(sizes, key=lambda size: (-size.total_bytes, size.table))


def database_bytes(connection: Connection) -> int:
    """Bytes of the whole database."""
    if connection.dialect.name == "postgresql":
        query = "SELECT pg_database_size(current_database())"
    else:
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    return int(connection.execute(text(query)).scalar_one())


def row_estimates(connection: Connection) -> Mapping[str, int]:
    """Estimated number of rows by table."""
    if connection.dialect.name == "postgresql":
        return {row[0]: row[1] for row in connection.execute(_POSTGRES)}
    return {
        table: connection.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()  # noqa: S608 - names of the schema
        for table in inspect(connection).get_table_names()
    }


def _sqlite_pages(connection: Connection, tables: Mapping[str, int]) -> list[tuple[str, int, int]]:
    try:
        found = {row[0]: (row[1], row[2]) for row in connection.execute(_SQLITE)}
    except OperationalError:
        found = {}  # Not every SQLite is built with dbstat.
    return [(table, *found.get(table, (0, 0))) for table in tables]
