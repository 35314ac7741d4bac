"""The clocks of two replicas, or of a worker and the service, are apart."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from towpath_service.core.bus import Bus
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.runs.domain.states import RunState
from towpath_service.work.application.lease_expiry import LeaseExpiry
from towpath_service.work.application.workers import Workers
from towpath_service.work.domain.leases import Outcome
from towpath_service.work.domain.slot_policy import CatchUp
from towpath_service.work.domain.stopping import Evidence, StopKind

from tests.contract.work.pools import NOW_US, SECOND, HandClock, Pools, open_pools
from tests.contract.work.site import open_site
from tests.contract.work.timetable import Timetable, cron

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl

APART_SECONDS = 10
MINUTE = 60 * SECOND
EVERY_MINUTE = cron("* * * * *")


@pytest_asyncio.fixture
async def pools(either: Path | PostgresUrl) -> AsyncIterator[Pools]:
    async with open_pools(either) as opened:
        await opened.pool()
        await opened.deployment()
        yield opened


def expiry(pools: Pools, clock: HandClock) -> LeaseExpiry:
    return LeaseExpiry(pools.stores.dispatch, Workers(Bus()), Bus(), clock)


async def test_a_replica_whose_clock_is_ahead_ends_no_lease_of_another(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    ahead = HandClock()
    ahead.move(APART_SECONDS)
    here, there = expiry(pools, pools.clock), expiry(pools, ahead)
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    for _ in range(12):
        for looking in (here, there, there, here):
            assert await looking.look() == 0
        for clock in (pools.clock, ahead):
            clock.move(10)
        assert (await pools.renew(hand, lease)).lost == frozenset()
    assert await pools.state(run_id) == "RUNNING"


@pytest.mark.parametrize("first", ["ahead", "behind"])
async def test_replicas_whose_clocks_are_apart_decide_each_slot_once(
    postgres_dsn: str, first: str
) -> None:
    async with AsyncExitStack() as stack:
        behind, ahead = [
            Timetable(await stack.enter_async_context(open_site(parse_postgres_url(postgres_dsn))))
            for _ in range(2)
        ]
        await behind.deploy()
        behind.clock.us -= behind.clock.us % MINUTE
        begin_us = behind.clock.us
        await behind.add(replace(EVERY_MINUTE, catch_up=CatchUp.ALL))
        order = (behind, ahead) if first == "behind" else (ahead, behind)
        for step in range(1, 31):
            # Each slot comes to one of them 10 s before it comes to the other.
            behind.clock.us = begin_us + step * 20 * SECOND
            ahead.clock.us = behind.clock.us + APART_SECONDS * SECOND
            for replica in order:
                await replica.tick()
        assert await behind.counts() == {"RUN": 10}
        assert sorted(await behind.runs()) == [begin_us + n * MINUTE for n in range(1, 11)]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_worker_whose_clock_is_an_hour_off_executes_runs(pools: Pools, hours: int) -> None:
    its_us = NOW_US + hours * 60 * MINUTE
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker(started_us=its_us)
    [lease] = await pools.claim(hand)
    kept = await pools.accept(hand, lease)
    assert kept.expires_us == NOW_US + 30 * SECOND
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    evidence = Evidence(kind=StopKind.KILLED, signal=9, observed_us=its_us)
    await pools.end(hand, lease, Outcome.KILLED, evidence=evidence)
    assert (await pools.history(run_id))[-1] == ("CRASHED", "PROCESS_KILLED")
    assert (await pools.runs())[run_id].state_us == NOW_US
