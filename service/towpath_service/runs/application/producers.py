"""Producers' streams, liveness and log lines; used by the ingestion and log handlers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError, not_found
from towpath_service.core.names import Scope
from towpath_service.core.tenant_limits import storage_is_full
from towpath_service.runs.application.commit import adopt_watermark
from towpath_service.runs.ports.ingest import LogLine, ProducerKey, ProducerRecord, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.runs.application.committer import Submitting
    from towpath_service.runs.application.submissions import Outcome, Submission
    from towpath_service.runs.ports.ingest import IngestStore, IngestTransaction

TOUCH_INTERVAL_SECONDS: Final = 5.0
MOST_DROPPED: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A stream that has been opened."""

    producer: ProducerRecord
    refusals: Sequence[Refusal]
    fenced: asyncio.Event
    """Set when a later stream of the producer opens here."""


class Producers:
    """Opens and closes producers' streams, and records what comes on them."""

    def __init__(
        self,
        store: IngestStore,
        committer: Submitting,
        bus: Bus,
        clock: Clock,
        *,
        touch_seconds: float = TOUCH_INTERVAL_SECONDS,
    ) -> None:
        self._store = store
        self._committer = committer
        self._bus = bus
        self._clock = clock
        self._touch_seconds = touch_seconds
        self._open: dict[ProducerKey, asyncio.Event] = {}

    async def open(self, key: ProducerKey, *, last_acked_sequence: int, info: str) -> Opened:
        """Opens a stream, and fences off the older one of the same producer.

        If a producer has seen acks beyond the stored watermark, the database was restored from a
        backup. The service then adopts the producer's watermark, or it could never continue.
        """
        now_us = self._clock.now_us()

        def work(transaction: IngestTransaction) -> tuple[ProducerRecord, Sequence[Refusal]]:
            producer = transaction.claim([key], now_us).get(key) or ProducerRecord(key=key)
            producer.epoch += 1
            adopt_watermark(producer, last_acked_sequence)
            producer.seen_us = now_us
            producer.info = info or producer.info
            refusals = transaction.refusals([key]).get(key, [])
            transaction.write_producers([producer])
            return producer, [item for item in refusals if item.sequence > last_acked_sequence]

        producer, refusals = await self._store.write({key.tenant_id}, work)
        older = self._open.pop(key, None)
        if older is not None:
            older.set()
        fenced = asyncio.Event()
        self._open[key] = fenced
        return Opened(producer=producer, refusals=refusals, fenced=fenced)

    def closed(self, key: ProducerKey, opened: Opened) -> None:
        """Records that a stream has ended."""
        if self._open.get(key) is opened.fenced:
            del self._open[key]

    def connected(self, key: ProducerKey) -> bool:
        """Whether a stream of the producer is open here."""
        return key in self._open

    def record(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Queues updates; the future has the outcome after the commit."""
        return self._committer.submit(submission)

    async def wait_for_room(self, key: ProducerKey) -> None:
        """Waits until more of a producer should be read: at once, unless it delays others."""
        await self._committer.wait_for_room(key.tenant_id)

    async def get(self, key: ProducerKey) -> tuple[ProducerRecord, Sequence[Refusal]]:
        """Reads a producer and its unconfirmed refusals; NOT_FOUND when there is none."""

        def work(
            transaction: IngestTransaction,
        ) -> tuple[ProducerRecord | None, Sequence[Refusal]]:
            return transaction.producers([key]).get(key), transaction.refusals([key]).get(key, [])

        producer, refusals = await self._store.write({key.tenant_id}, work)
        if producer is None:
            raise not_found(f"producer {key.producer_id}")
        return producer, refusals

    async def write_logs(
        self, key: ProducerKey, lines: Sequence[LogLine], dropped: int, *, limited: bool = False
    ) -> int:
        """Stores log lines, each once.

        Args:
            key: Their producer.
            lines: The lines.
            dropped: The number of lines that the producer has dropped.
            limited: Whether the tenant's storage limit applies.

        Returns:
            The number of new lines.

        Raises:
            ServiceError: QUOTA_EXCEEDED: the tenant is at its storage limit.
        """
        now_us = self._clock.now_us()

        def work(transaction: IngestTransaction) -> int:
            stored = transaction.stored([key.tenant_id]) if limited else {}
            if key.tenant_id in stored and stored[key.tenant_id].is_full:
                raise storage_is_full(stored[key.tenant_id])
            producer = transaction.claim([key], now_us).get(key) or ProducerRecord(key=key)
            producer.seen_us = now_us
            producer.logs_dropped = min(MOST_DROPPED, producer.logs_dropped + max(0, dropped))
            transaction.write_producers([producer])
            return transaction.write_logs(key, lines, now_us)

        written = await self._store.write({key.tenant_id}, work)
        self._bus.notify(Scope(key.tenant_id, key.workspace_id))
        return written

    async def keep_alive(self) -> None:
        """Records every few seconds which producers have a stream open here; never returns.

        An open stream proves that a producer is alive, because gRPC answers pings by itself. A
        process that can't report, such as one that holds its interpreter's lock, isn't considered
        lost while its connection lives.
        """
        while True:
            await asyncio.sleep(self._touch_seconds)
            keys = list(self._open)
            if keys:
                now_us = self._clock.now_us()
                try:
                    await self._store.write(
                        {key.tenant_id for key in keys}, partial(_touch, keys, now_us)
                    )
                except ServiceError:
                    continue


def _touch(keys: list[ProducerKey], now_us: int, transaction: IngestTransaction) -> None:
    transaction.touch_producers(keys, now_us)
