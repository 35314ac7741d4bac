"""Replicas on one PostgreSQL: what one commits the others see, and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from towpath_service.application import watch
from towpath_service.application.commit import Submission
from towpath_service.application.committer import Committer
from towpath_service.application.producers import Producers
from towpath_service.application.queries import Queries
from towpath_service.application.reaper import Reaper
from towpath_service.application.watch import Draining, Watches
from towpath_service.domain.errors import ServiceError
from towpath_service.domain.reports import Creation, StateReport, Update
from towpath_service.domain.states import RunKind, RunState
from towpath_service.ports.bus import Bus, Scope
from towpath_service.ports.clock import SystemClock
from towpath_service.ports.ingest import ProducerKey
from towpath_service.storage.postgres import PostgresStore
from towpath_service.storage.postgres_url import parse_postgres_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SCOPE = Scope("00000000-0000-7000-8000-000000000001", "default")
NOW_US = 1_790_000_000_000_000
RUNNING = StateReport(state=RunState.RUNNING)
DONE = StateReport(state=RunState.COMPLETED)
CREATE = Creation(kind=RunKind.TASK, initial=RUNNING, display_name="t", flow_id="f")


def new_id() -> str:
    return str(uuid.uuid4())


def new_producer() -> ProducerKey:
    return ProducerKey(*SCOPE, new_id())


class Replica:
    """The service's application over a store of its own."""

    def __init__(self, store: PostgresStore, committer: Committer, bus: Bus) -> None:
        clock = SystemClock()
        self.store = store
        self.committer = committer
        self.bus = bus
        self.producers = Producers(store, committer, bus, clock)
        self.queries = Queries(store, bus, clock)
        self.watches = Watches(store, bus, Draining(asyncio.Event()))
        self.reaper = Reaper(store, bus, clock, silence_seconds=30)

    async def send(
        self,
        producer: ProducerKey,
        first: int,
        updates: Sequence[tuple[str, Any]],
        *,
        epoch: int | None = None,
    ) -> Any:
        return await self.committer.submit(
            Submission(
                producer=producer,
                actor="users/local",
                first_sequence=first,
                updates=[
                    Update(sequence=first + n, run_id=run_id, occurred_us=NOW_US, change=change)
                    for n, (run_id, change) in enumerate(updates)
                ],
                epoch=epoch,
            )
        )

    async def history(self, run_id: str) -> list[str]:
        found, _ = await self.queries.transitions(
            SCOPE, run_id, size=100, token="", after_revision=0
        )
        return [RunState(item.to_state).name for item in found]


@asynccontextmanager
async def replica(dsn: str) -> AsyncIterator[Replica]:
    store, bus = PostgresStore(parse_postgres_url(dsn)), Bus()
    listening: asyncio.Task[None] | None = None
    try:
        await store.open()
        listening = asyncio.create_task(store.listen(bus))
        async with Committer(store, bus, SystemClock()) as committer:
            yield Replica(store, committer, bus)
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        store.close()


@asynccontextmanager
async def replicas(dsn: str, count: int) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica(dsn)) for _ in range(count)]


async def ask(dsn: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


async def cut_off(dsn: str) -> int:
    """Ends the server's processes of all connections, as an administrator or a failover does."""
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return int((await ask(dsn, query))[0][0])


async def waited_for(replica: Replica) -> None:
    """Returns once somebody waits at a replica for word of a commit."""
    while SCOPE not in replica.bus._waiting:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.005)


async def check(dsn: str) -> None:
    """What holds whatever happened before."""
    gaps = "SELECT position - row_number() OVER (ORDER BY position) FROM transition"
    assert {row[0] for row in await ask(dsn, gaps)} <= {0}
    revisions = (
        "SELECT run_id FROM transition GROUP BY run_id"
        " HAVING max(revision) <> count(*) OR min(revision) <> 1"
    )
    assert await ask(dsn, revisions) == []
    counted = "SELECT state, count(*) FROM run GROUP BY state ORDER BY state"
    kept = "SELECT state, sum(runs)::bigint FROM run_count WHERE runs <> 0 GROUP BY 1 ORDER BY 1"
    assert await ask(dsn, counted) == await ask(dsn, kept)
    stale = (
        "SELECT run_id FROM run JOIN transition USING (tenant_id, run_id)"
        " WHERE run.revision = transition.revision AND run.state <> transition.to_state"
    )
    assert await ask(dsn, stale) == []


async def test_a_watch_hears_of_what_another_replica_commits(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    async with replicas(postgres_dsn, 2) as (here, there):
        watching = here.watches.transitions(SCOPE, run_id="", resume_token="", states=())
        seen = asyncio.create_task(anext(aiter(watching)))
        await waited_for(here)
        run = new_id()
        await there.send(new_producer(), 1, [(run, CREATE)])
        async with asyncio.timeout(30):
            assert [item.run_id for item in (await seen).transitions] == [run]


async def test_a_watch_hears_again_once_its_connection_is_back(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    async with replicas(postgres_dsn, 2) as (here, there):
        watching = here.watches.transitions(SCOPE, run_id="", resume_token="", states=())
        seen = asyncio.create_task(anext(aiter(watching)))
        await waited_for(here)
        assert await cut_off(postgres_dsn) > 0
        run = new_id()
        await there.send(new_producer(), 1, [(run, CREATE)])
        async with asyncio.timeout(30):
            assert [item.run_id for item in (await seen).transitions] == [run]


async def test_a_stream_that_moved_fences_the_replica_it_left(postgres_dsn: str) -> None:
    async with replicas(postgres_dsn, 2) as (old, new):
        producer = new_producer()
        before = await old.producers.open(producer, last_acked_sequence=0, info="")
        run = new_id()
        await old.send(producer, 1, [(run, CREATE)], epoch=before.producer.epoch)
        after = await new.producers.open(producer, last_acked_sequence=1, info="")
        assert after.producer.committed_sequence == 1
        with pytest.raises(ServiceError, match="PRODUCER_FENCED"):
            await old.send(producer, 2, [(run, DONE)], epoch=before.producer.epoch)
        await new.send(producer, 2, [(run, DONE)], epoch=after.producer.epoch)
        assert await old.history(run) == ["RUNNING", "COMPLETED"]


async def test_the_same_batch_at_two_replicas_takes_effect_once(postgres_dsn: str) -> None:
    async with replicas(postgres_dsn, 3) as all_:
        for _ in range(10):
            producer, run = new_producer(), new_id()
            batch = [(run, CREATE), (run, DONE)]
            outcomes = await asyncio.gather(*(one.send(producer, 1, batch) for one in all_))
            assert {item.committed_sequence for item in outcomes} == {2}
            assert [list(item.refusals) for item in outcomes] == [[], [], []]
            assert await all_[0].history(run) == ["RUNNING", "COMPLETED"]
        await check(postgres_dsn)


async def test_a_watermark_never_goes_back(postgres_dsn: str) -> None:
    async with replicas(postgres_dsn, 3) as all_:
        for _ in range(10):
            producer, run = new_producer(), new_id()
            await all_[0].send(producer, 1, [(run, CREATE)])
            await asyncio.gather(
                *(all_[k % 3].send(producer, 2, [(run, RUNNING)] * k) for k in range(9, 0, -1))
            )
            found, _ = await all_[0].producers.get(producer)
            assert found.committed_sequence == 10


async def test_a_run_that_two_producers_begin_is_begun_once(postgres_dsn: str) -> None:
    async with replicas(postgres_dsn, 2) as all_:
        for _ in range(10):
            run = new_id()
            sent = [one.send(new_producer(), 1, [(run, CREATE), (run, DONE)]) for one in all_]
            await asyncio.gather(*sent)
            assert await all_[0].history(run) == ["RUNNING", "COMPLETED"]
        await check(postgres_dsn)


async def test_what_can_never_be_stored_holds_up_its_own_producer_only(postgres_dsn: str) -> None:
    # Two tags here, one in PostgreSQL, which has no character NUL.
    twice = replace(CREATE, tags=("a\0", "a\N{REPLACEMENT CHARACTER}"))
    async with replica(postgres_dsn) as only:
        run = new_id()
        bad, good = await asyncio.gather(
            only.send(new_producer(), 1, [(new_id(), twice)]),
            only.send(new_producer(), 1, [(run, CREATE)]),
            return_exceptions=True,
        )
        assert isinstance(bad, ServiceError)
        assert good.committed_sequence == 1
        assert await only.history(run) == ["RUNNING"]


async def test_lost_producers_are_ended_once_by_all_replicas_together(postgres_dsn: str) -> None:
    async with replicas(postgres_dsn, 3) as all_:
        runs = [new_id() for _ in range(40)]
        for run in runs:
            await all_[0].send(new_producer(), 1, [(run, CREATE)])
        await ask(postgres_dsn, "UPDATE producer SET seen_us = 0")
        ended = await asyncio.gather(*(one.reaper.reap() for one in all_))
        assert sum(ended) == len(runs)
        assert {tuple(await all_[0].history(run)) for run in runs} == {("RUNNING", "CRASHED")}
        await check(postgres_dsn)


@pytest.mark.parametrize("cuts", [False, True], ids=["undisturbed", "connections cut"])
async def test_any_batch_at_any_replica_any_number_of_times(
    postgres_dsn: str, *, cuts: bool
) -> None:
    chance = random.Random(7)
    async with replicas(postgres_dsn, 3) as all_:
        sent: dict[str, list[str]] = {}
        busy = True

        async def produce() -> None:
            producer = new_producer()
            batches: list[tuple[int, list[tuple[str, Any]]]] = []
            first = 1
            for _ in range(12):
                updates: list[tuple[str, Any]] = []
                for _ in range(chance.randint(1, 5)):
                    run = new_id()
                    sent[run] = ["RUNNING", "COMPLETED"]
                    updates += [(run, CREATE), (run, DONE)]
                batches.append((first, updates))
                first += len(updates)
            for first, updates in batches:
                copies = chance.choices(all_, k=chance.randint(1, 3))
                while True:
                    outcomes = await asyncio.gather(
                        *(one.send(producer, first, updates) for one in copies),
                        return_exceptions=True,
                    )
                    if all(not isinstance(item, BaseException) for item in outcomes):
                        break
                    await asyncio.sleep(0.05)
                assert all(not item.refusals for item in outcomes)

        async def disturb() -> None:
            while busy and cuts:
                await cut_off(postgres_dsn)
                await asyncio.sleep(0.15)

        disturbing = asyncio.create_task(disturb())
        async with asyncio.timeout(60):
            await asyncio.gather(*(produce() for _ in range(8)))
        busy = False
        await disturbing
        for run, states in sent.items():
            assert await all_[0].history(run) == states
    await check(postgres_dsn)
