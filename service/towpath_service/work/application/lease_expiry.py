"""Ends leases by silence, unparks runs that were overlooked, and ends runs that start too late.

A lease lasts as long as its worker renews it, or as its run's own producer is heard. Time in which
no replica lived counts for neither: leases get it anew. Safe at any number of replicas: each
decision is made inside the transaction that writes it.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from towpath_service.core.errors import ServiceError
from towpath_service.core.names import Scope
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.runs.application.commit import Batch
from towpath_service.runs.domain.pauses import PAUSE_TIMEOUT
from towpath_service.runs.domain.reports import StateReport
from towpath_service.runs.domain.states import RunState, Source
from towpath_service.runs.ports.ingest import RunKey
from towpath_service.work.application.moving import move
from towpath_service.work.application.noting import no_expired
from towpath_service.work.application.settling import Ending, settle
from towpath_service.work.domain.dispatching import WorkerKey, schedule_of
from towpath_service.work.domain.leases import on_expiry, phase_in

if TYPE_CHECKING:
    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.work.application.noting import NoteExpired
    from towpath_service.work.application.settling import RetryAfterCrash
    from towpath_service.work.application.workers import Workers
    from towpath_service.work.domain.leases import Lease
    from towpath_service.work.ports.dispatching import Dispatch, DispatchStore

LIMIT: Final = 500
LOOK_SECONDS: Final = 2.5
SWEEP_SECONDS: Final = 5.0
AWAY_US: Final = 15_000_000
"""Silence of all replicas that is made up for; a living one is noted every `LOOK_SECONDS`."""

_log = logging.getLogger(__name__)


class LeaseExpiry:
    """Ends expired leases, and sweeps the queue."""

    def __init__(
        self,
        store: DispatchStore,
        workers: Workers,
        bus: Bus,
        clock: Clock,
        *,
        silence_seconds: float = 30.0,
        retry_after_crash: RetryAfterCrash | None = None,
        note: NoteExpired = no_expired,
    ) -> None:
        """Takes its parts.

        Args:
            store: Where the leases are.
            workers: The attached workers, whose slots come free.
            bus: Is notified of the changes of runs.
            clock: The clock.
            silence_seconds: How long a producer may be silent.
            retry_after_crash: Begins further attempts of crashed runs.
            note: Takes leases that have expired.
        """
        self._store = store
        self._workers = workers
        self._bus = bus
        self._clock = clock
        self._silence_us = int(silence_seconds * 1e6)
        self._retry_after_crash = retry_after_crash
        self._note = note

    async def run(self) -> None:
        """Looks periodically; never returns."""
        swept_at = asyncio.get_running_loop().time()
        while True:
            try:
                await self.look()
                if asyncio.get_running_loop().time() >= swept_at + SWEEP_SECONDS:
                    swept_at = asyncio.get_running_loop().time()
                    await self.sweep()
            except ServiceError as error:
                _log.warning("expired leases could not be searched for: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Ends all expired leases; returns how many."""
        await self.note_life()
        ended = 0
        while True:
            some = await self.expire()
            ended += some
            if some < LIMIT:
                return ended

    async def note_life(self) -> None:
        """Records that this replica lives, and gives leases the time in which none did.

        The clock may have jumped as well; leases are moved with it.
        """
        now_us = self._clock.now_us()

        def work(dispatch: Dispatch) -> None:
            before = dispatch.workers.alive(now_us)
            if before is not None and abs(now_us - before) > AWAY_US:
                _log.warning(
                    "no service ran for %.0f s: leases last longer by that",
                    (now_us - before) / 1e6,
                )
                dispatch.leases.shift(now_us - before)

        await self._store.write(EVERY_TENANT, work)

    async def expire(self) -> int:
        """Ends at most `LIMIT` expired leases; returns how many."""
        now_us = self._clock.now_us()
        ended = await self._store.write(
            EVERY_TENANT,
            partial(
                expire,
                now_us=now_us,
                silent_since_us=now_us - self._silence_us,
                retry_after_crash=self._retry_after_crash,
            ),
        )
        self._note(ended)
        for scope in {lease.scope for lease in ended}:
            self._bus.notify(scope)
        for lease in ended:
            key = WorkerKey(*lease.scope, lease.pool_id, lease.worker_id)
            self._workers.ended(key, [lease.lease_id])
        return len(ended)

    async def sweep(self) -> None:
        """Unparks runs whose limit has room, and ends those that may start no more."""
        now_us = self._clock.now_us()
        await self._store.write(EVERY_TENANT, partial(unpark_where_room, now_us=now_us))
        scopes = await self._store.write(EVERY_TENANT, partial(end_overdue, now_us=now_us))
        scopes |= await self._store.write(EVERY_TENANT, partial(end_unanswered, now_us=now_us))
        for scope in scopes:
            self._bus.notify(scope)


def expire(
    dispatch: Dispatch,
    now_us: int,
    silent_since_us: int,
    retry_after_crash: RetryAfterCrash | None = None,
) -> list[Lease]:
    """Ends expired leases within one transaction, and returns them."""
    found = dispatch.leases.expired(now_us, silent_since_us, LIMIT)
    runs = {RunKey(scope.tenant_id, run.run_id): run for scope, run in found}
    # The leases are read after the locks of their runs: they may have been renewed meanwhile.
    leases = {
        key: lease
        for key, lease in dispatch.leases.lock(runs.keys()).items()
        if lease.expires_us < now_us
    }
    returns = dispatch.queue.returns_of(leases.keys())
    endings = [
        Ending(
            lease=lease,
            run=runs[key],
            verdict=on_expiry(
                phase_in(lease.phase, runs[key].state),
                runs[key].state,
                returns.get(key, 0),
                suspended=runs[key].is_suspended,
            ),
        )
        for key, lease in leases.items()
    ]
    batch = Batch(dispatch.runs, now_us)
    settle(dispatch, batch, endings, now_us, retry_after_crash)
    batch.commit([])
    return list(leases.values())


def unpark_where_room(dispatch: Dispatch, now_us: int) -> None:
    """Unparks entries whose limit has room, should that have been missed before."""
    waiting = set(dispatch.queue.parked_limits())
    parked = {key for key in waiting if schedule_of(key) is None}
    dispatch.queue.release(waiting - parked)
    limits = dispatch.limits.read(parked)
    used = dispatch.limits.used(limits.keys())
    room = {key: limits[key] - used.get(key, 0) if key in limits else LIMIT for key in parked}
    dispatch.queue.unpark({key: left for key, left in room.items() if left > 0}, now_us)


def end_overdue(dispatch: Dispatch, now_us: int) -> set[Scope]:
    """Ends runs whose start deadline has passed; returns their workspaces."""
    keys = dispatch.queue.overdue(now_us, LIMIT)
    report = StateReport(
        state=RunState.TIMED_OUT,
        reason="START_DEADLINE",
        message="no worker started it before its start deadline",
    )
    batch = Batch(dispatch.runs, now_us)
    scopes: set[Scope] = set()
    for key, run in dispatch.runs.standing(keys, ())[0].items():
        scope = Scope(key.tenant_id, run.workspace_id)
        if run.state is RunState.SCHEDULED:
            move(batch, scope, run, report, now_us, actor="system", source=Source.SYSTEM)
            scopes.add(scope)
    dispatch.queue.remove(keys)
    batch.commit([])
    return scopes


def end_unanswered(dispatch: Dispatch, now_us: int) -> set[Scope]:
    """Ends suspended runs whose deadline has passed; returns their workspaces.

    A run whose process waits is left to it.
    """
    keys = dispatch.pauses.overdue(now_us, LIMIT)
    report = StateReport(
        state=RunState.FAILED,
        reason=PAUSE_TIMEOUT,
        message="it was not resumed before its deadline",
    )
    runs = dispatch.runs.standing(keys, ())[0] if keys else {}
    # The pauses are read after the locks of their runs: they may have been answered meanwhile.
    pauses = dispatch.pauses.latest(runs.keys()) if runs else {}
    batch = Batch(dispatch.runs, now_us)
    scopes: set[Scope] = set()
    over: set[RunKey] = set()
    for key, run in runs.items():
        pause, scope = pauses.get(key), Scope(key.tenant_id, run.workspace_id)
        if run.is_suspended and pause is not None and not pause.is_expired(now_us):
            continue
        over.add(key)
        if run.is_suspended:
            move(batch, scope, run, report, now_us, actor="system", source=Source.SYSTEM)
            scopes.add(scope)
    dispatch.pauses.close(over)
    batch.commit([])
    return scopes
