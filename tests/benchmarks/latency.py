"""Time from sending an update to its ack: `poe bench latency --rate 1000`.

Method: a server process on PostgreSQL (fsync on) or SQLite. Producers, each a stream of its own in
a thread of this process, send one update a message at a steady pace that doesn't wait for acks; a
message that is due late because the sender was held up counts from when it was due. An ack comes
after the commit. The first second isn't counted.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import uuid_utils
from towpath.api.v1 import ingest_service_pb2 as pb

from tests.benchmarks.command import Benchmark
from tests.benchmarks.ingest import database_options
from tests.benchmarks.producer import METHOD, WORKSPACE, completion, creation
from tests.scenarios.servers import Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

WARM_UP_SECONDS = 1.0


def _run(options: argparse.Namespace) -> None:
    """Sends for a while and prints how long acks took."""
    with (
        tempfile.TemporaryDirectory() as folder,
        database_options(options.database) as database,
    ):
        server = Server(home=Path(folder), options=database)
        server.start()
        try:
            time.sleep(1)
            pace = options.producers / options.rate
            with ThreadPoolExecutor(options.producers) as threads:
                sent = threads.map(
                    lambda _: _produce(server.address, pace, options.seconds),
                    range(options.producers),
                )
                took = sorted(itertools.chain.from_iterable(sent))
        finally:
            server.stop()
    rate = len(took) / (options.seconds - WARM_UP_SECONDS)
    cuts = statistics.quantiles(took, n=100)
    print(
        f"{options.database}: {rate:.0f} updates/s of {options.producers} producers:"
        f" p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms,"
        f" longest {took[-1]:.1f} ms"
    )


def _produce(address: str, pace: float, seconds: float) -> list[float]:
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        return acks_of_a_producer(channel, pace, seconds, WARM_UP_SECONDS)


def acks_of_a_producer(
    channel: grpc.Channel,
    pace: float,
    seconds: float,
    warm_up: float,
    warm: Callable[[], None] = lambda: None,
) -> list[float]:
    """Milliseconds that the acks of one producer's single updates took.

    Args:
        channel: To the server.
        pace: Seconds between two updates.
        seconds: For how long they are sent.
        warm_up: Of which the first so many aren't counted.
        warm: Called at the end of these.
    """
    due: list[float] = []
    took: list[float] = []
    opened = threading.Event()
    began = 0.0

    def requests() -> Iterator[pb.StreamUpdatesRequest]:
        nonlocal began
        opening = pb.OpenStream(workspace=WORKSPACE, producer_id=str(uuid_utils.uuid7()))
        yield pb.StreamUpdatesRequest(open=opening)
        opened.wait()
        began = time.perf_counter()
        flow_run = run = str(uuid_utils.uuid7())
        for number in range(int(seconds / pace)):
            at = began + number * pace
            if number == int(warm_up / pace):
                warm()
            time.sleep(max(0.0, at - time.perf_counter()))
            if number % 2 == 0:
                run = str(uuid_utils.uuid7())
                update = creation(run, number, flow_run)
            else:
                update = completion(run)
            due.append(at)
            batch = pb.UpdateBatch(first_sequence=number + 1, updates=[update])
            yield pb.StreamUpdatesRequest(batch=batch)

    call = channel.stream_stream(
        METHOD,
        request_serializer=pb.StreamUpdatesRequest.SerializeToString,
        response_deserializer=pb.StreamUpdatesResponse.FromString,
    )
    acked = 0
    for answer in call(requests()):
        if answer.HasField("opened"):
            opened.set()
        elif answer.HasField("ack"):
            now = time.perf_counter()
            covered = due[acked : answer.ack.committed_sequence]
            counted = (at for at in covered if at - began > warm_up)
            took.extend((now - at) * 1e3 for at in counted)
            acked = answer.ack.committed_sequence
    assert acked == len(due)
    return took


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=1000.0, help="updates a second, in all")
    parser.add_argument("--producers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")


BENCHMARK = Benchmark(
    summary="the time from sending an update to its ack",
    method=(
        "threads send one update a message at a steady pace to a server process; the first second"
        " isn't counted, a late message counts from when it was due."
    ),
    add_options=_add_options,
    run=_run,
)
