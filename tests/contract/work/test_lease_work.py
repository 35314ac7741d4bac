"""What workers say of their leases, what silence says, and what becomes of the runs."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from towpath_service.core.bus import Bus
from towpath_service.core.errors import ServiceError
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.domain.states import RunState
from towpath_service.work.application.lease_expiry import LeaseExpiry, expire
from towpath_service.work.application.workers import Workers
from towpath_service.work.domain.leases import Outcome, Phase
from towpath_service.work.domain.stopping import Evidence, StopKind

from tests.contract.work.pools import LEASE_SECONDS, SECOND, START_SECONDS, Pools, open_pools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.work.application.settling import Crashed

INSTANCE = "00000000-0000-4000-8000-0000000000aa"


@pytest_asyncio.fixture
async def pools(either: Path | PostgresUrl) -> AsyncIterator[Pools]:
    async with open_pools(either) as opened:
        await opened.pool()
        await opened.deployment()
        yield opened


def expiry(pools: Pools) -> LeaseExpiry:
    return LeaseExpiry(pools.stores.dispatch, Workers(Bus()), Bus(), pools.clock)


async def test_a_lease_goes_from_grant_to_its_end(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    kept = await pools.accept(hand, lease)
    assert (kept.lost, kept.expires_us) == (frozenset(), pools.clock.at_us + LEASE_SECONDS * SECOND)
    await pools.say(hand, started=((lease.lease_id, 4711),))
    assert await pools.state_of(run_id, RunState.RUNNING, lease.fence) == []
    row = (await pools.leases())[run_id]
    assert (row.phase, row.pid) == (Phase.RUNNING, 4711)
    assert await pools.state_of(run_id, RunState.COMPLETED, lease.fence) == []
    row = (await pools.leases())[run_id]
    assert (row.phase, row.counts) == (Phase.ENDING, False)
    await pools.end(hand, lease)
    assert await pools.leases() == {}
    await pools.end(hand, lease)
    assert [state for state, _ in await pools.history(run_id)] == [
        *("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")
    ]


async def test_a_report_of_an_earlier_lease_is_refused(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [first] = await pools.claim(hand)
    await pools.end(hand, first, Outcome.RETURNED)
    pools.clock.move(2)
    [second] = await pools.claim(hand)
    assert (first.fence, second.fence) == (1, 2)
    assert await pools.state_of(run_id, RunState.RUNNING, 1) == ["LEASE_LOST"]
    assert await pools.state_of(run_id, RunState.RUNNING, 2) == []


async def test_a_returned_run_waits_a_second_for_the_next_worker(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.end(hand, lease, Outcome.RETURNED)
    assert await pools.queued() == [run_id]
    assert await pools.claim(hand) == []
    pools.clock.move(1)
    assert [item.attempt for item in await pools.claim(hand)] == [1]


async def test_evidence_is_kept_with_the_transition_that_it_caused(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    evidence = Evidence(kind=StopKind.KILLED, signal=9, pid=4711, host="w-7", escaped_children=0)
    await pools.end(hand, lease, Outcome.KILLED, reason="OUT_OF_MEMORY", evidence=evidence)
    assert (await pools.history(run_id))[-1] == ("CRASHED", "OUT_OF_MEMORY")
    run = (await pools.runs())[run_id]
    assert run.message == (
        "its process was killed before its final report: killed (SIGKILL), pid 4711 on w-7,"
        " 0 children left"
    )
    assert not run.inferred


async def test_only_the_newest_stream_of_a_worker_is_heard(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    old, _ = await pools.worker()
    [lease] = await pools.claim(old)
    new, attached = await pools.worker()
    assert [item.lease_id for item, _ in attached.granted] == [lease.lease_id]
    for word in (pools.accept(old, lease), pools.renew(old, lease), pools.end(old, lease)):
        with pytest.raises(ServiceError, match="WORKER_FENCED"):
            await word
    assert (await pools.accept(new, lease)).lost == frozenset()
    assert await pools.state(run_id) == "PENDING"


async def test_an_older_instance_cannot_take_the_place_of_a_newer_one(pools: Pools) -> None:
    await pools.worker(started_us=2)
    with pytest.raises(ServiceError, match="WORKER_FENCED"):
        await pools.worker(started_us=1)
    await pools.worker(started_us=3)


async def test_a_worker_of_another_kind_is_refused(pools: Pools) -> None:
    with pytest.raises(ServiceError, match=r"NOT_DISPATCHABLE.*kind process"):
        await pools.worker(kind="kubernetes")


async def test_what_a_worker_still_has_passes_to_its_new_stream(pools: Pools) -> None:
    runs = await pools.enqueue(3)
    hand, _ = await pools.worker(slots=3)
    granted = await pools.claim(hand)
    unheard, accepted, other = granted
    await pools.accept(hand, accepted)
    stranger = "00000000-0000-7000-8000-00000000000f"
    held = {unheard.lease_id: 11, accepted.lease_id: 12, stranger: 13}
    _, attached = await pools.worker(slots=3, held=held)
    assert attached.lost == {stranger}
    assert attached.leases == {lease.lease_id for lease in granted}
    assert [item.lease_id for item, _ in attached.granted] == [other.lease_id]
    rows = await pools.leases()
    assert [(rows[run].phase, rows[run].pid) for run in (unheard.run_id, accepted.run_id)] == [
        (Phase.ACCEPTED, 11),
        (Phase.ACCEPTED, 12),
    ]
    assert len(runs) == 3


async def test_a_lease_of_another_worker_is_lost_to_this_one(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    mine, _ = await pools.worker("w1")
    theirs, _ = await pools.worker("w2")
    [lease] = await pools.claim(mine)
    assert (await pools.renew(theirs, lease)).lost == {lease.lease_id}
    await pools.end(theirs, lease)
    assert list(await pools.leases()) == [run_id]


async def test_a_lease_that_nobody_accepts_returns_to_the_queue_in_five_seconds(
    pools: Pools,
) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    pools.clock.move(5)
    assert await expiry(pools).expire() == 0
    pools.clock.move(0.001)
    assert await expiry(pools).expire() == 1
    assert await pools.queued() == [run_id]
    assert await pools.leases() == {}
    assert (await pools.history(run_id))[-1] == ("SCHEDULED", "LEASE_NOT_ACCEPTED")
    assert (await pools.accept(hand, lease)).lost == {lease.lease_id}


async def test_a_run_that_never_starts_is_tried_four_times(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    for tried in range(4):
        [lease] = await pools.claim(hand)
        await pools.accept(hand, lease)
        for _ in range(START_SECONDS // 20):
            pools.clock.move(20)
            assert await expiry(pools).expire() == 0
            await pools.renew(hand, lease)
        pools.clock.move(1)
        assert await expiry(pools).expire() == 1
        hand.leases.clear()
        assert await pools.state(run_id) == ("SCHEDULED" if tried < 3 else "CRASHED")
    assert (await pools.history(run_id))[-1] == ("CRASHED", "START_TIMEOUT")
    assert await pools.queued() == []


async def test_a_run_lives_while_its_worker_or_its_producer_is_heard(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    reaper = Reaper(pools.stores.runs, Bus(), pools.clock)
    for _ in range(3):
        pools.clock.move(25)
        await pools.renew(hand, lease)
        assert (await expiry(pools).expire(), await reaper.reap()) == (0, 0)
    for _ in range(3):
        pools.clock.move(25)
        await pools.state_of(run_id, RunState.RUNNING, lease.fence)
        assert (await expiry(pools).expire(), await reaper.reap()) == (0, 0)
    pools.clock.move(31)
    assert (await reaper.reap(), await expiry(pools).expire()) == (0, 1)
    assert (await pools.history(run_id))[-1] == ("CRASHED", "LEASE_EXPIRED")
    assert (await pools.runs())[run_id].inferred
    assert await pools.leases() == {}


async def test_a_run_that_comes_back_after_its_lease_is_told_dead_by_silence_alone(
    pools: Pools,
) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    pools.clock.move(31)
    assert await expiry(pools).expire() == 1
    assert await pools.state_of(run_id, RunState.RUNNING, lease.fence) == []
    assert await pools.state(run_id) == "RUNNING"
    pools.clock.move(31)
    assert await Reaper(pools.stores.runs, Bus(), pools.clock).reap() == 1
    assert (await pools.history(run_id))[-1] == ("CRASHED", "PRODUCER_LOST")


async def test_an_ended_run_whose_worker_is_silent_leaves_no_lease(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    await pools.state_of(run_id, RunState.FAILED, lease.fence)
    pools.clock.move(31)
    assert await expiry(pools).expire() == 1
    assert await pools.leases() == {}
    assert await pools.state(run_id) == "FAILED"


async def test_time_in_which_no_service_lived_is_made_up_for(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker()
    looking = expiry(pools)
    await looking.look()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    pools.clock.move(600)
    assert await looking.look() == 0
    pools.clock.move(10)
    await looking.note_life()
    assert await looking.look() == 0
    for _ in range(3):
        pools.clock.move(10)
        await looking.note_life()
    assert await looking.look() == 1
    assert await pools.queued() == [run_id]


async def test_a_run_goes_on_while_the_service_is_away_for_ten_minutes(pools: Pools) -> None:
    [run_id] = await pools.enqueue()
    hand, _ = await pools.worker(instance_id=INSTANCE)
    looking = expiry(pools)
    await looking.look()
    [lease] = await pools.claim(hand)
    await pools.accept(hand, lease)
    await pools.state_of(run_id, RunState.RUNNING, lease.fence)
    pools.clock.move(600)
    # The first thing that a replica does, before any worker can have attached.
    assert await looking.look() == 0
    again, attached = await pools.worker(instance_id=INSTANCE, held={lease.lease_id: 4711})
    assert (attached.lost, attached.leases) == (frozenset(), {lease.lease_id})
    assert (await pools.renew(again, lease)).lost == frozenset()
    assert await pools.state_of(run_id, RunState.COMPLETED, lease.fence) == []
    await pools.end(again, lease)
    assert [state for state, _ in await pools.history(run_id)] == [
        *("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")
    ]


async def test_many_expiries_at_once_end_each_lease_once(pools: Pools) -> None:
    runs = await pools.enqueue(30)
    hand, _ = await pools.worker(slots=30)
    await pools.claim(hand)
    pools.clock.move(6)
    ended = await asyncio.gather(*(expiry(pools).expire() for _ in range(4)))
    assert sum(ended) == 30
    assert await pools.queued() == runs
    assert {tuple(await pools.history(run)) for run in runs} == {
        (("SCHEDULED", ""), ("PENDING", ""), ("SCHEDULED", "LEASE_NOT_ACCEPTED"))
    }


async def test_a_report_of_the_end_gives_the_slot_to_the_next_at_once(pools: Pools) -> None:
    await pools.deployment("limited", limit=1)
    first, second = await pools.enqueue(2, deployment_id="limited")
    hand, _ = await pools.worker(slots=2)
    [lease] = await pools.claim(hand)
    assert (await pools.parked())[second] == "deployment/etl/limited"
    await pools.state_of(first, RunState.RUNNING, lease.fence)
    await pools.state_of(first, RunState.COMPLETED, lease.fence)
    assert (await pools.parked())[second] is None
    assert [item.run_id for item in await pools.claim(hand)] == [second]


async def test_crashed_runs_are_handed_to_the_retries_within_the_transaction(
    pools: Pools,
) -> None:
    runs = await pools.enqueue(2)
    hand, _ = await pools.worker(slots=2)
    for lease in await pools.claim(hand):
        await pools.accept(hand, lease)
        await pools.state_of(lease.run_id, RunState.RUNNING, lease.fence)
    pools.clock.move(31)
    seen: list[Crashed] = []

    def retry(dispatch: Any, batch: Any, crashed: Sequence[Crashed], now_us: int) -> None:
        seen.extend(crashed)

    await pools.within(
        partial(expire, retry_after_crash=retry),
        silent_since_us=pools.clock.at_us,
    )
    assert sorted(item.run.run_id for item in seen) == runs
    assert not any(item.proven for item in seen)
