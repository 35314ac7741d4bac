"""What transactions did to runs: counted once they are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from towpath.extensions.tracing import names

from towpath_service.telemetry.transactions import current_watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from opentelemetry.trace import Span

    from towpath_service.core.transactions import Transaction
    from towpath_service.runs.ports.ingest import ChangeSet, IngestTransaction, LogLine, ProducerKey
    from towpath_service.runs.ports.reads import Reads
    from towpath_service.runs.ports.retention import Pruning
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.telemetry.ingestion import Flights
    from towpath_service.telemetry.metrics import Instruments
    from towpath_service.telemetry.runs import RunWatcher

Result = TypeVar("Result")

TRANSITIONS: Final = "towpath.commit.transitions"
LOG_LINES: Final = "towpath.commit.log_lines"
LINK_BATCH: Final = "batch"


class ObservedRunStore:
    """A store of runs, on an `ObservedDatabase`, whose writes are counted."""

    def __init__(
        self, inner: RunStore, instruments: Instruments, watcher: RunWatcher, flights: Flights
    ) -> None:
        """As the inner one, which does the work."""
        self._inner = inner
        self._instruments = instruments
        self._watcher = watcher
        self._flights = flights

    def on(self, transaction: Transaction) -> IngestTransaction:
        """Runs within a transaction that another subject has opened."""
        return self._watched(self._inner.on(transaction))

    async def write(
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""
        return await self._inner.write(tenants, lambda inner: work(self._watched(inner)))

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._inner.read(tenant_id, work)

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion in one transaction."""
        return await self._inner.remove(tenant_id, work)

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction; what it returns is returned after the commit."""
        return await self._inner.prune(work)

    def _watched(self, inner: IngestTransaction) -> IngestTransaction:
        seen = _Seen(inner, self._instruments, self._watcher, self._flights)
        watched = current_watched.get()
        if watched is not None:
            watched.append(seen)
        return cast("IngestTransaction", seen)


class _Seen:
    """A transaction of runs that notes what it is given to write."""

    def __init__(
        self,
        inner: IngestTransaction,
        instruments: Instruments,
        watcher: RunWatcher,
        flights: Flights,
    ) -> None:
        self._inner = inner
        self._instruments = instruments
        self._watcher = watcher
        self._flights = flights
        self._changes: ChangeSet | None = None
        self._since_us: dict[str, int] = {}
        # When runs entered the state that they were found in, by id.
        self._lines = 0
        self._claimed: Collection[ProducerKey] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def is_idle(self) -> bool:
        """Whether no run was moved."""
        return not self._transitions

    def describe(self, span: Span) -> None:
        """Says how much was written, and links the batches that it came from."""
        if span.is_recording():
            span.set_attribute(TRANSITIONS, self._transitions)
            for batch in self._flights.of(self._claimed):
                span.add_link(batch, {names.LINK_TYPE: LINK_BATCH})
            if self._lines:
                span.set_attribute(LOG_LINES, self._lines)

    def measure(self) -> None:
        """Counts what was committed."""
        if self._transitions:
            self._instruments.commit_size.record(self._transitions)
        if self._lines:
            self._instruments.log_lines.add(self._lines)
        if self._changes is not None:
            self._watcher.note(self._changes, self._since_us)

    def claim(self, keys: Collection[ProducerKey], now_us: int) -> Any:
        """Reads producers, and lets no other transaction work on them."""
        self._claimed = keys
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
        self._changes = changes
        self._inner.write(changes)

    def write_logs(self, producer: ProducerKey, lines: Sequence[LogLine], now_us: int) -> int:
        """Writes the lines that are new, and tells how many."""
        written = self._inner.write_logs(producer, lines, now_us)
        self._lines += written
        return written

    @property
    def _transitions(self) -> int:
        """Number of transitions written."""
        return len(self._changes.transitions) if self._changes is not None else 0

    def _note(self, statuses: Any) -> None:
        for status in statuses:
            self._since_us[status.run_id] = status.state_us
