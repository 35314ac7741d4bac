"""IngestService: the protocol of ingest_service.proto over streams and unary calls."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import ingest_service_pb2 as pb

from towpath_service.application.admission import Admission
from towpath_service.application.commit import Outcome, Submission, fenced
from towpath_service.domain.errors import ServiceError, invalid
from towpath_service.domain.names import is_uuid
from towpath_service.domain.tokens import make_consistency_token
from towpath_service.ports.ingest import ProducerKey, Refusal
from towpath_service.rpc.convert_runs import parse_into
from towpath_service.rpc.convert_updates import info_text, to_updates
from towpath_service.rpc.run_handler import workspace_scope
from towpath_service.rpc.times import set_time
from towpath_service.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_auth import Caller

    from towpath_service.application.producers import Opened, Producers
    from towpath_service.application.watch import Draining

# Half a second of work: what one producer has in flight, all others wait for.
WINDOW_UPDATES: Final = 3_000
WINDOW_BYTES: Final = 8 * 1024 * 1024
BATCH_UPDATES: Final = 1000
BATCH_BYTES: Final = 1024 * 1024
LAST_SEQUENCE: Final = (1 << 63) - 1
ROTATION_SECONDS: Final = 900.0
# A process that holds its interpreter's lock answers pings and no messages: it gets time to move.
LINGER_AFTER_ROTATION_SECONDS: Final = 300.0
LINGER_AFTER_DRAIN_SECONDS: Final = 30.0
TOKEN_ENDS_SECONDS: Final = 60.0
DEDUPE_RETENTION_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """How long streams last and producers may be silent, in seconds."""

    rotation_seconds: float = ROTATION_SECONDS
    heartbeat_interval_seconds: float = 10.0
    heartbeat_timeout_seconds: float = 30.0


class IngestHandler:
    """Takes what producers report."""

    service: ClassVar[str] = "towpath.api.v1.IngestService"

    def __init__(
        self,
        producers: Producers,
        draining: Draining,
        times: StreamTimes | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._producers = producers
        self._draining = draining
        self._times = times or StreamTimes()
        self._admission = admission or Admission()

    async def stream_updates(
        self, requests: AsyncIterator[pb.StreamUpdatesRequest], caller: Caller
    ) -> AsyncIterator[pb.StreamUpdatesResponse]:
        """Takes batches and gives acks, for as long as the stream lasts."""
        first = await anext(requests, None)
        if first is None:
            return
        if first.WhichOneof("frame") != "open":
            raise _protocol("the first message must be `open`")
        check(first)
        opening = first.open
        scope = workspace_scope(caller, opening.workspace, "open.workspace")
        _check_producer(opening.producer_id, "open.producer_id")
        key = ProducerKey(scope.tenant_id, scope.workspace_id, opening.producer_id)
        opened = await self._producers.open(
            key,
            last_acked_sequence=opening.last_acked_sequence,
            info=info_text(opening.info),
        )
        try:
            yield self._opened(opened)
            stream = _Stream(self._producers, key, caller, opened, self._admission)
            async for response in self._serve(stream, requests):
                yield response
        finally:
            self._producers.closed(key, opened)

    async def _serve(  # noqa: C901 - one loop over what can happen next
        self, stream: _Stream, requests: AsyncIterator[pb.StreamUpdatesRequest]
    ) -> AsyncIterator[pb.StreamUpdatesResponse]:
        loop = asyncio.get_running_loop()
        life = self._times.rotation_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load
        # A token that ends sooner is given time to be followed by the next one.
        rotation_at = loop.time() + max(0.0, min(life, stream.life_seconds - TOKEN_ENDS_SECONDS))
        reading: asyncio.Task[pb.StreamUpdatesRequest | None] | None = _next(requests)
        fencing = asyncio.ensure_future(stream.opened.fenced.wait())
        draining = asyncio.ensure_future(self._draining.event.wait())
        told_to_move = False
        try:
            while reading is not None or stream.pending:
                waiting: set[asyncio.Future[Any]] = {fencing}
                if reading is not None:
                    waiting.add(reading)
                if stream.pending:
                    waiting.add(stream.pending[0])
                if not told_to_move:
                    waiting.add(draining)
                await asyncio.wait(
                    waiting,
                    timeout=max(0.0, rotation_at - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if fencing.done():
                    raise fenced(stream.opened.producer)
                if reading is not None and reading.done():
                    reading = stream.take(reading.result(), requests)
                if stream.pending and stream.pending[0].done():
                    yield stream.ack()
                if not told_to_move and (draining.done() or loop.time() >= rotation_at):
                    told_to_move = True
                    yield _reconnect(draining=draining.done())
                    rotation_at = loop.time() + _linger(draining=draining.done())
                elif told_to_move and loop.time() >= rotation_at:
                    raise _moved_on()
        finally:
            stream.abandon()
            for task in (reading, fencing, draining):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                        await task

    def _opened(self, opened: Opened) -> pb.StreamUpdatesResponse:
        answer = pb.StreamUpdatesResponse(
            opened=pb.StreamOpened(
                committed_sequence=opened.producer.committed_sequence,
                epoch=opened.producer.epoch,
                window=_window(),
                rejections=[to_rejection(item) for item in opened.refusals],
            )
        )
        frame = answer.opened
        frame.ack_interval.FromMilliseconds(1000)
        frame.heartbeat_interval.FromMilliseconds(int(self._times.heartbeat_interval_seconds * 1e3))
        frame.heartbeat_timeout.FromMilliseconds(int(self._times.heartbeat_timeout_seconds * 1e3))
        frame.dedupe_retention.FromSeconds(DEDUPE_RETENTION_SECONDS)
        frame.server_time.GetCurrentTime()
        return answer

    async def record_updates(
        self, request: pb.RecordUpdatesRequest, caller: Caller
    ) -> pb.RecordUpdatesResponse:
        """Takes one batch and waits for its verdict."""
        scope = workspace_scope(caller, request.workspace, "workspace")
        _check_producer(request.producer_id, "producer_id")
        _check_batch(request.batch)
        key = ProducerKey(scope.tenant_id, scope.workspace_id, request.producer_id)
        self._admission.report(caller, "updates_per_second", len(request.batch.updates))
        outcome = await self._producers.record(
            Submission(
                producer=key,
                actor=caller.principal,
                first_sequence=request.batch.first_sequence,
                updates=to_updates(request.batch),
                confirmed_sequence=request.batch.last_acked_sequence,
                info=info_text(request.info),
                resume_after_loss=request.resume_after_loss,
                only_run=caller.run,
            )
        )
        return pb.RecordUpdatesResponse(ack=_ack(outcome, key))

    async def get_producer(
        self, request: pb.GetProducerRequest, caller: Caller
    ) -> pb.GetProducerResponse:
        """Reads what is known of a producer."""
        scope = workspace_scope(caller, request.workspace, "workspace")
        key = ProducerKey(scope.tenant_id, scope.workspace_id, request.producer_id)
        producer, refusals = await self._producers.get(key)
        answer = pb.GetProducerResponse(
            producer_id=request.producer_id,
            committed_sequence=producer.committed_sequence,
            epoch=producer.epoch,
            rejections=[to_rejection(item) for item in refusals],
            connected=self._producers.connected(key),
        )
        parse_into(answer.info, producer.info)
        if producer.committed_us is not None:
            set_time(answer.last_commit_time, producer.committed_us)
        return answer


class _Stream:
    """One open stream: what is in flight on it."""

    def __init__(
        self,
        producers: Producers,
        key: ProducerKey,
        caller: Caller,
        opened: Opened,
        admission: Admission,
    ) -> None:
        self.opened = opened
        self._admission = admission
        self.pending: deque[asyncio.Future[Outcome]] = deque()
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
            raise _protocol("only batches may follow `open`")
        batch = request.batch
        _check_batch(batch)
        size = batch.ByteSize()
        self._updates_in_flight += len(batch.updates)
        self._bytes_in_flight += size
        if self._updates_in_flight > WINDOW_UPDATES or self._bytes_in_flight > WINDOW_BYTES:
            raise _protocol("more is in flight than the window allows")
        self._sizes.append((len(batch.updates), size))
        self.pending.append(
            self._producers.record(
                Submission(
                    producer=self._key,
                    actor=self._caller.principal,
                    first_sequence=batch.first_sequence,
                    updates=to_updates(batch),
                    confirmed_sequence=batch.last_acked_sequence,
                    epoch=self.opened.producer.epoch,
                    only_run=self._caller.run,
                )
            )
        )
        return _next(requests, self._admission.pace(self._caller, len(batch.updates)))

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
            updates, size = self._sizes.popleft()
            self._updates_in_flight -= updates
            self._bytes_in_flight -= size
        assert outcome is not None
        return pb.StreamUpdatesResponse(ack=_ack(outcome, self._key))

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


def _ack(outcome: Outcome, key: ProducerKey) -> pb.UpdateAck:
    return pb.UpdateAck(
        committed_sequence=outcome.committed_sequence,
        consistency_token=make_consistency_token(key.tenant_id, key.workspace_id, outcome.position),
        rejections=[to_rejection(item) for item in outcome.refusals],
    )


def _window() -> pb.SendWindow:
    return pb.SendWindow(
        max_inflight_updates=WINDOW_UPDATES,
        max_inflight_bytes=WINDOW_BYTES,
        max_batch_updates=BATCH_UPDATES,
        max_batch_bytes=BATCH_BYTES,
    )


def _check_producer(producer_id: str, field: str) -> None:
    if not is_uuid(producer_id):
        raise invalid(field, "must be a UUID in lower case")


def _check_batch(batch: pb.UpdateBatch) -> None:
    if batch.first_sequence < 1:
        raise _protocol("batch.first_sequence: must be 1 or more")
    if batch.first_sequence + len(batch.updates) > LAST_SEQUENCE:
        raise _protocol(f"batch.first_sequence: the last update's must be below {LAST_SEQUENCE}")
    if not batch.updates:
        raise _protocol("batch.updates: at least one is needed")
    if len(batch.updates) > BATCH_UPDATES:
        raise _protocol(f"batch.updates: at most {BATCH_UPDATES}")


def _next(
    requests: AsyncIterator[pb.StreamUpdatesRequest], after_seconds: float = 0.0
) -> asyncio.Task[pb.StreamUpdatesRequest | None]:
    async def read() -> pb.StreamUpdatesRequest | None:
        if after_seconds:
            # Over its rate: what comes next waits where it is, and the window holds the rest back.
            await asyncio.sleep(after_seconds)
        return await anext(requests, None)

    return asyncio.ensure_future(read())


def _reconnect(*, draining: bool) -> pb.StreamUpdatesResponse:
    reason = pb.RECONNECT_REASON_DRAIN if draining else pb.RECONNECT_REASON_ROTATION
    return pb.StreamUpdatesResponse(reconnect=pb.ReconnectRequest(reason=reason))


def _linger(*, draining: bool) -> float:
    return LINGER_AFTER_DRAIN_SECONDS if draining else LINGER_AFTER_ROTATION_SECONDS


def _protocol(violation: str) -> ServiceError:
    return ServiceError(
        reason="STREAM_PROTOCOL", message=violation, metadata={"violation": violation}
    )


def _moved_on() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the stream has ended: open a new one and resend"
    )
