"""Runs, transitions and logs of set ages, and what is left of them."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from towpath_service.app.stores import database_at, stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.draining import Draining
from towpath_service.core.names import Scope
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.retention import Removed, Retention
from towpath_service.runs.application.submissions import Submission
from towpath_service.runs.application.watch import Watches
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.retention import DAY, Keep
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey

from tests.contract.runs.lines import log_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.runs.ports.ingest import LogLine
    from towpath_service.runs.ports.store import RunStore


SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
RUNNING = StateReport(state=RunState.RUNNING)
DONE = StateReport(state=RunState.COMPLETED)
SECOND = 1_000_000
KEEP = Keep(runs=100 * DAY, transitions=50 * DAY, logs=20 * DAY)


def new_id() -> str:
    return str(uuid.uuid4())


class SetClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.us = 1_790_000_000 * SECOND

    def now_us(self) -> int:
        return self.us

    def pass_days(self, days: float) -> None:
        self.us += int(days * DAY * SECOND)


@dataclass
class Tracker:
    """A service's application without its edges."""

    database: Path | PostgresUrl
    store: RunStore
    committer: Committer
    clock: SetClock
    bus: Bus

    def __post_init__(self) -> None:
        self.producers = Producers(self.store, self.committer, self.bus, self.clock)
        self.queries = Queries(self.store, self.bus, self.clock)
        self.watches = Watches(self.store, self.bus, Draining(asyncio.Event()))

    def retention(self, keep: Keep = KEEP) -> Retention:
        return Retention(self.store, self.bus, self.clock, keep)

    async def found(self, run_ids: Sequence[str]) -> dict[str, Any]:
        return dict(
            await self.store.read(SCOPE.tenant_id, lambda reads: reads.runs_by_id(SCOPE, run_ids))
        )

    async def sweep(self, keep: Keep = KEEP) -> Removed:
        return await self.retention(keep).sweep(pausing=False)

    async def send(
        self, updates: Sequence[tuple[str, Any]], producer_id: str = "", first: int = 1
    ) -> ProducerKey:
        producer = ProducerKey(*SCOPE, producer_id or new_id())
        outcome = await self.committer.submit(
            Submission(
                producer=producer,
                actor="users/local",
                first_sequence=first,
                updates=[
                    Update(sequence=number, run_id=run, occurred_us=self.clock.us, change=change)
                    for number, (run, change) in enumerate(updates, first)
                ],
            )
        )
        assert not outcome.refusals
        return producer

    async def flow(self, tasks: int, *, ended: bool = True) -> list[str]:
        """Runs a flow of tasks, with a line each, and returns the ids, the flow's first."""
        root, *below = runs = [new_id() for _ in range(tasks + 1)]
        updates: list[tuple[str, Any]] = [(root, creation(RunKind.FLOW, root))]
        for run in below:
            updates += [(run, creation(RunKind.TASK, root)), (run, DONE)]
        producer = await self.send([*updates, (root, DONE)] if ended else updates)
        lines = [self.line(number, run) for number, run in enumerate(runs, 1)]
        await self.producers.write_logs(producer, lines, 0)
        return runs

    def line(self, sequence: int, run_id: str) -> LogLine:
        return log_line(run_id, sequence=sequence, occurred_us=self.clock.us)

    async def rows(self) -> dict[str, int]:
        """How many rows the tables have that have any."""

        def count(connection: Any) -> dict[str, int]:
            tables = "run transition log_line deleted_run producer refusal run_detail run_tag"
            counted = {
                table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                for table in tables.split()
            }
            return {table: rows for table, rows in counted.items() if rows}

        return await at_database(self.database, count)

    async def kept_counts(self) -> dict[int, int]:
        def read(connection: Any) -> dict[int, int]:
            query = "SELECT state, sum(runs) FROM run_count WHERE runs <> 0 GROUP BY state"
            return {state: int(runs) for state, runs in connection.execute(text(query))}

        return await at_database(self.database, read)


def creation(kind: RunKind, root: str) -> Creation:
    return Creation(
        kind=kind,
        initial=RUNNING,
        display_name="r",
        flow_id="f",
        root_run_id=root,
        parent_run_id=root if kind is RunKind.TASK else None,
        tags=("t",),
        parameters='{"a":1}',
    )


@asynccontextmanager
async def tracking(database: Path | PostgresUrl) -> AsyncIterator[Tracker]:
    opened = database_at(database)
    store = stores_on(opened).runs
    clock, bus = SetClock(), Bus()
    try:
        await opened.open()
        async with Committer(store, bus, clock) as committer:
            yield Tracker(database, store, committer, clock, bus)
    finally:
        opened.close()
