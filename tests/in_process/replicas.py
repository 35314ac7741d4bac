"""Replicas of the service's application on one PostgreSQL, and what holds whatever they did."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
from towpath_service.app.stores import stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.draining import Draining
from towpath_service.core.names import Scope
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.producers import Producers
from towpath_service.runs.application.queries import Queries
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.submissions import Submission
from towpath_service.runs.application.watch import Watches
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
NOW_US = 1_790_000_000_000_000
RUNNING = StateReport(state=RunState.RUNNING)
DONE = StateReport(state=RunState.COMPLETED)
CREATE = Creation(kind=RunKind.TASK, initial=RUNNING, display_name="t", flow_id="f")


def new_id() -> str:
    return str(uuid.uuid4())


def new_producer() -> ProducerKey:
    return ProducerKey(*SCOPE, new_id())


class Replica:
    """The service's application over a database of its own."""

    def __init__(self, database: PostgresDatabase, committer: Committer, bus: Bus) -> None:
        clock = SystemClock()
        self.database = database
        store = stores_on(database).runs
        self.committer = committer
        self.bus = bus
        self.producers = Producers(store, committer, bus, clock)
        self.queries = Queries(store, bus, clock)
        self.watches = Watches(store, bus, Draining(asyncio.Event()))
        self.reaper = Reaper(store, bus, clock, silence_seconds=30)

    async def send(
        self,
        producer: ProducerKey,
        first: int,
        updates: Sequence[tuple[str, Any]],
        *,
        epoch: int | None = None,
    ) -> Any:
        return await self.committer.submit(
            Submission(
                producer=producer,
                actor="users/local",
                first_sequence=first,
                updates=[
                    Update(sequence=first + n, run_id=run_id, occurred_us=NOW_US, change=change)
                    for n, (run_id, change) in enumerate(updates)
                ],
                epoch=epoch,
            )
        )

    async def history(self, run_id: str) -> list[str]:
        found, _ = await self.queries.transitions(
            SCOPE, run_id, size=100, token="", after_revision=0
        )
        return [RunState(item.to_state).name for item in found]


@asynccontextmanager
async def replica(dsn: str) -> AsyncIterator[Replica]:
    database, bus = PostgresDatabase(parse_postgres_url(dsn)), Bus()
    listening: asyncio.Task[None] | None = None
    try:
        await database.open()
        listening = asyncio.create_task(database.listen(bus))
        async with Committer(stores_on(database).runs, bus, SystemClock()) as committer:
            yield Replica(database, committer, bus)
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        database.close()


@asynccontextmanager
async def replicas(dsn: str, count: int) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica(dsn)) for _ in range(count)]


async def ask(dsn: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def cut_off(dsn: str) -> int:
    """Ends the server's processes of all connections, as an administrator or a failover does."""
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return int((await ask(dsn, query))[0][0])


async def check(dsn: str) -> None:
    """What holds whatever happened before."""
    gaps = "SELECT position - row_number() OVER (ORDER BY position) FROM transition"
    assert {row[0] for row in await ask(dsn, gaps)} <= {0}
    revisions = (
        "SELECT run_id FROM transition GROUP BY run_id"
        " HAVING max(revision) <> count(*) OR min(revision) <> 1"
    )
    assert await ask(dsn, revisions) == []
    counted = "SELECT state, count(*) FROM run GROUP BY state ORDER BY state"
    kept = "SELECT state, sum(runs)::bigint FROM run_count WHERE runs <> 0 GROUP BY 1 ORDER BY 1"
    assert await ask(dsn, counted) == await ask(dsn, kept)
    stale = (
        "SELECT run_id FROM run JOIN transition USING (tenant_id, run_id)"
        " WHERE run.revision = transition.revision AND run.state <> transition.to_state"
    )
    assert await ask(dsn, stale) == []


async def see_a_commit(here: Replica, there: Replica, *, cut_meanwhile: str = "") -> None:
    """A watch at one replica, which waits already, sees what another commits.

    Args:
        here: Where the watch is.
        there: Who commits.
        cut_meanwhile: A database whose connections are all cut before the commit.
    """
    watching = here.watches.transitions(SCOPE, run_id="", resume_token="", states=())
    seen = asyncio.create_task(anext(aiter(watching)))
    while SCOPE not in here.bus._waiting:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.005)
    if cut_meanwhile:
        assert await cut_off(cut_meanwhile) > 0
    run = new_id()
    await there.send(new_producer(), 1, [(run, CREATE)])
    async with asyncio.timeout(30):
        assert [item.run_id for item in (await seen).transitions] == [run]
