"""Waiting runs are leased, each once, in order, and within all limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest_asyncio
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.lease_expiry import end_overdue, unpark_where_room
from towpath_service.work.domain.deployments import CollisionStrategy
from towpath_service.work.domain.leases import Outcome, Phase

from tests.contract.work.pools import SCOPE, SECOND, Hand, Pools, open_pools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl


@pytest_asyncio.fixture
async def pools(either: Path | PostgresUrl) -> AsyncIterator[Pools]:
    async with open_pools(either) as opened:
        await opened.pool(bulk=0, small=1)
        await opened.deployment()
        yield opened


async def test_a_claim_leases_a_run_and_takes_it_out_of_the_queue(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    assert (lease.run_id, lease.fence, lease.attempt) == (run_id, 1, 1)
    assert lease.expires_us == pools.clock.at_us + 5 * SECOND
    assert await pools.queued() == []
    row = (await pools.leases())[run_id]
    assert (row.phase, row.counts, row.worker_id) == (Phase.GRANTED, True, "w1")
    assert await pools.history(run_id) == [("SCHEDULED", ""), ("PENDING", "")]
    assert (await pools.runs())[run_id].fence == 1


async def test_runs_are_picked_by_queue_priority_and_due_time(pools: Pools) -> None:
    [low] = await pools.enqueue(priority=10)
    [late] = await pools.enqueue(due=-1)
    [early] = await pools.enqueue(due=-2)
    [urgent] = await pools.enqueue(priority=90)
    [preferred] = await pools.enqueue(queue_id="bulk", priority=1)
    await pools.enqueue(due=1, priority=100)
    await pools.enqueue(parked_by="schedule/etl/nightly/s", priority=100)
    hand, _ = await pools.worker(slots=9)
    leases = await pools.claim(hand)
    assert [lease.run_id for lease in leases] == [preferred, urgent, early, late, low]


async def test_an_old_run_of_low_priority_comes_before_a_long_line_of_new_ones(
    pools: Pools,
) -> None:
    await pools.enqueue(20, priority=60)
    [old] = await pools.enqueue(priority=50, due=-601)
    hand, _ = await pools.worker()
    assert [lease.run_id for lease in await pools.claim(hand)] == [old]


async def test_a_worker_gets_runs_of_its_queues_and_as_many_as_it_has_slots(pools: Pools) -> None:
    await pools.enqueue(3)
    bulk = await pools.enqueue(3, queue_id="bulk")
    hand, _ = await pools.worker("w1", 2, "bulk")
    assert {lease.run_id for lease in await pools.claim(hand)} == set(bulk[:2])
    assert await pools.claim(hand) == []


async def test_nothing_is_claimed_of_paused_queues_and_pools(pools: Pools) -> None:
    await pools.pool("other")
    await pools.enqueue()
    await pools.stores.database.write(
        lambda it: it.connection.exec_driver_sql("UPDATE work_queue SET paused = true"),
    )
    hand, _ = await pools.worker()
    assert await pools.claim(hand) == []


async def test_the_entry_of_a_run_that_waits_no_more_is_dropped(pools: Pools) -> None:
    [gone, waiting] = await pools.enqueue(2)
    assert await pools.state_of(gone, RunState.CANCELLED, 0) == []
    hand, _ = await pools.worker(slots=2)
    assert [lease.run_id for lease in await pools.claim(hand)] == [waiting]
    assert await pools.queued() == []
    assert await pools.state(gone) == "CANCELLED"


async def test_a_run_past_its_start_deadline_is_not_leased(pools: Pools) -> None:
    late = await pools.enqueue(2, deadline=-1)
    there = await pools.enqueue(deadline=0)
    hand, _ = await pools.worker()
    await pools.state_of(late[1], RunState.CANCELLED, 0)
    assert [lease.run_id for lease in await pools.claim(hand)] == there
    await pools.within(end_overdue)
    assert (await pools.history(late[0]))[-1] == ("TIMED_OUT", "START_DEADLINE")
    assert await pools.state(late[1]) == "CANCELLED"
    assert await pools.queued() == []


async def test_a_stream_that_is_not_the_newest_claims_nothing(pools: Pools) -> None:
    await pools.enqueue()
    old, _ = await pools.worker()
    new, _ = await pools.worker()
    assert await pools.claim(old) == []
    assert len(await pools.claim(new)) == 1


async def test_a_run_is_not_leased_again_before_its_former_lease_has_ended(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker(slots=2)
    [lease] = await pools.claim(hand)
    key = RunKey(SCOPE.tenant_id, run_id)
    await pools.state_of(run_id, RunState.FAILED, lease.fence)
    await pools.within(lambda dispatch, now_us: dispatch.queue.put_back([key], 0))
    assert await pools.claim(hand) == []
    await pools.end(hand, lease)
    assert await pools.queued() == [run_id]


async def test_full_limits_park_runs_and_their_slots_are_given_on(pools: Pools) -> None:
    await pools.deployment("limited", limit=2)
    runs = await pools.enqueue(4, deployment_id="limited")
    hand, _ = await pools.worker(slots=9)
    leases = await pools.claim(hand)
    assert [lease.run_id for lease in leases] == runs[:2]
    name = "deployment/etl/limited"
    assert await pools.parked() == {runs[2]: name, runs[3]: name}
    assert await pools.claim(hand) == []
    await pools.end(hand, leases[0])
    assert await pools.parked() == {runs[2]: None, runs[3]: name}
    assert [lease.run_id for lease in await pools.claim(hand)] == [runs[2]]


async def test_a_run_that_meets_a_full_limit_is_cancelled_where_its_deployment_says_so(
    pools: Pools,
) -> None:
    await pools.deployment("strict", limit=1, strategy=CollisionStrategy.CANCEL_NEW)
    first, second = await pools.enqueue(2, deployment_id="strict")
    hand, _ = await pools.worker(slots=9)
    [lease] = await pools.claim(hand)
    assert lease.run_id == first
    assert (await pools.history(second))[-1] == ("CANCELLED", "COLLISION")
    assert await pools.queued() == []
    await pools.end(hand, lease)
    [third] = await pools.enqueue(deployment_id="strict")
    assert [lease.run_id for lease in await pools.claim(hand)] == [third]


async def test_limits_of_queue_and_pool_hold_together(pools: Pools) -> None:
    tight = await pools.pool("tight", limit=3, narrow=1)
    await pools.enqueue(3, pool_id="tight", queue_id="narrow")
    await pools.enqueue(5, pool_id="tight")
    hand, _ = await pools.worker(slots=9, pool=tight)
    leases = await pools.claim(hand)
    assert Counter(lease.queue_id for lease in leases) == {"narrow": 1, "default": 2}
    assert Counter((await pools.parked()).values()) == {"queue/tight/narrow": 2, "pool/tight": 3}


async def test_the_sweep_unparks_what_has_room(pools: Pools) -> None:
    await pools.deployment("limited", limit=2)
    waiting = await pools.enqueue(3, deployment_id="limited", parked_by="deployment/etl/limited")
    [overlapping] = await pools.enqueue(parked_by="schedule/etl/limited/s")
    await pools.within(unpark_where_room)
    ready = [run_id for run_id, parked in (await pools.parked()).items() if parked is None]
    # The schedule has no unfinished run that holds another one back.
    assert sorted(ready) == sorted([*waiting[:2], overlapping])


async def test_many_claimers_lease_each_run_once(pools: Pools) -> None:
    runs = await pools.enqueue(60)
    hands = [(await pools.worker(f"w{n}", 30))[0] for n in range(6)]

    async def take(*own: Hand) -> list[str]:
        taken: list[str] = []
        for _ in range(8):
            taken += [lease.run_id for lease in await pools.claim(*own, most=7)]
        return taken

    taken = await asyncio.gather(*(take(hand) for hand in hands))
    while left := await take(*hands):
        taken.append(left)
    found = Counter(run_id for some in taken for run_id in some)
    assert found == Counter(runs)
    assert await pools.queued() == []
    assert sorted(await pools.leases()) == runs


async def test_many_claimers_never_exceed_a_limit(pools: Pools) -> None:
    await pools.deployment("limited", limit=3)
    hands = [(await pools.worker(f"w{n}", 9))[0] for n in range(8)]
    for _ in range(5):
        runs = await pools.enqueue(16, deployment_id="limited")
        claimed = await asyncio.gather(*(pools.claim(hand, most=2) for hand in hands))
        leases = [
            (hand, lease) for hand, some in zip(hands, claimed, strict=True) for lease in some
        ]
        assert len(leases) <= 3
        assert len(await pools.leases()) <= 3
        for hand, lease in leases:
            await pools.end(hand, lease, Outcome.EXITED)
        await pools.stores.database.write(
            lambda it: it.connection.exec_driver_sql("DELETE FROM queued")
        )
        assert runs
