"""Claims with all their history, and the least that the database alone needs for the same.

Both take turns on one queue of one database, a hundred runs at a time. The database's own client
does it in one transaction: it picks the entries, deletes them, moves the runs, and writes leases,
transitions, counts and the counter of the workspace. On PostgreSQL that is one statement.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import statistics
import time
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import asyncpg
from towpath_service.app.server import COLLECT_AFTER_OBJECTS
from towpath_service.app.stores import open_stores
from towpath_service.runs.domain.states import RunKind, RunState, Source

from tests.benchmarks.work.filling import FLOW, TENANT, fill_waiting
from tests.benchmarks.work.places import prepared
from tests.contract.work.pools import Pools

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.benchmarks.work.places import Place

BATCH: Final = 100
WARM: Final = 2
"""Batches of each that aren't counted."""
PLACE: Final = f"tenant_id = '{TENANT}' AND workspace_id = 'default'"
PICK: Final = (
    f"SELECT tenant_id, run_id, queue_id, flow_id, deployment_id FROM queued WHERE {PLACE}"
    " AND pool_id = 'local' AND queue_id = 'default' AND priority = 50 AND parked_by IS NULL"
    f" ORDER BY due_us, run_id LIMIT {BATCH}"
)
SCHEDULED, PENDING = int(RunState.SCHEDULED), int(RunState.PENDING)
COUNT: Final = (
    " ON CONFLICT (tenant_id, workspace_id, flow_id, kind, state)"
    " DO UPDATE SET runs = run_count.runs + excluded.runs"
)
# Parameters: the time, the id of the worker's instance.
TOGETHER: Final = f"""
WITH picked AS MATERIALIZED (
  SELECT *, row_number() OVER () AS number FROM ({PICK} FOR UPDATE SKIP LOCKED) AS first
), gone AS (
  DELETE FROM queued USING picked
  WHERE queued.tenant_id = picked.tenant_id AND queued.run_id = picked.run_id
), counter AS (
  UPDATE workspace SET position = position + {BATCH}, stored_bytes = stored_bytes + 250 * {BATCH}
  WHERE {PLACE} RETURNING position - {BATCH} AS before
), moved AS (
  UPDATE run SET state = {PENDING}, state_us = $1, revision = revision + 1, fence = fence + 1,
    updated_us = $1, position = before + number FROM picked, counter
  WHERE run.tenant_id = picked.tenant_id AND run.run_id = picked.run_id
  RETURNING run.run_id, revision, run.position, attempt, fence
), leased AS (
  INSERT INTO work_lease SELECT tenant_id, run_id, 'default', gen_random_uuid(), fence, attempt,
    'local', queue_id, flow_id, deployment_id, 'w1', $2::uuid, 1, true, 0, $1, $1, $1 + 5000000
  FROM picked JOIN moved USING (run_id)
), written AS (
  INSERT INTO transition SELECT '{TENANT}', run_id, revision, 'default', position, {SCHEDULED},
    {PENDING}, attempt, '', '', NULL, $1, $1, {int(Source.WORKER)}, false, 'workers/w1', NULL, 0,
    NULL, 'FORWARD', NULL FROM moved
), counted AS (
  INSERT INTO run_count SELECT '{TENANT}', 'default', '{FLOW}', {int(RunKind.FLOW)}, state, runs
  FROM (VALUES ({SCHEDULED}, -{BATCH}), ({PENDING}, {BATCH})) AS change (state, runs){COUNT}
)
SELECT count(*) FROM moved
"""


class Bare(Protocol):
    """The database's own client."""

    async def claim(self) -> int:
        """Claims a batch; returns its size."""
        ...


def measure(database: str, size: int) -> None:
    """Measures claims in batches of a hundred.

    Args:
        database: sqlite or postgres.
        size: Number of claims of each side.
    """
    # As the server does.
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 20)
    with prepared(database) as place:
        batches = size // BATCH + WARM
        asyncio.run(fill_waiting(place.location, 2 * batches * BATCH))
        asyncio.run(_measure(place, batches))


async def _measure(place: Place, batches: int) -> None:
    ours: list[float] = []
    bare: list[float] = []
    processor = 0.0
    async with open_stores(place.location) as stores, _client(place) as client:
        pools = Pools(stores)
        pools.clock.at_us = time.time_ns() // 1_000
        hand, _ = await pools.worker(slots=2 * batches * BATCH)
        for number in range(batches):
            began, used = time.perf_counter(), time.process_time()
            assert len(await pools.claim(hand, most=BATCH)) == BATCH
            ours.append(time.perf_counter() - began)
            processor += time.process_time() - used if number >= WARM else 0
            began = time.perf_counter()
            assert await client.claim() == BATCH
            bare.append(time.perf_counter() - began)
    ours, bare = ours[WARM:], bare[WARM:]
    rates = [BATCH * len(ours) / sum(took) for took in (ours, bare)]
    ratio = statistics.median(bare) / statistics.median(ours)
    print(
        f"claims with history in batches of {BATCH}: {rates[0]:,.0f}/s, the database alone"
        f" {rates[1]:,.0f}/s; ratio of the medians {ratio:.0%} (at least 50 %); a claim takes"
        f" {processor * 1e6 / BATCH / len(ours):.0f} us of the service's processor"
    )


@asynccontextmanager
async def _client(place: Place) -> AsyncGenerator[Bare]:
    if place.dsn:
        connection = await asyncpg.connect(place.dsn)
        try:
            yield Asyncpg(connection)
        finally:
            await connection.close()
        return
    database = sqlite3.connect(place.home / "towpath.db", isolation_level=None, timeout=60)
    try:
        database.execute("PRAGMA synchronous=FULL")
        yield Sqlite(database)
    finally:
        database.close()


class Asyncpg:
    """Claims by one statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def claim(self) -> int:
        """Claims a batch; returns its size."""
        now_us = time.time_ns() // 1_000
        return int(await self._connection.fetchval(TOGETHER, now_us, str(uuid.uuid4())))


class Sqlite:
    """Claims by a statement for each table, with the rows of a batch."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    async def claim(self) -> int:
        """Claims a batch; returns its size."""
        at, now_us, instance = self._database, time.time_ns() // 1_000, str(uuid.uuid4())
        at.execute("BEGIN IMMEDIATE")
        picked = at.execute(PICK).fetchall()
        keys = [row[:2] for row in picked]
        at.executemany("DELETE FROM queued WHERE tenant_id = ? AND run_id = ?", keys)
        [[last]] = at.execute(
            f"UPDATE workspace SET position = position + {BATCH},"
            f" stored_bytes = stored_bytes + 250 * {BATCH} WHERE {PLACE} RETURNING position"
        ).fetchall()
        at.executemany(
            f"UPDATE run SET state = {PENDING}, state_us = ?, revision = revision + 1,"
            " fence = fence + 1, updated_us = ?, position = ? WHERE tenant_id = ? AND run_id = ?",
            [(now_us, now_us, last - n, *key) for n, key in enumerate(keys)],
        )
        at.executemany(
            "INSERT INTO work_lease VALUES"
            " (?, ?, 'default', ?, 1, 1, 'local', ?, ?, ?, 'w1', ?, 1, 1, 0, ?, ?, ?)",
            [
                (*row[:2], str(uuid.uuid4()), *row[2:], instance, now_us, now_us, now_us + 5000000)
                for row in picked
            ],
        )
        at.executemany(
            "INSERT INTO transition VALUES (?, ?, 2, 'default', ?,"
            f" {SCHEDULED}, {PENDING}, 1, '', '', NULL, ?, ?, {int(Source.WORKER)}, 0,"
            " 'workers/w1', NULL, 0, NULL, 'FORWARD', NULL)",
            [(*key, last - n, now_us, now_us) for n, key in enumerate(keys)],
        )
        at.executemany(
            f"INSERT INTO run_count VALUES (?, 'default', ?, {int(RunKind.FLOW)}, ?, ?){COUNT}",
            [(TENANT, FLOW, SCHEDULED, -BATCH), (TENANT, FLOW, PENDING, BATCH)],
        )
        at.execute("COMMIT")
        return len(picked)
