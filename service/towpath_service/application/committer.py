"""Group commit: what all producers sent since the last commit goes into the next one.

Nothing waits for a batch to fill: an idle committer commits at once, a busy one finds more queued
when it comes back, so batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from towpath_service.application.commit import Batch, Outcome, Submission
from towpath_service.domain.errors import ServiceError
from towpath_service.ports.bus import Bus, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.ports.clock import Clock
    from towpath_service.ports.ingest import IngestStore, IngestTransaction

MAX_BATCH_UPDATES: Final = 5000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Queued:
    submission: Submission
    outcome: asyncio.Future[Outcome]


class Submitting(Protocol):
    """Takes submissions to be committed."""

    @property
    def waiting(self) -> int:
        """Number of submissions that no commit has begun with."""
        ...

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues a submission; the future has its outcome once that is committed."""
        ...


class Committer:
    """Commits submissions of all producers of one database."""

    def __init__(self, store: IngestStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._queues: dict[str, deque[_Queued]] = {}
        """What waits, by tenant; the tenant whose turn it is first."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="towpath-committer")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        while self._queues:
            _fail(self._next(), _shutting_down())

    @property
    def waiting(self) -> int:
        """Number of submissions that no commit has begun with."""
        return sum(map(len, self._queues.values()))

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues a submission; the future has its outcome once that is committed.

        The future raises ServiceError when the submission was refused as a whole or when the
        database failed; sending it again is safe either way.
        """
        queued = _Queued(submission, asyncio.get_running_loop().create_future())
        self._queues.setdefault(submission.producer.tenant_id, deque()).append(queued)
        self._wake.set()
        return queued.outcome

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queues:
                batch = self._take()
                try:
                    await self._commit(batch)
                except asyncio.CancelledError:
                    for queued in batch:
                        _fail(queued, _shutting_down())
                    raise

    def _take(self) -> list[_Queued]:
        batch: list[_Queued] = []
        updates = 0
        while self._queues and updates < MAX_BATCH_UPDATES:
            queued = self._next()
            updates += len(queued.submission.updates)
            batch.append(queued)
        return batch

    def _next(self) -> _Queued:
        """The next of the tenant whose turn it is: a long queue of one holds up no other."""
        tenant_id, queue = next(iter(self._queues.items()))
        del self._queues[tenant_id]
        queued = queue.popleft()
        if queue:
            self._queues[tenant_id] = queue
        return queued

    async def _commit_apart(self, batch: Sequence[_Queued]) -> None:
        """Commits one by one, so that what can't be committed fails for its own producer only."""
        for queued in batch:
            await self._commit([queued])

    async def _commit(self, batch: Sequence[_Queued]) -> None:
        submissions = [queued.submission for queued in batch]
        tenants = {item.producer.tenant_id for item in submissions}
        now_us = self._clock.now_us()

        def work(transaction: IngestTransaction) -> list[Outcome | ServiceError]:
            return Batch(transaction, now_us).commit(submissions)

        try:
            outcomes = await self._store.write(tenants, work)
        except ServiceError as error:
            _log.warning("a batch of %d submissions was not committed: %s", len(batch), error)
            for queued in batch:
                _fail(queued, error)
            return
        except Exception:  # noqa: BLE001 - whatever the database raises, nothing was acknowledged
            if len(batch) > 1:
                await self._commit_apart(batch)
                return
            _log.exception("a batch of %d submissions was not committed", len(batch))
            for queued in batch:
                _fail(queued, _broken())
            return
        for queued, outcome in zip(batch, outcomes, strict=True):
            _settle(queued, outcome)
        for tenant_id, workspace_id, _ in {item.producer for item in submissions}:
            self._bus.notify(Scope(tenant_id, workspace_id))


def _settle(queued: _Queued, outcome: Outcome | ServiceError) -> None:
    if isinstance(outcome, ServiceError):
        _fail(queued, outcome)
    elif not queued.outcome.done():
        queued.outcome.set_result(outcome)


def _fail(queued: _Queued, error: ServiceError) -> None:
    if not queued.outcome.done():
        queued.outcome.set_exception(error)
        queued.outcome.exception()  # Whoever waited may have gone: that is no event.


def _shutting_down() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the server is draining: reconnect", retry_after_seconds=0.2
    )


def _broken() -> ServiceError:
    return ServiceError(
        reason="OVERLOADED",
        message="the batch could not be committed: try again",
        retry_after_seconds=1.0,
    )
