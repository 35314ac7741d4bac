"""Time from the release of a slot to the next grant: `poe bench limits --callers 40`.

Method: server processes on PostgreSQL (fsync on) or SQLite, and callers in threads of this process,
spread over the servers. Each acquires a slot of one limit, and releases it at once. The n-th grant
is counted from the start of the release that it needs, the n-th less the limit's slots. Then a flow
with 200 tasks of 20 ms, whose tag has a limit of 5: its ideal is 0.8 s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from towpath._limits.calls import LimitCalls, Wanted
from towpath._transport.grpc import GrpcTransport
from towpath.client import Client

from tests.benchmarks.command import Benchmark
from tests.benchmarks.ingest import database_options
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SLOTS = 5
WARM_UP_SECONDS = 1.0
TAGGED = """
import time
from towpath import flow, task

@task(tags=["bench"])
def work(number: int) -> int:
    time.sleep(0.02)
    return number

@flow
def many() -> int:
    return len([future.result() for future in work.map(range(200))])

@flow
def first() -> int:
    return work(0)

first()
begun = time.perf_counter()
many()
print(time.perf_counter() - begun)
"""


class Cycles:
    """Counts cycles, and times from a release to the next grant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._released: deque[float] = deque()
        self._free = SLOTS
        self.counting = False
        self.took: list[float] = []
        self.count = 0

    def begin(self) -> None:
        """Counts from now on; releases before stay known."""
        self.counting = True

    def released(self) -> None:
        """A release begins."""
        with self._lock:
            self._released.append(time.perf_counter())

    def granted(self) -> None:
        """A slot was acquired."""
        now = time.perf_counter()
        with self._lock:
            # The first grants need no release; the n-th after them needs the n-th release.
            released = self._released.popleft() if self._free == 0 else None
            self._free = max(0, self._free - 1)
            if self.counting:
                self.count += 1
                if released is not None:
                    self.took.append((now - released) * 1e3)


def _run(options: argparse.Namespace) -> None:
    """Acquires and releases for a while, and prints how long it took."""
    with (
        ExitStack() as stack,
        tempfile.TemporaryDirectory() as folder,
        database_options(options.database) as database,
    ):
        servers = [
            Server(home=Path(folder) / str(number), options=database)
            for number in range(options.replicas)
        ]
        for server in servers:
            server.start()
            stack.callback(server.stop)
        calls = [LimitCalls(GrpcTransport(server.address), "default") for server in servers]
        limits = Client(calls[0].transport, workspace="default").limits
        limits.set("bench", SLOTS)
        limits.set("tag:bench", SLOTS)
        seconds, cycles = _cycle(calls, options.callers, options.seconds)
        left = limits.get("bench").held
        cuts = statistics.quantiles(cycles.took, n=100)
        print(
            f"{options.database}, {options.replicas} replicas, {options.callers} callers,"
            f" {SLOTS} slots: {cycles.count / seconds:.0f} cycles/s, release to next grant p50"
            f" {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms; {left} left held"
        )
        print(f"200 tasks of 20 ms under a limit of {SLOTS}: {_tagged(servers[0]):.2f} s of 0.80 s")


def _cycle(calls: Sequence[LimitCalls], callers: int, seconds: float) -> tuple[float, Cycles]:
    """Lets callers acquire and release; the seconds that count, and what was seen in them."""
    ended = threading.Event()
    cycles = Cycles()

    def call(own: LimitCalls) -> None:
        while not ended.is_set():
            id_ = str(uuid4())
            while not own.acquire(id_, Wanted(needs={"bench": 1}), 5.0).acquired:
                pass
            cycles.granted()
            cycles.released()
            own.release([id_])

    threads = [
        threading.Thread(target=call, args=(calls[number % len(calls)],))
        for number in range(callers)
    ]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_SECONDS)
    begun = time.perf_counter()
    cycles.begin()
    time.sleep(seconds)
    took = time.perf_counter() - begun
    cycles.counting = False
    ended.set()
    for thread in threads:
        thread.join()
    return took, cycles


def _tagged(server: Server) -> float:
    """Seconds that a flow took whose tasks have a limited tag."""
    variables = environment(server.home / "flows", TOWPATH_DISPLAY="quiet")
    variables["TOWPATH_SERVER_ADDRESS"] = server.address
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", TAGGED], env=variables, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--callers", type=int, default=40)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")


BENCHMARK = Benchmark(
    summary="the time from the release of a slot to the next grant",
    method=(
        "threads acquire and release a slot of one limit; a grant counts from the start of the"
        " release that it needs; then 200 tasks of 20 ms with a limited tag"
    ),
    run=_run,
    add_options=_add_options,
)
