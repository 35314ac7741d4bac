"""A pool with queued runs, and workers without a stream, over a database of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import insert, select
from towpath_service.app.stores import database_at, stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.application.submissions import Outcome, Submission
from towpath_service.runs.domain.reports import Creation, StateReport, Update
from towpath_service.runs.domain.states import RunKind, RunState
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.storage.tables import run as run_table
from towpath_service.work.application.attaching import Attached, Hello, attach
from towpath_service.work.application.claiming import Bidder, Claimed, claim
from towpath_service.work.application.lease_work import (
    Ends,
    Kept,
    LeaseEnded,
    Said,
    end,
    keep,
)
from towpath_service.work.domain import leases
from towpath_service.work.domain.deployments import CollisionStrategy
from towpath_service.work.domain.dispatching import FreeWorker, PoolKey, WorkerKey
from towpath_service.work.storage import tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Table
    from towpath_service.app.stores import Stores
    from towpath_service.database.port import SqlTransaction
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.work.domain.leases import Lease

TENANT = "00000000-0000-7000-8000-000000000001"
SCOPE = Scope(TENANT, "default")
SECOND = 1_000_000
NOW_US = 1_790_000_000 * SECOND
LEASE_SECONDS = 30
START_SECONDS = 120


def new_id() -> str:
    return str(uuid4())


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at_us = NOW_US

    def now_us(self) -> int:
        return self.at_us

    def move(self, seconds: float) -> None:
        self.at_us += int(seconds * SECOND)


@dataclass
class Hand:
    """A worker as the service knows it, moved by hand."""

    key: WorkerKey
    attachment: str
    slots: int
    queues: frozenset[str] = frozenset()
    leases: set[str] = field(default_factory=set)

    @property
    def bidder(self) -> Bidder:
        free = self.slots - len(self.leases)
        return Bidder(
            worker=FreeWorker(key=self.key, free=free, queues=self.queues),
            attachment=self.attachment,
        )


@dataclass
class Pools:
    """The stores, a clock and a bus."""

    stores: Stores
    clock: HandClock = field(default_factory=HandClock)
    bus: Bus = field(default_factory=Bus)
    producer_id: str = field(default_factory=new_id)
    sequence: int = 0

    async def insert(self, table: Table, **values: Any) -> None:
        await self.stores.database.write(
            lambda transaction: transaction.connection.execute(insert(table).values(**values)),
            tenants={values["tenant_id"]},
        )

    async def pool(
        self, pool_id: str = "local", scope: Scope = SCOPE, *, limit: int = 0, **queues: int
    ) -> PoolKey:
        """A pool with its default queue of rank 100, and others with their limits."""
        named: dict[str, Any] = scope._asdict()
        named |= {"pool_id": pool_id, "description": "", "paused": False}
        named |= {"revision": 1, "created_us": NOW_US, "updated_us": NOW_US}
        await self.insert(
            tables.work_pool,
            **named,
            kind="process",
            job_template='{"env":{"A":"pool"}}',
            concurrency_limit=limit,
            lease_us=LEASE_SECONDS * SECOND,
            start_timeout_us=START_SECONDS * SECOND,
            grace_us=30 * SECOND,
        )
        for rank, (queue_id, most) in enumerate({"default": 0, **queues}.items()):
            await self.insert(
                tables.work_queue,
                **named,
                queue_id=queue_id,
                rank=100 - rank,
                concurrency_limit=most,
            )
        return PoolKey(*scope, pool_id)

    async def deployment(
        self,
        deployment_id: str = "nightly",
        scope: Scope = SCOPE,
        *,
        limit: int = 0,
        strategy: CollisionStrategy = CollisionStrategy.ENQUEUE,
    ) -> None:
        named = scope._asdict() | {"flow_id": "etl", "deployment_id": deployment_id}
        await self.insert(
            tables.deployment,
            **named,
            pool_id="local",
            queue_id="default",
            paused=False,
            concurrency_limit=limit,
            collision_strategy=int(strategy),
            revision=1,
            owner="users/ada",
            created_us=NOW_US,
            updated_us=NOW_US,
        )
        await self.insert(
            tables.deployment_revision,
            **named,
            revision=1,
            content='{"entrypoint":"etl.py:etl","job_overrides":"{\\"env\\":{\\"B\\":\\"mine\\"}}"}',
            actor="users/ada",
            created_us=NOW_US,
        )

    async def enqueue(
        self,
        count: int = 1,
        *,
        scope: Scope = SCOPE,
        pool_id: str = "local",
        queue_id: str = "default",
        deployment_id: str = "nightly",
        priority: int = 50,
        due: float = 0,
        deadline: float | None = None,
        parked_by: str | None = None,
    ) -> list[str]:
        """Creates runs that wait, and returns their ids in the order of their due times."""
        run_ids = sorted(new_id() for _ in range(count))
        await self.report(
            *(
                (
                    run_id,
                    Creation(
                        kind=RunKind.FLOW,
                        initial=StateReport(state=RunState.SCHEDULED),
                        display_name="nightly",
                        flow_id="etl",
                        flow_name="Etl",
                        scheduled_us=self.clock.at_us + int(due * SECOND),
                        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    ),
                )
                for run_id in run_ids
            ),
            scope=scope,
            producer_id=new_id(),
        )
        where: dict[str, Any] = {"pool_id": pool_id, "queue_id": queue_id, "flow_id": "etl"}
        where |= {"deployment_id": deployment_id, "schedule_id": "", "priority": priority}
        due_us = self.clock.at_us + int(due * SECOND)
        deadline_us = None if deadline is None else self.clock.at_us + int(deadline * SECOND)

        def work(transaction: SqlTransaction) -> None:
            for run_id in run_ids:
                named = scope._asdict() | where | {"run_id": run_id}
                transaction.connection.execute(
                    insert(tables.run_origin).values(
                        **named,
                        deployment_revision=1,
                        slot_us=None,
                        backfill_id="",
                        trigger=2,
                        start_deadline_us=deadline_us,
                        job_overrides="",
                        creator="users/ada",
                        crash_retries=0,
                        returns=0,
                    )
                )
                transaction.connection.execute(
                    insert(tables.queued).values(
                        **named, due_us=due_us, deadline_us=deadline_us, parked_by=parked_by
                    )
                )

        await self.stores.database.write(work, tenants={scope.tenant_id})
        return run_ids

    async def report(
        self,
        *changes: tuple[str, Any],
        scope: Scope = SCOPE,
        producer_id: str = "",
    ) -> list[str]:
        """Reports of one producer; returns the rules by which some are refused."""
        mine = not producer_id
        first = self.sequence + 1 if mine else 1
        submission = Submission(
            producer=ProducerKey(*scope, producer_id or self.producer_id),
            actor="users/ada",
            first_sequence=first,
            updates=[
                Update(sequence=first + n, run_id=run_id, occurred_us=self.clock.at_us, change=it)
                for n, (run_id, it) in enumerate(changes)
            ],
            confirmed_sequence=first - 1,
        )
        self.sequence += len(changes) if mine else 0
        now_us = self.clock.at_us
        [outcome] = await self.stores.runs.write(
            {scope.tenant_id}, lambda runs: Batch(runs, now_us).commit([submission])
        )
        assert isinstance(outcome, Outcome)
        return [refusal.rule for refusal in outcome.refusals]

    async def state_of(self, run_id: str, state: RunState, fence: int) -> list[str]:
        """Reports a state of a run under a fence."""
        return await self.report((run_id, StateReport(state=state, fence=fence)))

    async def worker(
        self,
        worker_id: str = "w1",
        slots: int = 1,
        *queues: str,
        pool: PoolKey | None = None,
        held: dict[str, int] | None = None,
        **fields: Any,
    ) -> tuple[Hand, Attached]:
        """Attaches a worker."""
        pool = pool or PoolKey(*SCOPE, "local")
        hello = Hello(
            key=WorkerKey(*pool, worker_id),
            instance_id=fields.pop("instance_id", new_id()),
            attachment=new_id(),
            started_us=fields.pop("started_us", self.clock.at_us),
            kind=fields.pop("kind", "process"),
            slots=slots,
            queues=queues,
            labels={},
            held=held or {},
            **fields,
        )
        now_us = self.clock.at_us
        attached = await self.stores.dispatch.write(
            {pool.tenant_id}, lambda dispatch: attach(dispatch, hello, now_us)
        )
        hand = Hand(hello.key, hello.attachment, slots, frozenset(queues), set(attached.leases))
        return hand, attached

    async def claim(self, *hands: Hand, most: int = 100) -> list[Lease]:
        """Claims for workers once, as one replica does."""
        return [lease for lease, _ in (await self.claimed(*hands, most=most)).granted]

    async def claimed(self, *hands: Hand, most: int = 100) -> Claimed:
        """Claims for workers once, and returns all of what that came to."""
        now_us = self.clock.at_us
        bidders = [hand.bidder for hand in hands if hand.bidder.worker.free > 0]
        claimed = await self.stores.dispatch.write(
            {hand.key.tenant_id for hand in hands},
            lambda dispatch: claim(dispatch, bidders, now_us, most=most),
        )
        by_key = {hand.key: hand for hand in hands}
        for lease, _ in claimed.granted:
            key = WorkerKey(*lease.scope, lease.pool_id, lease.worker_id)
            by_key[key].leases.add(lease.lease_id)
        return claimed

    async def say(self, hand: Hand, **fields: Any) -> Kept:
        """A worker's word about its leases; raises what it is answered."""
        said = Said(worker=hand.key, attachment=hand.attachment, **fields)
        now_us = self.clock.at_us
        [answer] = await self.stores.dispatch.write(
            {hand.key.tenant_id}, lambda dispatch: keep(dispatch, [said], now_us)
        )
        if isinstance(answer, Exception):
            raise answer
        hand.leases -= answer.lost
        return answer

    async def accept(self, hand: Hand, *leases: Lease) -> Kept:
        return await self.say(hand, accepted=frozenset(lease.lease_id for lease in leases))

    async def renew(self, hand: Hand, *leases: Lease) -> Kept:
        return await self.say(hand, renewed=frozenset(lease.lease_id for lease in leases))

    async def end(
        self,
        hand: Hand,
        lease: Lease,
        outcome: leases.Outcome = leases.Outcome.EXITED,
        **fields: Any,
    ) -> None:
        """A worker's word that a lease has ended; raises what it is answered."""
        one = LeaseEnded(lease_id=lease.lease_id, outcome=outcome, **fields)
        ends = Ends(worker=hand.key, attachment=hand.attachment, ends=(one,))
        now_us = self.clock.at_us
        [answer] = await self.stores.dispatch.write(
            {hand.key.tenant_id}, lambda dispatch: end(dispatch, [ends], now_us)
        )
        if answer is not None:
            raise answer
        hand.leases.discard(lease.lease_id)

    async def within(self, work: Any, **fields: Any) -> Any:
        """Runs a step of every tenant in one transaction, now."""
        step = partial(work, now_us=self.clock.at_us, **fields)
        return await self.stores.dispatch.write(EVERY_TENANT, step)

    async def rows(self, table: Table) -> list[Any]:
        """All rows of a table."""
        return await self.stores.database.read(
            lambda transaction: list(transaction.connection.execute(select(table)).all()),
            tenants=EVERY_TENANT,
        )

    async def queued(self) -> list[str]:
        """Ids of the runs that wait."""
        return sorted(row.run_id for row in await self.rows(tables.queued))

    async def parked(self) -> dict[str, str | None]:
        return {row.run_id: row.parked_by for row in await self.rows(tables.queued)}

    async def leases(self) -> dict[str, Any]:
        """The leases by run."""
        return {row.run_id: row for row in await self.rows(tables.work_lease)}

    async def runs(self) -> dict[str, Any]:
        return {row.run_id: row for row in await self.rows(run_table)}

    async def state(self, run_id: str) -> str:
        return RunState((await self.runs())[run_id].state).name

    async def history(self, run_id: str) -> list[tuple[str, str]]:
        """The states of a run with their reasons."""
        found = await self.stores.runs.read(
            TENANT, lambda reads: reads.transitions(SCOPE, run_id, 0, 100)
        )
        return [(RunState(item.to_state).name, item.reason) for item in found]


@asynccontextmanager
async def open_pools(location: Path | PostgresUrl) -> AsyncIterator[Pools]:
    database = database_at(location)
    await database.open()
    try:
        yield Pools(stores_on(database))
    finally:
        database.close()
