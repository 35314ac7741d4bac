"""A SQLite database with its tables and nothing in them, migrated once in a process."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache, partial
from pathlib import Path

from towpath_service.database.upgrade import upgrade
from towpath_service.database.upkeep.maintenance import at_database


def copy_empty_database(file: Path) -> None:
    """Writes one to a file, unless that is there: much faster than its migrations."""
    if not file.exists():
        file.write_bytes(_migrated())


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "towpath.db"
        asyncio.run(at_database(file, partial(upgrade, revision="head")))
        return file.read_bytes()
