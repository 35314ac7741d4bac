"""Telemetry of transactions: a span and measurements for each one with a name.

A wrapper of a store within a transaction (`run_store.py`) adds itself to `current_watched`. After
the commit it describes and measures the transaction's changes.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from opentelemetry import context as contexts
from opentelemetry.trace import Status, StatusCode, set_span_in_context
from towpath.extensions.tracing import guarded

from towpath_service.core.tenancy import EVERY_TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from opentelemetry.trace import Span, Tracer
    from sqlalchemy import Engine

    from towpath_service.core.bus import Bus
    from towpath_service.database.port import Database, SqlTransaction
    from towpath_service.telemetry.metrics import Instruments

Result = TypeVar("Result")

LOOP: Final = "towpath.background.loop"

current_loop: ContextVar[str] = ContextVar("towpath_background_loop", default="")
"""The background loop that the current code runs in; empty elsewhere."""


class Watched(Protocol):
    """A wrapped store within one transaction, which records its changes."""

    @property
    def is_idle(self) -> bool:
        """Whether it changed nothing that deserves a span in a background loop."""
        ...

    def describe(self, span: Span) -> None:
        """Adds attributes and links to the span of the committed transaction."""
        ...

    def measure(self) -> None:
        """Counts the committed changes."""
        ...


current_watched: ContextVar[list[Watched] | None] = ContextVar("towpath_watched", default=None)
"""The watched stores of the current transaction; None outside of one."""


class ObservedDatabase:
    """A database with spans and measurements of its transactions."""

    def __init__(self, inner: Database, tracer: Tracer, instruments: Instruments) -> None:
        """Wraps the inner database, which does the work."""
        self._inner = inner
        self._tracer = tracer
        self._instruments = instruments

    @property
    def location(self) -> str:
        """The location of the database, for messages."""
        return self._inner.location

    @property
    def engines(self) -> Sequence[Engine]:
        """The engines that its statements run on."""
        return self._inner.engines

    @property
    def trouble(self) -> str:
        """Why it can't be used before the service is started again; empty when it can."""
        return self._inner.trouble

    async def open(self) -> None:
        """Makes the database ready."""
        await self._inner.open()

    async def listen(self, bus: Bus) -> None:
        """Notifies the bus of other replicas' commits; never returns."""
        await self._inner.listen(bus)

    def close(self) -> None:
        """Ends its threads and connections."""
        self._inner.close()

    async def read(
        self, work: Callable[[SqlTransaction], Result], *, tenants: Collection[str]
    ) -> Result:
        """Runs reads; their statements have spans below the current span."""
        around = contexts.get_current()

        def within(transaction: SqlTransaction) -> Result:
            token = contexts.attach(around)
            try:
                return work(transaction)
            finally:
                contexts.detach(token)

        return await self._inner.read(within, tenants=tenants)

    async def write(
        self,
        work: Callable[[SqlTransaction], Result],
        *,
        tenants: Collection[str] = EVERY_TENANT,
        name: str = "",
        again: bool = True,
    ) -> Result:
        """Runs work in one transaction, and returns its result after the commit."""
        watching = _Watching(work)
        if not name:
            result = await self._inner.write(watching.run, tenants=tenants, again=again)
            watching.measure()
            return result
        loop = current_loop.get()
        began, began_ns = time.perf_counter(), time.time_ns()
        # A pass of a loop without work gets no span.
        span = None if loop else self._tracer.start_span(name)
        around = contexts.get_current() if span is None else set_span_in_context(span)

        def within(transaction: SqlTransaction) -> Result:
            token = contexts.attach(around)
            try:
                return watching.run(transaction)
            finally:
                contexts.detach(token)

        try:
            result = await self._inner.write(within, tenants=tenants, name=name, again=again)
        except BaseException as error:
            self._failed(span, error)
            raise
        self._instruments.commit_duration.record(time.perf_counter() - began)
        with guarded("commits"):
            if span is None and not watching.is_idle:
                span = self._tracer.start_span(
                    f"background {loop}", start_time=began_ns, attributes={LOOP: loop}
                )
            if span is not None:
                watching.describe(span)
                span.end()
        watching.measure()
        return result

    def _failed(self, span: Span | None, error: BaseException) -> None:
        self._instruments.commit_failures.add(1, {"error.type": type(error).__name__})
        if span is not None:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error)[:200]))
            span.end()


class _Watching(Generic[Result]):
    """Runs work, and collects the watched stores of its transaction."""

    def __init__(self, work: Callable[[SqlTransaction], Result]) -> None:
        self._work = work
        self._watched: list[Watched] = []

    def run(self, transaction: SqlTransaction) -> Result:
        # A retried transaction is described once, by its last try.
        self._watched = []
        token = current_watched.set(self._watched)
        try:
            return self._work(transaction)
        finally:
            current_watched.reset(token)

    @property
    def is_idle(self) -> bool:
        return all(watched.is_idle for watched in self._watched)

    def describe(self, span: Span) -> None:
        for watched in self._watched:
            watched.describe(span)

    def measure(self) -> None:
        with guarded("commits"):
            for watched in self._watched:
                watched.measure()
