"""Replicas on one PostgreSQL: what one commits the others see, and nothing happens twice."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from towpath_service.core.errors import ServiceError
from towpath_service.runs.application import watch

from tests.in_process.replicas import (
    CREATE,
    DONE,
    RUNNING,
    ask,
    check,
    cut_off,
    new_id,
    new_producer,
    replica,
    replicas,
    see_a_commit,
)


async def test_a_watch_hears_of_what_another_replica_commits(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    async with replicas(postgres_dsn, 2) as (here, there):
        await see_a_commit(here, there)


async def test_a_watch_hears_again_once_its_connection_is_back(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 60.0)
    async with replicas(postgres_dsn, 2) as (here, there):
        await see_a_commit(here, there, cut_meanwhile=postgres_dsn)


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
        async with asyncio.timeout(180):
            await asyncio.gather(*(produce() for _ in range(8)))
        busy = False
        await disturbing
        for run, states in sent.items():
            assert await all_[0].history(run) == states
    await check(postgres_dsn)
