"""A server process of its own, on free ports and a home of its own, and what it has recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from towpath._delivery.session import current_reporter
from towpath._transport.discovery import find_server
from towpath._transport.grpc import GrpcTransport
from towpath.api.v1 import run_service_pb2
from towpath.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 120.0
COMPLETED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Processor seconds that both processes have used."""

    pipeline: float
    server: float

    def since(self, before: Processes) -> Processes:
        """What was used in between."""
        return Processes(
            pipeline=self.pipeline - before.pipeline, server=self.server - before.server
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running server, and this process, which is the pipeline."""

    server: psutil.Process
    client: Client

    def processor(self) -> Processes:
        """Processor seconds used so far."""
        return Processes(
            pipeline=sum(psutil.Process().cpu_times()[:2]), server=sum(self.server.cpu_times()[:2])
        )

    def megabytes(self) -> tuple[float, float]:
        """Resident memory of the pipeline and of the server."""
        own = psutil.Process().memory_info().rss
        return own / 1e6, self.server.memory_info().rss / 1e6

    def recorded(self, flow_id: str) -> int:
        """How many task runs of a flow are recorded as completed."""
        request = run_service_pb2.AggregateRunsRequest(
            parent="workspaces/default", filter=f"flow = {flow_id} AND kind = TASK"
        )
        request.time_range.start_time.FromSeconds(1)
        answer = self.client.transport.unary("towpath.api.v1.RunService/AggregateRuns", request)
        return sum(
            count.count
            for bucket in answer.buckets
            for count in bucket.counts
            if count.state == COMPLETED
        )

    def wait_recorded(self, flow_id: str, tasks: int) -> float:
        """Seconds until the server has acknowledged all that was reported; counts it then.

        Acknowledged is committed; polling the count meanwhile would be work for the server.
        """
        began = time.perf_counter()
        while not current_reporter().flush(WAIT_SECONDS):  # it gives up early on a silent server
            waited = time.perf_counter() - began
            assert waited < WAIT_SECONDS, f"not delivered within {waited:.0f} s"
        took = time.perf_counter() - began
        found = self.recorded(flow_id)
        assert found == tasks, f"{found} of {tasks} tasks of {flow_id} are recorded"
        return took


@contextmanager
def running_site() -> Iterator[Site]:
    """Starts the server, gives it a second to settle, and stops it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOWPATH_HOME"] = folder
        os.environ["TOWPATH_DISPLAY"] = "quiet"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "towpath", "server", "start"),
                *("--port", "0", "--web-port", "0"),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            while (found := find_server(Path(folder))) is None:
                time.sleep(0.02)
            time.sleep(1)
            client = Client(GrpcTransport(found.grpc))
            yield Site(server=psutil.Process(process.pid), client=client)
            client.transport.close()
        finally:
            process.terminate()
            process.wait(timeout=30)
