"""The numbers of work that telemetry reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from towpath_service.work.domain.leases import Phase
from towpath_service.work.storage.figures import SqlWorkFigures

from tests.contract.work.pools import SECOND, Pools, open_pools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


@pytest_asyncio.fixture
async def pools(either: Path | PostgresUrl) -> AsyncIterator[Pools]:
    async with open_pools(either) as opened:
        await opened.pool()
        await opened.deployment()
        yield opened


async def test_what_waits_and_what_is_executed_is_counted(pools: Pools) -> None:
    figures = SqlWorkFigures(pools.stores.database)
    now_us = pools.clock.at_us
    empty = await figures(now_us)
    assert (empty.ready, empty.oldest_us, empty.leases, empty.slots) == (0, None, {}, 0)
    await pools.enqueue(2, due=-30)
    await pools.enqueue(due=-7)
    await pools.enqueue(3, due=60)
    await pools.enqueue(due=-90, parked_by="schedule/etl/nightly/s")
    first, _ = await pools.worker("w1", 1)
    await pools.worker("w2", 4)
    await pools.worker("w3", 4, draining=True)
    waiting = await figures(now_us)
    assert (waiting.ready, waiting.parked, waiting.later) == (3, 1, 3)
    assert waiting.oldest_us == now_us - 30 * SECOND
    assert (waiting.available, waiting.busy, waiting.offline) == (2, 1, 0)
    await pools.claim(first)
    leased = await figures(now_us)
    assert (leased.ready, leased.leases) == (2, {Phase.GRANTED: 1})
    assert (leased.available, leased.busy) == (1, 2)
    assert (leased.slots, leased.used_slots) == (9, 1)


async def test_a_claim_tells_since_when_each_run_waited(pools: Pools) -> None:
    [early] = await pools.enqueue(due=-30)
    [late] = await pools.enqueue(due=-7)
    hand, _ = await pools.worker(slots=2)
    pools.clock.move(5)
    claimed = await pools.claimed(hand)
    since = {lease.run_id: claimed.since_us[lease.lease_id] for lease, _ in claimed.granted}
    # No run waits before it was made, which was 5 s ago.
    assert since == dict.fromkeys((early, late), pools.clock.at_us - 5 * SECOND)
