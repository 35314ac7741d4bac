"""The engine: tasks a second, the lag until all of them are recorded, the processors' work."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.flows import called, empty, submitted
from tests.benchmarks.site import running_site

if TYPE_CHECKING:
    import argparse

    from towpath import Flow

    from tests.benchmarks.site import Site

FLOW_RUNS = 50


def measure_speed(site: Site, tasks: int, rounds: int) -> None:
    """Measures flow runs, then each way of running tasks, in so many rounds."""
    _, idle = site.megabytes()
    empty()
    began = time.perf_counter()
    for _ in range(FLOW_RUNS):
        empty()
    print(f"a no-op flow run: {(time.perf_counter() - began) / FLOW_RUNS * 1e3:.2f} ms")
    for flow in (called, submitted):
        for number in range(1, rounds + 1):
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


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=positive, default=5000, help="in a flow run")
    parser.add_argument("--rounds", type=positive, default=3, help="of each way to run them")


def _run(options: argparse.Namespace) -> None:
    with running_site() as site:
        measure_speed(site, options.tasks, options.rounds)


BENCHMARK = Benchmark(
    summary="the engine: no-op tasks a second, and the lag until all are recorded",
    method=(
        "this process runs a flow of no-op tasks, a server process on SQLite records it; the rate"
        " is from the flow's call to its return, the lag from there until all is committed."
    ),
    add_options=_add_options,
    run=_run,
)
