"""Ingestion from the SDK itself: `poe bench fleet --processes 2 --tasks 20000`.

Method: a server process on PostgreSQL (fsync on) or SQLite. Pipelines, each a process of its own
with an outbox of its own, run a flow that calls a no-op task again and again, after a small one for
what loads late. They begin at a signal; the clock stops when the last one has all of its updates
acknowledged, which is after their commit. A task run has two updates, and so has a flow run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.ingest import database_options
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    import argparse

PIPELINE = """
import sys
from towpath._delivery.session import current_reporter
from tests.benchmarks.flows import called

tasks = int(sys.argv[1])
called(100)
while not current_reporter().flush(60):
    pass
print("ready", flush=True)
sys.stdin.readline()
called(tasks)
print("ran", flush=True)
while not current_reporter().flush(60):
    pass
print("recorded", flush=True)
sys.stdin.readline()
"""


class Pipeline:
    """A process that runs flows when it is told to."""

    def __init__(self, home: Path, server: Server, tasks: int) -> None:
        settings = {
            "TOWPATH_SERVER_ADDRESS": server.address,
            "TOWPATH_SERVER_WEB_ADDRESS": server.web_address,
            "TOWPATH_DISPLAY": "quiet",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", PIPELINE, str(tasks)],
            env=environment(home, **settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self) -> None:
        """Lets it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def hear(self, word: str) -> None:
        """Waits for a word of it."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said == word, f"the pipeline said {said!r}"

    def processor(self) -> float:
        """Processor seconds it has used."""
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


def _run(options: argparse.Namespace) -> None:
    """Runs all of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(database_options(options.database))
        server = Server(home=folder / "server", options=database)
        server.start()
        stack.callback(server.stop)
        pipelines: list[Pipeline] = []
        for number in range(options.processes):
            pipelines.append(Pipeline(folder / f"home-{number}", server, options.tasks))
            stack.callback(pipelines[-1].close)
        for pipeline in pipelines:
            pipeline.hear("ready")
        _measure(server, pipelines, options.tasks)


def _measure(server: Server, pipelines: list[Pipeline], tasks: int) -> None:
    process = psutil.Process(server.pid)
    used = sum(process.cpu_times()[:2]), sum(item.processor() for item in pipelines)
    began = time.perf_counter()
    for pipeline in pipelines:
        pipeline.tell()
    for pipeline in pipelines:
        pipeline.hear("ran")
    ran = time.perf_counter() - began
    for pipeline in pipelines:
        pipeline.hear("recorded")
    took = time.perf_counter() - began
    updates = len(pipelines) * (2 * tasks + 2)
    print(
        f"{len(pipelines)} pipelines: {updates:,} updates in {took:.2f} s, {updates / took:,.0f}"
        f" updates/s; the flows took {ran:.2f} s; processor: pipelines"
        f" {sum(item.processor() for item in pipelines) - used[1]:.2f} s,"
        f" server {sum(process.cpu_times()[:2]) - used[0]:.2f} s"
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processes", type=positive, default=2)
    parser.add_argument("--tasks", type=positive, default=20_000, help="of each pipeline")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")


BENCHMARK = Benchmark(
    summary="the service under real pipelines: updates a second of the SDK in processes",
    method=(
        "processes run flows of no-op tasks and deliver what they report to a server process, from"
        " a common signal until all is acknowledged."
    ),
    add_options=_add_options,
    run=_run,
)
