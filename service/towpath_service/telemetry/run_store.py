"""A wrapper of the run store that counts transitions once they are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from towpath.extensions.tracing import names

from towpath_service.telemetry.run_times import Entered
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
        """Wraps the inner store, which does the work."""
        self._inner = inner
        self._instruments = instruments
        self._watcher = watcher
        self._flights = flights

    def on(self, transaction: Transaction) -> IngestTransaction:
        """The runs within a transaction that another subject has opened."""
        return self._watched(self._inner.on(transaction))

    async def write(
        self, tenants: Collection[str], work: Callable[[IngestTransaction], Result]
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._inner.write(tenants, lambda inner: work(self._watched(inner)))

    async def read(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs reads that see one state of the database."""
        return await self._inner.read(tenant_id, work)

    async def remove(self, tenant_id: str, work: Callable[[Reads], Result]) -> Result:
        """Runs a deletion in one transaction."""
        return await self._inner.remove(tenant_id, work)

    async def prune(self, work: Callable[[Pruning], Result]) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        return await self._inner.prune(work)

    def _watched(self, inner: IngestTransaction) -> IngestTransaction:
        seen = _Seen(inner, self._instruments, self._watcher, self._flights)
        watched = current_watched.get()
        if watched is not None:
            watched.append(seen)
        return cast("IngestTransaction", seen)


class _Seen:
    """A transaction of runs that records the changes written through it."""

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
        # By run id, when the run entered the state that it had before.
        self._entered: dict[str, Entered] = {}
        self._lines = 0
        self._claimed: Collection[ProducerKey] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def is_idle(self) -> bool:
        """Whether no run changed its state."""
        return not self._transitions

    def describe(self, span: Span) -> None:
        """Adds the counts of written changes, and links to their batches."""
        if span.is_recording():
            span.set_attribute(TRANSITIONS, self._transitions)
            for batch in self._flights.of(self._claimed):
                span.add_link(batch, {names.LINK_TYPE: LINK_BATCH})
            if self._lines:
                span.set_attribute(LOG_LINES, self._lines)

    def measure(self) -> None:
        """Counts the committed changes."""
        if self._transitions:
            self._instruments.commit_size.record(self._transitions)
        if self._lines:
            self._instruments.log_lines.add(self._lines)
        if self._changes is not None:
            self._watcher.note(self._changes, self._entered)

    def claim(self, keys: Collection[ProducerKey], now_us: int) -> Any:
        """Reads and locks producers until this transaction ends."""
        self._claimed = keys
        return self._inner.claim(keys, now_us)

    def standing(self, runs: Any, producers: Any) -> Any:
        """Reads the status of runs."""
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
        """Writes the lines that are new; returns how many."""
        written = self._inner.write_logs(producer, lines, now_us)
        self._lines += written
        return written

    @property
    def _transitions(self) -> int:
        """Number of transitions written."""
        return len(self._changes.transitions) if self._changes is not None else 0

    def _note(self, statuses: Any) -> None:
        for status in statuses:
            self._entered[status.run_id] = Entered(status.state_us, status.next_attempt_us)
