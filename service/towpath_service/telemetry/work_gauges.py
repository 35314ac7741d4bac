"""Gauges of waiting runs, leases, workers and limits, read from the database.

Every replica reports the same numbers, so aggregate them over replicas by maximum, not by sum.
Their attributes have fixed values; no pool and no tenant is named, as there may be any number.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import CallbackOptions, Observation

from towpath_service.core.errors import ServiceError
from towpath_service.limits.ports.figures import LimitFigures
from towpath_service.telemetry.dispatch import PHASE
from towpath_service.work.domain.leases import Phase
from towpath_service.work.ports.figures import WorkFigures

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from opentelemetry.metrics import Meter

    from towpath_service.core.clock import Clock
    from towpath_service.limits.ports.figures import ReadLimitFigures
    from towpath_service.work.ports.figures import ReadFigures

PAUSE_SECONDS: Final = 10.0
WAITING: Final = "towpath.queue.state"
WORKER_STATE: Final = "cicd.worker.state"
SLOT_STATE: Final = "towpath.worker.slot_state"
LIMIT_KIND: Final = "towpath.limit.kind"

_log = logging.getLogger(__name__)


class WorkGauges:
    """Reads the numbers of work every few seconds."""

    def __init__(self, meter: Meter) -> None:
        """Registers the gauges; `reading` starts the reads."""
        self._figures = WorkFigures()
        self._limits = LimitFigures()
        self._read_us = 0
        meter.create_observable_gauge("towpath.queue.depth", [self._depth], "{run}", "Queued runs.")
        meter.create_observable_gauge(
            "towpath.queue.oldest", [self._oldest], "s", "Age of the oldest run that is ready."
        )
        meter.create_observable_gauge(
            "towpath.work.leases", [self._leases], "{lease}", "Leases that haven't ended."
        )
        meter.create_observable_gauge(
            "towpath.directive.pending", [self._directives], "{directive}", "Not followed yet."
        )
        meter.create_observable_up_down_counter(
            "cicd.worker.count", [self._workers], "{count}", "Workers on record."
        )
        meter.create_observable_gauge(
            "towpath.worker.slots", [self._slots], "{slot}", "Slots of attached workers."
        )
        meter.create_observable_gauge(
            "towpath.limit.held", [self._held], "{slot}", "Slots of limits that are held."
        )
        meter.create_observable_gauge(
            "towpath.limit.waiting", [self._waiting], "{acquisition}", "That wait for a limit."
        )

    @contextmanager
    def reading(
        self, read: ReadFigures, read_limits: ReadLimitFigures, clock: Clock
    ) -> Generator[None]:
        """Reads periodically while the context is open; the database must be open."""
        looking = asyncio.create_task(
            self._look(read, read_limits, clock), name="towpath-work-gauges"
        )
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self, read: ReadFigures, read_limits: ReadLimitFigures, clock: Clock) -> None:
        while True:
            now_us = clock.now_us()
            try:
                self._figures = await read(now_us)
                self._read_us = now_us
                self._limits = await read_limits()
            except ServiceError as error:
                _log.debug("waiting runs can't be counted: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)

    def _depth(self, _: CallbackOptions) -> Iterable[Observation]:
        figures = self._figures
        yield Observation(figures.ready, {WAITING: "ready"})
        yield Observation(figures.parked, {WAITING: "parked"})
        yield Observation(figures.later, {WAITING: "later"})

    def _oldest(self, _: CallbackOptions) -> Iterable[Observation]:
        oldest_us = self._figures.oldest_us
        yield Observation(0.0 if oldest_us is None else max(0, self._read_us - oldest_us) / 1e6)

    def _leases(self, _: CallbackOptions) -> Iterable[Observation]:
        for phase in Phase:
            yield Observation(self._figures.leases.get(phase, 0), {PHASE: phase.name.lower()})

    def _directives(self, _: CallbackOptions) -> Iterable[Observation]:
        yield Observation(self._figures.directives)

    def _workers(self, _: CallbackOptions) -> Iterable[Observation]:
        figures = self._figures
        yield Observation(figures.available, {WORKER_STATE: "available"})
        yield Observation(figures.busy, {WORKER_STATE: "busy"})
        yield Observation(figures.offline, {WORKER_STATE: "offline"})

    def _held(self, _: CallbackOptions) -> Iterable[Observation]:
        yield Observation(self._limits.held)

    def _waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        yield Observation(self._limits.waiting)

    def _slots(self, _: CallbackOptions) -> Iterable[Observation]:
        figures = self._figures
        yield Observation(figures.used_slots, {SLOT_STATE: "used"})
        yield Observation(figures.slots - figures.used_slots, {SLOT_STATE: "free"})
