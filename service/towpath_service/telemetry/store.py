"""Transactions: a span for each that writes, measurements, and what they did to runs."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import context as contexts
from opentelemetry.trace import Status, StatusCode, set_span_in_context
from towpath._telemetry import names
from towpath._telemetry.guarded import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from opentelemetry.trace import Span, Tracer

    from towpath_service.core.bus import Bus
    from towpath_service.identity.ports.store import Identity, Installation
    from towpath_service.runs.ports.ingest import ChangeSet, IngestTransaction, LogLine, ProducerKey
    from towpath_service.runs.ports.reads import Reads
    from towpath_service.runs.ports.retention import Pruning
    from towpath_service.stores.port import Store
    from towpath_service.telemetry.active import ActiveRuns
    from towpath_service.telemetry.ingestion import Flights
    from towpath_service.telemetry.metrics import Instruments
    from towpath_service.telemetry.runs import RunWatcher
    from towpath_service.values.ports.secrets import Secrets

Result = TypeVar("Result")

COMMIT: Final = "commit"
TRANSITIONS: Final = "towpath.commit.transitions"
LOG_LINES: Final = "towpath.commit.log_lines"
LINK_BATCH: Final = "batch"
LOOP: Final = "towpath.background.loop"

current_loop: ContextVar[str] = ContextVar("towpath_background_loop", default="")
"""The background loop that the present code is part of; empty elsewhere."""


class ObservedStore:
    """A store whose transactions are told of."""

    def __init__(
        self,
        inner: Store,
        tracer: Tracer,
        instruments: Instruments,
        watcher: RunWatcher,
        flights: Flights,
        active: ActiveRuns | None,
    ) -> None:
        """As the inner one, which does the work."""
        self._active = active
        self._flights = flights
        self._inner = inner
        self._tracer = tracer
        self._instruments = instruments
        self._watcher = watcher

    @property
    def location(self) -> str:
        """Where the database is, for people."""
        return self._inner.location

    async def open(self) -> None:
        """Makes the store ready."""
        await self._inner.open()
        self._watcher.begin(self._inner)
        if self._active is not None:
            self._active.begin(self._inner)

    async def listen(self, bus: Bus) -> None:
        """Wakes those who wait here for what others commit; never returns."""
        await self._inner.listen(bus)

    def close(self) -> None:
        """Ends its threads and connections."""
        self._watcher.end()
        if self._active is not None:
            self._active.end()
        self._inner.close()

    async def write(
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""
        seen: list[_Seen] = []
        began = time.perf_counter()
        began_ns = time.time_ns()
        loop = current_loop.get()
        # A loop that found nothing to do is not worth a span.
        span = None if loop else self._tracer.start_span(COMMIT)
        around = contexts.get_current() if span is None else set_span_in_context(span)

        def within(transaction: IngestTransaction) -> Result:
            token = contexts.attach(around)
            try:
                # Work that is run again is told of once, as it was in the end.
                seen[:] = [_Seen(transaction)]
                return work(cast("IngestTransaction", seen[0]))
            finally:
                contexts.detach(token)

        try:
            result = await self._inner.write(tenants, within)
        except BaseException as error:
            self._instruments.commit_failures.add(1, {"error.type": type(error).__name__})
            if span is not None:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, str(error)[:200]))
                span.end()
            raise
        self._instruments.commit_duration.record(time.perf_counter() - began)
        with harmless("commits"):
            done = seen[0]
            if span is None and done.transitions:
                span = self._tracer.start_span(
                    f"background {loop}", start_time=began_ns, attributes={LOOP: loop}
                )
            if span is not None:
                self._tell(span, done)
            if done.changes is not None:
                self._watcher.note(done.changes, done.since_us)
        return result

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads that see one state of the database."""
        around = contexts.get_current()

        def within(reads: Reads) -> Result:
            token = contexts.attach(around)
            try:
                return work(reads)
            finally:
                contexts.detach(token)

        return await self._inner.read(tenant_id, within)

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion in one transaction."""
        return await self._inner.remove(tenant_id, work)

    async def identity(self, tenant_id: str, work: Callable[[Identity], Result]) -> Result:
        """Runs work about one tenant in one transaction."""
        return await self._inner.identity(tenant_id, work)

    async def secrets(self, tenant_id: str, work: Callable[[Secrets], Result]) -> Result:
        """Runs work about one tenant's secrets in one transaction."""
        return await self._inner.secrets(tenant_id, work)

    async def installation(self, work: Callable[[Installation], Result]) -> Result:
        """Runs work about the installation in one transaction."""
        return await self._inner.installation(work)

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""
        return await self._inner.prune(work)

    def _tell(self, span: Span, done: _Seen) -> None:
        if done.transitions:
            self._instruments.commit_size.record(done.transitions)
        if done.lines:
            self._instruments.log_lines.add(done.lines)
        if span.is_recording():
            span.set_attribute(TRANSITIONS, done.transitions)
            for batch in self._flights.of(done.claimed):
                span.add_link(batch, {names.LINK_TYPE: LINK_BATCH})
            if done.lines:
                span.set_attribute(LOG_LINES, done.lines)
        span.end()


class _Seen:
    """A transaction that notes what it is given to write."""

    def __init__(self, inner: IngestTransaction) -> None:
        self._inner = inner
        self.changes: ChangeSet | None = None
        self.since_us: dict[str, int] = {}
        """When runs entered the state that they were found in, by id."""
        self.lines = 0
        self.claimed: Collection[ProducerKey] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def transitions(self) -> int:
        """Number of transitions written."""
        return len(self.changes.transitions) if self.changes is not None else 0

    def claim(self, keys: Collection[ProducerKey], now_us: int) -> Any:
        """Reads producers, and lets no other transaction work on them."""
        self.claimed = keys
        return self._inner.claim(keys, now_us)

    def standing(self, runs: Any, producers: Any) -> Any:
        """Reads where runs stand."""
        found = self._inner.standing(runs, producers)
        self._note(found[0].values())
        return found

    def runs_of_silent_producers(self, silent_since_us: int, limit: int) -> Any:
        """Reads unfinished runs whose producer was last seen before a time."""
        found = self._inner.runs_of_silent_producers(silent_since_us, limit)
        self._note(status for _, status in found)
        return found

    def write(self, changes: ChangeSet) -> None:
        """Writes a change set."""
        self.changes = changes
        self._inner.write(changes)

    def write_logs(self, producer: ProducerKey, lines: Sequence[LogLine], now_us: int) -> int:
        """Writes the lines that are new, and tells how many."""
        written = self._inner.write_logs(producer, lines, now_us)
        self.lines += written
        return written

    def _note(self, statuses: Any) -> None:
        for status in statuses:
            self.since_us[status.run_id] = status.state_us
