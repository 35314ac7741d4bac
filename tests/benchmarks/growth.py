"""Growth: rate and memory from an empty database to a large one: `poe bench growth`.

Method: one server process on PostgreSQL (fsync on) or SQLite takes everything, from its first
update on. Producers, threads of this process, send batches that were built before the clock starts,
round after round; of each round the rate is printed, and the server's resident memory after it. A
watch of all runs is open from the beginning, whose reader takes one message and then none.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import psutil
from towpath.api.v1 import run_service_pb2

from tests.benchmarks.command import Benchmark, positive
from tests.benchmarks.ingest import database_options
from tests.benchmarks.producer import WORKSPACE, Load, build_all, send
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

MEBI = 1 << 20
MILLION = 1_000_000
ENDS = 5
"""Rounds at each end whose median rates are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round showed."""

    updates: int
    """In all, at its end."""
    rate: float
    mebibytes: float


def _run(options: argparse.Namespace) -> None:
    """Runs all of it."""
    with tempfile.TemporaryDirectory() as folder, database_options(options.database) as database:
        server = Server(home=Path(folder), options=database)
        server.start()
        try:
            with _unread_watch(server):
                rounds = _measure(server, options)
        finally:
            server.stop()
    _conclude(rounds)


def _measure(server: Server, options: argparse.Namespace) -> list[Round]:
    process = psutil.Process(server.pid)
    rounds: list[Round] = []
    while not rounds or rounds[-1].updates < options.updates:
        loads = build_all(options.producers, options.round // options.producers, 1000, "together")
        took = _send(server, loads)
        sent = sum(load.updates for load in loads)
        rounds.append(
            Round(
                updates=sent + (rounds[-1].updates if rounds else 0),
                rate=sent / took,
                mebibytes=process.memory_info().rss / MEBI,
            )
        )
        last = rounds[-1]
        print(
            f"{last.updates:12,} updates: {last.rate:8,.0f}/s, server {last.mebibytes:4.0f} MiB",
            flush=True,
        )
    return rounds


def _send(server: Server, loads: list[Load]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(len(loads)) as threads:
        list(threads.map(lambda load: _send_one(server, load), loads))
    return time.perf_counter() - began


def _send_one(server: Server, load: Load) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options=options) as channel:
        send(load, channel)


@contextmanager
def _unread_watch(server: Server) -> Iterator[None]:
    with grpc.insecure_channel(
        server.address, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        watch = channel.unary_stream(
            "/towpath.api.v1.RunService/WatchRuns",
            request_serializer=run_service_pb2.WatchRunsRequest.SerializeToString,
            response_deserializer=run_service_pb2.WatchRunsResponse.FromString,
        )
        answers = watch(run_service_pb2.WatchRunsRequest(parent=WORKSPACE))
        next(answers)
        yield
        answers.cancel()


def _conclude(rounds: Sequence[Round]) -> None:
    first = statistics.median(item.rate for item in rounds[:ENDS])
    last = statistics.median(item.rate for item in rounds[-ENDS:])
    print(f"rate of the last {ENDS} rounds by that of the first {ENDS}: {last / first:.2f}")
    half = rounds[len(rounds) // 2 :]
    peak = max(item.mebibytes for item in rounds)
    if len(half) > 1:
        slope, _ = statistics.linear_regression(
            [item.updates / MILLION for item in half], [item.mebibytes for item in half]
        )
        print(
            f"server's memory: at most {peak:.0f} MiB; in the second half {slope:+.2f} MiB for a"
            " million updates"
        )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--updates", type=positive, default=10 * MILLION, help="in all")
    parser.add_argument("--round", type=positive, default=200_000, help="updates of a round")
    parser.add_argument("--producers", type=positive, default=2, help="streams at a time")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")


BENCHMARK = Benchmark(
    summary="rate of ingestion and the server's memory while its database grows",
    method=(
        "threads send batches built beforehand to one server process, round after round, with a"
        " watch open that nobody reads; half of the updates are new runs, half their ends."
    ),
    add_options=_add_options,
    run=_run,
)
