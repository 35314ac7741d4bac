"""The service alone, against raw producers: `poe bench ingest --updates 100000 --producers 2`.

Method: a server process on free ports with a home of its own on SQLite. Threads of this process
send batches that were built and serialized before the clock starts, each over a stream of its own,
within the window; the clock stops when the last update is acknowledged, which is after its commit.
Afterwards sqlite3 alone writes the same rows to tables of the same schema, a batch to a
transaction: the ratio tells what the service adds to the database. Both processes share the
machine's cores; one run, nothing warmed but one small stream.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import grpc
import psutil

from tests.benchmarks import bare_postgres
from tests.benchmarks.bare import replay
from tests.benchmarks.command import Benchmark
from tests.benchmarks.producer import Load, Order, build_all, send
from tests.postgres import postgres_for_tests
from tests.postgres.fixtures import upgrade
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

MEBI = 1 << 20
# Its own defaults but for the sizes; every commit is on disk when it is acknowledged.
POSTGRES_SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


def _run(options: argparse.Namespace) -> None:
    """Runs all of it."""
    each = options.updates // options.producers
    loads = build_all(options.producers, each, options.batch, options.order)
    with tempfile.TemporaryDirectory() as folder, database_options(options.database) as database:
        server = Server(home=Path(folder), options=database)
        server.start()
        try:
            process = psutil.Process(server.pid)
            time.sleep(1)
            idle = process.memory_info().rss
            send_all(server, build_all(1, 200, 100, options.order))
            rate = _measure(server, process, loads)
            after = process.memory_info().rss
            print(f"server's memory: idle {idle / MEBI:.0f} MiB, after {after / MEBI:.0f} MiB")
            if options.keep_log:
                print(server.log)
        finally:
            server.stop()
        if database:
            bare, used = bare_postgres.replay(database[-1], options.batch)
        else:
            bare, used = replay(_database(server.home), Path(folder) / "bare.db", options.batch)
        alone = "asyncpg" if database else "sqlite3"
        print(f"{alone} alone: {bare:.0f} updates/s, processor {used:.2f} s")
        print(f"ratio: {rate / bare:.2f}; {os.cpu_count()} cores")


@contextmanager
def database_options(database: str) -> Iterator[Sequence[str]]:
    """Options of the server for a database that is made here."""
    if database == "sqlite":
        yield ()
        return
    with postgres_for_tests(POSTGRES_SETTINGS) as server:
        asyncio.run(upgrade(server.dsn()))
        yield ("--database", server.dsn())


def _measure(server: Server, process: psutil.Process, loads: list[Load]) -> float:
    own = psutil.Process()
    before = _used(own), _used(process)
    began = time.perf_counter()
    send_all(server, loads)
    took = time.perf_counter() - began
    total = sum(load.updates for load in loads)
    print(
        f"service: {total} updates of {len(loads)} producers in {took:.2f} s,"
        f" {total / took:.0f} updates/s; processor: producers {_used(own) - before[0]:.2f} s,"
        f" server {_used(process) - before[1]:.2f} s"
    )
    return total / took


def send_all(server: Server, loads: list[Load]) -> None:
    """Sends loads side by side, and returns once all of them are acknowledged."""
    with ThreadPoolExecutor(len(loads)) as threads:
        list(threads.map(lambda load: _send(server, load), loads))


def _send(server: Server, load: Load) -> None:
    with grpc.insecure_channel(
        server.address, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        send(load, channel)


def _used(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _database(home: Path) -> Path:
    (found,) = home.glob("*.db")
    return found


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--updates", type=int, default=100_000, help="in all")
    parser.add_argument("--producers", type=int, default=2, help="each with a stream of its own")
    parser.add_argument("--batch", type=int, default=1000, help="updates in a message")
    parser.add_argument("--order", choices=get_args(Order), default="together")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--keep-log", action="store_true", help="print what the server logged")


BENCHMARK = Benchmark(
    summary="the service alone: updates a second of raw producers, beside the database alone",
    method=(
        "threads send batches built beforehand over streams to a server process until all is"
        " acknowledged; then the database's client alone writes the same rows."
    ),
    add_options=_add_options,
    run=_run,
)
