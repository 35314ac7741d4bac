"""The tables of a new SQLite database, by one script instead of all migrations.

The migrations take half a second of processor time, most of it in Alembic; the script takes
milliseconds. A test holds it equal to the migrations; `poe new-sqlite` writes it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCRIPT: Final = Path(__file__).with_name("new_sqlite.sql")


def make_tables(connection: Connection) -> None:
    """Makes the tables of the newest revision in an empty database.

    Args:
        connection: A connection to SQLite in a transaction.
    """
    statement = ""
    for line in SCRIPT.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.exec_driver_sql(statement)
            statement = ""
