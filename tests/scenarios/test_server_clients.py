"""Clients that aren't ours: buf curl with reflection, and the standard library over HTTP."""

from __future__ import annotations

import http.client
import json
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath.api.v1 import ingest_service_pb2, ingest_service_pb2_grpc, run_pb2, state_pb2

from tests.scenarios.servers import DEADLINE_SECONDS

if TYPE_CHECKING:
    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("rpc", "web")

BUF = Path(sys.executable).with_name("buf")
PROTOS = Path(__file__).parents[2] / "protos"
PRODUCER = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
RUN = "01978d2a-7c1e-7aaa-8bbb-00000000000a"


@pytest.fixture
def run_name(server: Server) -> str:
    """Name of a run that the server knows."""
    update = ingest_service_pb2.Update(run_id=RUN)
    update.occur_time.GetCurrentTime()
    update.create.kind = run_pb2.RUN_KIND_FLOW
    update.create.flow_id = "etl"
    update.create.initial.state = state_pb2.RUN_STATE_RUNNING
    batch = ingest_service_pb2.UpdateBatch(first_sequence=1, updates=[update])
    with server.channel() as channel:
        ingest_service_pb2_grpc.IngestServiceStub(channel).RecordUpdates(
            ingest_service_pb2.RecordUpdatesRequest(
                workspace="workspaces/default", producer_id=PRODUCER, batch=batch
            ),
            timeout=DEADLINE_SECONDS,
        )
    return f"workspaces/default/runs/{RUN}"


def buf_curl(*arguments: str, request: Any) -> Any:
    ended = subprocess.run(
        [str(BUF), "curl", *arguments, "-d", json.dumps(request)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_buf_curl_lists_and_reads_runs_by_reflection_alone(server: Server, run_name: str) -> None:
    service = f"http://{server.address}/towpath.api.v1.RunService"
    options = ("--protocol", "grpc", "--http2-prior-knowledge")
    listed = buf_curl(*options, f"{service}/ListRuns", request={"parent": "workspaces/default"})
    assert [run["name"] for run in listed["runs"]] == [run_name]
    read = buf_curl(*options, f"{service}/GetRun", request={"name": run_name})
    assert read["run"]["state"] == "RUN_STATE_RUNNING"


@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
def test_buf_curl_reads_runs_over_the_web_port(
    server: Server, run_name: str, protocol: str
) -> None:
    url = f"{server.web_address}/towpath.api.v1.RunService/GetRun"
    read = buf_curl(
        *("--protocol", protocol, "--schema", str(PROTOS), url), request={"name": run_name}
    )
    assert read["run"]["runId"] == RUN


def post(server: Server, method: str, request: Any) -> Any:
    asked = urllib.request.Request(
        f"{server.web_address}/towpath.api.v1.{method}",
        data=json.dumps(request).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=DEADLINE_SECONDS) as response:
        return json.load(response)


def test_the_standard_library_reads_runs_as_json(server: Server, run_name: str) -> None:
    read = post(server, "RunService/GetRun", {"name": run_name})
    assert (read["run"]["name"], read["run"]["kind"]) == (run_name, "RUN_KIND_FLOW")


def test_the_standard_library_reports_updates_as_json(server: Server) -> None:
    update = {
        "runId": RUN,
        "occurTime": "2026-01-02T03:04:05Z",
        "create": {"kind": "RUN_KIND_FLOW", "flowId": "etl"},
    }
    request = {
        "workspace": "workspaces/default",
        "producerId": PRODUCER,
        "batch": {"firstSequence": "1", "updates": [update]},
    }
    answers = [post(server, "IngestService/RecordUpdates", request) for _ in range(2)]
    assert [answer["ack"]["committedSequence"] for answer in answers] == ["1", "1"]


def test_a_refusal_over_http_is_json_that_says_what_is_wrong(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(server, "RunService/GetRun", {"name": "nonsense"})
    with raised.value as response:
        told = json.load(response)
    assert (response.code, told["code"]) == (400, "invalid_argument")
    assert "name" in told["message"]


def test_a_watch_over_http_ends_well_when_the_server_drains(server: Server) -> None:
    message = json.dumps({"parent": "workspaces/default"}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.web_port, timeout=DEADLINE_SECONDS)
    try:
        connection.request(
            "POST",
            "/towpath.api.v1.RunService/WatchRuns",
            struct.pack(">BI", 0, len(message)) + message,
            {"Content-Type": "application/connect+json"},
        )
        response = connection.getresponse()
        flags, size = struct.unpack(">BI", response.read(5))
        assert (flags, json.loads(response.read(size))["synced"]) == (0, True)
        assert server.stop() == 0
        *_, end = response.read().rpartition(b"\x02\0\0\0\x02")
    finally:
        connection.close()
    assert end == b"{}"
