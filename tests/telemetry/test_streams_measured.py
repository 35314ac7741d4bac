"""Watches, streams, pools and log lines are measured, too."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc
from towpath.api.v1 import run_service_pb2, run_service_pb2_grpc

from tests.telemetry.receiver import Receiver
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WATCH = "towpath.api.v1.RunService/WatchRunTransitions"
FAST_SECONDS = 5.0


def drain(answers: Iterator[object]) -> None:
    try:
        for _ in answers:
            pass
    except grpc.RpcError:
        pass


def test_watches_streams_pools_and_log_lines_are_measured(
    tmp_path: Path, postgres_dsn: str
) -> None:
    with Receiver() as receiver:
        environment = {**receiver.environment, "OTEL_TRACES_EXPORTER": "none"}
        with (
            serving(tmp_path, environment, "--database", postgres_dsn) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            stub = run_service_pb2_grpc.RunServiceStub(channel)
            request = run_service_pb2.WatchRunTransitionsRequest(parent="workspaces/default")
            call = stub.WatchRunTransitions(request)
            watching = threading.Thread(target=drain, args=(call,))
            watching.start()
            receiver.wait_for(
                lambda got: any(
                    point.name == "towpath.rpc.open_streams"
                    and point.attributes["rpc.method"] == WATCH
                    and point.value == 1
                    for point in got.points
                ),
                "watch that is open",
            )
            assert not run_pipeline("talking", tmp_path, {}).returncode
            receiver.wait_for(
                lambda got: (
                    {"towpath.watch.lag", "towpath.ingest.log_lines"}
                    <= {point.name for point in got.points}
                ),
                "lag and log lines",
            )
            call.cancel()
            watching.join()
        lags = [point for point in receiver.points if point.name == "towpath.watch.lag"]
        assert lags[-1].count >= 1
        assert lags[-1].value / lags[-1].count < FAST_SECONDS
        lines = [p.value for p in receiver.points if p.name == "towpath.ingest.log_lines"]
        assert max(lines) == 3
        states = {
            point.attributes["db.client.connection.state"]
            for point in receiver.points
            if point.name == "db.client.connection.count"
        }
        assert states == {"used", "idle"}
        assert not receiver.spans
