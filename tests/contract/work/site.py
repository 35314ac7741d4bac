"""Runs and their work over a store, without a service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select
from towpath_service.app.stores import database_at, stores_on
from towpath_service.core.bus import Bus
from towpath_service.core.names import Scope
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.application.reaper import Reaper
from towpath_service.runs.application.submissions import Outcome, Submission
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import ProducerKey, RunKey
from towpath_service.work.application.cancelling import Cancelling, CancelRequest
from towpath_service.work.application.enqueueing import Enqueued, enqueue
from towpath_service.work.application.moving import move
from towpath_service.work.domain.leases import Lease, Phase
from towpath_service.work.domain.requests import RunRequest
from towpath_service.work.storage import tables
from towpath_service.work.storage.control import SqlControlStore
from towpath_service.work.storage.dispatching import SqlDispatchStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Table
    from towpath_service.app.stores import Stores
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.work.storage.control import SqlControl
    from towpath_service.work.storage.dispatching import SqlDispatch

TENANT = "00000000-0000-7000-8000-000000000001"
SCOPE = Scope(TENANT, "default")
SECOND = 1_000_000
INSTANCE = str(uuid4())
NOW_US = 1_790_000_000 * SECOND


def new_id() -> str:
    return str(uuid4())


def request(**changes: Any) -> RunRequest:
    """A request for a run of etl/nightly in the pool "local"."""
    fields: dict[str, Any] = {
        "scope": SCOPE,
        "run_id": new_id(),
        "flow_id": "etl",
        "flow_name": "Etl",
        "deployment_id": "nightly",
        "deployment_revision": 3,
        "pool_id": "local",
        "queue_id": "default",
        "actor": "users/ada",
        "due_us": NOW_US,
    }
    return RunRequest(**{**fields, **changes})


@dataclass
class FixedClock:
    """A clock that stands still."""

    us: int = NOW_US

    def now_us(self) -> int:
        return self.us


def lease_of(run_id: str, fence: int, attempt: int, now_us: int, phase: Phase) -> Lease:
    """A lease of the worker w-7 of the pool "local"."""
    return Lease(
        scope=SCOPE,
        run_id=run_id,
        lease_id=new_id(),
        fence=fence,
        attempt=attempt,
        pool_id="local",
        queue_id="default",
        flow_id="etl",
        deployment_id="nightly",
        worker_id="w-7",
        instance_id=INSTANCE,
        phase=phase,
        counts=True,
        pid=4711,
        granted_us=now_us,
        phase_us=now_us,
        expires_us=now_us + 30 * SECOND,
    )


@dataclass
class Site:
    """The stores, and one producer."""

    stores: Stores
    control: SqlControlStore
    dispatch: SqlDispatchStore
    producer_id: str = field(default_factory=new_id)
    sequence: int = 0

    async def enqueue(self, *requests: RunRequest, now_us: int = NOW_US) -> list[Enqueued]:
        def work(control: SqlControl) -> list[Enqueued]:
            batch = Batch(control.runs, now_us)
            answers = enqueue(control.queue, control.runs, batch, requests, now_us)
            batch.commit([])
            return answers

        return await self.control.write({TENANT}, work)

    async def report(
        self, run_id: str, *changes: Any, now_us: int = NOW_US, **fields: Any
    ) -> list[str]:
        """Reports changes of a run; returns the rules of those that are refused."""
        updates = [
            Update(sequence=self.sequence + n, run_id=run_id, occurred_us=now_us, change=change)
            for n, change in enumerate(changes, start=1)
        ]
        submission = Submission(
            producer=ProducerKey(*SCOPE, self.producer_id),
            actor="users/ada",
            first_sequence=self.sequence + 1,
            updates=updates,
            confirmed_sequence=self.sequence,
            **fields,
        )
        self.sequence += len(updates)
        [outcome] = await self.stores.runs.write(
            {TENANT}, lambda transaction: Batch(transaction, now_us).commit([submission])
        )
        assert isinstance(outcome, Outcome), outcome
        return [refusal.rule for refusal in outcome.refusals]

    async def lease(
        self, run_id: str, *, now_us: int = NOW_US, phase: Phase = Phase.ACCEPTED
    ) -> int:
        """Leases a queued run to the worker w-7; returns the fence."""

        def work(dispatch: SqlDispatch) -> int:
            key = RunKey(TENANT, run_id)
            run = dispatch.runs.standing({key}, ())[0][key]
            run.fence += 1
            batch = Batch(dispatch.runs, now_us)
            report = StateReport(state=RunState.PENDING)
            worker = Source.WORKER
            assert move(batch, SCOPE, run, report, now_us, actor="system", source=worker)
            dispatch.grant([lease_of(run_id, run.fence, run.attempt, now_us, phase)], [key])
            batch.commit([])
            return run.fence

        return await self.dispatch.write({TENANT}, work)

    async def cancel(self, run_id: str, **fields: Any) -> int:
        """Asks a run to end; returns the number of runs below it."""
        cancelling = Cancelling(self.control, Bus(), FixedClock())
        return await cancelling.cancel(
            CancelRequest(scope=SCOPE, run_id=run_id, actor="users/ada", **fields)
        )

    async def reap(self, *, after_seconds: float) -> int:
        """Ends the runs of producers that are silent since NOW_US; returns how many."""
        clock = FixedClock(NOW_US + int(after_seconds * SECOND))
        return await Reaper(self.stores.runs, Bus(), clock).reap()

    async def rows(self, table: Table) -> list[Any]:
        """All rows of a table."""
        return await self.stores.database.read(
            lambda transaction: list(transaction.connection.execute(select(table)).all()),
            tenants={TENANT},
        )

    async def history(self, run_id: str) -> list[tuple[str, str]]:
        """The states of a run with their reasons."""
        found = await self.stores.runs.read(
            TENANT, lambda reads: reads.transitions(SCOPE, run_id, 0, 100)
        )
        return [(RunState(item.to_state).name, item.reason) for item in found]

    async def run(self, run_id: str) -> Any:
        """A run as it is read."""
        found = await self.stores.runs.read(TENANT, lambda reads: reads.runs_by_id(SCOPE, [run_id]))
        return found[run_id]

    async def queued(self) -> list[str]:
        """Ids of the queued runs."""
        return [row.run_id for row in await self.rows(tables.queued)]


@asynccontextmanager
async def open_site(location: Path | PostgresUrl) -> AsyncIterator[Site]:
    """A site on an empty database."""
    stores = stores_on(database_at(location))
    await stores.database.open()
    try:
        yield Site(
            stores,
            SqlControlStore(stores.database, stores.runs),
            SqlDispatchStore(stores.database, stores.runs),
        )
    finally:
        stores.database.close()
