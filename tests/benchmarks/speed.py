"""Speed: tasks a second, the lag until all of them are recorded, the processors' work."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.benchmarks.flows import called, empty, submitted

if TYPE_CHECKING:
    from towpath import Flow

    from tests.benchmarks.site import Site

FLOW_RUNS = 50
ROUNDS = 3


def measure_speed(site: Site, tasks: int) -> None:
    """Measures flow runs, then each way of running tasks, three times."""
    _, idle = site.megabytes()
    empty()
    began = time.perf_counter()
    for _ in range(FLOW_RUNS):
        empty()
    print(f"a no-op flow run: {(time.perf_counter() - began) / FLOW_RUNS * 1e3:.2f} ms")
    for flow in (called, submitted):
        for number in range(1, ROUNDS + 1):
            _measure(site, flow, tasks, number)
    pipeline, server = site.megabytes()
    print(
        f"server idle {idle:.0f} MB, after {server:.0f} MB; pipeline {pipeline:.0f} MB;"
        f" {os.cpu_count()} cores"
    )


def _measure(site: Site, flow: Flow[[int], None], tasks: int, number: int) -> None:
    before = site.processor()
    began = time.perf_counter()
    flow(tasks)
    took = time.perf_counter() - began
    lag = site.wait_recorded(flow.flow_id, tasks * number)
    used = site.processor().since(before)
    print(
        f"{flow.name:9} {tasks} tasks: {tasks / took:8,.0f} tasks/s, {took / tasks * 1e6:4.0f} us"
        f" each, recorded {lag:5.2f} s after the end; processor: pipeline {used.pipeline:.2f} s,"
        f" server {used.server:.2f} s"
    )
