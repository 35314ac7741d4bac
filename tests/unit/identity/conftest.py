"""A service with identity for a test, on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from towpath_service.storage.postgres_url import parse_postgres_url

from tests.unit.identity.place import Place, open_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.storage.postgres_url import PostgresUrl


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
