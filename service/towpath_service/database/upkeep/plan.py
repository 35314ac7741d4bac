"""The plan of an upgrade: its statements, their locks, and the rows of their tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect

from towpath_service.database.upgrade import statements
from towpath_service.database.upkeep.size import row_estimates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_EXCLUSIVE: Final = "ACCESS EXCLUSIVE"

# From chapter 13.3 and ALTER TABLE of PostgreSQL's manual. The first match applies.
_LOCKS: Final = (
    (r"CREATE TABLE", "none", "new table"),
    (r"CREATE (UNIQUE )?INDEX CONCURRENTLY", "SHARE UPDATE EXCLUSIVE", "reads the table twice"),
    (r"CREATE (UNIQUE )?INDEX", "SHARE", "reads the table; writes wait"),
    (r"DROP INDEX CONCURRENTLY", "SHARE UPDATE EXCLUSIVE", "brief"),
    (r"ALTER TABLE \S+ VALIDATE", "SHARE UPDATE EXCLUSIVE", "reads the table"),
    (r"ALTER TABLE \S+ ADD COLUMN", _EXCLUSIVE, "brief; existing rows stay as they are"),
    (r"ALTER TABLE \S+ ALTER COLUMN \S+ TYPE", _EXCLUSIVE, "may rewrite the table"),
    (r"ALTER TABLE|DROP TABLE|DROP INDEX|TRUNCATE", _EXCLUSIVE, "brief"),
    (r"UPDATE|DELETE|INSERT", "ROW EXCLUSIVE", "touches rows"),
)
_TABLE: Final = re.compile(
    r"(?:TABLE|INDEX .*? ON|INTO|UPDATE|FROM)\s+(?:IF (?:NOT )?EXISTS\s+)?\"?(\w+)",
    re.IGNORECASE,
)
_SETTING: Final = re.compile(r"(BEGIN|COMMIT|SET)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement."""

    statement: str
    table: str
    lock: str
    """PostgreSQL's lock on the table; SQLite always locks the whole database."""
    effect: str
    rows: int
    """Number of rows in the table; an estimate on PostgreSQL."""


def plan(connection: Connection) -> list[Step]:
    """The statements of an upgrade to the newest schema, which isn't run."""
    buffer = StringIO()
    statements(connection, buffer)
    rows = row_estimates(connection)
    lines = [line for line in buffer.getvalue().splitlines() if not line.startswith("--")]
    parts = (" ".join(part.split()) for part in "\n".join(lines).split(";"))
    existing = set(inspect(connection).get_table_names())
    return [step_of(part, rows, existing) for part in parts if part and not _SETTING.match(part)]


def step_of(statement: str, rows: Mapping[str, int], existing: set[str]) -> Step:
    """The step of one statement.

    Args:
        statement: Its text.
        rows: Number of rows by table.
        existing: Names of the existing tables.
    """
    found = _TABLE.search(statement)
    table = found[1] if found else ""
    lock, effect = next(
        (
            (lock, effect)
            for pattern, lock, effect in _LOCKS
            if re.match(pattern, statement, re.IGNORECASE)
        ),
        (_EXCLUSIVE, "not known: taken for the strongest"),
    )
    if table and table not in existing and lock != "none":
        lock, effect = "none", "on a new table"
    return Step(statement=statement, table=table, lock=lock, effect=effect, rows=rows.get(table, 0))
