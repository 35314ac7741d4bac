"""One stream of a worker to the service, from its hello to its end."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from towpath._work import attach_messages as messages
from towpath._work import shim
from towpath.api.v1 import ingest_service_pb2
from towpath.exceptions import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from google.protobuf.timestamp_pb2 import Timestamp

    from towpath._transport.base import Duplex, Transport
    from towpath._work.lease_book import LeaseBook
    from towpath.api.v1 import work_pb2, work_service_pb2

_IDLE_SECONDS: Final = 3600.0
FINAL_CODES: Final = frozenset(
    {"UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED"}
)
FINAL_REASONS: Final = frozenset(
    {"WORKER_FENCED", "CLIENT_TOO_OLD", "INVALID_REQUEST", "NOT_DISPATCHABLE"}
)
"""A service that refuses for one of these refuses the next try as well."""


class Owner(Protocol):
    """The worker of an attachment, which follows what the service says."""

    @property
    def hello(self) -> messages.Request:
        """The first message."""
        ...

    @property
    def book(self) -> LeaseBook:
        """The leases of the worker."""
        ...

    def wake(self) -> None:
        """Wakes the loop; from any thread."""
        ...

    def attached(self, pool: str) -> None:
        """Notes that the service has answered."""
        ...

    def compare_clocks(self, server_time: float) -> None:
        """Compares this machine's clock with the service's.

        Args:
            server_time: The service's time now, seconds since the Unix epoch.
        """
        ...

    def moved(self, pause_seconds: float) -> None:
        """Notes that the service wants the worker to attach anew."""
        ...

    def grant(self, granted: work_pb2.WorkLease, lease_seconds: float) -> bool:
        """Takes a lease on; False when it is there already."""
        ...

    def cancel(self, lease_id: str, grace_seconds: float, message: str) -> None:
        """Has a run end."""
        ...

    def lose(self, lease_id: str) -> None:
        """Stops a run whose lease is no longer this worker's; nothing of it is told."""
        ...

    def known(self, lease_id: str) -> None:
        """Notes that the service knows the end of a lease."""
        ...

    def drain(self, message: str) -> None:
        """Takes no more runs, as the service asks."""
        ...


class Attachment:
    """One stream of a worker to the service."""

    def __init__(
        self,
        worker: Owner,
        transport: Transport,
        connect: Callable[[Transport, str, Callable[[], object]], Duplex],
    ) -> None:
        self._worker = worker
        self._duplex = connect(transport, messages.ATTACH, worker.wake)
        self._renew_seconds = 10.0
        self._lease_seconds = 30.0
        self._renew_at = float("inf")
        self._renewed: deque[tuple[float, list[str]]] = deque()
        self.is_open = False
        self.send(worker.hello)

    def send(self, request: messages.Request) -> None:
        """Sends a message; returns at once."""
        self._duplex.send(request.SerializeToString())

    def send_ends(self) -> None:
        """Tells of all ends that the service doesn't know yet."""
        ends = self._worker.book.to_tell()
        for start in range(0, len(ends), 1000):
            self.send(messages.ended(ends[start : start + 1000]))

    def renew_tokens(self, lease_ids: Collection[str]) -> None:
        """Asks for new tokens of leases."""
        if lease_ids:
            self.send(messages.token_request(lease_ids))

    def close(self) -> None:
        """Ends the stream; leases stay as they are."""
        self._duplex.half_close()

    def step(self, now: float) -> float:
        """Handles what has come and sends what is due; returns the seconds until more is.

        Raises:
            RpcError: The stream has failed.
        """
        while (message := self._duplex.receive()) is not None:
            assert isinstance(message, messages.Response)
            self._handle(message, now)
        if self._duplex.ended:
            raise RpcError("the server has ended the stream", code="UNAVAILABLE")
        if now >= self._renew_at:
            self._renew(now)
        return min(_IDLE_SECONDS, self._renew_at - now)

    def _handle(self, message: messages.Response, now: float) -> None:
        kind = message.WhichOneof("message")
        if kind == "attached":
            self._opened(message.attached, now)
        elif kind == "granted":
            self._granted(list(message.granted.leases), now)
        elif kind == "renewed":
            self._kept(set(message.renewed.lost_lease_ids))
        elif kind == "tokens":
            self._tokens(message.tokens, now)
        else:
            self._asked(message)

    def _asked(self, message: messages.Response) -> None:
        """Follows what the service asks of the worker."""
        for directive in message.directives.directives:
            self._direct(directive)
        for lease_id in message.ended.lease_ids:
            self._worker.known(lease_id)
        if message.HasField("drain"):
            self._worker.drain(message.drain.message)
        if message.HasField("reconnect"):
            self._worker.moved(message.reconnect.delay.ToMilliseconds() / 1000)

    def _opened(self, attached: work_service_pb2.WorkerAttached, now: float) -> None:
        self.is_open = True
        self._renew_seconds = max(0.2, attached.renew_interval.ToMilliseconds() / 1000)
        self._lease_seconds = attached.work_pool.lease_duration.ToMilliseconds() / 1000
        self._worker.attached(attached.work_pool.name.rpartition("/")[2])
        if attached.HasField("server_time"):
            self._worker.compare_clocks(attached.server_time.ToNanoseconds() / 1e9)
        for lease_id in attached.lost_lease_ids:
            self._worker.lose(lease_id)
        self._granted(list(attached.granted), now)
        for held in self._worker.book:
            if held.pid and held.end is None and not held.lost:
                self.send(messages.started(held.lease_id, held.pid))
            if held.handle is not None and held.handle.token_path is not None:
                held.token_renewal = min(held.token_renewal, now)
        self.send_ends()
        self._renew(now)

    def _granted(self, leases: list[work_pb2.WorkLease], now: float) -> None:
        if leases:
            self.send(messages.accepted(lease.lease_id for lease in leases))
        for lease in leases:
            self._worker.grant(lease, self._lease_seconds)
            held = self._worker.book.get(lease.lease_id)
            if held is not None and lease.run_token:
                held.token_renewal = now + _half_life(lease.run_token_expire_time)

    def _renew(self, now: float) -> None:
        self._renew_at = now + self._renew_seconds
        lease_ids = self._worker.book.renewable()
        self._renewed.append((shim.since_boot(), lease_ids))
        # Also without a lease: it is the worker's sign of life.
        self.send(messages.renewal(lease_ids))
        self.renew_tokens(self._worker.book.with_old_tokens(now))

    def _kept(self, lost: set[str]) -> None:
        sent_at, lease_ids = self._renewed.popleft() if self._renewed else (0.0, [])
        for lease_id in lease_ids:
            held = self._worker.book.get(lease_id)
            if lease_id in lost or held is None or held.handle is None or held.end is not None:
                continue
            with suppress(OSError):
                held.handle.note_contact(sent_at)
        for lease_id in lost:
            self._worker.lose(lease_id)

    def _direct(self, directive: work_service_pb2.LeaseDirective) -> None:
        if directive.kind == ingest_service_pb2.DIRECTIVE_KIND_CANCEL:
            grace = directive.grace_period.ToMilliseconds() / 1000
            self._worker.cancel(directive.lease_id, grace, directive.message)
        elif directive.kind == ingest_service_pb2.DIRECTIVE_KIND_ABANDON:
            self._worker.lose(directive.lease_id)

    def _tokens(self, renewed: work_service_pb2.RenewedTokens, now: float) -> None:
        for token in renewed.tokens:
            held = self._worker.book.get(token.lease_id)
            if held is None or held.handle is None:
                continue
            held.token_renewal = float("inf")
            if token.run_token:
                with suppress(OSError):
                    held.handle.renew_token(token.run_token)
                held.token_renewal = now + _half_life(token.expire_time)


def _half_life(expires: Timestamp) -> float:
    """Seconds until half of the time to a token's end has passed."""
    return max(1.0, (expires.ToMicroseconds() / 1e6 - time.time()) / 2)
