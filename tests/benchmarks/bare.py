"""What sqlite3 alone reaches with the rows that a server has recorded.

The tables and indexes are the server's own. Each transaction upserts the runs of a batch, inserts
their transitions and moves a watermark: the least that ingestion has to write.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Row = tuple[Any, ...]


def replay(recorded: Path, target: Path, batch: int) -> tuple[float, float]:
    """Writes what a database holds to a new one; updates per second and processor seconds."""
    with closing(sqlite3.connect(recorded)) as source, closing(_open(target)) as database:
        _copy_schema(source, database)
        transitions = source.execute("SELECT * FROM transition ORDER BY position").fetchall()
        columns = _columns(source, "run")
        place = columns.index("run_id")
        runs = {row[place]: row for row in source.execute("SELECT * FROM run")}
        owner = _columns(source, "transition").index("run_id")
        upsert = (
            f"INSERT INTO run VALUES ({_marks(columns)}) ON CONFLICT (tenant_id, run_id)"
            " DO UPDATE SET state = excluded.state, state_us = excluded.state_us,"
            " revision = excluded.revision, ended_us = excluded.ended_us,"
            " running_us = excluded.running_us, updated_us = excluded.updated_us,"
            " position = excluded.position"
        )
        insert = f"INSERT INTO transition VALUES ({_marks(transitions[0])})"
        producer = source.execute("SELECT * FROM producer").fetchone()
        watermark = f"INSERT OR REPLACE INTO producer VALUES ({_marks(producer)})"
        began, used = time.perf_counter(), time.process_time()
        for start in range(0, len(transitions), batch):
            part = transitions[start : start + batch]
            touched = {row[owner]: runs[row[owner]] for row in part}
            database.execute("BEGIN IMMEDIATE")
            database.executemany(upsert, list(touched.values()))
            database.executemany(insert, part)
            database.execute(watermark, producer)
            database.execute("COMMIT")
        took = time.perf_counter() - began
        return len(transitions) / took, time.process_time() - used


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA cache_size=-16000")
    return database


def _copy_schema(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    statements = source.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY type DESC"
    )
    for (statement,) in statements:
        target.execute(statement)


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
