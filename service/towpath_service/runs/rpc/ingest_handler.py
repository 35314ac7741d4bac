"""IngestService: the protocol of ingest_service.proto over streams and unary calls."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import ingest_service_pb2 as pb

from towpath_service.core.bus import Bus
from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import is_uuid
from towpath_service.core.tenant_limits import TenantLimits, limits_storage, storage_is_full
from towpath_service.rpc.times import set_time
from towpath_service.rpc.validation import check
from towpath_service.runs.application.directives import Directives, no_directives
from towpath_service.runs.application.submissions import Submission, fenced
from towpath_service.runs.ports.ingest import ProducerKey
from towpath_service.runs.rpc.convert_runs import parse_into
from towpath_service.runs.rpc.convert_updates import info_text, to_updates
from towpath_service.runs.rpc.scopes import workspace_scope
from towpath_service.runs.rpc.update_streams import (
    UpdateStream,
    check_batch,
    next_of,
    protocol_error,
    send_window,
    to_ack,
    to_directive,
    to_rejection,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towpath_auth import Caller

    from towpath_service.core.draining import Draining
    from towpath_service.runs.application.directives import Inbox
    from towpath_service.runs.application.producers import Opened, Producers

ROTATION_SECONDS: Final = 900.0
# A process that holds its interpreter's lock answers pings but no messages: it gets time to react.
LINGER_AFTER_ROTATION_SECONDS: Final = 300.0
LINGER_AFTER_DRAIN_SECONDS: Final = 30.0
TOKEN_ENDS_SECONDS: Final = 60.0
DEDUPE_RETENTION_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """Lifetimes of streams and timeouts of producers, in seconds."""

    rotation_seconds: float = ROTATION_SECONDS
    opening_seconds: float = 30.0
    """How long a stream may be open without its first message."""
    heartbeat_interval_seconds: float = 10.0
    heartbeat_timeout_seconds: float = 30.0


class IngestHandler:
    """Receives the updates of producers."""

    service: ClassVar[str] = "towpath.api.v1.IngestService"

    def __init__(
        self,
        producers: Producers,
        draining: Draining,
        times: StreamTimes | None = None,
        tenant_limits: TenantLimits | None = None,
        directives: Directives | None = None,
    ) -> None:
        self._producers = producers
        self._directives = directives or Directives(no_directives, Bus())
        self._draining = draining
        self._times = times or StreamTimes()
        self._tenant_limits = tenant_limits or TenantLimits()

    async def stream_updates(
        self, requests: AsyncIterator[pb.StreamUpdatesRequest], caller: Caller
    ) -> AsyncIterator[pb.StreamUpdatesResponse]:
        """Receives batches and sends acks for the lifetime of the stream."""
        first = await self._first(requests)
        if first is None:
            return
        if first.WhichOneof("frame") != "open":
            raise protocol_error("the first message must be `open`")
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
            stream = UpdateStream(self._producers, key, caller, opened, self._tenant_limits)
            with self._directives.inbox(key) as inbox:
                async for response in self._serve(stream, requests, inbox):
                    yield response
        finally:
            self._producers.closed(key, opened)

    async def _first(
        self, requests: AsyncIterator[pb.StreamUpdatesRequest]
    ) -> pb.StreamUpdatesRequest | None:
        seconds = self._times.opening_seconds
        try:
            async with asyncio.timeout(seconds):
                return await anext(requests, None)
        except TimeoutError:
            raise ServiceError(
                reason="DEADLINE_EXCEEDED",
                message=f"the stream sent no `open` within {seconds:g} s: open another one",
            ) from None

    async def _serve(  # noqa: C901, PLR0912 - one loop over what can happen next
        self,
        stream: UpdateStream,
        requests: AsyncIterator[pb.StreamUpdatesRequest],
        inbox: Inbox,
    ) -> AsyncIterator[pb.StreamUpdatesResponse]:
        loop = asyncio.get_running_loop()
        life = self._times.rotation_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load
        # The stream ends early enough before its token for the producer to get the next one.
        rotation_at = loop.time() + max(0.0, min(life, stream.life_seconds - TOKEN_ENDS_SECONDS))
        reading: asyncio.Task[pb.StreamUpdatesRequest | None] | None = next_of(requests)
        fencing = asyncio.ensure_future(stream.opened.fenced.wait())
        draining = asyncio.ensure_future(self._draining.event.wait())
        directed = asyncio.ensure_future(inbox.filled.wait())
        told_to_move = False
        try:
            while reading is not None or stream.pending or stream.held:
                waiting: set[asyncio.Future[Any]] = {fencing, directed}
                if reading is not None:
                    waiting.add(reading)
                if stream.pending:
                    waiting.add(stream.pending[0])
                if not told_to_move:
                    waiting.add(draining)
                await asyncio.wait(
                    waiting,
                    timeout=max(0.0, min(rotation_at, stream.retry_at) - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if fencing.done():
                    raise fenced(stream.opened.producer)
                if reading is not None and reading.done():
                    reading = stream.take(reading.result(), requests)
                if stream.pending and stream.pending[0].done():
                    yield stream.ack()
                if directed.done():
                    for directive in inbox.take():
                        yield pb.StreamUpdatesResponse(directive=to_directive(directive))
                    directed = asyncio.ensure_future(inbox.filled.wait())
                if not told_to_move and (draining.done() or loop.time() >= rotation_at):
                    told_to_move = True
                    yield _reconnect(draining=draining.done())
                    rotation_at = loop.time() + _linger(draining=draining.done())
                elif told_to_move and loop.time() >= rotation_at:
                    raise _moved_on()
                if stream.held and told_to_move:
                    return
                stream.retry(half_closed=reading is None)
        finally:
            stream.abandon()
            for task in (reading, fencing, draining, directed):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                        await task

    def _opened(self, opened: Opened) -> pb.StreamUpdatesResponse:
        answer = pb.StreamUpdatesResponse(
            opened=pb.StreamOpened(
                committed_sequence=opened.producer.committed_sequence,
                epoch=opened.producer.epoch,
                window=send_window(),
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
        """Records one batch and waits for its outcome."""
        scope = workspace_scope(caller, request.workspace, "workspace")
        _check_producer(request.producer_id, "producer_id")
        check_batch(request.batch)
        key = ProducerKey(scope.tenant_id, scope.workspace_id, request.producer_id)
        self._tenant_limits.report(caller, "updates_per_second", len(request.batch.updates))
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
                limited=limits_storage(caller),
            )
        )
        if outcome.held is not None:
            # Earlier updates are stored, but an ack would seem to cover the whole batch.
            raise storage_is_full(outcome.held)
        return pb.RecordUpdatesResponse(
            ack=to_ack(outcome, key), directives=map(to_directive, self._directives.of(key))
        )

    async def get_producer(
        self, request: pb.GetProducerRequest, caller: Caller
    ) -> pb.GetProducerResponse:
        """Reads the stored state of a producer."""
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


def _check_producer(producer_id: str, field: str) -> None:
    if not is_uuid(producer_id):
        raise invalid(field, "must be a UUID in lower case")


def _reconnect(*, draining: bool) -> pb.StreamUpdatesResponse:
    reason = pb.RECONNECT_REASON_DRAIN if draining else pb.RECONNECT_REASON_ROTATION
    return pb.StreamUpdatesResponse(reconnect=pb.ReconnectRequest(reason=reason))


def _linger(*, draining: bool) -> float:
    return LINGER_AFTER_DRAIN_SECONDS if draining else LINGER_AFTER_ROTATION_SECONDS


def _moved_on() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the stream has ended: open a new one and resend"
    )
