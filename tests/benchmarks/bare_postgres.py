"""What asyncpg alone reaches with the rows that a server has recorded in PostgreSQL.

The tables and indexes are the server's own, in a database of the same server. Each transaction
upserts the runs of a batch and inserts their transitions, a statement for each with an array for
each column, and moves a watermark: the least that ingestion has to write.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import asyncpg
from towpath_service.database.sql.arrays import type_name
from towpath_service.runs.storage import tables

from tests.postgres.fixtures import upgrade
from tests.postgres.server import Databases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

CHANGED = ("state", "state_us", "revision", "ended_us", "running_us", "updated_us", "position")
REPLACING = " ON CONFLICT (tenant_id, run_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in CHANGED
)


def replay(recorded: str, batch: int) -> tuple[float, float]:
    """Writes what a database holds to a new one; updates per second and processor seconds."""
    return asyncio.run(_replay(recorded, batch))


async def _replay(recorded: str, batch: int) -> tuple[float, float]:
    source = await asyncpg.connect(recorded)
    transitions = await source.fetch("SELECT * FROM transition ORDER BY position")
    runs = {row["run_id"]: row for row in await source.fetch("SELECT * FROM run")}
    producer = await source.fetchrow("SELECT * FROM producer LIMIT 1")
    await source.close()
    databases = Databases(recorded)
    target = await databases.create()
    await upgrade(target)
    connection = await asyncpg.connect(target)
    upsert = _statement(tables.run, REPLACING)
    insert = _statement(tables.transition, "")
    await connection.execute(_statement(tables.producer, ""), *_columns([producer]))
    began, used = time.perf_counter(), time.process_time()
    for start in range(0, len(transitions), batch):
        part = transitions[start : start + batch]
        touched = {row["run_id"]: runs[row["run_id"]] for row in part}
        async with connection.transaction():
            await connection.execute(upsert, *_columns(list(touched.values())))
            await connection.execute(insert, *_columns(part))
            await connection.execute("UPDATE producer SET committed_sequence = $1", start)
    took = time.perf_counter() - began
    processor = time.process_time() - used
    await connection.close()
    await databases.drop(target)
    return len(transitions) / took, processor


def _statement(table: Table, conflict: str) -> str:
    arrays = ", ".join(
        f"${number}::{type_name(column)}[]" for number, column in enumerate(table.c, start=1)
    )
    return f"INSERT INTO {table.name} SELECT * FROM unnest({arrays}){conflict}"


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    return [list(values) for values in zip(*(tuple(row) for row in rows), strict=True)]
