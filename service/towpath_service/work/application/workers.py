"""The workers that are attached to this replica, and what is sent to them.

Free slots are the slots of a worker less its leases that haven't ended: no other number counts
them. A worker that doesn't read what it was sent gets no more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towpath_service.core.bus import Topic
from towpath_service.work.application.claiming import Bidder
from towpath_service.work.domain.dispatching import FreeWorker, PoolKey, WorkerKey
from towpath_service.work.domain.leases import pause_us

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence

    from towpath_auth import Caller

    from towpath_service.core.bus import Bus
    from towpath_service.work.domain.leases import Lease
    from towpath_service.work.ports.dispatching import DirectiveRow, JobRow, WorkerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A lease on its way to its worker."""

    lease: Lease
    job: JobRow
    token: str = ""
    """Access token for the run's process; empty without identity."""
    token_expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """Leases to execute."""

    grants: Sequence[Grant]


@dataclass(frozen=True, slots=True)
class Directives:
    """Requests about leased runs."""

    rows: Sequence[DirectiveRow]


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no more runs."""


Sent = Granted | Directives | Drain


class AttachedWorker:
    """A worker with an open stream at this replica."""

    def __init__(
        self,
        key: WorkerKey,
        attachment: str,
        caller: Caller,
        *,
        slots: int,
        queues: Iterable[str],
        leases: Iterable[str],
        draining: bool,
        paused: bool = False,
    ) -> None:
        """Takes a worker as it has attached.

        Args:
            key: The worker.
            attachment: Id of its stream.
            caller: The caller that opened the stream.
            slots: Most runs that it executes at once.
            queues: Ids of the queues that it serves; none for all of its pool.
            leases: Ids of its leases.
            draining: Whether it takes no more runs.
            paused: Whether it takes no runs until it is resumed.
        """
        self.key = key
        self.attachment = attachment
        self.caller = caller
        self.slots = slots
        self.queues = frozenset(queues)
        self.leases = set(leases)
        self.draining = draining
        self.paused = paused
        self.fenced = asyncio.Event()
        """Set when a later stream of the worker is the one that counts."""
        self.told_directives: set[tuple[str, int]] = set()
        """Directives sent on this stream, by lease and revision."""
        self.faults = 0
        """How often in a row it gave runs back because it couldn't start them."""
        self.rests_until = 0.0
        """When it may be given runs again, by the clock of `Workers`."""
        self._sent: deque[Sent] = deque()
        self._any = asyncio.Event()

    @property
    def free(self) -> int:
        """The number of runs that it may be given now."""
        if self.draining or self.paused or self.fenced.is_set() or self._sent:
            return 0
        return max(0, self.slots - len(self.leases))

    def send(self, message: Sent) -> None:
        """Queues a message for its stream."""
        self._sent.append(message)
        self._any.set()

    async def next_sent(self) -> Sent:
        """The next message for its stream."""
        while not self._sent:
            self._any.clear()
            await self._any.wait()
        return self._sent[0]

    def taken(self) -> None:
        """Records that the stream has taken the next message."""
        self._sent.popleft()


class Workers:
    """The attached workers of this replica."""

    def __init__(self, bus: Bus, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Starts without workers.

        Args:
            bus: Notifies of pools whose runs may have become ready, and of directives.
            monotonic: The clock of pauses, in seconds.
        """
        self._bus = bus
        self._monotonic = monotonic
        self._workers: dict[WorkerKey, AttachedWorker] = {}
        self.ready = _Woken()
        """Pools to look at for runs."""
        self.directed = _Woken()
        """Pools to look at for directives."""

    @contextmanager
    def attached(self, worker: AttachedWorker) -> Generator[None]:
        """Counts a worker as attached, and fences off its older stream here."""
        pool = worker.key.pool
        older = self._workers.get(worker.key)
        if older is not None:
            older.fenced.set()
        self._workers[worker.key] = worker
        with (
            self._bus.waking(_Wake(self.ready, pool), Topic("pool", *pool)),
            self._bus.waking(_Wake(self.directed, pool), Topic("workers", *pool)),
        ):
            self.ready.add(pool)
            try:
                yield
            finally:
                if self._workers.get(worker.key) is worker:
                    del self._workers[worker.key]

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, key: WorkerKey) -> AttachedWorker | None:
        """A worker; None if it isn't attached here."""
        return self._workers.get(key)

    def of(self, pools: Collection[PoolKey] | None = None) -> list[AttachedWorker]:
        """The workers of pools; None for those of all."""
        return [
            worker for key, worker in self._workers.items() if pools is None or key.pool in pools
        ]

    def bidders(self, pools: Collection[PoolKey] | None = None) -> list[Bidder]:
        """The workers of pools that have free slots and don't rest; None for all pools."""
        now = self._monotonic()
        return [
            Bidder(
                worker=FreeWorker(key=worker.key, free=worker.free, queues=worker.queues),
                attachment=worker.attachment,
            )
            for worker in self.of(pools)
            if worker.free and worker.rests_until <= now
        ]

    def follow(
        self, attachments: Mapping[WorkerKey, str], rows: Mapping[WorkerKey, WorkerRow]
    ) -> None:
        """Learns which workers have attached elsewhere, are to drain, are paused or resumed.

        Args:
            attachments: Ids of the streams that were asked about.
            rows: The workers as they are stored.
        """
        for key, attachment in attachments.items():
            worker, row = self._workers.get(key), rows.get(key)
            if worker is None or worker.attachment != attachment:
                continue
            if row is None or row.attachment != attachment:
                worker.fenced.set()
                continue
            if worker.paused and not row.paused:
                self.ready.add(key.pool)
            worker.paused = row.paused
            if row.draining and not worker.draining:
                worker.draining = True
                worker.send(Drain())

    def rest(self, key: WorkerKey) -> int:
        """Gives a worker that can't start runs a pause; what it gives back meanwhile adds nothing.

        Returns:
            How often in a row it couldn't; 0 for a worker that isn't attached here.
        """
        worker, now = self._workers.get(key), self._monotonic()
        if worker is None:
            return 0
        if worker.rests_until <= now:
            worker.faults += 1
            worker.rests_until = now + pause_us(worker.faults) / 1e6
        return worker.faults

    def started(self, key: WorkerKey) -> None:
        """Records that a worker has started a run: its next pause is a short one."""
        worker = self._workers.get(key)
        if worker is not None:
            worker.faults = 0

    def ended(self, key: WorkerKey, lease_ids: Iterable[str]) -> None:
        """Frees the slots of leases that are no longer a worker's."""
        worker = self._workers.get(key)
        if worker is None:
            return
        before = len(worker.leases)
        worker.leases.difference_update(lease_ids)
        if len(worker.leases) < before:
            self.ready.add(key.pool)

    def read_on(self, worker: AttachedWorker) -> None:
        """Records that a worker has taken a message, so that it may be given runs again."""
        worker.taken()
        if worker.free:
            self.ready.add(worker.key.pool)


class _Woken:
    """Pools that something has happened to, collected until a loop takes them."""

    def __init__(self) -> None:
        self._pools: set[PoolKey] = set()
        self._event = asyncio.Event()

    def add(self, pool: PoolKey) -> None:
        """Adds a pool, and wakes the loop."""
        self._pools.add(pool)
        self._event.set()

    async def take(self, seconds: float) -> set[PoolKey] | None:
        """The pools, once there are any; None when there were none for some time."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return None
        self._event.clear()
        pools, self._pools = self._pools, set()
        return pools


class _Wake:
    """Adds a pool when it is set."""

    def __init__(self, woken: _Woken, pool: PoolKey) -> None:
        self._woken = woken
        self._pool = pool

    def set(self) -> None:
        """Adds the pool."""
        self._woken.add(self._pool)
