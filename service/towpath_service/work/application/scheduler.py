"""Has schedules create their runs.

One loop looks for due schedules of all tenants. Due times and arguments are worked out on a thread,
from what was read; the decisions are written in one transaction, if nothing has changed meanwhile.
Safe at any number of replicas: of those that decide on the same slots, one writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from towpath_service.core.bus import SCHEDULES
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenancy import EVERY_TENANT
from towpath_service.work.application.deciding import write_plans
from towpath_service.work.application.slot_plans import plan_slots, with_zone_data
from towpath_service.work.domain.zones import zone_data_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towpath_service.core.bus import Bus
    from towpath_service.core.clock import Clock
    from towpath_service.work.application.cancelling import Cancelling
    from towpath_service.work.application.deciding import Decided
    from towpath_service.work.application.slot_plans import SlotPlan
    from towpath_service.work.domain.schedules import Schedule, Slot
    from towpath_service.work.ports.scheduling import (
        Due,
        DueSchedule,
        ScheduleKey,
        Scheduling,
        SchedulingStore,
    )

OF_TENANT: Final = 50
"""Most schedules of a tenant in one round, so that others have their turn."""
MOST: Final = 1_000
"""Most schedules of one round."""
PORTION: Final = 100
"""Most schedules of one transaction, which others of the same tenants wait for."""
MOST_RUNS: Final = 1_000
"""About the most runs of one transaction."""
POLL_SECONDS: Final = 5.0
CONFLICT_SECONDS: Final = 0.05
"""Pause after a round whose schedules other replicas have decided or changed."""
ASIDE_US: Final = 60_000_000
"""How long a schedule that can't be decided, by a defect, is left aside."""
ZONES: Final = 500

NoteSlots: TypeAlias = "Callable[[Sequence[Slot]], None]"
"""Takes due times that were decided."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """The outcome of one round."""

    schedules: int = 0
    """Schedules whose slots were decided."""
    runs: int = 0
    """Runs created."""
    wait_us: int | None = None
    """Time until the next round; None until a schedule changes."""


class Scheduler:
    """Decides the due slots of all schedules."""

    def __init__(
        self,
        store: SchedulingStore,
        cancelling: Cancelling,
        bus: Bus,
        clock: Clock,
        *,
        poll_seconds: float = POLL_SECONDS,
        note: NoteSlots | None = None,
    ) -> None:
        """Takes its parts.

        Args:
            store: Where the schedules are.
            cancelling: Cancels the earlier runs of a schedule.
            bus: Tells of changed schedules, and is notified of new runs.
            clock: The clock.
            poll_seconds: Longest pause between two rounds.
            note: Takes the due times that were decided, for telemetry.
        """
        self._store = store
        self._cancelling = cancelling
        self._bus = bus
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._note = note
        self._aside: dict[ScheduleKey, int] = {}

    async def run(self) -> None:
        """Decides slots when they are due; never returns."""
        await self._keep_zones()
        changed = asyncio.Event()
        with self._bus.waking(changed, SCHEDULES):
            while True:
                changed.clear()
                seconds = self._poll_seconds
                try:
                    ticked = await self.tick()
                except ServiceError as error:
                    _log.warning("due schedules could not be decided: %s", error)
                else:
                    if ticked.wait_us is not None:
                        seconds = min(seconds, ticked.wait_us / 1e6)
                if seconds > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), seconds)

    async def tick(self) -> Ticked:
        """Decides due slots of at most `MOST` schedules."""
        now_us = self._clock.now_us()
        self._aside = {key: until for key, until in self._aside.items() if until > now_us}
        aside = len(self._aside)

        def read(scheduling: Scheduling) -> Due:
            return scheduling.due(now_us, OF_TENANT + aside, MOST + aside)

        due = await self._store.read(EVERY_TENANT, read)
        seen = [item for item in due.schedules if item.key not in self._aside]
        wait_us = None if due.next_us is None else max(0, due.next_us - now_us)
        if not seen:
            return Ticked(wait_us=wait_us)
        done = await self._decide(seen, now_us)
        return Ticked(
            schedules=len(done),
            runs=sum(len(plan.requests) for plan in done),
            # Decided schedules may be due again, and others may be due: look again.
            wait_us=0 if done else int(CONFLICT_SECONDS * 1e6),
        )

    async def _decide(self, seen: Sequence[DueSchedule], now_us: int) -> list[SlotPlan]:
        """Plans in portions; one is written while the next one is planned."""
        done: list[SlotPlan] = []
        writing: asyncio.Task[Sequence[SlotPlan]] | None = None
        try:
            for start in range(0, len(seen), PORTION):
                plans = await asyncio.to_thread(self._plan, seen[start : start + PORTION], now_us)
                if writing is not None:
                    done += await writing
                writing = asyncio.create_task(self._write(plans, now_us))
        finally:
            if writing is not None:
                done += await writing
        return done

    def _plan(self, seen: Sequence[DueSchedule], now_us: int) -> list[SlotPlan]:
        """Plans within the bounds of a transaction; what fails by a defect is left aside."""
        plans: list[SlotPlan] = []
        runs = 0
        for item in seen:
            if runs >= MOST_RUNS:
                break
            try:
                plans.append(plan_slots(item, now_us))
            except Exception:  # noqa: BLE001 - one schedule's defect must not stop the others
                self._leave(item.key, now_us)
            else:
                runs += len(plans[-1].requests)
        return plans

    async def _write(self, plans: Sequence[SlotPlan], now_us: int) -> Sequence[SlotPlan]:
        """Carries out plans; one that fails by a defect doesn't hold up the others."""
        if not plans:
            return ()
        work = partial(write_plans, plans=plans, cancelling=self._cancelling, now_us=now_us)
        try:
            decided = await self._store.write({plan.seen.tenant_id for plan in plans}, work)
        except ServiceError:
            raise
        except Exception:  # noqa: BLE001 - one schedule's defect must not stop the others
            if len(plans) == 1:
                self._leave(plans[0].seen.key, now_us)
                return ()
            halves = plans[: len(plans) // 2], plans[len(plans) // 2 :]
            return [plan for half in halves for plan in await self._write(half, now_us)]
        await self._tell(decided)
        return decided.plans

    async def _tell(self, decided: Decided) -> None:
        """Follows a commit."""
        for scope in {plan.seen.key.scope for plan in decided.plans if plan.requests}:
            self._bus.notify(scope)
        if self._note is not None and decided.plans:
            self._note([slot for plan in decided.plans for slot in plan.slots])
        for request in decided.cancelled:
            await self._cancelling.cancel_below(request)

    def _leave(self, key: ScheduleKey, now_us: int) -> None:
        _log.exception("the due times of %s could not be decided: tried again in 60 s", key.name)
        self._aside[key] = now_us + ASIDE_US

    async def _keep_zones(self) -> None:
        try:
            await self.refresh_zones()
        except ServiceError as error:
            _log.warning("due times could not be computed with newer zone data: %s", error)

    async def refresh_zones(self) -> int:
        """Computes due times again that came from other zone data; returns how many."""
        version = zone_data_version()
        total = 0
        while True:
            found = await self._store.read(
                EVERY_TENANT, lambda scheduling: scheduling.of_other_zone_data(version, ZONES)
            )
            now = await asyncio.to_thread(_with_zone_data, found)
            moved = await self._store.write(EVERY_TENANT, partial(_move, found=found, now=now))
            total += moved
            if not moved:
                return total


def _with_zone_data(found: Sequence[tuple[str, Schedule]]) -> list[tuple[str, Schedule]]:
    return [(tenant_id, with_zone_data(item)) for tenant_id, item in found]


def _move(
    scheduling: Scheduling,
    found: Sequence[tuple[str, Schedule]],
    now: Sequence[tuple[str, Schedule]],
) -> int:
    """Moves schedules that are as they were found; returns how many."""
    locked = scheduling.lock(found)
    names = {(key.tenant_id, key.name) for key in locked}
    moved = [(tenant_id, item) for tenant_id, item in now if (tenant_id, item.name) in names]
    scheduling.move(moved)
    return len(moved)
