"""Telemetry of a service inside another process: root spans of runs whose own process is gone.

That process exports all other spans of its runs itself. Calls and commits of an embedded service
aren't measured.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracer

from towpath_service.telemetry.ingestion import Flights
from towpath_service.telemetry.metrics import make_instruments
from towpath_service.telemetry.run_store import ObservedRunStore
from towpath_service.telemetry.runs import RunWatcher
from towpath_service.telemetry.sampling import ServiceSampler, ratio_from_environment
from towpath_service.telemetry.transactions import ObservedDatabase
from towpath_service.telemetry.wrapping import Wrapping

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Tracer

    from towpath_service.database.port import Database
    from towpath_service.runs.ports.store import RunStore


class RootsOnly(Wrapping):
    """Makes missing root spans, through the tracer provider of the process."""

    def __init__(self, tracer: Tracer) -> None:
        """Takes the tracer."""
        self._instruments = make_instruments(NoOpMeterProvider().get_meter("towpath"))
        sampler = ServiceSampler(ratio_from_environment())
        self._watcher = RunWatcher(self._instruments, tracer, sampler)

    def database(self, database: Database) -> Database:
        """The database, unwrapped."""
        return ObservedDatabase(database, NoOpTracer(), self._instruments)

    @contextmanager
    def runs(self, store: RunStore) -> Generator[RunStore]:
        """The store of runs, wrapped while its database is open."""
        with self._watcher.watching(store):
            yield ObservedRunStore(store, self._instruments, self._watcher, Flights())

    async def settle(self) -> None:
        """Finishes the spans of runs that have just ended."""
        await self._watcher.settle()
