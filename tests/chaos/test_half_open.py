"""Connections to PostgreSQL that died without a word, as when a firewall has forgotten them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from towpath_service.app.wiring import Service, open_service
from towpath_service.database.postgres import pools
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.runs.ports.ingest import ProducerKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.proxy import FaultProxy

pytestmark = pytest.mark.subject("database")

TENANT = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
async def service(troubled_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A service that doesn't wait long for a silent database."""
    monkeypatch.setattr(pools, "COMMAND_SECONDS", 0.5)
    async with open_service(parse_postgres_url(troubled_dsn)) as opened:
        yield opened


async def open_stream(service: Service) -> None:
    key = ProducerKey(TENANT, "default", str(uuid.uuid4()))
    await service.producers.open(key, last_acked_sequence=0, info="")


async def test_one_silent_connection_is_enough_to_leave_all_that_are_as_old(
    service: Service, before_database: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    while before_database.connections <= pools.WRITERS:  # and one that listens
        await asyncio.gather(*(open_stream(service) for _ in range(2 * pools.WRITERS)))
    before_database.swallow()
    before_database.heal()
    with caplog.at_level(logging.INFO, logger=pools.__name__):
        async with asyncio.timeout(30):
            await open_stream(service)
    again = [line for line in caplog.messages if "run again" in line]
    assert len(again) == 1
