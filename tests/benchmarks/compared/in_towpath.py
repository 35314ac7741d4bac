"""Towpath's side of the comparison, run as a script: `in_towpath.py SIZE...`.

What was reported is recorded once the server has acknowledged it, which it does after its commit;
its own count has to agree.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pipelines import PIPELINES
from timing import time_pipelines
from towpath._delivery.session import current_reporter
from towpath._transport.discovery import find_server
from towpath._transport.grpc import GrpcTransport
from towpath.api.v1 import run_service_pb2
from towpath.client import Client

WAIT_SECONDS = 300.0
COMPLETED = 7


def _wait_recorded(client: Client, flow_run: str, tasks: int) -> None:
    began = time.perf_counter()
    while not current_reporter().flush(WAIT_SECONDS):  # It gives up early on a silent server.
        assert time.perf_counter() - began < WAIT_SECONDS, "not delivered; read the server's log"
    found = _count(client, flow_run)
    assert found == tasks, f"{found} of {tasks} task runs are recorded; read the server's log"


def _count(client: Client, flow_run: str) -> int:
    request = run_service_pb2.AggregateRunsRequest(
        parent="workspaces/default", filter=f'parent_run = "{flow_run}" AND kind = TASK'
    )
    request.time_range.start_time.FromSeconds(1)
    answer = client.transport.unary("towpath.api.v1.RunService/AggregateRuns", request)
    return sum(
        count.count
        for bucket in answer.buckets
        for count in bucket.counts
        if count.state == COMPLETED
    )


def main() -> None:
    """Times the pipelines against the server of this home."""
    server = find_server(Path(os.environ["TOWPATH_HOME"]))
    assert server is not None, "no server runs on this home: start one"
    client = Client(GrpcTransport(server.grpc))
    sizes = [int(argument) for argument in sys.argv[1:]]
    time_pipelines(
        PIPELINES, sizes, lambda flow_run, tasks: _wait_recorded(client, flow_run, tasks)
    )
    client.transport.close()


if __name__ == "__main__":
    main()
