"""Many schedules that are due at once, and the acks of another tenant meanwhile.

Each schedule has a deployment of its own and a cron rule in a zone; they belong to ten tenants.
A producer of another tenant sends an update every 10 ms, first alone, then from the moment on at
which all schedules are due.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from typing import TYPE_CHECKING, Final

from tests.benchmarks.latency import acks_of_a_producer
from tests.benchmarks.work.filling import SECOND, Timetable, fill_timetable
from tests.benchmarks.work.places import prepared

if TYPE_CHECKING:
    from tests.benchmarks.work.places import Place
    from tests.scenarios.servers import Server

TENANTS: Final = 10
PACE_SECONDS: Final = 0.01
LEAD_SECONDS: Final = 7.0
"""From setting the due time to it; longer than the pause between two looks at schedules."""
POLL_SECONDS: Final = 0.25
# Counts that the service keeps by itself: reading them costs it nothing.
QUEUED: Final = "SELECT coalesce(sum(runs), 0) FROM run_count WHERE flow_id = 'etl'"


def measure(database: str, size: int, seconds: float) -> None:
    """Measures one storm.

    Args:
        database: sqlite or postgres.
        size: Number of schedules.
        seconds: How long acks are measured, alone and beside.
    """
    now_us = time.time_ns() // 1_000
    later_us = now_us + 3_600 * SECOND
    timetable = Timetable(schedules=size, tenants=TENANTS, wake_us=later_us, now_us=now_us)
    with prepared(database) as place:
        asyncio.run(fill_timetable(place.location, timetable))
        with place.serving() as server:
            alone = _acks(server, seconds)
            _storm(place, server, size, seconds, alone)


def _storm(place: Place, server: Server, size: int, seconds: float, alone: list[float]) -> None:
    due = time.time() + LEAD_SECONDS
    due_us = int(due * SECOND)
    place.rows(f"UPDATE schedule SET wake_us = {due_us}")
    place.rows("VACUUM ANALYZE schedule" if place.dsn else "ANALYZE schedule")
    beside: list[float] = []
    producer = threading.Thread(target=lambda: beside.extend(_acks(server, seconds)))
    time.sleep(max(0.0, due - time.time()))
    before, began = place.processor(server), time.perf_counter()
    producer.start()
    while (queued := int(place.rows(QUEUED)[0][0])) < size:
        assert time.perf_counter() - began < 60 + size / 40, f"only {queued} of {size} are queued"
        time.sleep(POLL_SECONDS)
    took = time.perf_counter() - began
    used = place.processor(server).since(before)
    still = producer.is_alive()
    producer.join()
    each = 1e6 / size
    print(
        f"{size:,} schedules of {TENANTS} tenants due at once: all queued after {took:.1f} s,"
        f" {size / took:,.0f} runs/s; processor of a run: server {used.server * each:.0f} us,"
        f" database {used.database * each:.0f} us (100,000 in 60 s on 2 cores leave 1,200 us)"
    )
    p99 = [statistics.quantiles(took, n=100)[98] for took in (alone, beside)]
    note = "; all were queued before these acks ended: give more schedules" if still else ""
    print(
        f"acks of another tenant: p99 {p99[0]:.1f} ms alone, {p99[1]:.1f} ms beside, ratio"
        f" {p99[1] / p99[0]:.2f} (at most 2){note}"
    )


def _acks(server: Server, seconds: float) -> list[float]:
    with server.channel() as channel:
        return acks_of_a_producer(channel, PACE_SECONDS, seconds + 0.5, 0.5)
