"""The numbers of limits that telemetry reports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towpath_service.limits.ports.figures import LimitFigures
from towpath_service.limits.storage.figures import SqlLimitFigures

from tests.contract.limits.slots import number, until_waiting

if TYPE_CHECKING:
    from tests.contract.limits.slots import Slots


async def test_held_slots_and_those_that_wait_are_counted(slots: Slots) -> None:
    figures = SqlLimitFigures(slots.stores.database)
    assert await figures() == LimitFigures()
    await slots.set("db", 3)
    await slots.set("api", 1)
    await slots.set("calls", 1, refill_nano=1_000_000_000)
    await slots.limiter.reserve(slots.request("calls"))
    assert (await slots.ask("db=2", "api", id_=number(1))).acquired
    assert await figures() == LimitFigures(held=3)
    # It waits for both, and holds neither.
    assert not (await slots.ask("db=2", "api", id_=number(2))).acquired
    assert await figures() == LimitFigures(held=3, waiting=1)


async def test_waits_are_measured_once_their_callers_have_what_they_asked_for(
    slots: Slots,
) -> None:
    waits: list[tuple[int, bool]] = []

    def note(waited_us: int, *, rate: bool) -> None:
        waits.append((waited_us, rate))

    slots.limiter._note = note
    await slots.set("db", 1)
    await slots.set("calls", 1, refill_nano=500_000_000)
    assert (await slots.limiter.acquire(slots.request("db", id_=number(1)))).acquired
    assert not (await slots.limiter.acquire(slots.request("db", id_=number(2), wait=0))).acquired
    assert (await slots.limiter.acquire(slots.request("other", ignore_missing=True))).acquired
    assert waits == [(0, False)]
    third = slots.request("db", id_=number(3), wait=600)
    waiting = asyncio.create_task(slots.limiter.acquire(third))
    await until_waiting(slots, "db", 1)
    slots.clock.us += 7_000_000
    await slots.release(number(1))
    async with asyncio.timeout(60):
        await waiting
    for _ in range(2):
        await slots.limiter.reserve(slots.request("calls"))
    await slots.limiter.reserve(slots.request("calls", wait=1))
    assert waits == [(0, False), (7_000_000, False), (0, True), (2_000_000, True)]
