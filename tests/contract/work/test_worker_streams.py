"""The stream of a worker: what it is told, and what its words do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from sqlalchemy import insert
from towpath.api.v1 import work_pb2, work_service_pb2_grpc
from towpath.api.v1 import work_service_pb2 as pb
from towpath_service.core.bus import Topic
from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.states import RunState
from towpath_service.runs.rpc.ingest_handler import StreamTimes
from towpath_service.work.domain.explaining import explain
from towpath_service.work.domain.leases import Phase
from towpath_service.work.storage import tables
from towpath_service.work.storage.explaining import SqlFacts

from tests.contract.work.pools import SCOPE, SECOND, TENANT, Pools, new_id, open_pools
from tests.contract.work.streams import Site, open_site
from tests.in_process.serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.work.domain.leases import Lease

POOL = Topic("pool", *SCOPE, "local")


@pytest_asyncio.fixture
async def pools(either: Path | PostgresUrl) -> AsyncIterator[Pools]:
    async with open_pools(either) as opened:
        await opened.pool()
        await opened.deployment()
        yield opened


@pytest_asyncio.fixture
async def site(pools: Pools) -> AsyncIterator[Site]:
    async with open_site(pools) as opened:
        yield opened


async def enqueue(pools: Pools, count: int = 1, **fields: Any) -> list[str]:
    """Queues runs, and wakes their pool as the queue's own store does."""
    run_ids = await pools.enqueue(count, **fields)
    pools.bus.notify(POOL)
    return run_ids


async def test_a_run_goes_from_its_queue_to_its_end(site: Site) -> None:
    client = site.client()
    async with client.attached(slots=2) as worker:
        assert worker.attached.worker.name == "workspaces/default/workPools/local/workers/w1"
        assert worker.attached.renew_interval.seconds == 10
        [run_id] = await enqueue(site.pools)
        [lease] = (await worker.get("granted")).leases
        assert (lease.run_id, lease.fence, lease.attempt, lease.run_token) == (run_id, 1, 1, "")
        client.say(accepted={"lease_ids": [lease.lease_id]})
        client.say(started={"leases": [{"lease_id": lease.lease_id, "pid": 4711}]})
        client.say(renew={"lease_ids": [lease.lease_id]})
        renewed = await worker.get("renewed")
        assert renewed.expire_time.ToMicroseconds() == site.pools.clock.at_us + 30_000_000
        row = (await site.pools.leases())[run_id]
        assert (row.phase, row.pid) == (Phase.ACCEPTED, 4711)
        await site.pools.state_of(run_id, RunState.RUNNING, lease.fence)
        end = {"lease_id": lease.lease_id, "outcome": 2, "evidence": {"kind": 2, "signal": 9}}
        for _ in range(2):
            client.say(ended={"ends": [end]})
            assert list((await worker.get("ended")).lease_ids) == [lease.lease_id]
        assert (await site.pools.history(run_id))[-1] == ("CRASHED", "PROCESS_KILLED")
    assert await site.pools.leases() == {}


async def test_the_job_is_worked_out_from_pool_deployment_and_run(site: Site) -> None:
    async with site.client().attached() as worker:
        await enqueue(site.pools)
        [lease] = (await worker.get("granted")).leases
    job = lease.job
    assert job.deployment == "workspaces/default/flows/etl/deployments/nightly"
    assert (job.entrypoint, job.flow_id, job.flow_name) == ("etl.py:etl", "etl", "Etl")
    assert json.loads(job.template_json) == {"env": {"A": "pool", "B": "mine"}}
    assert job.trace_context.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert job.cancel_grace_period.seconds == 30
    assert job.root_run_id == lease.run_id


async def test_a_slot_that_comes_free_is_filled_at_once(site: Site) -> None:
    client = site.client()
    runs = await enqueue(site.pools, 3)
    async with client.attached() as worker:
        seen: list[str] = []
        for _ in runs:
            [lease] = (await worker.get("granted")).leases
            seen.append(lease.run_id)
            client.say(ended={"ends": [{"lease_id": lease.lease_id, "outcome": 3}]})
            await worker.get("ended")
        assert seen == runs
    assert {(await site.pools.history(run))[-1] for run in runs} == {("CRASHED", "START_FAILED")}


async def test_a_grant_that_was_lost_with_the_stream_is_sent_again(site: Site) -> None:
    await enqueue(site.pools)
    client = site.client()
    async with client.attached() as worker:
        [lost] = (await worker.get("granted")).leases
    again = site.client(instance_id=client.instance_id)
    async with again.attached() as worker:
        assert [item.lease_id for item in worker.attached.granted] == [lost.lease_id]
        assert worker.attached.granted[0].job.entrypoint == "etl.py:etl"


async def test_a_newer_stream_of_a_worker_ends_the_older_one(site: Site) -> None:
    async with site.client().attached() as old, site.client().attached():
        with pytest.raises(ServiceError, match="WORKER_FENCED"):
            await old.ended()


async def test_a_worker_that_attached_to_another_replica_is_fenced_here(pools: Pools) -> None:
    async with open_site(pools) as here, here.client().attached() as old:
        other = Pools(pools.stores, pools.clock)
        async with open_site(other) as there, there.client().attached():
            await enqueue(pools)
            with pytest.raises(ServiceError, match="WORKER_FENCED"):
                await old.ended()


async def test_a_draining_worker_gets_no_more(site: Site) -> None:
    client = site.client()
    async with client.attached() as worker:
        client.say(draining={})
        client.say(renew={})
        await worker.get("renewed")
        await enqueue(site.pools)
        client.say(renew={})
        await worker.get("renewed")
    assert await site.pools.leases() == {}
    [row] = await site.pools.rows(tables.worker)
    assert (row.draining, row.attached) == (True, False)


async def test_a_worker_is_told_to_drain_before_it_gets_more(site: Site) -> None:
    async with site.client().attached() as worker:
        await site.pools.stores.database.write(
            lambda it: it.connection.exec_driver_sql("UPDATE worker SET draining = true")
        )
        await enqueue(site.pools)
        await worker.get("drain")
    assert await site.pools.leases() == {}


async def test_a_directive_reaches_the_worker_once_on_each_stream(site: Site) -> None:
    client = site.client()
    [run_id] = await enqueue(site.pools)
    async with client.attached() as worker:
        [lease] = (await worker.get("granted")).leases

        def cancel(transaction: SqlTransaction) -> None:
            transaction.topics.add(Topic("workers", *SCOPE, "local"))
            transaction.connection.execute(
                insert(tables.run_directive).values(
                    tenant_id=TENANT,
                    run_id=run_id,
                    workspace_id="default",
                    kind=1,
                    revision=3,
                    message="enough",
                    grace_us=2_000_000,
                    actor="users/ada",
                    created_us=0,
                )
            )

        await site.pools.stores.database.write(cancel, tenants={TENANT})
        [told] = (await worker.get("directives")).directives
        assert (told.lease_id, told.kind, told.message) == (lease.lease_id, 1, "enough")
        assert told.grace_period.seconds == 2
        site.pools.bus.notify(Topic("workers", *SCOPE, "local"))
        client.say(renew={})
        await worker.get("renewed")
    async with site.client(instance_id=client.instance_id).attached(
        held=[{"lease_id": lease.lease_id}]
    ) as worker:
        assert len((await worker.get("directives")).directives) == 1


async def test_a_stream_moves_on_before_it_grows_old(pools: Pools) -> None:
    async with (
        open_site(pools, times=StreamTimes(rotation_seconds=0)) as site,
        site.client().attached() as worker,
    ):
        assert (await worker.get("reconnect")).reason == 1


async def test_a_stopping_service_asks_workers_to_move(site: Site) -> None:
    async with site.client().attached() as worker:
        site.draining.event.set()
        assert (await worker.get("reconnect")).reason == 2


async def test_a_half_closed_stream_ends_and_its_leases_stay(site: Site) -> None:
    client = site.client()
    [run_id] = await enqueue(site.pools)
    async with client.attached() as worker:
        await worker.get("granted")
        client.half_close()
        await worker.ended()
    assert list(await site.pools.leases()) == [run_id]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"renew": {}}, "STREAM_PROTOCOL"),
        ({"hello": {"parent": "workspaces/default/workPools/local"}}, "INVALID_REQUEST"),
        ({}, "STREAM_PROTOCOL"),
    ],
    ids=["renew", "half a hello", "nothing"],
)
async def test_a_stream_begins_with_a_whole_hello(
    site: Site, message: dict[str, Any], reason: str
) -> None:
    client = site.client()
    client.say(**message)
    async with client.open() as answers:
        with pytest.raises(ServiceError, match=reason):
            await answers.ended()


async def test_a_second_hello_breaks_the_protocol(site: Site) -> None:
    client = site.client()
    async with client.attached() as worker:
        client.hello()
        with pytest.raises(ServiceError, match="STREAM_PROTOCOL"):
            await worker.ended()


async def test_there_must_be_such_a_pool(site: Site) -> None:
    client = site.client()
    client.hello(parent="workspaces/default/workPools/none")
    async with client.open() as answers:
        with pytest.raises(ServiceError, match=r"RESOURCE_NOT_FOUND.*workPools/none"):
            await answers.ended()


async def test_a_run_of_a_deleted_deployment_ends_before_it_reaches_a_worker(
    site: Site,
) -> None:
    client = site.client()
    async with client.attached() as worker:
        [gone] = await enqueue(site.pools, deployment_id="gone")
        [there] = await enqueue(site.pools)
        [lease] = (await worker.get("granted")).leases
        assert lease.run_id == there
    assert (await site.pools.history(gone))[-1] == ("CRASHED", "START_FAILED")


class _Tokens:
    async def issue(self, lease: Lease, caller: Any) -> tuple[str, int | None]:
        return f"token of {lease.fence} for {caller.principal}", 7_000_000


async def test_tokens_come_with_leases_and_are_renewed_for_held_ones_only(pools: Pools) -> None:
    async with open_site(pools, tokens=_Tokens()) as site:
        client = site.client()
        await enqueue(pools)
        async with client.attached() as worker:
            [lease] = (await worker.get("granted")).leases
            assert lease.run_token == "token of 1 for users/local"
            assert lease.run_token_expire_time.seconds == 7
            client.say(tokens={"lease_ids": [lease.lease_id, new_id()]})
            [made] = (await worker.get("tokens")).tokens
            assert (made.lease_id, made.run_token) == (lease.lease_id, lease.run_token)


async def test_a_worker_attaches_over_grpc(site: Site) -> None:
    await enqueue(site.pools)
    async with serving(site.dispatcher) as ports, ports.channel() as channel:
        stub: Any = work_service_pb2_grpc.WorkServiceStub(channel)
        stream = stub.AttachWorker()
        hello = pb.WorkerHello(
            parent="workspaces/default/workPools/local",
            worker_id="w1",
            instance_id=new_id(),
            kind="process",
            slots=1,
        )
        await stream.write(pb.AttachWorkerRequest(hello=hello))
        assert (await stream.read()).attached.work_pool.kind == "process"
        [lease] = (await stream.read()).granted.leases
        end = work_pb2.LeaseEnd(lease_id=lease.lease_id, outcome=work_pb2.LEASE_OUTCOME_RETURNED)
        await stream.write(pb.AttachWorkerRequest(ended=pb.EndedLeases(ends=[end])))
        assert list((await stream.read()).ended.lease_ids) == [lease.lease_id]
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
    assert await site.pools.state(lease.run_id) == "SCHEDULED"


async def test_an_attached_worker_is_heard_from_while_its_stream_is_open(pools: Pools) -> None:
    async with open_site(pools) as site, site.client().attached():
        pools.clock.move(100)
        await site.attachments.touch()
        [row] = await pools.rows(tables.worker)
        assert (row.seen_us, row.attached) == (pools.clock.at_us, True)


async def test_a_worker_that_moved_on_is_noticed_without_any_run(pools: Pools) -> None:
    async with open_site(pools) as here, here.client().attached() as old:
        other = Pools(pools.stores, pools.clock)
        async with open_site(other) as there, there.client().attached():
            await here.attachments.touch()
            with pytest.raises(ServiceError, match="WORKER_FENCED"):
                await old.ended()


@pytest.mark.parametrize("off", [-90, 45])
async def test_the_clock_of_a_worker_is_compared_and_explains_the_times_of_its_runs(
    pools: Pools, off: int
) -> None:
    async with open_site(pools) as site:
        [run_id] = await pools.enqueue()
        worker_time = {"seconds": pools.clock.at_us // SECOND + off}
        async with site.client().attached(worker_time=worker_time) as worker:
            assert worker.attached.worker.clock_offset.ToTimedelta() == timedelta(seconds=off)
            await worker.get("granted")
            found = await SqlFacts(pools.stores.database)(SCOPE, run_id, pools.clock.now_us())
            assert found is not None
            assert [item.kind.name for item in explain(found[0])] == ["STARTING", "WORKER_CLOCK"]


async def test_a_worker_that_does_not_tell_its_time_has_no_offset(pools: Pools) -> None:
    async with open_site(pools) as site, site.client().attached() as worker:
        assert not worker.attached.worker.HasField("clock_offset")
