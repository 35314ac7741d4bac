"""What the fault tests share: how long they run, and the servers that they break."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.chaos.proxy import FaultProxy
from tests.postgres import PostgresServer, postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOAK_ROUNDS = 100
SHORT_ROUNDS = 3


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How many rounds a test goes; its indirect parameter is the number of the short form."""
    if request.config.getoption("--soak"):
        return SOAK_ROUNDS
    return int(getattr(request, "param", SHORT_ROUNDS))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server with our tables that the test may break."""
    with postgres_for_tests() as server:
        asyncio.run(upgrade(server.dsn()))
        yield server


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Starts server processes on a database, each with a home of its own."""
    started: list[Server] = []

    def start(dsn: str) -> Server:
        home = tmp_path / f"replica-{len(started)}"
        started.append(Server(home=home, options=("--database", dsn)))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def before_database(postgres_dsn: str) -> Iterator[FaultProxy]:
    """Between PostgreSQL and whoever reaches it by `troubled_dsn`."""
    parts = urlsplit(postgres_dsn)
    with FaultProxy((parts.hostname or "127.0.0.1", parts.port or 5432)) as proxy:
        yield proxy


@pytest.fixture
def troubled_dsn(postgres_dsn: str, before_database: FaultProxy) -> str:
    """How to reach the database of `postgres_dsn` through a proxy."""
    parts = urlsplit(postgres_dsn)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}{before_database.address}"))
