"""The wall between tenants in PostgreSQL, as a role that it holds for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from towpath_service.app.stores import stores_on
from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT, WrongTenant
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres.pools import Pool
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.database.sql.row_security import holes, passes_by, without_tenant
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.database.tables import metadata
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.runs.ports.reads import RunQuery

from tests.in_process.place import open_place

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection
    from towpath_service.app.stores import Stores

A, B = str(uuid4()), str(uuid4())


async def fill(url: PostgresUrl) -> None:
    def work(connection: Connection) -> None:
        for tenant_id in (A, B):
            connection.execute(
                text(
                    "INSERT INTO flow (tenant_id, workspace_id, flow_id, display_name, created_us)"
                    " VALUES (:tenant, 'default', 'nightly', 'nightly', 1)"
                ),
                {"tenant": tenant_id},
            )

    await at_database(url, work)


def flows(connection: Connection) -> list[str]:
    rows = connection.execute(text("SELECT tenant_id FROM flow ORDER BY tenant_id"))
    return [str(row[0]) for row in rows]


async def seen(url: PostgresUrl, tenants: Any) -> list[str]:
    pool = Pool(url, size=1, name="towpath-test", reads=False)
    try:
        return await pool.run(flows, tenants=tenants)
    finally:
        pool.close()


async def test_a_transaction_sees_whom_it_named_and_nobody_else(held: PostgresUrl) -> None:
    await fill(held)
    assert await seen(held, {A}) == [A]
    assert await seen(held, {A, B}) == sorted([A, B])
    assert await seen(held, {str(uuid4())}) == []
    assert await seen(held, EVERY_TENANT) == sorted([A, B])


async def test_who_names_nobody_sees_nothing(held: PostgresUrl) -> None:
    await fill(held)
    connect: Any = asyncpg.connect
    connection = await connect(held.dsn)
    try:
        assert await connection.fetch("SELECT * FROM flow") == []
        # What one transaction said is gone with it: the next borrower of the connection says anew.
        async with connection.transaction():
            await connection.execute("SELECT set_config('towpath.tenants', $1, true)", A)
            assert len(await connection.fetch("SELECT * FROM flow")) == 1
        assert await connection.fetch("SELECT * FROM flow") == []
    finally:
        await connection.close()


ACROSS = {
    "inserted": (
        "INSERT INTO flow (tenant_id, workspace_id, flow_id, display_name, created_us)"
        f" VALUES ('{B}', 'default', 'other', '', 1)"
    ),
    "moved": f"UPDATE flow SET tenant_id = '{B}' WHERE flow_id = 'nightly'",
}


@pytest.mark.parametrize("how", ACROSS)
async def test_no_row_gets_across(held: PostgresUrl, how: str) -> None:
    statement = ACROSS[how]
    await fill(held)
    pool = Pool(held, size=1, name="towpath-test", reads=False)
    try:
        with pytest.raises(Exception, match="row-level security"):
            await pool.run(lambda connection: connection.execute(text(statement)), tenants={A})
    finally:
        pool.close()
    assert await seen(held, {B}) == [B]


async def test_the_service_works_behind_the_wall(held: PostgresUrl) -> None:
    async with open_place(held) as place:
        run_id = await place.run(place.owner)
        _, other = await place.tenant()
        await place.run(other, run_id=run_id)
        for token in (place.owner, other):
            listed = await place.call(token, "RunService/ListRuns", parent="workspaces/default")
            assert [run.run_id for run in listed.runs] == [run_id]
        await place.service.reaper.look()
        await place.service.retention.sweep(pausing=False)
        assert await place.service.stores.runs.write(EVERY_TENANT, lambda _: True)


async def test_without_the_first_wall_the_second_one_holds(held: PostgresUrl) -> None:
    """Reads that ask for another's data, with nothing in the service that would refuse them."""
    async with open_place(held) as place:
        run_id = await place.run(place.owner)
        tenant_id, _ = await place.tenant()
        mine = "00000000-0000-7000-8000-000000000001"
        await _unwalled(held, tenant_id, Scope(mine, "default"), run_id)


async def _unwalled(url: PostgresUrl, tenant_id: str, theirs: Scope, run_id: str) -> None:
    stores = stores_on(PostgresDatabase(url))
    await stores.database.open()
    try:

        def peep(reads: Any) -> list[int]:
            reads.tenant_id = theirs.tenant_id
            query = RunQuery(scope=theirs)
            return [
                len(reads.runs(query)),
                len(reads.runs_by_id(theirs, [run_id])),
                len(reads.transitions(theirs, run_id, 0, 10)),
                len(reads.flows(theirs, "", 10)),
            ]

        assert await stores.runs.read(theirs.tenant_id, peep) == [1, 1, 1, 1]
        assert await stores.runs.read(tenant_id, peep) == [0, 0, 0, 0]
    finally:
        stores.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Stores on a database of each kind that isn't open yet."""
    if request.param == "sqlite":
        return stores_on(SqliteDatabase(tmp_path / "towpath.db"))
    return stores_on(PostgresDatabase(parse_postgres_url(request.getfixturevalue("postgres_dsn"))))


async def test_the_first_wall_refuses_to_be_asked_about_another(stores: Stores) -> None:
    await stores.database.open()
    try:
        theirs = Scope(B, "default")
        for read in (
            lambda reads: reads.runs(RunQuery(scope=theirs)),
            lambda reads: reads.position(theirs),
            lambda reads: reads.flows(theirs, "", 1),
        ):
            with pytest.raises(WrongTenant):
                await stores.runs.read(A, read)
        with pytest.raises(WrongTenant):
            await stores.runs.write({A}, lambda transaction: transaction.position(theirs))
        with pytest.raises(WrongTenant):
            await stores.runs.write({A}, lambda transaction: transaction.hear_of_all(1))
    finally:
        stores.database.close()


HOLES = {
    "security switched off": "ALTER TABLE run DISABLE ROW LEVEL SECURITY",
    "security not for the owner": "ALTER TABLE run NO FORCE ROW LEVEL SECURITY",
    "a policy gone": "DROP POLICY tenant_wall ON transition",
    "a policy that lets all through": "CREATE POLICY open ON run USING (true)",
    "a table without it": "CREATE TABLE stray (tenant_id uuid NOT NULL, n int)",
    "a table of no tenant": "CREATE TABLE stray (n int)",
    "a key across tenants": "CREATE UNIQUE INDEX stray ON flow (flow_id)",
    "a view": "CREATE VIEW stray AS SELECT * FROM run",
    "a materialized view": "CREATE MATERIALIZED VIEW stray AS SELECT * FROM run",
}


@pytest.mark.parametrize("hole", HOLES)
async def test_every_hole_in_the_wall_is_found(postgres_dsn: str, hole: str) -> None:
    url = parse_postgres_url(postgres_dsn)
    assert await at_database(url, holes) == []
    await at_database(url, lambda connection: connection.execute(text(HOLES[hole])))
    assert await at_database(url, holes) != []


async def test_a_superuser_is_known_to_pass_the_wall_by(
    postgres_dsn: str, held: PostgresUrl
) -> None:
    assert await at_database(parse_postgres_url(postgres_dsn), passes_by)
    assert not await at_database(held, passes_by)


async def test_every_table_with_a_tenant_is_behind_the_wall(postgres_dsn: str) -> None:
    def walled(connection: Connection) -> set[str]:
        rows = connection.execute(text("SELECT tablename FROM pg_policies"))
        return {row[0] for row in rows}

    found = await at_database(parse_postgres_url(postgres_dsn), walled)
    assert found == set(metadata.tables) - without_tenant()
