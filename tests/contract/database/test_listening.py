"""Who listens for other replicas may be told to stop at any moment."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import asyncpg
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


async def test_a_listener_cancelled_twice_closes_what_connects_afterwards(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    connects, may_end = asyncio.Event(), asyncio.Event()
    made: asyncio.Queue[Any] = asyncio.Queue()

    async def connect_late(dsn: str, **options: Any) -> Any:
        connects.set()
        await may_end.wait()
        connection = await connect(dsn, **options)
        made.put_nowait(connection)
        return connection

    monkeypatch.setattr(asyncpg, "connect", connect_late)
    database = PostgresDatabase(parse_postgres_url(postgres_dsn))
    try:
        listening = asyncio.create_task(database.listen(Bus()))
        await connects.wait()
        for _ in range(2):
            listening.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([listening])
        may_end.set()
        connection = await made.get()
        ended = asyncio.Event()

        def end(_connection: object) -> None:
            ended.set()

        connection.add_termination_listener(end)
        if not connection.is_closed():
            await ended.wait()
    finally:
        database.close()
    assert listening.cancelled()
