"""Group commit: each commit takes the submissions of all producers since the last one.

No submission waits for a batch to fill. An idle committer commits at once; a busy one finds more in
the queue after each commit, so batches grow with the load. While several tenants report, they take
turns (`commit_queue.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self

from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.application.commit_queue import CommitQueue, Portion, Waiting
from towpath_service.runs.application.submissions import Outcome, Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.runs.ports.ingest import IngestStore, IngestTransaction

_log = logging.getLogger(__name__)


class Submitting(Protocol):
    """Takes submissions to be committed."""

    @property
    def waiting(self) -> int:
        """The number of submissions that no commit has begun with."""
        ...

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues a submission; the future has its outcome once that is committed."""
        ...

    async def wait_for_room(self, tenant_id: str) -> None:
        """Waits until more of a tenant should be read; returns at once unless it delays others."""
        ...


class Committer:
    """Commits submissions of all producers of one database."""

    def __init__(self, store: IngestStore, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._queue = CommitQueue()
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
        for waiting in self._queue.clear():
            _fail(waiting, _shutting_down())

    @property
    def waiting(self) -> int:
        """The number of submissions that no commit has begun with."""
        return len(self._queue)

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues a submission; the future has its outcome once that is committed.

        The future raises ServiceError when the submission was refused as a whole or when the
        database failed; sending it again is safe either way.
        """
        waiting = Waiting(submission, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        self._wake.set()
        return waiting.outcome

    async def wait_for_room(self, tenant_id: str) -> None:
        """Waits until more of a tenant should be read; returns at once unless it delays others."""
        await self._queue.wait_for_room(tenant_id)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = self._queue.take(asyncio.get_running_loop().time())
                try:
                    await self._commit(batch)
                except asyncio.CancelledError:
                    for portion in batch:
                        _fail(portion.of, _shutting_down())
                    raise

    async def _commit_apart(self, batch: Sequence[Portion]) -> None:
        """Commits portions one by one, so that a failure affects its own producer only."""
        for portion in batch:
            await self._commit([portion])

    async def _commit(self, batch: Sequence[Portion]) -> None:
        submissions = [portion.submission for portion in batch]
        tenants = {item.producer.tenant_id for item in submissions}
        now_us = self._clock.now_us()

        def work(transaction: IngestTransaction) -> list[Outcome | ServiceError]:
            return Batch(transaction, now_us).commit(submissions)

        try:
            outcomes = await self._store.write(tenants, work)
        except ServiceError as error:
            _log.warning("a batch of %d submissions was not committed: %s", len(batch), error)
            for portion in batch:
                self._settle(portion, error)
            return
        except Exception:  # noqa: BLE001 - on any database error, nothing was acknowledged
            if len(batch) > 1:
                await self._commit_apart(batch)
                return
            _log.exception("a batch of %d submissions was not committed", len(batch))
            for portion in batch:
                self._settle(portion, _broken())
            return
        for portion, outcome in zip(batch, outcomes, strict=True):
            self._settle(portion, outcome)
        for tenant_id, workspace_id, _ in {item.producer for item in submissions}:
            self._bus.notify(Scope(tenant_id, workspace_id))

    def _settle(self, portion: Portion, outcome: Outcome | ServiceError) -> None:
        """Sets the outcome, unless more of the submission is to be committed."""
        waiting = portion.of
        if isinstance(outcome, Outcome):
            waiting.duplicates += outcome.duplicates
            if outcome.held is None and not portion.is_last:
                return
        if not portion.is_last:
            self._queue.drop(waiting)
        if isinstance(outcome, ServiceError):
            _fail(waiting, outcome)
        elif not waiting.outcome.done():
            waiting.outcome.set_result(replace(outcome, duplicates=waiting.duplicates))


def _fail(waiting: Waiting, error: ServiceError) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_exception(error)
        waiting.outcome.exception()  # The waiting stream may be gone, which is no error.


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
