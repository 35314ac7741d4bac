"""One open ingestion stream: its updates in flight, and those held for lack of storage."""

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
from towpath_service.rpc.times import set_span
from towpath_service.runs.application.submissions import Outcome, Submission
from towpath_service.runs.rpc.convert_updates import to_updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from towpath_auth import Caller

    from towpath_service.core.stored import Stored
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.runs.application.producers import Opened, Producers
    from towpath_service.runs.ports.directives import Directive
    from towpath_service.runs.ports.ingest import ProducerKey, Refusal

# About half a second of work: all other producers wait for one producer's updates in flight.
WINDOW_UPDATES: Final = 3_000
WINDOW_BYTES: Final = 8 * 1024 * 1024
BATCH_UPDATES: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
LAST_SEQUENCE: Final = (1 << 63) - 1
HELD_SECONDS: Final = 5.0
"""Pause between two tries of held updates; shorter than the producers' timeout for acks."""


class UpdateStream:
    """One open stream, with its updates in flight."""

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
        """The full storage that holds updates in flight; None when none are held."""
        self.retry_at = math.inf
        """Time of the next try, by the loop's clock."""
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
        """Submits a batch and starts the next read; None at the half-close."""
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
        """Waits before the next read; the window holds unread messages back."""
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
        await self._producers.wait_for_room(self._key)

    @property
    def life_seconds(self) -> float:
        """Seconds that the caller's token lets the stream last."""
        expires_at = self._caller.expires_at
        return math.inf if expires_at is None else expires_at - time.time()

    def ack(self) -> pb.StreamUpdatesResponse:
        """The ack of all updates committed since the last ack."""
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
        """Submits held updates again, if it is time to.

        Args:
            half_closed: Whether the producer sends nothing more, so that there is no later try.

        Raises:
            ServiceError: QUOTA_EXCEEDED: there is no storage left for the last updates.
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
        """Keeps updates without a verdict for another try; none takes effect twice."""
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
        """Stops waiting for outcomes; the producer gets the verdicts on its next stream."""
        for outcome in self.pending:
            if not outcome.cancel() and not outcome.cancelled():
                outcome.exception()


def to_rejection(refusal: Refusal) -> pb.UpdateRejection:
    """A refusal as a message to its producer."""
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


def to_directive(directive: Directive) -> pb.RunDirective:
    """A directive as a message to its producer."""
    kind: Any = directive.kind
    message = pb.RunDirective(
        run_id=directive.run_id,
        kind=kind,
        revision=directive.revision,
        message=directive.message,
    )
    if directive.grace_us is not None:
        set_span(message.grace_period, directive.grace_us)
    return message


def to_ack(outcome: Outcome, key: ProducerKey) -> pb.UpdateAck:
    """An outcome as the ack to its producer."""
    return pb.UpdateAck(
        committed_sequence=outcome.committed_sequence,
        consistency_token=make_consistency_token(key.tenant_id, key.workspace_id, outcome.position),
        rejections=[to_rejection(item) for item in outcome.refusals],
    )


def send_window() -> pb.SendWindow:
    """The limits of a producer's updates in flight."""
    return pb.SendWindow(
        max_inflight_updates=WINDOW_UPDATES,
        max_inflight_bytes=WINDOW_BYTES,
        max_batch_updates=BATCH_UPDATES,
        max_batch_bytes=BATCH_BYTES,
    )


def check_batch(batch: pb.UpdateBatch) -> None:
    """Checks that a batch obeys the protocol; raises STREAM_PROTOCOL."""
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
        requests: The stream's requests.
        wait: A wait before the read; None for none.
    """

    async def read() -> pb.StreamUpdatesRequest | None:
        if wait is not None:
            await wait()
        return await anext(requests, None)

    return asyncio.ensure_future(read())


def protocol_error(violation: str) -> ServiceError:
    """The error for a stream that breaks the protocol."""
    return ServiceError(
        reason="STREAM_PROTOCOL", message=violation, metadata={"violation": violation}
    )
