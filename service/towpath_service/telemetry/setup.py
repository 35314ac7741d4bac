"""Telemetry of one service process: the providers, and the wrappers that feed them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager, nullcontext
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics as metrics_api
from opentelemetry import trace
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from towpath.extensions.exporting import (
    END_SECONDS,
    end_within,
    provider_from_environment,
    resource_of,
    tell_by,
)

from towpath_service.telemetry.active import ActiveRuns
from towpath_service.telemetry.dispatch import DispatchWatcher
from towpath_service.telemetry.ingestion import Flights, ObservedCommitter
from towpath_service.telemetry.measuring import readers_for
from towpath_service.telemetry.metrics import make_instruments
from towpath_service.telemetry.rpcs import ObservedDispatcher
from towpath_service.telemetry.run_store import ObservedRunStore
from towpath_service.telemetry.runs import RunWatcher
from towpath_service.telemetry.sampling import ServiceSampler, ratio_from_environment
from towpath_service.telemetry.statements import StatementObserver
from towpath_service.telemetry.transactions import ObservedDatabase, current_loop
from towpath_service.telemetry.work_gauges import LIMIT_KIND, WorkGauges
from towpath_service.telemetry.wrapping import Wrapping
from towpath_service.work.application.noting import DispatchNotes

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Callable,
        Generator,
        Iterable,
        Sequence,
    )

    from towpath_service.core.clock import Clock
    from towpath_service.database.port import Database
    from towpath_service.limits.application.limiter import NoteWait
    from towpath_service.limits.ports.figures import ReadLimitFigures
    from towpath_service.rpc.dispatcher import Dispatching
    from towpath_service.runs.application.committer import Submitting
    from towpath_service.runs.ports.store import RunStore
    from towpath_service.telemetry.wanted import Wanted
    from towpath_service.work.application.scheduler import NoteSlots
    from towpath_service.work.domain.schedules import Slot
    from towpath_service.work.ports.figures import ReadFigures

SERVICE_NAME: Final = "towpath-service"

_log: Final = logging.getLogger("towpath.telemetry")


class Telemetry(Wrapping):
    """Wraps the parts of a service with their telemetry."""

    def __init__(self, wanted: Wanted) -> None:
        """Makes the providers; `running` starts and stops them."""
        tell_by(_log.warning)
        ratio = ratio_from_environment() if wanted.traces else 0.0
        self._sampler = ServiceSampler(ratio)
        self._traces = (
            provider_from_environment(SERVICE_NAME, sampler=self._sampler)
            if wanted.traces
            else None
        )
        version = metadata.version("towpath")
        provider = self._traces or trace.NoOpTracerProvider()
        self._tracer = provider.get_tracer("towpath.service", version)
        self._metrics = _meters(wanted)
        self._meter = self._metrics.get_meter("towpath.service", version)
        self._instruments = make_instruments(self._meter)
        self._watcher = RunWatcher(self._instruments, self._tracer, self._sampler)
        self._flights = Flights()
        self._active = ActiveRuns(self._meter) if wanted.metrics else None
        self._gauges = WorkGauges(self._meter) if wanted.metrics else None
        self._statements: StatementObserver | None = None

    def database(self, database: Database) -> Database:
        """Wraps the database and its engines."""
        engines = list(database.engines)
        self._statements = StatementObserver(engines, self._tracer, self._instruments)
        self._observe_pools(engines)
        return ObservedDatabase(database, self._tracer, self._instruments)

    @contextmanager
    def runs(self, store: RunStore) -> Generator[RunStore]:
        """Wraps the store of runs, and counts unfinished flow runs meanwhile."""
        active = nullcontext() if self._active is None else self._active.counting(store)
        with self._watcher.watching(store), active:
            yield ObservedRunStore(store, self._instruments, self._watcher, self._flights)

    def committer(self, committer: Submitting) -> Submitting:
        """Wraps the committer."""

        def waiting(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(committer.waiting)

        self._meter.create_observable_gauge(
            "towpath.commit.queue", [waiting], "{batch}", "Batches that wait for a commit."
        )
        return ObservedCommitter(
            committer, self._tracer, self._sampler, self._instruments, self._flights
        )

    def dispatcher(self, dispatcher: Dispatching) -> Dispatching:
        """Wraps the dispatcher."""
        return ObservedDispatcher(dispatcher, self._tracer, self._instruments)

    def slots(self) -> NoteSlots:
        """Counts the decided due times of schedules."""

        def note(slots: Sequence[Slot]) -> None:
            for slot in slots:
                outcome = {"towpath.schedule.outcome": slot.outcome.name}
                self._instruments.slots.add(slot.count, outcome)
                if slot.run_id is not None:
                    lag_us = slot.decided_us - slot.slot_us
                    self._instruments.schedule_lag.record(max(0.0, lag_us / 1e6))

        return note

    def dispatch(self) -> DispatchNotes:
        """Makes spans of claims, and measures them and expired leases."""
        watcher = DispatchWatcher(self._instruments, self._tracer, self._sampler)
        return DispatchNotes(claimed=watcher.claimed, expired=watcher.expired)

    def limit_waits(self) -> NoteWait:
        """Measures how long callers waited for limits."""

        def note(waited_us: int, *, rate: bool) -> None:
            kind = {LIMIT_KIND: "rate" if rate else "slots"}
            self._instruments.limit_wait.record(max(0.0, waited_us / 1e6), kind)

        return note

    @contextmanager
    def figures(
        self, read: ReadFigures, read_limits: ReadLimitFigures, clock: Clock
    ) -> Generator[None]:
        """Reports numbers of waiting runs, leases, workers and limits, while the database is open.

        Args:
            read: Reads those of runs, leases and workers.
            read_limits: Reads those of limits.
            clock: The clock.
        """
        gauges = self._gauges
        with nullcontext() if gauges is None else gauges.reading(read, read_limits, clock):
            yield

    def loop(self, name: str, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Wraps a background loop."""

        async def observed() -> None:
            current_loop.set(name)
            try:
                await run()
            except Exception as error:
                self._instruments.loop_failures.add(
                    1, {"towpath.background.loop": name, "error.type": type(error).__name__}
                )
                raise

        return observed

    async def settle(self) -> None:
        """Finishes the spans of runs that have just ended."""
        await self._watcher.settle()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Surrounds the service's run; exports the rest at the end, within a bounded time."""
        try:
            yield
        finally:
            if self._statements is not None:
                self._statements.close()
            await asyncio.to_thread(end_within, END_SECONDS, self._end)

    def _end(self) -> None:
        if self._traces is not None:
            self._traces.shutdown()
        if isinstance(self._metrics, MeterProvider):
            self._metrics.shutdown()

    def _observe_pools(self, engines: list[Any]) -> None:
        pools = [engine.pool for engine in engines if hasattr(engine.pool, "checkedout")]

        def connections(_: CallbackOptions) -> Iterable[Observation]:
            used = sum(pool.checkedout() for pool in pools)
            idle = sum(pool.checkedin() for pool in pools)
            yield Observation(used, {"db.client.connection.state": "used"})
            yield Observation(idle, {"db.client.connection.state": "idle"})

        if pools:
            self._meter.create_observable_up_down_counter(
                "db.client.connection.count", [connections], "{connection}", "Of all pools."
            )


def _meters(wanted: Wanted) -> metrics_api.MeterProvider:
    if not wanted.metrics:
        return metrics_api.NoOpMeterProvider()
    return MeterProvider(
        metric_readers=readers_for(wanted),
        resource=resource_of(SERVICE_NAME),
        shutdown_on_exit=False,
    )
