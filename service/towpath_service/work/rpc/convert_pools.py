"""Converts pools, queues and workers between messages and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.api.v1 import work_pb2 as pb

from towpath_service.rpc.times import set_offset, set_span, set_time, span_us
from towpath_service.work.domain.pools import (
    MIDDLE_RANK,
    START_TIMEOUTS_US,
    PoolSettings,
    QueueSettings,
)

if TYPE_CHECKING:
    from towpath_service.work.domain.pools import Pool, PoolUse, Queue, Worker

POOL_FIELDS: Final = {
    "kind": "kind",
    "description": "description",
    "job_template_json": "job_template",
    "paused": "paused",
    "concurrency_limit": "concurrency_limit",
    "lease_duration": "lease_us",
    "start_timeout": "start_timeout_us",
    "cancel_grace_period": "grace_us",
}
"""Attributes of `PoolSettings` by the contract's fields."""
QUEUE_FIELDS: Final = {
    name: name for name in ("description", "rank", "paused", "concurrency_limit")
}
"""Attributes of `QueueSettings` by the contract's fields."""

_SPANS: Final = ("lease_duration", "start_timeout", "cancel_grace_period")


def to_pool_settings(message: pb.WorkPool) -> PoolSettings:
    """The settings in a pool's message; raises INVALID_REQUEST."""
    spans = {
        POOL_FIELDS[name]: span_us(getattr(message, name), f"work_pool.{name}")
        for name in _SPANS
        if message.HasField(name)
    }
    if message.kind in START_TIMEOUTS_US:
        spans.setdefault("start_timeout_us", START_TIMEOUTS_US[message.kind])
    return PoolSettings(
        kind=message.kind,
        description=message.description,
        job_template=message.job_template_json,
        paused=message.paused,
        concurrency_limit=message.concurrency_limit,
        **spans,
    )


def to_queue_settings(message: pb.WorkQueue) -> QueueSettings:
    """The settings in a queue's message."""
    return QueueSettings(
        description=message.description,
        rank=message.rank or MIDDLE_RANK,
        paused=message.paused,
        concurrency_limit=message.concurrency_limit,
    )


def pool_message(pool: Pool, use: PoolUse) -> pb.WorkPool:
    """A pool with its use."""
    settings = pool.settings
    message = pb.WorkPool(
        name=str(pool.name),
        description=settings.description,
        kind=settings.kind,
        job_template_json=settings.job_template,
        paused=settings.paused,
        concurrency_limit=settings.concurrency_limit,
        queued_count=use.queued,
        leased_count=use.leased,
        online_worker_count=use.online,
        etag=pool.etag,
    )
    set_span(message.lease_duration, settings.lease_us)
    set_span(message.start_timeout, settings.start_timeout_us)
    set_span(message.cancel_grace_period, settings.grace_us)
    set_time(message.create_time, pool.created_us)
    set_time(message.update_time, pool.updated_us)
    return message


def queue_message(queue: Queue, use: PoolUse) -> pb.WorkQueue:
    """A queue with its use."""
    settings = queue.settings
    message = pb.WorkQueue(
        name=str(queue.name),
        description=settings.description,
        rank=settings.rank,
        paused=settings.paused,
        concurrency_limit=settings.concurrency_limit,
        queued_count=use.queued,
        leased_count=use.leased,
        etag=queue.etag,
    )
    set_time(message.create_time, queue.created_us)
    set_time(message.update_time, queue.updated_us)
    return message


def worker_message(worker: Worker, now_us: int) -> pb.Worker:
    """A worker as it is at a moment."""
    state: Any = int(worker.state(now_us))
    message = pb.Worker(
        name=str(worker.name),
        instance_id=worker.instance_id,
        state=state,
        slots=worker.slots,
        leased_count=worker.leased,
        queues=worker.queues,
        labels=worker.labels,
        version=worker.version,
        host=worker.host,
        principal=worker.principal,
        paused=worker.paused,
    )
    set_offset(message.clock_offset, worker.clock_offset_us)
    set_time(message.create_time, worker.created_us)
    set_time(message.seen_time, worker.seen_us)
    return message
