"""A worker that can't start runs gives them back, rests, and doesn't hold up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest_asyncio
from towpath_service.core.bus import Topic
from towpath_service.work.domain.explaining import explain
from towpath_service.work.storage.explaining import SqlFacts

from tests.contract.work.pools import SCOPE, Pools, open_pools
from tests.contract.work.streams import Answers, Site, WorkerClient, open_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl

FULL = "worker w1 can't start it: No space left on device"


@pytest_asyncio.fixture
async def site(either: Path | PostgresUrl) -> AsyncIterator[Site]:
    async with open_pools(either) as pools:
        await pools.pool()
        await pools.deployment()
        async with open_site(pools) as opened:
            yield opened


class Rests:
    """The clock of pauses, moved by hand together with that of the service."""

    def __init__(self, site: Site) -> None:
        self.now = 0.0
        self.pools = site.pools
        workers: Any = site.attachments._workers
        workers._monotonic = lambda: self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.pools.clock.move(seconds)
        self.pools.bus.notify(Topic("pool", *SCOPE, "local"))


async def give_back(client: WorkerClient, worker: Answers, reason: str = "WORKER_FAULT") -> str:
    """Takes the next lease and gives it back; returns the run."""
    [lease] = (await worker.get("granted")).leases
    end = {"lease_id": lease.lease_id, "outcome": 4, "reason": reason}
    client.say(ended={"ends": [{**end, "failure": {"message": FULL}}]})
    await worker.get("ended")
    return str(lease.run_id)


async def explained(pools: Pools, run_id: str) -> list[tuple[str, str, str]]:
    found = await SqlFacts(pools.stores.database)(SCOPE, run_id, pools.clock.now_us())
    assert found is not None
    return [(item.kind.name, item.message, item.command) for item in explain(found[0])]


async def test_a_worker_that_cannot_start_runs_rests_and_others_get_them(site: Site) -> None:
    rests, client, other = Rests(site), site.client(), site.client("w2")
    async with client.attached(slots=8) as worker:
        [run_id] = await site.pools.enqueue()
        rests.move(0)
        assert await give_back(client, worker) == run_id
        assert await explained(site.pools, run_id) == [
            (
                "RETURNED",
                f"{FULL}; it gets no run for 1 s (fault 1 in a row)",
                "towpath worker ls local",
            )
        ]
        site.pools.clock.move(1)
        async with other.attached() as second:
            [lease] = (await second.get("granted")).leases
            assert (lease.run_id, lease.attempt) == (run_id, 1)


async def test_a_pause_doubles_until_a_run_starts(site: Site) -> None:
    rests, client = Rests(site), site.client()
    async with client.attached() as worker:
        [run_id] = await site.pools.enqueue()
        for seconds in (1, 2, 4):
            rests.move(seconds)
            await give_back(client, worker)
            message = (await site.pools.runs())[run_id].message
            assert f"no run for {seconds} s" in message
        rests.move(4)
        [lease] = (await worker.get("granted")).leases
        client.say(started={"leases": [{"lease_id": lease.lease_id, "pid": 1}]})
        client.say(ended={"ends": [{"lease_id": lease.lease_id, "outcome": 1}]})
        await worker.get("ended")
        [run_id] = await site.pools.enqueue()
        rests.move(0)
        await give_back(client, worker)
        assert "no run for 1 s (fault 1 in a row)" in (await site.pools.runs())[run_id].message


async def test_what_is_given_back_together_is_one_fault(site: Site) -> None:
    rests, client = Rests(site), site.client()
    async with client.attached(slots=2) as worker:
        runs = await site.pools.enqueue(2)
        rests.move(0)
        leases = (await worker.get("granted")).leases
        for lease in leases:
            end = {"lease_id": lease.lease_id, "outcome": 4, "reason": "WORKER_FAULT"}
            client.say(ended={"ends": [end]})
            await worker.get("ended")
        found = await site.pools.runs()
        assert {"fault 1 in a row" in found[run_id].message for run_id in runs} == {True}


async def test_a_draining_worker_gives_back_without_a_fault(site: Site) -> None:
    rests, client = Rests(site), site.client()
    async with client.attached() as worker:
        [run_id] = await site.pools.enqueue()
        rests.move(0)
        await give_back(client, worker, reason="")
        assert await site.pools.history(run_id) == [
            *(("SCHEDULED", ""), ("PENDING", ""), ("SCHEDULED", "RETURNED"))
        ]
        assert await explained(site.pools, run_id) == [("RETURNED", FULL, "")]
        rests.move(1)
        assert (await worker.get("granted")).leases[0].run_id == run_id
