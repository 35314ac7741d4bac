"""Acquires, renews and releases slots for the callers of this replica.

What comes at once is settled in one transaction, which also serves those that wait: a release and
the grants that it makes possible are one commit. A caller that waits is woken by the notice of its
own acquisition, from any replica. A poll behind the notices finds what a lost one told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, Self

from towpath_service.core.bus import Topic
from towpath_service.core.errors import ServiceError, busy
from towpath_service.core.group_commit import GroupCommit
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.limits.application.settling import (
    Answer,
    Expire,
    Item,
    Leave,
    MoreLimitsNeeded,
    Release,
    Reserved,
    answer_of,
    reserve,
    settle,
)
from towpath_service.limits.domain.limits import PLACE_US

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.core.draining import Draining
    from towpath_service.limits.application.settling import Settled
    from towpath_service.limits.domain.limits import Hold, Request
    from towpath_service.limits.domain.names import AcquisitionKey, LimitKey
    from towpath_service.limits.ports.limits import Limits, LimitStore

POLL_SECONDS: Final = 1.0
SHORT_SECONDS: Final = 0.2
"""Pause between two sweeps of a caller that waits in an embedded service."""
MOST_SWEPT: Final = 500
MOST_ROUNDS: Final = 8
"""Transactions that follow from one another before the sweep takes over."""
_SWEEPS: Final = 5
"""Sweeps of what is overdue for one of the rest."""
_OLD_US: Final = 3_600_000_000

_log = logging.getLogger(__name__)


class NoteWait(Protocol):
    """Takes how long callers waited."""

    def __call__(self, waited_us: int, *, rate: bool) -> None:
        """Takes the wait of a caller that got what it asked for; must be quick, and raise nothing.

        Args:
            waited_us: From the request to the grant, or to the time of a reservation.
            rate: Whether it was for a limit on the rate.
        """
        ...


def no_waits(waited_us: int, *, rate: bool) -> None:
    """Takes waits where nothing is measured."""
    del waited_us, rate


class Limiter:
    """Slots of limits."""

    def __init__(
        self,
        store: LimitStore,
        bus: Bus,
        clock: Clock,
        draining: Draining,
        *,
        note: NoteWait = no_waits,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Takes its parts.

        Args:
            store: Where limits are kept.
            bus: Wakes those that wait.
            clock: The clock.
            draining: Ends waits when the service drains.
            note: Takes how long callers waited.
            poll_seconds: Pause between two sweeps.
        """
        self._store = store
        self._bus = bus
        self._clock = clock
        self._draining = draining
        self._note = note
        self._poll_seconds = poll_seconds
        self._waiting: dict[AcquisitionKey, asyncio.Event] = {}
        self._sweeping = False
        self._settling = GroupCommit[Item, Answer](self._settle, name="towpath-limiter")
        self._renewing = GroupCommit["AcquisitionKey", bool](self._renew, name="towpath-renewals")
        self._reserving = GroupCommit["Request", Reserved](self._reserve, name="towpath-rates")
        self._looking = GroupCommit["AcquisitionKey", "list[Hold]"](
            self._look, name="towpath-acquisitions"
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for group in (self._settling, self._renewing, self._reserving, self._looking):
            await self._stack.enter_async_context(group)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def acquire(self, request: Request) -> Answer:
        """Acquires slots, waiting for them as long as the request says.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, INVALID_REQUEST.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.wait_us / 1e6
        with self._woken(request.acquisition) as woken:
            try:
                answer = await self._settling.submit(request)
                while not answer.acquired and not self._draining.event.is_set():
                    await self._wait(woken, deadline - loop.time())
                    if not woken.is_set():
                        break
                    woken.clear()
                    answer = await self._looked(request, answer, deadline - loop.time())
            except asyncio.CancelledError:
                self._leave(request.acquisition)
                raise
        if answer.held:
            self._note(answer.waited_us, rate=False)
        return answer

    async def renew(self, acquisitions: Sequence[AcquisitionKey]) -> list[AcquisitionKey]:
        """Extends the time of held slots; returns the acquisitions that hold none."""
        held = await asyncio.gather(*map(self._renewing.submit, acquisitions))
        return [key for key, holds in zip(acquisitions, held, strict=True) if not holds]

    async def release(self, acquisitions: Sequence[AcquisitionKey]) -> None:
        """Releases slots, or places; ignores acquisitions that don't exist."""
        await asyncio.gather(*(self._settling.submit(Release(key)) for key in acquisitions))

    async def reserve(self, request: Request) -> Reserved:
        """Reserves slots of limits on the rate.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, INVALID_REQUEST.
        """
        reserved = await self._reserving.submit(request)
        if reserved.reserved and len(reserved.missing) < len(request.needs):
            self._note(reserved.delay_us, rate=True)
        return reserved

    async def serve(self, limits: Collection[LimitKey]) -> None:
        """Serves those that wait for limits, after a change of theirs."""
        await self._follow(set(limits))

    async def run(self) -> None:
        """Ends what is beyond its time; never returns."""
        self._sweeping = True
        try:
            await self.resume()
        except ServiceError as error:
            _log.warning("held slots could not be prolonged: %s", error)
        for count in range(2**62):
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.sweep(thorough=count % _SWEEPS == 0)
            except ServiceError as error:
                _log.warning("acquisitions beyond their time could not be ended: %s", error)

    async def resume(self) -> None:
        """Gives holders time to renew their slots, which they couldn't while no server lived."""
        until_us = self._clock.now_us() + PLACE_US
        await self._store.write(EVERY_TENANT, lambda rows: rows.holds.prolong(until_us))

    async def sweep(self, *, thorough: bool = True) -> int:
        """Ends acquisitions beyond their time; returns how many.

        Args:
            thorough: Look also for runs that have ended, for waiters that a lost step has left
                behind, and for unused limits made from templates.
        """
        now_us = self._clock.now_us()
        items: list[Item] = [Expire(key) for key in await self._overdue(now_us)]
        limits: list[LimitKey] = []
        if thorough:
            ended, limits = await self._store.read(
                EVERY_TENANT,
                lambda rows: (
                    rows.holds.of_ended_runs(MOST_SWEPT),
                    rows.holds.waited_for(MOST_SWEPT),
                ),
            )
            items += [Release(hold.acquisition) for hold in ended]
            await self._store.write(EVERY_TENANT, lambda rows: _forget_unused(rows, now_us))
        if items or limits:
            settled = await self._settle_once(items, set(limits))
            await self._follow(settled.following)
        await self._wake_lost()
        return len(items)

    async def _overdue(self, now_us: int) -> set[AcquisitionKey]:
        found = await self._store.read(
            EVERY_TENANT, lambda rows: rows.holds.overdue(now_us, MOST_SWEPT)
        )
        return {hold.acquisition for hold in found}

    async def _wake_lost(self) -> None:
        """Wakes callers of this replica whose notice was lost."""
        keys = list(self._waiting)
        if not keys:
            return
        found = await self._store.read(
            {key.tenant_id for key in keys}, lambda rows: rows.holds.granted(keys)
        )
        for key in found:
            if (event := self._waiting.get(key)) is not None:
                event.set()

    @contextlib.contextmanager
    def _woken(self, key: AcquisitionKey) -> Generator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting[key] = event
        try:
            with self._bus.waking(event, Topic("acquisition", *key)):
                yield event
        finally:
            if self._waiting.get(key) is event:
                del self._waiting[key]

    async def _wait(self, woken: asyncio.Event, seconds: float) -> None:
        """Waits for an event; where no loop sweeps, as in an embedded service, this does."""
        rest = seconds
        while not woken.is_set() and rest > 0:
            pause = rest if self._sweeping else min(rest, SHORT_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), pause)
            if not woken.is_set() and not self._sweeping:
                await self.sweep(thorough=False)
            rest -= pause

    async def _looked(self, request: Request, before: Answer, rest_seconds: float) -> Answer:
        """The state of an acquisition after a notice; one that is gone asks anew."""
        parts = await self._looking.submit(request.acquisition)
        if parts:
            return answer_of(parts, before.missing, self._clock.now_us())
        rest_us = max(0, int(rest_seconds * 1e6))
        return await self._settling.submit(replace(request, wait_us=rest_us))

    def _leave(self, key: AcquisitionKey) -> None:
        """Has the place of a caller that is gone end soon, unless it calls again."""
        leaving = asyncio.ensure_future(self._settling.submit(Leave(key)))
        leaving.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _settle(self, items: Sequence[Item]) -> Sequence[Answer | ServiceError]:
        settled = await self._settle_once(items, ())
        await self._follow(settled.following)
        return settled.answers

    async def _settle_once(self, items: Sequence[Item], serve: Collection[LimitKey]) -> Settled:
        tenants = {item.acquisition.tenant_id for item in items}
        tenants |= {key.tenant_id for key in serve}
        now_us = self._clock.now_us()
        locked = set(serve)
        for tries in range(MOST_ROUNDS):
            whole = tries < MOST_ROUNDS - 1
            with contextlib.suppress(MoreLimitsNeeded):
                return await self._try(tenants, items, now_us, locked, whole=whole)
        raise busy()

    async def _try(
        self,
        tenants: set[str],
        items: Sequence[Item],
        now_us: int,
        locked: set[LimitKey],
        *,
        whole: bool,
    ) -> Settled:
        """Settles items, or learns which limits must be locked, too."""
        try:
            return await self._store.write(
                tenants, lambda rows: settle(rows, items, now_us, locked, whole=whole)
            )
        except MoreLimitsNeeded as more:
            locked |= more.limits
            raise

    async def _follow(self, limits: set[LimitKey]) -> None:
        """Serves limits, and those that must be locked together with them."""
        for _ in range(MOST_ROUNDS):
            if not limits:
                return
            limits = (await self._settle_once((), limits)).following

    async def _renew(self, keys: Sequence[AcquisitionKey]) -> Sequence[bool]:
        now_us = self._clock.now_us()
        held = await self._store.write(
            {key.tenant_id for key in keys}, lambda rows: rows.holds.extend(set(keys), now_us)
        )
        return [key in held for key in keys]

    async def _reserve(self, requests: Sequence[Request]) -> Sequence[Reserved | ServiceError]:
        now_us = self._clock.now_us()
        return await self._store.write(
            {request.acquisition.tenant_id for request in requests},
            lambda rows: reserve(rows, requests, now_us),
        )

    async def _look(self, keys: Sequence[AcquisitionKey]) -> Sequence[list[Hold]]:
        found = await self._store.read(
            {key.tenant_id for key in keys}, lambda rows: rows.holds.of(set(keys))
        )
        parts: dict[AcquisitionKey, list[Hold]] = {key: [] for key in keys}
        for hold in found:
            parts[hold.acquisition].append(hold)
        return [parts[key] for key in keys]


def _forget_unused(rows: Limits, now_us: int) -> None:
    rows.limits.remove(rows.limits.unused(now_us - _OLD_US, MOST_SWEPT))
