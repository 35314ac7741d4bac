"""Memory: what a pipeline holds after 10,000, 50,000 and 100,000 tasks of one flow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.flows import called, submitted
from tests.benchmarks.site import running_site

if TYPE_CHECKING:
    import argparse

    from tests.benchmarks.site import Site

TASKS = 100_000
MARKS = frozenset({1_000, 10_000, 50_000, TASKS})


def measure_memory(site: Site, tasks: int) -> None:
    """Runs a long flow of each kind and prints the memory of both processes on the way."""
    marks = {mark for mark in MARKS if mark < tasks} | {tasks}
    for flow in (called, submitted):

        def tell(done: int, name: str = flow.name) -> None:
            if done in marks:
                _print(site, name, f"{done:7,} tasks")

        flow(tasks, tell)
        lag = site.wait_recorded(flow.flow_id, tasks)
        _print(site, flow.name, f"all recorded {lag:.2f} s after the end")


def _print(site: Site, name: str, when: str) -> None:
    pipeline, server = site.megabytes()
    print(f"{name:9} {when}: pipeline {pipeline:4.0f} MB, server {server:4.0f} MB")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", type=positive, default=TASKS, help="in a flow run")


def _run(options: argparse.Namespace) -> None:
    with running_site() as site:
        measure_memory(site, options.tasks)


BENCHMARK = Benchmark(
    summary="memory of a pipeline and of its server over one long flow run",
    method=(
        "resident memory of this process, the pipeline, and of a server process on SQLite, at marks"
        " on the way through a flow of no-op tasks, and when all is recorded."
    ),
    add_options=_add_options,
    run=_run,
)
