"""The engine against a real server on SQLite: `poe bench [tasks]`.

Method: a server process on free ports with a home of its own; this process runs no-op tasks, called
directly and submitted to threads, times the flow, then counts what is recorded until all of it is.
Processor seconds are of both processes over flow and lag together. One run, nothing warmed but the
imports; both processes share the machine's cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from towpath import flow, task
from towpath._discovery import find_server
from towpath._transport.grpc import GrpcTransport
from towpath.client import Client

WAIT_SECONDS = 60.0


@task
def nothing() -> None:
    """Does nothing."""


@flow
def called(tasks: int) -> None:
    """Calls a task again and again."""
    for _ in range(tasks):
        nothing()


@flow
def submitted(tasks: int) -> None:
    """Submits a task again and again."""
    for _ in range(tasks):
        nothing.submit()


@flow
def empty() -> None:
    """Does nothing."""


def recorded(client: Client, flow_id: str) -> int:
    """How many of a flow's task runs are recorded as completed."""
    from towpath.api.v1 import run_service_pb2  # noqa: PLC0415 - after the imports are timed

    request = run_service_pb2.AggregateRunsRequest(
        parent="workspaces/default", filter=f"flow = {flow_id} AND kind = TASK"
    )
    request.time_range.start_time.FromSeconds(1)
    answer = client.transport.unary("towpath.api.v1.RunService/AggregateRuns", request)
    return sum(
        count.count for bucket in answer.buckets for count in bucket.counts if count.state == 7
    )


def measure(name: str, run: object, tasks: int, client: Client, server: psutil.Process) -> None:
    """Times one way of running tasks, and prints it."""
    own = psutil.Process()
    before = sum(own.cpu_times()[:2]), sum(server.cpu_times()[:2])
    began = time.perf_counter()
    run(tasks)  # type: ignore[operator]
    took = time.perf_counter() - began
    ended = time.perf_counter()
    while recorded(client, name) < tasks and time.perf_counter() - ended < WAIT_SECONDS:
        time.sleep(0.02)
    lag = time.perf_counter() - ended
    after = sum(own.cpu_times()[:2]), sum(server.cpu_times()[:2])
    print(
        f"{name:10} {tasks} tasks: {tasks / took:8.0f} tasks/s, {took / tasks * 1e6:6.0f} us each,"
        f" recorded {lag:5.2f} s after the end; processor: pipeline {after[0] - before[0]:.2f} s,"
        f" server {after[1] - before[1]:.2f} s"
    )


def main() -> None:
    """Runs all of it."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOWPATH_HOME"] = folder
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "towpath", "server", "start"),
                *("--port", "0", "--web-port", "0"),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            while (found := find_server(Path(folder))) is None:
                time.sleep(0.02)
            process = psutil.Process(server.pid)
            time.sleep(1)
            idle = process.memory_info().rss
            client = Client(GrpcTransport(found.grpc))
            empty()
            began = time.perf_counter()
            for _ in range(50):
                empty()
            print(f"a no-op flow run: {(time.perf_counter() - began) / 50 * 1e3:.2f} ms")
            measure("called", called, tasks, client, process)
            measure("submitted", submitted, tasks, client, process)
            own = psutil.Process().memory_info().rss
            print(
                f"server idle {idle / 1e6:.0f} MB, after {process.memory_info().rss / 1e6:.0f} MB;"
                f" pipeline {own / 1e6:.0f} MB; {os.cpu_count()} cores"
            )
            client.transport.close()
        finally:
            server.terminate()
            server.wait(timeout=30)


if __name__ == "__main__":
    main()
