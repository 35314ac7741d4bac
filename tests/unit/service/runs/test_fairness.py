"""Tenants that take turns: portions of submissions, in one database."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from towpath_service.app.stores import stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.clock import SystemClock
from towpath_service.core.errors import ServiceError
from towpath_service.database.sqlite.database import SqliteDatabase
from towpath_service.runs.application.commit_queue import ROOM_UPDATES
from towpath_service.runs.application.committer import Committer
from towpath_service.runs.application.submissions import Outcome, Submission
from towpath_service.runs.domain import turns
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.storage import tables

from tests.budgets import examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

LOUD = "00000000-0000-7000-8000-00000000000a"
CALM = "00000000-0000-7000-8000-00000000000b"
CREATE = Creation(
    kind=RunKind.FLOW,
    initial=StateReport(state=RunState.RUNNING),
    display_name="f",
    flow_id="f",
)


def producer(tenant_id: str) -> ProducerKey:
    return ProducerKey(tenant_id, "default", str(uuid.uuid4()))


def submission(key: ProducerKey, first: int, count: int, **more: Any) -> Submission:
    """Creations of runs, one for each sequence."""
    updates = [
        Update(
            sequence=sequence,
            run_id=str(uuid.uuid5(uuid.UUID(key.producer_id), str(sequence))),
            occurred_us=1_790_000_000_000_000,
            change=CREATE,
        )
        for sequence in range(first, first + count)
    ]
    return Submission(producer=key, actor="a", first_sequence=first, updates=updates, **more)


class Recording:
    """A store that tells whose updates its transactions held, and fails at some."""

    def __init__(self, failing: Collection[int] = ()) -> None:
        self.database = SqliteDatabase(None)
        self.store = stores_on(self.database).runs
        self.commits: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._failing = failing
        self._writes = 0

    async def write(self, tenants: Collection[str], work: Callable[[Any], Any]) -> Any:
        await self.gate.wait()
        self._writes += 1
        if self._writes in self._failing:
            raise ServiceError(reason="OVERLOADED", message="the disk is full: make room")

        def told(transaction: Any) -> Any:
            write = transaction.write

            def writing(changes: Any) -> None:
                self.commits.append([row.scope.tenant_id for row in changes.transitions])
                write(changes)

            transaction.write = writing
            return work(transaction)

        return await self.store.write(tenants, told)

    async def sequences(self, key: ProducerKey) -> list[int]:
        """Of a producer's updates that took effect."""
        columns = tables.transition.c
        query = select(columns.producer_sequence).where(
            columns.tenant_id == key.tenant_id, columns.producer_id == key.producer_id
        )
        return await self.store.read(
            key.tenant_id,
            lambda reads: sorted(reads._connection.execute(query).scalars()),  # type: ignore[attr-defined]
        )


@asynccontextmanager
async def committing(recording: Recording) -> AsyncIterator[Committer]:
    await recording.database.open()
    store: Any = recording
    try:
        async with Committer(store, Bus(), SystemClock()) as committer:
            # Both tenants report.
            await committer.submit(submission(producer(LOUD), 1, 400))
            await committer.submit(submission(producer(CALM), 1, 1))
            recording.commits.clear()
            yield committer
    finally:
        recording.database.close()


async def test_one_update_waits_for_the_portion_under_way_and_no_more() -> None:
    recording = Recording()
    async with committing(recording) as committer:
        recording.gate.clear()
        loud = committer.submit(submission(producer(LOUD), 1, 60))
        await asyncio.sleep(0.01)  # The first portion is under way.
        calm = committer.submit(submission(producer(CALM), 1, 1))
        recording.gate.set()
        await calm
        assert not loud.done()
        outcome = await loud
        assert outcome.committed_sequence == 60
        sizes = [len(commit) for commit in recording.commits]
        assert sizes == [12, 1, 12, 12, 12, 12]
        assert recording.commits[1] == [CALM]


async def test_more_is_read_of_a_tenant_that_holds_up_others_once_there_is_room() -> None:
    recording = Recording()
    async with committing(recording) as committer:
        await committer.wait_for_room(LOUD)  # Nothing waits.
        recording.gate.clear()
        loud = committer.submit(submission(producer(LOUD), 1, 400))
        await asyncio.sleep(0.01)  # The first portion is under way.
        reading = asyncio.ensure_future(committer.wait_for_room(LOUD))
        await committer.wait_for_room(CALM)
        await asyncio.sleep(0.01)
        assert not reading.done()
        recording.gate.set()
        await reading
        assert not loud.done()
        under_way = 400 // turns.PARTS
        assert 400 - sum(map(len, recording.commits)) <= ROOM_UPDATES + under_way
        await loud


async def test_who_waits_for_room_is_told_when_a_portion_fails_or_the_committer_ends() -> None:
    recording = Recording(failing={4})
    async with committing(recording) as committer:
        recording.gate.clear()
        loud = committer.submit(submission(producer(LOUD), 1, 400))
        await asyncio.sleep(0.01)
        reading = asyncio.ensure_future(committer.wait_for_room(LOUD))
        gone = asyncio.ensure_future(committer.wait_for_room(LOUD))
        await asyncio.sleep(0)
        gone.cancel()
        recording.gate.set()
        with pytest.raises(ServiceError):
            await loud
        await reading
        recording.gate.clear()
        committer.submit(submission(producer(LOUD), 1, 400))
        await asyncio.sleep(0.01)
        reading = asyncio.ensure_future(committer.wait_for_room(LOUD))
        await asyncio.sleep(0)
    await reading


async def test_a_tenant_alone_is_read_on_whatever_waits() -> None:
    recording = Recording()
    await recording.database.open()
    store: Any = recording
    async with Committer(store, Bus(), SystemClock()) as committer:
        recording.gate.clear()
        sent = [committer.submit(submission(producer(LOUD), 1, 400)) for _ in range(5)]
        await asyncio.sleep(0.01)
        await committer.wait_for_room(LOUD)
        recording.gate.set()
        await asyncio.gather(*sent)
    recording.database.close()


async def test_those_with_little_share_a_commit() -> None:
    recording = Recording()
    async with committing(recording) as committer:
        recording.gate.clear()
        loud = committer.submit(submission(producer(LOUD), 1, 24))
        await asyncio.sleep(0.01)
        tenants = [str(uuid.uuid4()) for _ in range(5)]
        others = [committer.submit(submission(producer(tenant), 1, 2)) for tenant in tenants]
        recording.gate.set()
        await asyncio.gather(loud, *others)
        assert [len(commit) for commit in recording.commits] == [12, 10, 12]


async def test_a_tenant_alone_is_never_cut() -> None:
    recording = Recording()
    await recording.database.open()
    store: Any = recording
    async with Committer(store, Bus(), SystemClock()) as committer:
        key = producer(LOUD)
        await asyncio.gather(
            *(committer.submit(submission(key, 1 + 500 * n, 500)) for n in range(4))
        )
    recording.database.close()
    assert [len(commit) for commit in recording.commits] == [2000]


async def test_an_outcome_tells_of_all_portions() -> None:
    recording = Recording()
    async with committing(recording) as committer:
        key = producer(LOUD)
        await committer.submit(submission(key, 1, 20))
        sent = submission(key, 1, 40)
        unknown = Update(
            sequence=21,
            run_id=str(uuid.uuid4()),
            occurred_us=1,
            change=StateReport(state=RunState.COMPLETED),
        )
        updates = [*sent.updates[:20], unknown, *sent.updates[21:]]
        outcome = await committer.submit(
            Submission(producer=key, actor="a", first_sequence=1, updates=updates)
        )
        assert outcome.committed_sequence == 40
        assert outcome.duplicates == 20
        assert [refusal.sequence for refusal in outcome.refusals] == [21]


async def test_a_portion_that_fails_fails_the_submission_and_what_stands_stands() -> None:
    recording = Recording(failing={4})
    async with committing(recording) as committer:
        key, calm = producer(LOUD), producer(CALM)
        with pytest.raises(ServiceError, match="make room"):
            await committer.submit(submission(key, 1, 60))
        assert await recording.sequences(key) == list(range(1, 13))
        assert committer.waiting == 0
        await committer.submit(submission(calm, 1, 1))
        outcome = await committer.submit(submission(key, 1, 60))
        assert (outcome.committed_sequence, outcome.duplicates) == (60, 12)
        assert await recording.sequences(key) == list(range(1, 61))


async def test_a_gap_fails_a_cut_submission_once() -> None:
    async with committing(Recording()) as committer:
        with pytest.raises(ServiceError, match="is next"):
            await committer.submit(submission(producer(LOUD), 5, 60))
        assert committer.waiting == 0


async def test_only_the_first_portion_may_pass_over_a_gap() -> None:
    recording = Recording()
    async with committing(recording) as committer:
        key = producer(LOUD)
        outcome = await committer.submit(submission(key, 5, 60, resume_after_loss=True))
        assert outcome.committed_sequence == 64
        assert await recording.sequences(key) == list(range(5, 65))


async def test_ending_tells_whoever_waits_for_the_rest() -> None:
    recording = Recording()
    waiting: list[asyncio.Future[Outcome]] = []
    async with committing(recording) as committer:
        recording.gate.clear()
        waiting.append(committer.submit(submission(producer(LOUD), 1, 60)))
        await asyncio.sleep(0.01)
        waiting.append(committer.submit(submission(producer(CALM), 1, 1)))
    for outcome in waiting:
        with pytest.raises(ServiceError, match="draining"):
            outcome.result()


SENDS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 30), st.booleans()), min_size=1, max_size=12
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sends=SENDS, failing=st.sets(st.integers(3, 30), max_size=4))
def test_whatever_fails_each_update_takes_effect_once_and_in_order(
    sends: list[tuple[int, int, bool]], failing: set[int]
) -> None:
    async def scenario() -> None:
        recording = Recording(failing)
        keys = [producer(LOUD), producer(LOUD), producer(CALM), producer(str(uuid.uuid4()))]
        ends = dict.fromkeys(keys, 0)
        acked = dict.fromkeys(keys, 0)
        async with committing(recording) as committer:
            sent: list[tuple[ProducerKey, asyncio.Future[Outcome]]] = []
            for number, count, breathing in sends:
                key = keys[number]
                sent.append((key, committer.submit(submission(key, ends[key] + 1, count))))
                ends[key] += count
                if breathing:
                    await asyncio.sleep(0)
            for key, outcome in sent:
                await asyncio.wait([outcome])
                error = outcome.exception()
                if error is None:
                    acked[key] = outcome.result().committed_sequence
                else:
                    assert isinstance(error, ServiceError)
                    assert error.reason in {"OVERLOADED", "SEQUENCE_GAP"}
            for key in keys:
                stored = await recording.sequences(key)
                assert stored == list(range(1, len(stored) + 1))
                assert acked[key] <= len(stored)
                if not ends[key]:
                    continue
                for _ in range(6):  # As a producer does: all again, until it is acknowledged.
                    try:
                        outcome_of_all = await committer.submit(submission(key, 1, ends[key]))
                    except ServiceError:
                        continue
                    break
                assert outcome_of_all.committed_sequence == ends[key]
                assert await recording.sequences(key) == list(range(1, ends[key] + 1))
            assert committer.waiting == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "PORTION", 3)
        asyncio.run(scenario())
