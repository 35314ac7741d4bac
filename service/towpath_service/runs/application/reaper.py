"""Infers ends from silence: runs whose producer is lost become CRASHED, or CANCELLED if asked to.

Runs that were dispatched to a worker are left to their lease.

Safe at any number of replicas: the decision is made inside the transaction that writes it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.application.clock_jumps import ClockJumps
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.decisions import Accepted, RunStatus, decide_transition
from towpath_service.runs.domain.reports import StateReport, Update
from towpath_service.runs.domain.states import RunState, Source

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.ports.ingest import IngestStore, IngestTransaction

LIMIT: Final = 500

_log = logging.getLogger(__name__)


class Reaper:
    """Ends the runs of lost producers."""

    def __init__(
        self, store: IngestStore, bus: Bus, clock: Clock, *, silence_seconds: float = 30.0
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._jumps = ClockJumps(clock)

    async def run(self) -> None:
        """Reaps periodically; never returns.

        Silence while no service ran proves nothing. The first pass therefore comes after producers
        have had time to reconnect.
        """
        await asyncio.sleep(self._silence_seconds)
        while True:
            await asyncio.sleep(self._silence_seconds / 6)
            try:
                await self.look()
            except ServiceError as error:
                _log.warning("lost producers could not be searched for: %s", error)

    async def look(self) -> int:
        """Ends the runs of all lost producers; returns how many, or 0 when the clock jumped.

        After a jump, all producers count as seen now, since the times of their last signs of life
        can't be compared with the clock any more.
        """
        jumped = self._jumps.seconds()
        if abs(jumped) > self._silence_seconds / 3:
            _log.warning("the clock jumped by %.1f s: producers get their time anew", jumped)
            now_us = self._clock.now_us()
            await self._store.write(
                EVERY_TENANT, lambda transaction: transaction.hear_of_all(now_us)
            )
            return 0
        ended = 0
        while True:
            some = await self.reap()
            ended += some
            if some < LIMIT:
                return ended

    async def reap(self) -> int:
        """Ends at most `LIMIT` runs of lost producers; returns how many."""
        now_us = self._clock.now_us()
        since_us = now_us - int(self._silence_seconds * 1e6)

        def work(transaction: IngestTransaction) -> list[tuple[Scope, RunStatus]]:
            lost = transaction.runs_of_silent_producers(since_us, LIMIT)
            batch = Batch(transaction, now_us)
            for scope, run in lost:
                self._end(batch, scope, run, now_us)
            batch.commit([])
            return lost

        lost = await self._store.write(EVERY_TENANT, work)
        for scope in {scope for scope, _ in lost}:
            self._bus.notify(scope)
        return len(lost)

    def _end(self, batch: Batch, scope: Scope, run: RunStatus, now_us: int) -> None:
        silence = f"its process reported nothing for {self._silence_seconds:g} s"
        report = StateReport(state=RunState.CRASHED, reason="PRODUCER_LOST", message=silence)
        if run.state is RunState.CANCELLING:
            report = StateReport(
                state=RunState.CANCELLED,
                reason="NOT_CONFIRMED",
                message=f"not confirmed: {silence}, and nobody saw it end",
            )
        verdict = decide_transition(run, report, run.run_id, source=Source.SYSTEM, inferring=True)
        if isinstance(verdict, Accepted):
            update = Update(sequence=0, run_id=run.run_id, occurred_us=now_us, change=report)
            batch.transition(
                scope,
                run,
                verdict,
                report,
                update,
                actor="system",
                producer_id=None,
                source=Source.SYSTEM,
                inferred=True,
            )
