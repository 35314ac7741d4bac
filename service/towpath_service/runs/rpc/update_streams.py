"""One open ingestion stream: what is in flight on it, and what is held for want of room."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import ingest_service_pb2 as pb

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenant_limits import limits_storage, storage_is_full
from towpath_service.core.tokens import make_consistency_token
from towpath_service.runs.application.submissions import Outcome, Submission
from towpath_service.runs.rpc.convert_updates import to_updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from towpath_auth import Caller

    from towpath_service.core.stored import Stored
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.runs.application.producers import Opened, Producers
    from towpath_service.runs.ports.ingest import ProducerKey, Refusal

# Half a second of work: what one producer has in flight, all others wait for.
WINDOW_UPDATES: Final = 3_000
WINDOW_BYTES: Final = 8 * 1024 * 1024
BATCH_UPDATES: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
LAST_SEQUENCE: Final = (1 << 63) - 1
HELD_SECONDS: Final = 5.0
"""Between two tries of what there is no room for: less than producers wait for a word."""


class UpdateStream:
    """One open stream: what is in flight on it."""

    def __init__(
        self,
        producers: Producers,
        key: ProducerKey,
        caller: Caller,
        opened: Opened,
        tenant_limits: TenantLimits,
    ) -> None:
        self.opened = opened
        self._tenant_limits = tenant_limits
        self.pending: deque[asyncio.Future[Outcome]] = deque()
        self.held: Stored | None = None
        """Why what is in flight waits to be tried again; None when it doesn't."""
        self.retry_at = math.inf
        """When it is, by the loop's clock."""
        self._told_held = False
        self._batches: deque[Submission] = deque()
        self._sizes: deque[tuple[int, int]] = deque()
        self._producers = producers
        self._key = key
        self._caller = caller
        self._updates_in_flight = 0
        self._bytes_in_flight = 0

    def take(
        self,
        request: pb.StreamUpdatesRequest | None,
        requests: AsyncIterator[pb.StreamUpdatesRequest],
    ) -> asyncio.Task[pb.StreamUpdatesRequest | None] | None:
        """Submits a batch, and goes on reading; None at the half-close."""
        if request is None:
            return None
        if request.WhichOneof("frame") != "batch":
            raise protocol_error("only batches may follow `open`")
        batch = request.batch
        check_batch(batch)
        size = batch.ByteSize()
        self._updates_in_flight += len(batch.updates)
        self._bytes_in_flight += size
        if self._updates_in_flight > WINDOW_UPDATES or self._bytes_in_flight > WINDOW_BYTES:
            raise protocol_error("more is in flight than the window allows")
        self._sizes.append((len(batch.updates), size))
        submission = Submission(
            producer=self._key,
            actor=self._caller.principal,
            first_sequence=batch.first_sequence,
            updates=to_updates(batch),
            confirmed_sequence=batch.last_acked_sequence,
            epoch=self.opened.producer.epoch,
            only_run=self._caller.run,
            limited=limits_storage(self._caller),
        )
        self._batches.append(submission)
        if self.held is None:
            self.pending.append(self._producers.record(submission))
        pause = self._tenant_limits.pace(self._caller, len(batch.updates))
        return next_of(requests, lambda: self._wait(pause))

    async def _wait(self, pause_seconds: float) -> None:
        """Waits before more is read: what comes next stays where it is, held back by the window."""
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
        await self._producers.wait_for_room(self._key)

    @property
    def life_seconds(self) -> float:
        """How long the caller's token lets the stream last."""
        expires_at = self._caller.expires_at
        return math.inf if expires_at is None else expires_at - time.time()

    def ack(self) -> pb.StreamUpdatesResponse:
        """The ack of all that has been committed since the last one."""
        outcome: Outcome | None = None
        while self.pending and self.pending[0].done():
            outcome = self.pending.popleft().result()
            if outcome.held is not None:
                self._hold(outcome, outcome.held)
                break
            self._batches.popleft()
            updates, size = self._sizes.popleft()
            self._updates_in_flight -= updates
            self._bytes_in_flight -= size
        assert outcome is not None
        ack = to_ack(outcome, self._key)
        if self.held is not None:
            ack.window.CopyFrom(pb.SendWindow(held_by_quota="stored_bytes"))
        elif self._told_held:
            ack.window.CopyFrom(send_window())
        self._told_held = self.held is not None
        return pb.StreamUpdatesResponse(ack=ack)

    def retry(self, *, half_closed: bool) -> None:
        """Submits again what is held, if it is time to.

        Args:
            half_closed: Whether nothing more will come, so that it isn't waited for either.

        Raises:
            ServiceError: QUOTA_EXCEEDED: there is no room for the last that came.
        """
        if self.held is None:
            return
        if half_closed:
            raise storage_is_full(self.held)
        if asyncio.get_running_loop().time() < self.retry_at:
            return
        self.held, self.retry_at = None, math.inf
        self.pending.extend(self._producers.record(batch) for batch in self._batches)

    def _hold(self, outcome: Outcome, held: Stored) -> None:
        """Keeps what has no verdict, to try it again: none of it takes effect twice."""
        first = self._batches[0]
        taken = max(0, outcome.committed_sequence + 1 - first.first_sequence)
        self._batches[0] = replace(
            first,
            first_sequence=first.first_sequence + taken,
            updates=first.updates[taken:],
        )
        self.abandon()
        self.pending.clear()
        self.held = held
        self.retry_at = asyncio.get_running_loop().time() + HELD_SECONDS

    def abandon(self) -> None:
        """Asks for no verdict any more: the producer will hear of them on its next stream."""
        for outcome in self.pending:
            if not outcome.cancel() and not outcome.cancelled():
                outcome.exception()


def to_rejection(refusal: Refusal) -> pb.UpdateRejection:
    """A refusal as its producer is told of it."""
    current: Any = int(refusal.current_state or 0)
    return pb.UpdateRejection(
        sequence=refusal.sequence,
        run_id=refusal.run_id,
        reason=refusal.reason,
        rule=refusal.rule,
        message=refusal.message,
        metadata=dict(refusal.metadata),
        current_state=current,
    )


def to_ack(outcome: Outcome, key: ProducerKey) -> pb.UpdateAck:
    """An outcome as its producer is told of it."""
    return pb.UpdateAck(
        committed_sequence=outcome.committed_sequence,
        consistency_token=make_consistency_token(key.tenant_id, key.workspace_id, outcome.position),
        rejections=[to_rejection(item) for item in outcome.refusals],
    )


def send_window() -> pb.SendWindow:
    """How much a producer may have in flight."""
    return pb.SendWindow(
        max_inflight_updates=WINDOW_UPDATES,
        max_inflight_bytes=WINDOW_BYTES,
        max_batch_updates=BATCH_UPDATES,
        max_batch_bytes=BATCH_BYTES,
    )


def check_batch(batch: pb.UpdateBatch) -> None:
    """Refuses a batch that breaks the protocol: STREAM_PROTOCOL."""
    if batch.first_sequence < 1:
        raise protocol_error("batch.first_sequence: must be 1 or more")
    if batch.first_sequence + len(batch.updates) > LAST_SEQUENCE:
        raise protocol_error(
            f"batch.first_sequence: the last update's must be below {LAST_SEQUENCE}"
        )
    if not batch.updates:
        raise protocol_error("batch.updates: at least one is needed")
    if len(batch.updates) > BATCH_UPDATES:
        raise protocol_error(f"batch.updates: at most {BATCH_UPDATES}")


def next_of(
    requests: AsyncIterator[pb.StreamUpdatesRequest],
    wait: Callable[[], Awaitable[None]] | None = None,
) -> asyncio.Task[pb.StreamUpdatesRequest | None]:
    """Reads the next message, None at the half-close.

    Args:
        requests: Where it is read.
        wait: What is waited for before.
    """

    async def read() -> pb.StreamUpdatesRequest | None:
        if wait is not None:
            await wait()
        return await anext(requests, None)

    return asyncio.ensure_future(read())


def protocol_error(violation: str) -> ServiceError:
    """The answer to who doesn't keep to the protocol."""
    return ServiceError(
        reason="STREAM_PROTOCOL", message=violation, metadata={"violation": violation}
    )
