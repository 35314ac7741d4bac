"""Processor time of a server that has nothing to decide: renewals of leases, and idleness."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.benchmarks.work.filling import SECOND, Timetable, fill_timetable, fill_waiting
from tests.benchmarks.work.places import prepared
from tests.benchmarks.work.streams import attached

if TYPE_CHECKING:
    from tests.benchmarks.work.places import Place
    from tests.scenarios.servers import Server

LEASES = 10
"""Leases of a worker."""
SETTLE_SECONDS = 12.0
"""Longer than the pause between two renewals of a worker."""


def measure_renewals(database: str, size: int, seconds: float) -> None:
    """Measures the renewals of workers with ten leases each.

    Args:
        database: sqlite or postgres.
        size: Number of workers.
        seconds: How long processor time is counted.
    """
    with prepared(database) as place:
        asyncio.run(fill_waiting(place.location, size * LEASES))
        with place.serving() as server:
            began = time.perf_counter()
            with attached(server.address, size, LEASES) as lines:
                there = time.perf_counter() - began
                assert any(line.strip() == "complete" for line in lines)
                leased = time.perf_counter() - began
                time.sleep(SETTLE_SECONDS)
                share = _share(place, server, seconds)
    print(
        f"{size:,} workers: attached after {there:.1f} s, {size * LEASES:,} runs leased after"
        f" {leased:.1f} s"
    )
    print(f"renewals of {size * LEASES:,} leases, each every 10 s: {share} (server: at most 5 %)")


def measure_idle(database: str, size: int, workers: int, seconds: float) -> None:
    """Measures an idle server.

    Args:
        database: sqlite or postgres.
        size: Number of schedules, none of which is due.
        workers: Number of attached workers without leases.
        seconds: How long processor time is counted.
    """
    now_us = time.time_ns() // 1_000
    later_us = now_us + 3_600 * SECOND
    with prepared(database) as place:
        timetable = Timetable(schedules=size, tenants=1, wake_us=later_us, now_us=now_us)
        asyncio.run(fill_timetable(place.location, timetable))
        asyncio.run(fill_waiting(place.location, 0))
        with place.serving() as server, attached(server.address, workers, LEASES):
            time.sleep(SETTLE_SECONDS / 2)
            share = _share(place, server, seconds)
    print(f"idle with {size:,} schedules and {workers} workers: {share} (server: at most 2 %)")


def _share(place: Place, server: Server, seconds: float) -> str:
    before, began = place.processor(server), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    used = place.processor(server).since(before)
    shares = f"server {used.server / took:.2%} of a core"
    return shares + (f", PostgreSQL {used.database / took:.2%}" if place.dsn else "")
