"""Who listens for other replicas may be told to stop at any moment."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from towpath_service.core.bus import Bus
from towpath_service.database.postgres.database import PostgresDatabase
from towpath_service.database.postgres_url import parse_postgres_url

if TYPE_CHECKING:
    import pytest

STOPS = 40
STEP_SECONDS = 0.0004


async def test_a_listener_stopped_while_it_connects_leaves_no_error_behind(
    postgres_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = PostgresDatabase(parse_postgres_url(postgres_dsn))
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    try:
        for stop in range(STOPS):
            listening = asyncio.create_task(database.listen(Bus()))
            await asyncio.sleep(stop * STEP_SECONDS)
            listening.cancel()
            await asyncio.wait([listening])
            assert listening.cancelled()
        gc.collect()
    finally:
        database.close()
    assert not unheard
    assert not caplog.records
