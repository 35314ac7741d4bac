"""Fixtures: services with and without identity in this process, on each database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from towpath_service.core.clock import SystemClock
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.database.sql import statements

from tests.in_process.edges import Edge, open_edge
from tests.in_process.place import Place, open_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


class MovableClock:
    """How far ahead the clocks are that services and databases of this test go by."""

    def __init__(self) -> None:
        self.ahead_us = 0
        self._stopped_us: int | None = None

    def stop(self) -> None:
        """Lets time pass by `move` only, however long the test takes."""
        self._stopped_us = time.time_ns() // 1000

    def read_us(self, real_us: int) -> int:
        """What a clock shows that would show this time."""
        return (real_us if self._stopped_us is None else self._stopped_us) + self.ahead_us

    def now_seconds(self) -> float:
        """The time: seconds since the Unix epoch."""
        return self.read_us(time.time_ns() // 1000) / 1_000_000

    def move(self, seconds: float) -> None:
        """Lets time pass."""
        self.ahead_us += int(seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    """Moves the clocks of services and of their databases."""
    movable = MovableClock()
    ours, theirs = SystemClock.now_us, statements.database_now_us

    def now_us(self: SystemClock) -> int:
        return movable.read_us(ours(self))

    def database_now_us(connection: Any) -> int:
        return movable.read_us(theirs(connection))

    monkeypatch.setattr(SystemClock, "now_us", now_us)
    monkeypatch.setattr(statements, "database_now_us", database_now_us)
    return movable


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Path | PostgresUrl:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return tmp_path / "towpath.db"
    return parse_postgres_url(request.getfixturevalue("postgres_dsn"))


@pytest_asyncio.fixture
async def place(either: Path | PostgresUrl) -> AsyncIterator[Place]:
    """On each database."""
    async with open_place(either) as opened:
        yield opened


@pytest_asyncio.fixture
async def small(tmp_path: Path) -> AsyncIterator[Place]:
    """On SQLite alone."""
    async with open_place(tmp_path / "towpath.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def edge(database: PostgresUrl | None) -> Iterator[Edge]:
    """The real service, on each database, behind both ports."""
    with open_edge(database) as opened:
        yield opened
