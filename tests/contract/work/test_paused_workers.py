"""Workers that an operator has paused take no runs until they are resumed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from towpath.api.v1 import work_pb2
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.work.domain.explaining import explain
from towpath_service.work.domain.names import WorkerName
from towpath_service.work.storage.explaining import SqlFacts
from towpath_service.work.storage.pools import SqlWorkers

from tests.contract.work.pools import SCOPE, TENANT, new_id, open_pools
from tests.contract.work.streams import Site, open_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.postgres_url import PostgresUrl

NAME = WorkerName("default", "local", "w1")


@pytest_asyncio.fixture
async def site(either: Path | PostgresUrl) -> AsyncIterator[Site]:
    async with open_pools(either) as pools:
        await pools.pool()
        await pools.deployment()
        async with open_site(pools) as opened:
            yield opened


async def set_paused(site: Site, *, paused: bool) -> None:
    def work(transaction: SqlTransaction) -> None:
        SqlWorkers(transaction, TENANT).pause(NAME, paused=paused)

    await site.pools.stores.database.write(work, tenants=EVERY_TENANT)
    await site.attachments.touch()


async def test_a_paused_worker_takes_no_run_until_it_is_resumed(site: Site) -> None:
    async with site.client().attached() as worker:
        await set_paused(site, paused=True)
        [run_id] = await site.pools.enqueue()
        assert await dispatched(site) == 0
        assert await reasons(site, run_id) == [("WORKERS_PAUSED", "towpath worker resume local/w1")]
        await set_paused(site, paused=False)
        [lease] = (await worker.get("granted")).leases
        assert lease.run_id == run_id


async def test_a_pause_holds_for_the_next_stream_and_the_next_process(site: Site) -> None:
    client, restarted = site.client(), site.client(instance_id=new_id())
    async with client.attached():
        await set_paused(site, paused=True)
    [run_id] = await site.pools.enqueue()
    for again in (client, restarted):
        async with again.attached() as worker:
            assert worker.attached.worker.state == work_pb2.WORKER_STATE_PAUSED
            assert worker.attached.worker.paused
            assert await dispatched(site) == 0
    async with site.client("w2").attached() as other:
        [lease] = (await other.get("granted")).leases
        assert lease.run_id == run_id


async def test_a_claim_finds_a_pause_that_its_replica_has_not_heard_of(site: Site) -> None:
    hand, _ = await site.pools.worker()
    work = partial(SqlWorkers.pause, name=NAME, paused=True)
    await site.pools.stores.database.write(
        lambda transaction: work(SqlWorkers(transaction, TENANT)), tenants=EVERY_TENANT
    )
    await site.pools.enqueue()
    assert await site.pools.claim(hand) == []


async def dispatched(site: Site) -> int:
    """Runs that are leased once nothing is left to hand out."""
    loop: Any = site.loops["dispatcher"]
    await loop.__self__.dispatch()
    return len(await site.pools.leases())


async def reasons(site: Site, run_id: str) -> list[tuple[str, str]]:
    pools = site.pools
    found = await SqlFacts(pools.stores.database)(SCOPE, run_id, pools.clock.now_us())
    assert found is not None
    return [(item.kind.name, item.command) for item in explain(found[0])]
