"""A worker: it attaches to a pool and executes the runs that the service leases to it.

One thread, that of `Worker.run`, talks to the service and keeps the book of leases. Starting a run
and finding out how it ended take time, so other threads do that and hand the outcome to the loop.
No run ends because the service is away or the worker stops: the shims of runs outlive it, and the
next worker of the same name adopts them.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from towpath._delivery.backoff import Backoff
from towpath._delivery.messages import producer_info
from towpath._delivery.takeover import deliver_waiting
from towpath._transport.service import open_transport
from towpath._work import attach_messages as messages
from towpath._work.attachment import Attachment
from towpath._work.lease_book import HeldLease, LeaseBook
from towpath.exceptions import RpcError, TowpathError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport
    from towpath._work.kinds.base import Handle, Kind
    from towpath._work.leases import Lease
    from towpath._work.proof import RunEnd
    from towpath.api.v1 import work_pb2

FINAL_CODES: Final = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
)
FINAL_REASONS: Final = frozenset({"WORKER_FENCED", "CLIENT_TOO_OLD", "INVALID_REQUEST"})
"""A service that refuses for one of these refuses the next try as well."""
TELL_SECONDS: Final = 60.0
"""Pause between two lines about a service that is away."""
_STARTERS: Final = 8
_OUTPUT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker serves, and how.

    Attributes:
        pool: Id of its pool.
        name: Its id, the same after a restart.
        slots: Most runs that it executes at once.
        queues: Ids of the queues that it serves; empty for all of the pool.
        labels: Its labels.
        grace_seconds: Time that runs have to end once the worker is told to.
        stop_runs: Cancel the runs that haven't ended after that time, instead of leaving them to
            their shims.
    """

    pool: str
    name: str
    slots: int = 8
    queues: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    grace_seconds: float = 30.0
    stop_runs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvent:
    """Something that happened at a worker, for people.

    Attributes:
        kind: "attached", "away", "granted", "started", "ended", "adopted", "cancelling", "lost",
            "draining" or "left".
        message: The sentence about it.
        run_id: The run; empty for an event of the worker itself.
        end: How the run's process ended, for "ended".
    """

    kind: str
    message: str
    run_id: str = ""
    end: RunEnd | None = None


class Worker:
    """Executes the runs of a pool."""

    def __init__(
        self,
        options: WorkerOptions,
        settings: Settings,
        kind: Kind,
        *,
        on_event: Callable[[WorkerEvent], object],
        opener: Callable[[Settings], Transport] = open_transport,
    ) -> None:
        """Starts nothing yet.

        Args:
            options: What it serves, and how.
            settings: The settings of the process.
            kind: How it starts runs.
            on_event: Called in the loop's thread with what happens.
            opener: Opens a transport to the service; may raise TowpathError.
        """
        self._options = options
        self._settings = settings
        self._kind = kind
        self._on_event = on_event
        self._opener = opener
        self._instance = str(uuid.uuid4())
        self._book = LeaseBook()
        self._wake = threading.Event()
        self._todo: deque[Callable[[], None]] = deque()
        self._starters = ThreadPoolExecutor(_STARTERS, thread_name_prefix="towpath-start")
        self._attachment: Attachment | None = None
        self._transport: Transport | None = None
        self._backoff = Backoff()
        self._retry_at = 0.0
        self._told_away_at = float("-inf")
        self._draining = False
        self._stopping = threading.Event()
        self._stop_now = threading.Event()

    def stop(self) -> None:
        """Has the worker take no more runs and leave; the second call cancels its runs.

        Safe in a signal handler and from any thread.
        """
        if self._stopping.is_set():
            self._stop_now.set()
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Executes runs until the worker is stopped.

        Raises:
            RpcError: The service refuses the worker for a reason that stays.
            ConfigurationError: A setting is wrong.
        """
        self._adopt()
        try:
            self._loop()
        finally:
            self._starters.shutdown(wait=False, cancel_futures=True)
            self._leave()

    def _loop(self) -> None:
        leave_at = float("inf")
        while True:
            self._wake.clear()
            while self._todo:
                self._todo.popleft()()
            now = time.monotonic()
            if self._stopping.is_set() and leave_at == float("inf"):
                leave_at = now + self._options.grace_seconds
                self._drain("told to stop")
            if self._stopping.is_set() and self._is_done(now, leave_at):
                return
            if self._stop_now.is_set() or (self._options.stop_runs and now >= leave_at):
                self._cancel_all()
            pause = self._talk(now)
            self._wake.wait(max(0.0, min(pause, leave_at - now)) if leave_at > now else 0.2)

    def _is_done(self, now: float, leave_at: float) -> bool:
        """Whether a worker that is told to stop may leave."""
        if not len(self._book):
            return True
        waits_for_ends = self._stop_now.is_set() or self._options.stop_runs
        return now >= leave_at and not waits_for_ends

    def _talk(self, now: float) -> float:
        """Talks to the service; returns the seconds until there is something to do."""
        if self._attachment is None:
            if now < self._retry_at:
                return self._retry_at - now
            self._attach()
        attachment = self._attachment
        if attachment is None:
            return self._retry_at - now
        try:
            return attachment.step(now)
        except RpcError as error:
            self._broken(error)
            return 0.0

    def _attach(self) -> None:
        try:
            if self._transport is None:
                self._transport = self._opener(self._settings)
            self._attachment = Attachment(self, self._transport)
        except RpcError as error:
            self._broken(error)

    def _broken(self, error: RpcError) -> None:
        """Takes down the attachment, and plans the next one unless the service's refusal stays."""
        self._leave()
        if error.code in FINAL_CODES or error.reason in FINAL_REASONS:
            raise error
        now = time.monotonic()
        self._retry_at = now + self._backoff.pause(error.retry_after_seconds)
        if now - self._told_away_at >= TELL_SECONDS:
            self._told_away_at = now
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
        )

    @property
    def book(self) -> LeaseBook:
        """The leases of the worker."""
        return self._book

    @property
    def is_draining(self) -> bool:
        """Whether it takes no more runs."""
        return self._draining

    def wake(self) -> None:
        """Wakes the loop; from any thread."""
        self._wake.set()

    def attached(self, name: str) -> None:
        """Notes that the service has answered."""
        self._backoff.reset()
        self._told_away_at = float("-inf")
        self._tell("attached", f"worker {self._options.name} is attached to pool {name}")

    def moved(self, pause_seconds: float) -> None:
        """Notes that the service wants the worker to attach anew."""
        if self._attachment is not None:
            self._attachment.close()
            self._attachment = None
        self._retry_at = time.monotonic() + pause_seconds

    def grant(self, granted: work_pb2.WorkLease, lease_seconds: float) -> bool:
        """Takes a lease on; False when it is there already."""
        held = HeldLease(granted.lease_id, granted.run_id)
        if not self._book.add(held):
            return False
        try:
            lease = messages.lease_of(granted, lease_seconds)
        except ValueError as error:
            self._not_started(held.lease_id, f"the worker can't read the job: {error}")
            return True
        self._tell("granted", f"run {held.run_id} is leased", held.run_id)
        self._starters.submit(self._start, lease)
        return True

    def cancel(self, lease_id: str, grace_seconds: float, message: str) -> None:
        """Has a run end."""
        held = self._book.get(lease_id)
        if held is None or held.cancel is not None:
            return
        held.cancel = grace_seconds
        self._tell("cancelling", message or f"run {held.run_id} is cancelled", held.run_id)
        if held.handle is not None:
            held.handle.request_stop(delay_seconds=grace_seconds)

    def lose(self, lease_id: str) -> None:
        """Stops a run whose lease is no longer this worker's; nothing of it is told."""
        held = self._book.get(lease_id)
        if held is None or held.lost:
            return
        held.lost, held.told = True, None
        self._tell("lost", f"run {held.run_id} has passed to another worker", held.run_id)
        if held.handle is None:
            return
        if held.end is None:
            held.handle.request_stop()
        else:
            self._forget(held)

    def known(self, lease_id: str) -> None:
        """Notes that the service knows the end of a lease."""
        held = self._book.get(lease_id)
        if held is not None and held.told is not None:
            self._forget(held)

    def drain(self, message: str) -> None:
        """Takes no more runs, as the service asks."""
        self._drain(message)

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

    def _cancel_all(self) -> None:
        for held in self._book:
            if held.handle is not None and held.end is None and held.cancel is None:
                held.cancel = 0.0
                held.handle.request_stop()

    # What happens to runs. These are in other threads, and hand on to the loop.

    def _start(self, lease: Lease) -> None:
        try:
            handle = self._kind.start(lease)
        except Exception as error:  # noqa: BLE001 - a full disk, a template that can't be used
            message = f"worker {self._options.name} can't start it: {error}"
            self._do(lambda: self._not_started(lease.lease_id, message))
        else:
            self._do(lambda: self._began(handle))

    def _do(self, call: Callable[[], None]) -> None:
        self._todo.append(call)
        self._wake.set()

    def _not_started(self, lease_id: str, message: str) -> None:
        held = self._book.get(lease_id)
        if held is not None:
            held.told = messages.returned(lease_id, message)
            self._tell("ended", message, held.run_id)
            self._send_ends()

    def _adopt(self) -> None:
        for handle in self._kind.adopt():
            held = HeldLease(handle.lease_id)
            if self._book.add(held):
                self._tell("adopted", f"lease {handle.lease_id} of an earlier worker")
                self._began(handle)

    def _began(self, handle: Handle) -> None:
        held = self._book.get(handle.lease_id)
        if held is None:
            return
        held.handle = handle
        if held.lost:
            handle.request_stop()
        elif held.cancel is not None:
            handle.request_stop(delay_seconds=held.cancel)
        if held.pid:
            self._tell("started", f"run {held.run_id} has process {held.pid}", held.run_id)
            if self._attachment is not None and self._attachment.is_open:
                self._attachment.send(messages.started(held.lease_id, held.pid))
        handle.add_done_callback(lambda end: self._do(lambda: self._over(held, end)))

    def _over(self, held: HeldLease, end: RunEnd) -> None:
        held.end = end
        if held.lost:
            self._forget(held)
            return
        # What the process reported itself comes before what the worker says of its end.
        self._starters.submit(self._settle, held, end)

    def _settle(self, held: HeldLease, end: RunEnd) -> None:
        output = ""
        if held.handle is not None and end.start_failed:
            with suppress(OSError):
                output = held.handle.output(_OUTPUT_BYTES).data.decode(errors="replace")
        self._deliver_rest()
        told = messages.lease_end(held.lease_id, end, output)
        self._do(lambda: self._settled(held, end, told))

    def _deliver_rest(self) -> None:
        """Delivers what processes of this home left in their outboxes, if the service takes it."""
        transport = self._transport
        if transport is not None:
            with suppress(TowpathError, OSError):
                deliver_waiting(self._settings.home, transport)

    def _settled(self, held: HeldLease, end: RunEnd, told: work_pb2.LeaseEnd) -> None:
        if held.lost:
            self._forget(held)
            return
        held.told = told
        self._tell("ended", _ending(held, end), held.run_id, end)
        self._send_ends()

    def _send_ends(self) -> None:
        if self._attachment is not None and self._attachment.is_open:
            self._attachment.send_ends()

    def _tell(self, kind: str, message: str, run_id: str = "", end: RunEnd | None = None) -> None:
        self._on_event(WorkerEvent(kind=kind, message=message, run_id=run_id, end=end))


def _ending(held: HeldLease, end: RunEnd) -> str:
    proof = end.proof
    how = (
        f"exited with {proof.exit_code}"
        if proof.kind == "EXITED"
        else "never started"
        if proof.kind == "NEVER_STARTED"
        else f"was killed by signal {proof.signal or '?'}"
    )
    return f"run {held.run_id or held.lease_id} {how}{end.message and f': {end.message}'}"
