"""Two tenants on PgBouncer's few connections, as a role that row-level security holds for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.sql.row_security import passes_by
from towpath_service.database.upkeep.maintenance import at_database

from tests.in_process.place import open_place
from tests.postgres.bouncer import CONNECTIONS, Through, through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.in_process.place import Place

FIRST = "00000000-0000-7000-8000-000000000001"
ROUNDS = 12
# Whoever says nothing, on whichever connection; the pause has each of several take another one.
SAID = (
    "SELECT pg_backend_pid(), coalesce(current_setting('towpath.tenants', true), ''),"
    " (SELECT count(*) FROM run), pg_sleep(0.02)"
)


@pytest.fixture
def way(held_dsn: str) -> Iterator[Through]:
    with through(held_dsn) as made:
        yield made


async def use(place: Place, token: str, mine: set[str]) -> None:
    """Reports a run and reads what there is, again and again: only one's own is ever there."""
    for _ in range(ROUNDS):
        run_id = str(uuid4())
        mine.add(run_id)
        await place.run(token, run_id=run_id)
        listed = await place.call(token, "RunService/ListRuns", parent="workspaces/default")
        assert {run.run_id for run in listed.runs} <= mine


async def look(database: PostgresDatabase, tenant_id: str) -> None:
    """Asks for everybody's rows, past the wall in the service: PostgreSQL shows one tenant's."""

    def tenants(connection: Connection) -> set[str]:
        return {str(row[0]) for row in connection.execute(text("SELECT tenant_id FROM run"))}

    for _ in range(ROUNDS):
        for pool in (database._writers, database._readers):
            assert await pool.run(tenants, tenants={tenant_id}) <= {tenant_id}


async def stand_by(url: str, until: asyncio.Event) -> set[tuple[int, str, int]]:
    """What somebody finds who borrows connections between the others' and names no tenant."""
    connect: Any = asyncpg.connect
    connection = await connect(url, statement_cache_size=0)
    found: set[tuple[int, str, int]] = set()
    try:
        while not until.is_set() or not found:
            found.add(tuple(await connection.fetchrow(SAID))[:3])
    finally:
        await connection.close()
    return found


async def test_tenants_interleaved_on_few_connections_see_their_own_rows(way: Through) -> None:
    url = parse_postgres_url(way.url())
    assert not await at_database(url, passes_by)
    opened = PostgresDatabase(url)
    async with open_place(url) as place, asyncio.timeout(180):
        other_id, other = await place.tenant()
        runs: dict[str, set[str]] = {place.owner: set(), other: set()}
        try:
            await asyncio.gather(
                *(use(place, token, mine) for token, mine in runs.items() for _ in range(2)),
                *(look(opened, tenant_id) for tenant_id in (FIRST, other_id) for _ in range(2)),
            )
            for tenant_id, token in ((FIRST, place.owner), (other_id, other)):
                assert await count_of(opened, tenant_id) == len(runs[token]) == 2 * ROUNDS
        finally:
            opened.close()


async def count_of(database: PostgresDatabase, tenant_id: str) -> int:
    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM run")).scalar_one())

    return await database._readers.run(count, tenants={tenant_id})


async def test_what_one_transaction_said_is_gone_for_the_next_borrower(way: Through) -> None:
    url = parse_postgres_url(way.url())
    over = asyncio.Event()
    async with open_place(url) as place, asyncio.timeout(180):
        _, other = await place.tenant()
        beside = [asyncio.create_task(stand_by(way.url(""), over)) for _ in range(CONNECTIONS)]
        await asyncio.gather(use(place, place.owner, set()), use(place, other, set()))
        await place.service.stores.runs.write(EVERY_TENANT, lambda _: True)
        over.set()
        # Nothing meanwhile, and nothing on any of the connections afterwards.
        found = set().union(*await asyncio.gather(*beside))
        after = [stand_by(way.url(""), over) for _ in range(CONNECTIONS)]
        found |= set().union(*await asyncio.gather(*after))
    assert {(said, rows) for _, said, rows in found} == {("", 0)}
    assert len({pid for pid, _, _ in found}) == CONNECTIONS
