"""Fixtures: a server for the whole run of tests, a database of its own for a test."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from towpath_service.database.postgres_url import PostgresUrl, parse_postgres_url
from towpath_service.database.upgrade import upgrade as upgrade_schema
from towpath_service.database.upkeep.maintenance import at_database

from tests.postgres.roles import owned_by_no_superuser
from tests.postgres.server import DSN_VARIABLE, Databases, SharedServer, name_of
from tests.sharing import shared_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A server on which tests make databases, the same for all workers."""
    dsn = os.environ.get(DSN_VARIABLE)
    if dsn:
        yield Databases(dsn)
        return
    server = SharedServer(shared_folder(tmp_path_factory))
    yield Databases(server.enter())
    server.leave()


@pytest.fixture(scope="session")
def template(postgres: Databases) -> Iterator[str]:
    """Name of a database that has the tables and nothing in them."""
    dsn = asyncio.run(postgres.create())
    asyncio.run(upgrade(dsn))
    yield name_of(dsn)
    asyncio.run(postgres.drop(dsn))


@pytest.fixture
def postgres_dsn(postgres: Databases, template: str) -> Iterator[str]:
    """How to reach a database with tables that nobody else uses."""
    dsn = asyncio.run(postgres.create(template))
    yield dsn
    asyncio.run(postgres.drop(dsn))


@pytest.fixture
def held_dsn(postgres_dsn: str) -> Iterator[str]:
    """The same, as the tables' owner connects: a role that is no superuser."""
    with owned_by_no_superuser(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture
def held(held_dsn: str) -> PostgresUrl:
    """The same."""
    return parse_postgres_url(held_dsn)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[PostgresUrl | None]:
    """What `open_service` is given: each database once for all tests of a module."""
    if request.param == "sqlite":
        yield None
        return
    postgres: Databases = request.getfixturevalue("postgres")
    dsn = asyncio.run(postgres.create(request.getfixturevalue("template")))
    yield parse_postgres_url(dsn)
    asyncio.run(postgres.drop(dsn))


@pytest.fixture
def empty_postgres_dsn(postgres: Databases) -> Iterator[str]:
    """How to reach a database without tables that nobody else uses."""
    dsn = asyncio.run(postgres.create())
    yield dsn
    asyncio.run(postgres.drop(dsn))


async def upgrade(dsn: str) -> None:
    """Makes the tables of a database."""
    await at_database(parse_postgres_url(dsn), partial(upgrade_schema, revision="head"))
