"""What a loud tenant costs a calm one: `poe bench fairness [--database postgres]`.

Method: one server with identity and two tenants, each of whom may report 2,000 updates a second.
The calm one sends single updates over a stream, a hundred a second, at a steady pace that doesn't
wait for acks; an update that is due late counts from when it was due. The loud one, a process of
its own, sends batches of a hundred as fast as its window lets it: the first second's worth is taken
at once, then it is slowed down to its limit. Rounds with and without the loud one take turns. The
ratio of a round is of the two 99th percentiles; the median of the ratios is what counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.ingest import database_options
from tests.benchmarks.latency import acks_of_a_producer
from tests.benchmarks.producer import build_all, send
from tests.benchmarks.signed_in import channel_of, exchange, init_auth, make_tenant
from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

RATE = 2000
PACE_SECONDS = 0.01
LOUD = "import sys; from tests.benchmarks.fairness import be_loud; be_loud(*sys.argv[1:])"


def be_loud(address: str, token: str, updates: str) -> None:
    """What the loud tenant's process does, a line at a time."""
    load = build_all(1, int(updates), 100, "together")[0]
    print("ready", flush=True)
    sys.stdin.readline()
    with channel_of(address, token) as channel:
        send(load, channel)
    print("sent", flush=True)


def _run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, database_options(options.database) as database:
        server = Server(home=Path(folder), options=database)
        key = init_auth(server, database)
        server.start()
        try:
            operator = exchange(server, key)
            loud, calm = (
                exchange(server, make_tenant(server, operator, name, RATE))
                for name in ("loud", "calm")
            )
            _measure(server, loud, calm, options)
        finally:
            server.stop()


def _measure(server: Server, loud: str, calm: str, options: argparse.Namespace) -> None:
    _calm(server, calm, 2.0)
    ratios: list[float] = []
    for _ in range(options.rounds):
        # Told apart by what it can't have sent by then, not by a clock.
        updates = int(RATE * (options.seconds + 3))
        process = _start_loud(server, loud, updates)
        alone = _calm(server, calm, options.seconds)
        beside = _calm(server, calm, options.seconds, lambda process=process: _tell(process))
        assert process.poll() is None, "the loud tenant had ended before the calm one"
        _wait_for(process)
        ratios.append(beside[98] / alone[98])
        print(
            f"acks of a calm tenant alone: p50 {alone[49]:.1f} ms, p99 {alone[98]:.1f}; beside a"
            f" loud one: p50 {beside[49]:.1f}, p99 {beside[98]:.1f}; ratio of p99"
            f" {ratios[-1]:.2f}",
            flush=True,
        )
        time.sleep(1.5)  # The loud one's allowance fills up again.
    print(f"median of {len(ratios)} ratios: {statistics.median(ratios):.2f}")


def _calm(
    server: Server, token: str, seconds: float, warm: Callable[[], None] = lambda: None
) -> list[float]:
    """Percentiles of milliseconds that acks took, once `warm` was called."""
    with channel_of(server.address, token) as channel:
        took = acks_of_a_producer(channel, PACE_SECONDS, seconds + 0.5, 0.5, warm)
    return statistics.quantiles(took, n=100)


def _start_loud(server: Server, token: str, updates: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LOUD, server.address, token, str(updates)],
        env=environment(server.home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _wait_for(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=120)
    assert said.strip() == "sent", f"the loud tenant said {said!r}"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=9)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each half of a round")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")


BENCHMARK = Benchmark(
    summary="acks of a calm tenant beside one that sends ten times its rate",
    method=(
        f"a calm tenant sends an update every {PACE_SECONDS * 1000:.0f} ms over a stream, in turns"
        f" alone and beside a process that sends what it can against a limit of {RATE:,} updates/s."
    ),
    add_options=_add_options,
    run=_run,
)
