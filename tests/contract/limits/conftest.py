"""Fixtures of the suites about limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.contract.limits.slots import Slots, open_slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


@pytest_asyncio.fixture
async def slots(either: Path | PostgresUrl) -> AsyncIterator[Slots]:
    """Limits on each database."""
    async with open_slots(either) as opened:
        yield opened


@pytest_asyncio.fixture
async def two(either: Path | PostgresUrl) -> AsyncIterator[tuple[Slots, Slots]]:
    """Two replicas on each database; on SQLite, two processes that share the file."""
    async with open_slots(either) as first, open_slots(either, first.clock) as second:
        yield first, second
