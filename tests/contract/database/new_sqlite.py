"""Writes the script of a new SQLite database, which follows from the migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from functools import partial
from pathlib import Path

from towpath_service.database.new_sqlite import SCRIPT
from towpath_service.database.upgrade import upgrade
from towpath_service.database.upkeep.maintenance import at_database


def migrated_script() -> str:
    """The script of a database that the migrations made."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "towpath.db"
        asyncio.run(at_database(file, partial(upgrade, revision="head")))
        return script_of(file)


def script_of(file: Path) -> str:
    """The statements that make the tables of a database, and its rows."""
    connection = sqlite3.connect(file)
    try:
        dumped = "\n".join(connection.iterdump())
    finally:
        connection.close()
    lines = dumped.removeprefix("BEGIN TRANSACTION;").removesuffix("COMMIT;").strip().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


if __name__ == "__main__":
    SCRIPT.write_text(migrated_script(), encoding="utf-8")
