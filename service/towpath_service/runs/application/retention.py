"""Retention: removes old records, oldest first, in small transactions.

Invariants: a run that has not ended is never removed, nor any of its records except old log lines;
a run is removed together with all its descendants or not at all, the root last; a watch that
resumes from before removed changes gets an error. Ingestion waits for one small transaction at
most; the pause between two of them is at least as long as the first one took.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from towpath_service.core.errors import ServiceError
from towpath_service.runs.application.clock_jumps import ClockJumps
from towpath_service.runs.domain.retention import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.runs.domain.retention import Keep
    from towpath_service.runs.ports.retention import (
        Cursor,
        Kind,
        OldRoots,
        Pruning,
        RetentionStore,
        Window,
    )

Result = TypeVar("Result")

FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 3600.0
ROWS: Final = 500
RUNS: Final = 200

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Removed:
    """The numbers of removed records of each kind."""

    runs: int = 0
    transitions: int = 0
    logs: int = 0
    tombstones: int = 0
    producers: int = 0


@dataclass(slots=True, kw_only=True)
class _Sweep:
    """One pass over all workspaces."""

    now_us: int
    deadline: float
    pausing: bool
    tell: Callable[[int], None]
    """Takes the number of rows that a transaction has removed."""
    removed: Removed = field(default_factory=Removed)

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline


class _TakenByAnother(Exception):
    """Another replica prunes."""


class Retention:
    """Removes old records from one store."""

    def __init__(self, store: RetentionStore, bus: Bus, clock: Clock, keep: Keep) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._keep = keep
        self._jumps = ClockJumps(clock)
        self._wary_until = 0.0

    async def run(self) -> None:
        """Sweeps periodically; never returns."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                removed = await self.sweep()
            except ServiceError as error:
                _log.warning("old records could not be removed: %s", error)
            else:
                if removed.runs or removed.transitions or removed.logs:
                    _log.info("removed old records: %s", removed)
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(
        self,
        *,
        seconds: float = float("inf"),
        pausing: bool = True,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Removed:
        """Removes all old records, unless another replica is doing so.

        After the clock has jumped ahead by more than a day, nothing is removed for a day, since
        records may seem older than they are.

        Args:
            seconds: Longest time of the sweep; the next one continues.
            pausing: Whether to pause after each transaction, so that others can write.
            on_progress: Is called with the number of records that each transaction has removed.
        """
        if self._mistrusts_clock():
            return Removed()
        sweep = _Sweep(
            now_us=self._clock.now_us(),
            deadline=time.monotonic() + seconds,
            pausing=pausing,
            tell=on_progress,
        )
        try:
            for scope in await self._store.prune(lambda pruning: pruning.scopes()):
                await self._sweep(sweep, scope)
        except _TakenByAnother:
            pass
        return sweep.removed

    def _mistrusts_clock(self) -> bool:
        jumped = self._jumps.seconds()
        if jumped > DAY:
            _log.warning(
                "the clock went ahead by %.1f days: nothing is removed as too old for a day",
                jumped / DAY,
            )
            self._wary_until = time.monotonic() + DAY
        return time.monotonic() < self._wary_until

    async def _sweep(self, sweep: _Sweep, scope: Scope) -> None:
        keep, removed = self._keep, sweep.removed
        if keep.runs is not None:
            await self._remove_runs(sweep, scope, _before(sweep, keep.runs))
        if keep.transitions is not None:
            before_us = _before(sweep, keep.transitions)
            removed.transitions += await self._prune(sweep, "transitions", scope, before_us)
        if keep.logs is not None:
            before_us = _before(sweep, keep.logs)
            removed.logs += await self._prune(sweep, "logs", scope, before_us)
        before_us = _before(sweep, keep.tombstones)
        removed.tombstones += await self._prune(sweep, "tombstones", scope, before_us)
        before_us = _before(sweep, keep.producers)
        removed.producers += await self._prune(sweep, "producers", scope, before_us)

    async def _remove_runs(self, sweep: _Sweep, scope: Scope, before_us: int) -> None:
        after: Cursor | None = None
        while not sweep.over:
            found = await self._step(
                sweep, partial(_old_roots, scope=scope, before_us=before_us, after=after)
            )
            for root_id in found.run_ids:
                await self._remove_tree(sweep, scope, root_id, before_us)
            after = found.next
            if after is None:
                return

    async def _remove_tree(self, sweep: _Sweep, scope: Scope, root_id: str, before_us: int) -> None:
        def work(pruning: Pruning) -> tuple[int, bool]:
            if pruning.has_young(scope, root_id, before_us):
                return 0, True
            return pruning.remove_tree(scope, root_id, sweep.now_us, RUNS)

        is_all = False
        while not (is_all or sweep.over):
            removed, is_all = await self._step(sweep, work)
            sweep.removed.runs += removed
            sweep.tell(removed)
            if removed:
                self._bus.notify(scope)

    async def _prune(self, sweep: _Sweep, kind: Kind, scope: Scope, before_us: int) -> int:
        removed = 0
        after: Cursor | None = None
        while not sweep.over:
            window = await self._step(
                sweep,
                partial(_prune, kind=kind, scope=scope, before_us=before_us, after=after),
            )
            removed += window.removed
            sweep.tell(window.removed)
            after = window.next
            if after is None:
                break
        return removed

    async def _step(self, sweep: _Sweep, work: Callable[[Pruning], Result]) -> Result:
        """Runs one transaction, and pauses for the same time."""
        began = time.monotonic()
        result = await self._store.prune(partial(_claimed, work))
        if sweep.pausing:
            await asyncio.sleep(time.monotonic() - began)
        return result


def _claimed(work: Callable[[Pruning], Result], pruning: Pruning) -> Result:
    if not pruning.claim():
        raise _TakenByAnother
    return work(pruning)


def _old_roots(pruning: Pruning, *, scope: Scope, before_us: int, after: Cursor | None) -> OldRoots:
    return pruning.old_roots(scope, before_us, after, ROWS)


def _prune(
    pruning: Pruning, *, kind: Kind, scope: Scope, before_us: int, after: Cursor | None
) -> Window:
    return pruning.prune(kind, scope, before_us, after, ROWS)


def _before(sweep: _Sweep, seconds: float) -> int:
    return sweep.now_us - int(seconds * 1e6)
