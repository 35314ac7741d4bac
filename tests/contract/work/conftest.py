"""Fixtures of the suites about work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.contract.work.site import Site, open_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


@pytest_asyncio.fixture
async def site(either: Path | PostgresUrl) -> AsyncIterator[Site]:
    """Runs and their work, on each database."""
    async with open_site(either) as opened:
        yield opened
