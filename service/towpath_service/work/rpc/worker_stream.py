"""The rpc on which workers attach: WorkService.AttachWorker.

A stream is served by one loop. Messages of the worker are handled one at a time, in order; what
the service sends goes out between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from towpath.api.v1 import ingest_service_pb2, work_service_pb2

from towpath_service.core.errors import ServiceError
from towpath_service.rpc.slow_consumers import SLOW_CONSUMER_SECONDS, while_read
from towpath_service.rpc.times import set_time
from towpath_service.rpc.validation import check
from towpath_service.runs.rpc.ingest_handler import (
    LINGER_AFTER_DRAIN_SECONDS,
    LINGER_AFTER_ROTATION_SECONDS,
    TOKEN_ENDS_SECONDS,
    StreamTimes,
)
from towpath_service.runs.rpc.update_streams import protocol_error
from towpath_service.work.application.lease_work import Ends, fenced
from towpath_service.work.rpc.convert_leases import (
    Response,
    attached_response,
    kept_response,
    sent_response,
    to_ends,
    to_hello,
    to_said,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.core.draining import Draining
    from towpath_service.work.application.attachments import Attachments
    from towpath_service.work.application.dispatcher import Dispatcher
    from towpath_service.work.application.lease_work import LeaseWork
    from towpath_service.work.application.workers import AttachedWorker, Sent, Workers

Request = work_service_pb2.AttachWorkerRequest

_SAYING: Final = frozenset({"accepted", "started", "renew"})


class WorkerStreamHandler:
    """Attaches workers, and hands them runs to execute."""

    service: ClassVar[str] = "towpath.api.v1.WorkService"

    def __init__(
        self,
        attachments: Attachments,
        workers: Workers,
        dispatcher: Dispatcher,
        lease_work: LeaseWork,
        clock: Clock,
        draining: Draining,
        times: StreamTimes | None = None,
        *,
        slow_consumer_seconds: float = SLOW_CONSUMER_SECONDS,
    ) -> None:
        self._attachments = attachments
        self._workers = workers
        self._dispatcher = dispatcher
        self._lease_work = lease_work
        self._clock = clock
        self._draining = draining
        self._times = times or StreamTimes()
        self._slow_consumer_seconds = slow_consumer_seconds

    async def attach_worker(
        self, requests: AsyncIterator[Request], caller: Caller
    ) -> AsyncIterator[Response]:
        """Attaches a worker for the lifetime of the stream."""
        answers = self._attached(requests, caller)
        async with aclosing(while_read(answers, self._slow_consumer_seconds)) as read:
            async for answer in read:
                yield answer

    async def _attached(
        self, requests: AsyncIterator[Request], caller: Caller
    ) -> AsyncGenerator[Response, None]:
        first = await self._first(requests)
        if first is None:
            return
        if first.WhichOneof("message") != "hello":
            raise protocol_error("the first message must be `hello`")
        check(first)
        hello = to_hello(caller, first.hello, str(uuid4()), self._clock.now_us())
        async with self._attachments.open(hello, caller) as opened:
            now_us = self._clock.now_us()
            yield attached_response(opened.attached, opened.grants, now_us)
            stream = _Stream(self, opened.worker, requests)
            async with aclosing(stream.serve(self._life_seconds(caller))) as answers:
                async for answer in answers:
                    yield answer

    async def _first(self, requests: AsyncIterator[Request]) -> Request | None:
        seconds = self._times.opening_seconds
        try:
            async with asyncio.timeout(seconds):
                return await anext(requests, None)
        except TimeoutError:
            raise ServiceError(
                reason="DEADLINE_EXCEEDED",
                message=f"the stream sent no `hello` within {seconds:g} s: open another one",
            ) from None

    def _life_seconds(self, caller: Caller) -> float:
        """How long a stream lasts until it is asked to move."""
        life = self._times.rotation_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load
        if caller.expires_at is None:
            return life
        left = caller.expires_at - self._clock.now_us() / 1e6 - TOKEN_ENDS_SECONDS
        return max(0.0, min(life, left))

    @property
    def draining(self) -> asyncio.Event:
        """Set when the service is about to stop."""
        return self._draining.event

    def read_on(self, worker: AttachedWorker) -> None:
        """Records that a worker has taken a message."""
        self._workers.read_on(worker)

    async def handle(self, worker: AttachedWorker, message: Request) -> list[Response]:
        """Handles a message of a worker, and returns the answers to it.

        Raises:
            ServiceError: STREAM_PROTOCOL; INVALID_REQUEST; WORKER_FENCED; OVERLOADED.
        """
        check(message)
        kind = message.WhichOneof("message")
        if kind in _SAYING:
            kept = await self._lease_work.say(to_said(worker, message))
            return [kept_response(kept)] if kind == "renew" or kept.lost else []
        if kind == "ended":
            ends = to_ends(message.ended)
            await self._lease_work.end(
                Ends(worker=worker.key, attachment=worker.attachment, ends=ends)
            )
            answer = Response()
            answer.ended.lease_ids.extend(item.lease_id for item in ends)
            return [answer]
        if kind == "tokens":
            return [await self._tokens(worker, message)]
        if kind == "draining":
            await self._attachments.drain(worker)
            return []
        raise protocol_error("`hello` may be the first message only")

    async def _tokens(self, worker: AttachedWorker, message: Request) -> Response:
        answer = Response()
        answer.tokens.SetInParent()
        for lease in await self._lease_work.held(worker, message.tokens.lease_ids):
            token, expires_us = await self._dispatcher.token(worker, lease)
            made = answer.tokens.tokens.add(lease_id=lease.lease_id, run_token=token)
            set_time(made.expire_time, expires_us)
        return answer


class _Stream:
    """The loop of one stream, after its hello."""

    def __init__(
        self, handler: WorkerStreamHandler, worker: AttachedWorker, requests: AsyncIterator[Request]
    ) -> None:
        self._handler = handler
        self._worker = worker
        self._requests = requests
        self._reading: asyncio.Task[Request | None] | None = None
        self._handling: asyncio.Task[list[Response]] | None = None
        self._sending: asyncio.Task[Sent] | None = None
        self._half_closed = False

    async def serve(self, life_seconds: float) -> AsyncGenerator[Response, None]:
        """What the worker is told, until the stream ends.

        Args:
            life_seconds: Time after which the worker is asked to attach anew.
        """
        loop = asyncio.get_running_loop()
        moves_at = loop.time() + life_seconds
        fencing = asyncio.ensure_future(self._worker.fenced.wait())
        draining = asyncio.ensure_future(self._handler.draining.wait())
        told_to_move = False
        try:
            while not self._half_closed:
                waiting = self._waiting() | {fencing}
                if not told_to_move:
                    waiting.add(draining)
                await asyncio.wait(
                    waiting,
                    timeout=max(0.0, moves_at - loop.time()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if fencing.done():
                    raise fenced(self._worker.key)
                for answer in self._answers():
                    yield answer
                if self._sending is not None and self._sending.done():
                    yield sent_response(self._sending.result())
                    self._sending = None
                    self._handler.read_on(self._worker)
                if not told_to_move and (draining.done() or loop.time() >= moves_at):
                    told_to_move = True
                    yield _reconnect(draining=draining.done())
                    moves_at = loop.time() + _linger(draining=draining.done())
                elif told_to_move and loop.time() >= moves_at:
                    raise _moved_on()
        finally:
            await _stop(self._reading, self._handling, self._sending, fencing, draining)

    def _waiting(self) -> set[asyncio.Future[Any]]:
        """What may happen next; a message is read once the one before it is handled."""
        if self._handling is None and self._reading is None:
            self._reading = asyncio.ensure_future(_next(self._requests))
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._worker.next_sent())
        found = (self._reading, self._handling, self._sending)
        return {task for task in found if task is not None}

    def _answers(self) -> list[Response]:
        """The answers to a message that is handled now."""
        if self._reading is not None and self._reading.done():
            message, self._reading = self._reading.result(), None
            if message is None:
                self._half_closed = True
                return []
            handling = self._handler.handle(self._worker, message)
            self._handling = asyncio.ensure_future(handling)
        elif self._handling is not None and self._handling.done():
            answers, self._handling = self._handling.result(), None
            return answers
        return []


async def _next(requests: AsyncIterator[Request]) -> Request | None:
    return await anext(requests, None)


async def _stop(*tasks: asyncio.Future[Any] | None) -> None:
    for task in tasks:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await task


def _reconnect(*, draining: bool) -> Response:
    reason = (
        ingest_service_pb2.RECONNECT_REASON_DRAIN
        if draining
        else ingest_service_pb2.RECONNECT_REASON_ROTATION
    )
    return Response(reconnect=ingest_service_pb2.ReconnectRequest(reason=reason))


def _linger(*, draining: bool) -> float:
    return LINGER_AFTER_DRAIN_SECONDS if draining else LINGER_AFTER_ROTATION_SECONDS


def _moved_on() -> ServiceError:
    return ServiceError(
        reason="SHUTTING_DOWN", message="the stream has ended: attach anew with your leases"
    )
