"""A worker: it attaches to a pool and executes the runs that the service leases to it.

One thread, that of `Worker.run`, talks to the service and keeps the book of leases. Starting a run
and delivering what it left take time, so other threads do that and hand the outcome to the loop.
No run ends because the service is away or the worker stops: the shims of runs outlive it, and the
next worker of the same name adopts them.

Invariants, each of which a test names:
  - an end is told after all that the run's processes reported, and again at each attach until the
    service knows it;
  - nothing is told of a lease that is lost, and its process is stopped;
  - a run whose lease is cancelled, lost or given back before its start is never started.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from towpath._delivery.backoff import Backoff
from towpath._delivery.messages import producer_info
from towpath._transport.duplex import ThreadedDuplex
from towpath._transport.service import open_server
from towpath._work import attach_messages as messages
from towpath._work.attachment import FINAL_CODES, FINAL_REASONS, Attachment
from towpath._work.lease_book import NEVER, HeldLease, LeaseBook
from towpath._work.leaving import Leaving
from towpath._work.remains import Remains, output_of
from towpath._work.starting import start
from towpath._work.worker_events import (
    CLOCK_SECONDS,
    WorkerEvent,
    WorkerOptions,
    clock_warning,
    ending,
    name_of,
    name_of_granted,
)
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from towpath._settings.declared import Settings
    from towpath._transport.base import Duplex, Transport
    from towpath._work.kinds.base import Handle, Kind
    from towpath._work.leases import Lease
    from towpath._work.proof import RunEnd
    from towpath.api.v1 import work_pb2

TELL_SECONDS: Final = 60.0
"""Least pause between two lines about a service that is away."""
DELIVER_SECONDS: Final = 10.0
"""Longest wait for the delivery of what a run left, while the service is there."""
_AGAIN_SECONDS: Final = 1.0
_STARTERS: Final = 8


class Worker:
    """Executes the runs of a pool."""

    def __init__(
        self,
        options: WorkerOptions,
        settings: Settings,
        kind: Kind,
        *,
        on_event: Callable[[WorkerEvent], object],
        opener: Callable[[Settings], Transport] = open_server,
        connect: Callable[[Transport, str, Callable[[], object]], Duplex] = ThreadedDuplex,
        executor: Executor | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts nothing yet.

        Args:
            options: What it serves, and how.
            settings: The settings of the process.
            kind: How it starts runs.
            on_event: Called in the loop's thread with what happens.
            opener: Opens a transport to the service; may raise RpcError.
            connect: Begins a bidirectional call, as `ThreadedDuplex` does.
            executor: Starts runs, and delivers what they left; None for threads of its own.
            monotonic: The loop's clock, in seconds.
            clock: This machine's clock, seconds since the Unix epoch.
        """
        self._options = options
        self._settings = settings
        self._kind = kind
        self._on_event = on_event
        self._opener = opener
        self._connect = connect
        self._monotonic = monotonic
        self._clock = clock
        self._remains = Remains(settings, opener)
        self._instance = str(uuid.uuid4())
        self._book = LeaseBook()
        self._wake = threading.Event()
        self._todo: deque[Callable[[], None]] = deque()
        self._executor = executor or ThreadPoolExecutor(_STARTERS, "towpath-start")
        self._attachment: Attachment | None = None
        self._transport: Transport | None = None
        self._backoff = Backoff()
        self._retry_at = 0.0
        self._told_away_at = float("-inf")
        self._told_attached = False
        self._told_clock = False
        self._draining = False
        self._leaving = Leaving(options.grace_seconds, stop_runs=options.stop_runs)

    def stop(self) -> None:
        """Has the worker take no more runs and leave; the second call cancels its runs.

        From any thread but the loop's, so not from a signal handler in that.
        """
        self._leaving.want()
        self._wake.set()

    def run(self) -> None:
        """Executes runs until the worker is stopped.

        Raises:
            RpcError: The service refuses the worker for a reason that stays.
            ConfigurationError: A setting is wrong.
        """
        self.adopt()
        try:
            while (pause := self.turn()) is not None:
                self._wake.wait(pause)
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._leave()

    def turn(self) -> float | None:
        """Does what is due; returns the seconds until more is, None when the worker leaves.

        Raises:
            RpcError: The service refuses the worker for a reason that stays.
        """
        self._wake.clear()
        while self._todo:
            self._todo.popleft()()
        now = self._monotonic()
        self._heed_stop(now)
        if self._leaving.is_done(now, self._book, attached=self._is_attached):
            return None
        pause = self._talk(now)
        self._deliver_remains(now)
        return max(0.0, min([pause, *self._due(now)]))

    def _due(self, now: float) -> list[float]:
        """Seconds until what is to be done besides talking to the service."""
        times = [item.deliver_at for item in self._book] if self._is_attached else []
        if any(item.stop_failed for item in self._book):
            times.append(now + _AGAIN_SECONDS)
        return [at - now for at in times + self._leaving.times(now)]

    @property
    def _is_attached(self) -> bool:
        return self._attachment is not None and self._attachment.is_open

    def _heed_stop(self, now: float) -> None:
        """Follows what the worker itself is told: to leave, and to end its runs."""
        if self._leaving.is_wanted and not self._draining:
            self._drain("told to stop")
        ends_runs = self._leaving.ends_runs(now)
        for held in self._book:
            if ends_runs and held.executes and held.cancel != 0:
                held.cancel = 0.0
                self._stop_run(held)
            elif held.stop_failed:
                self._stop_run(held)

    def _talk(self, now: float) -> float:
        """Talks to the service; returns the seconds until there is something to do."""
        try:
            if self._attachment is None and now < self._retry_at:
                return self._retry_at - now
            if self._attachment is None:
                self._attach()
            assert self._attachment is not None
            return self._attachment.step(now)
        except RpcError as error:
            self._broken(error, now)
            return self._retry_at - now

    def _attach(self) -> None:
        if self._transport is None:
            self._transport = self._opener(self._settings)
        self._attachment = Attachment(self, self._transport, self._connect)

    def _broken(self, error: RpcError, now: float) -> None:
        """Takes down the attachment, and plans the next one unless the service's refusal stays."""
        self._leave()
        if error.code in FINAL_CODES or error.reason in FINAL_REASONS:
            raise error
        self._retry_at = now + self._backoff.pause(error.retry_after_seconds)
        if now - self._told_away_at >= TELL_SECONDS:
            self._told_away_at = now
            self._told_attached = False
            self._tell("away", f"the service is away, and runs go on without it: {error}")

    def _leave(self) -> None:
        if self._attachment is not None:
            self._attachment.close()
            self._attachment = None
        if self._transport is not None:
            with suppress(Exception):
                self._transport.close()
            self._transport = None

    # What the attachment asks for.

    @property
    def hello(self) -> messages.Request:
        """The first message."""
        options = self._options
        return messages.hello(
            workspace=self._settings.workspace,
            pool=options.pool,
            name=options.name,
            instance_id=self._instance,
            kind=self._kind.name,
            slots=options.slots,
            queues=options.queues,
            labels=options.labels,
            held=self._book.held(),
            draining=self._draining,
            info=producer_info(),
            now=self._clock(),
        )

    @property
    def book(self) -> LeaseBook:
        """The leases of the worker."""
        return self._book

    def wake(self) -> None:
        """Wakes the loop; from any thread."""
        self._wake.set()

    def attached(self, pool: str) -> None:
        """Notes that the service has answered."""
        self._backoff.reset()
        if not self._told_attached:
            self._told_attached = True
            self._tell("attached", f"worker {self._options.name} is attached to pool {pool}")

    def compare_clocks(self, server_time: float) -> None:
        """Warns once if this machine's clock is far off the service's."""
        offset = self._clock() - server_time
        if abs(offset) > CLOCK_SECONDS and not self._told_clock:
            self._told_clock = True
            self._tell("clock", clock_warning(offset))

    def moved(self, pause_seconds: float) -> None:
        """Notes that the service wants the worker to attach anew."""
        if self._attachment is not None:
            self._attachment.close()
            self._attachment = None
        self._retry_at = self._monotonic() + pause_seconds

    def grant(self, granted: work_pb2.WorkLease, lease_seconds: float) -> bool:
        """Takes a lease on; False when it is there already."""
        held = HeldLease(granted.lease_id, granted.run_id, name_of_granted(granted))
        if not self._book.add(held):
            return False
        if self._draining:
            self._return(held, f"worker {self._options.name} takes no more runs")
            return True
        try:
            lease = messages.lease_of(granted, lease_seconds)
        except ValueError as error:
            self._fail(held, error)
            return True
        self._tell("granted", f"{held.name} is leased", held)
        self._executor.submit(self._start, held, lease)
        return True

    def cancel(self, lease_id: str, grace_seconds: float, message: str) -> None:
        """Has a run end; a request that comes again counts if it leaves less time."""
        held = self._book.get(lease_id)
        if held is None or held.lost or not held.executes:
            return
        if held.cancel is None:
            why = f": {message}" if message else ""
            self._tell("cancelling", f"{held.name} is cancelled{why}", held)
        elif grace_seconds >= held.cancel:
            return
        held.cancel = grace_seconds
        self._stop_run(held)

    def lose(self, lease_id: str) -> None:
        """Stops a run whose lease is no longer this worker's; nothing of it is told."""
        held = self._book.get(lease_id)
        if held is None or held.lost:
            return
        is_over = not held.executes
        held.lost = True
        self._tell("lost", f"{held.name} is no longer this worker's", held)
        if is_over:
            self._forget(held)
        else:
            held.cancel = 0.0
            self._stop_run(held)

    def known(self, lease_id: str) -> None:
        """Notes that the service knows the end of a lease."""
        held = self._book.get(lease_id)
        if held is not None and held.told is not None:
            self._forget(held)

    def drain(self, message: str) -> None:
        """Takes no more runs, as the service asks."""
        self._drain(message or "the service asks to drain")

    def _forget(self, held: HeldLease) -> None:
        self._book.remove(held.lease_id)
        if held.handle is not None:
            with suppress(OSError):
                held.handle.acknowledge()

    def _drain(self, why: str) -> None:
        if not self._draining:
            self._draining = True
            self._tell("draining", f"{why}: no more runs are taken, {len(self._book)} to end")
            if self._attachment is not None:
                self._attachment.send(messages.draining())

    def _stop_run(self, held: HeldLease) -> None:
        """Asks for the end of a run; one that can't be asked now is asked again later."""
        if held.handle is None:
            return
        try:
            held.handle.request_stop(delay_seconds=held.cancel or 0.0)
        except OSError as error:
            if not held.stop_failed:
                self._tell("fault", f"{held.name} can't be stopped yet: {error}", held)
            held.stop_failed = True
        else:
            held.stop_failed = False

    # What happens to runs. These are in other threads, and hand on to the loop.

    def _do(self, call: Callable[[], None]) -> None:
        self._todo.append(call)
        self._wake.set()

    def _start(self, held: HeldLease, lease: Lease) -> None:
        if held.lost or held.cancel is not None:
            self._do(lambda: self._return(held, "it was cancelled before its start"))
            return
        try:
            handle = start(self._kind, lease, self._options.name)
        except Exception as error:  # noqa: BLE001 - a full disk, a template that can't be used
            fault = error
            self._do(lambda: self._fail(held, fault))
        else:
            self._do(lambda: self._began(held, handle))

    def _fail(self, held: HeldLease, error: Exception) -> None:
        self._end_unstarted(held, messages.unstarted(held.lease_id, self._options.name, error))

    def _return(self, held: HeldLease, message: str) -> None:
        self._end_unstarted(held, messages.returned(held.lease_id, message))

    def _end_unstarted(self, held: HeldLease, told: work_pb2.LeaseEnd) -> None:
        if held.lost:
            self._book.remove(held.lease_id)
            return
        held.told = told
        self._tell("ended", f"{held.name} is not started: {told.failure.message}", held)
        self._send_ends()

    def adopt(self) -> None:
        """Takes over the runs of the worker's earlier incarnations."""
        for handle in self._kind.adopt():
            held = HeldLease(handle.lease_id, handle.run_id, name_of(handle.run_id))
            if self._book.add(held):
                self._tell("adopted", f"{held.name} of an earlier worker is taken over", held)
                self._began(held, handle)

    def _began(self, held: HeldLease, handle: Handle) -> None:
        held.handle = handle
        if held.lost or held.cancel is not None:
            self._stop_run(held)
        if handle.place and not held.lost:
            self._tell("started", f"{held.name} runs as {handle.place}", held)
        if held.pid and not held.lost and self._attachment and self._attachment.is_open:
            self._attachment.send(messages.started(held.lease_id, held.pid))
        handle.add_done_callback(lambda end: self._do(lambda: self._over(held, end)))

    def _over(self, held: HeldLease, end: RunEnd) -> None:
        held.end = end
        if held.lost:
            self._forget(held)
            return
        # What the processes reported comes before what the worker says of their end.
        held.deliver_at = self._monotonic()

    def _deliver_remains(self, now: float) -> None:
        """Has the remains of ended runs delivered, as soon as the service is there for them."""
        if not self._is_attached:
            return
        for held in self._book:
            if held.deliver_at <= now and held.handle is not None and held.end is not None:
                held.deliver_at = NEVER
                held.deliver_until = min(held.deliver_until, now + DELIVER_SECONDS)
                self._executor.submit(self._deliver, held, held.handle, held.end)

    def _deliver(self, held: HeldLease, handle: Handle, end: RunEnd) -> None:
        missing = self._remains.missing(handle, end)
        output = output_of(handle) if end.start_failed else ""
        self._do(lambda: self._delivered(held, end, output, missing))

    def _delivered(self, held: HeldLease, end: RunEnd, output: str, missing: str | None) -> None:
        if held.lost:
            self._book.remove(held.lease_id)
            return
        now = self._monotonic()
        if missing is not None and now < held.deliver_until:
            held.deliver_at = now + _AGAIN_SECONDS
            if self._attachment is not None and self._attachment.is_open:
                # The run's token may have ended, of a run that was adopted late.
                self._attachment.renew_tokens([held.lease_id])
            return
        if missing is not None:
            self._tell("fault", f"reports of {held.name} wait in its outbox: {missing}", held)
        held.told = messages.lease_end(held.lease_id, end, output)
        self._tell("ended", ending(held.name, end), held, end)
        self._send_ends()

    def _send_ends(self) -> None:
        if self._attachment is not None and self._attachment.is_open:
            self._attachment.send_ends()

    def _tell(
        self, kind: str, message: str, held: HeldLease | None = None, end: RunEnd | None = None
    ) -> None:
        run_id = "" if held is None else held.run_id
        self._on_event(WorkerEvent(kind=kind, message=message, run_id=run_id, end=end))
