"""What comes over HTTP: Connect, gRPC-Web, health, and requests for other hosts."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from google.rpc import error_details_pb2
from towpath.api.v1 import run_service_pb2
from towpath_service.rpc.endpoints import MAX_JSON_BYTES, MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES
from towpath_service.web.hosts import host_name

from tests.in_process.edges import frame, frames

if TYPE_CHECKING:
    from tests.in_process.edges import Edge

LIST = "/towpath.api.v1.RunService/ListRuns"
WATCH = "/towpath.api.v1.RunService/WatchRuns"
WRITE = "/towpath.api.v1.LogService/WriteLogs"
WATCH_OF_NOTHING = {"parent": "workspaces/default/runs/01978d2a-7c1e-7aaa-8bbb-0123456789ab"}
REQUEST = run_service_pb2.ListRunsRequest(parent="workspaces/default").SerializeToString()
END_OF_CONNECT_STREAM = 0b10
TRAILERS_OF_GRPC_WEB = 0x80


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    [detail] = [item for item in error["details"] if item["type"] == "google.rpc.ErrorInfo"]
    return error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"] + "==="))


def test_connect_answers_json(edge: Edge) -> None:
    reply = edge.connect("RunService/ListRuns", {"parent": "workspaces/default"})
    assert (reply.status, list(reply.json)) == (200, ["resumeToken"])


def test_connect_answers_binary(edge: Edge) -> None:
    reply = edge.http(LIST, REQUEST, content_type="application/proto")
    assert reply.status == 200
    assert run_service_pb2.ListRunsResponse.FromString(reply.body).resume_token


def test_connect_answers_compressed_requests(edge: Edge) -> None:
    reply = edge.http(
        LIST, gzip.compress(REQUEST), content_type="application/proto", content_encoding="gzip"
    )
    assert reply.status == 200


def test_connect_answers_get_for_what_only_reads(edge: Edge) -> None:
    message = quote(json.dumps({"parent": "workspaces/default"}))
    reply = edge.http(f"{LIST}?encoding=json&message={message}", method="GET")
    assert (reply.status, list(reply.json)) == (200, ["resumeToken"])


def test_get_is_not_for_what_writes(edge: Edge) -> None:
    path = "/towpath.api.v1.RunService/DeleteRun?encoding=json&message=%7B%7D"
    assert edge.http(path, method="GET").status == 405


def test_a_failure_over_connect_tells_reason_and_fields(edge: Edge) -> None:
    reply = edge.connect("RunService/ListRuns", {"parent": "nowhere"})
    assert (reply.status, reply.json["code"]) == (400, "invalid_argument")
    assert info_of(reply.json).reason == "INVALID_REQUEST"


def test_a_missing_run_is_not_found(edge: Edge) -> None:
    name = "workspaces/default/runs/01978d2a-7c1e-7aaa-8bbb-0123456789ab"
    reply = edge.connect("RunService/GetRun", {"name": name})
    assert (reply.status, info_of(reply.json).reason) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff", "application/json"),
        (b'{"parent": 1}', "application/json"),
        (b'{"pageSize": 1' + b"0" * 5000 + b"}", "application/json"),
        (b'{"parent":' + b"[" * 100_000, "application/json"),
        (b"\xff\xff\xff", "application/proto"),
    ],
)
def test_a_body_that_is_no_message_is_an_invalid_argument(
    edge: Edge, body: bytes, kind: str
) -> None:
    reply = edge.http(LIST, body, content_type=kind)
    assert (reply.status, reply.json["code"]) == (400, "invalid_argument")
    assert info_of(reply.json).reason == "INVALID_REQUEST"


LIMITS = [(LIST, MAX_REQUEST_BYTES), (WRITE, MAX_MESSAGE_BYTES)]


@pytest.mark.parametrize(("path", "most"), LIMITS)
def test_an_oversized_body_is_refused_with_the_limit(edge: Edge, path: str, most: int) -> None:
    reply = edge.http(path, b"x" * (most + 1), content_type="application/proto")
    assert (reply.status, reply.json["code"]) == (400, "invalid_argument")
    assert info_of(reply.json).reason == "PAYLOAD_TOO_LARGE"
    assert info_of(reply.json).metadata["limit_bytes"] == str(most)


@pytest.mark.parametrize(("path", "most"), LIMITS)
def test_a_body_that_unpacks_to_an_oversized_one_is_refused(
    edge: Edge, path: str, most: int
) -> None:
    body = gzip.compress(b"\0" * (most + 1))
    reply = edge.http(path, body, content_type="application/proto", content_encoding="gzip")
    assert info_of(reply.json).reason == "PAYLOAD_TOO_LARGE"
    assert info_of(reply.json).metadata["limit_bytes"] == str(most)


def test_json_that_unpacks_to_much_is_refused_unparsed(edge: Edge) -> None:
    body = gzip.compress(b'{"records":[' + b"{}," * 2_700_000 + b"{}]}")
    reply = edge.http(WRITE, body, content_type="application/json", content_encoding="gzip")
    assert info_of(reply.json).reason == "PAYLOAD_TOO_LARGE"
    assert info_of(reply.json).metadata["limit_bytes"] == str(MAX_JSON_BYTES)


def test_an_unknown_encoding_is_refused_with_a_reason(edge: Edge) -> None:
    reply = edge.http(LIST, REQUEST, content_type="application/proto", content_encoding="br")
    assert reply.json["code"] == "unimplemented"
    assert info_of(reply.json).reason == "FEATURE_DISABLED"


COMPRESSED, END = 0b1, 0b10
UPDATES = "/towpath.api.v1.IngestService/StreamUpdates"


@pytest.mark.parametrize("path", [WATCH, UPDATES])
@pytest.mark.parametrize(
    "body",
    [
        frame(b"{}", COMPRESSED),
        frame(b"{}", END),
        frame(b"{}", 0x40),
        frame(b"{"),
        frame(b"{}")[:-1],
        b"\0\0",
        b"\0\xff\xff\xff\xff",
    ],
    ids=["compressed", "end", "flags", "json", "short", "cut", "huge"],
)
def test_a_malformed_envelope_is_an_invalid_argument_with_a_reason(
    edge: Edge, path: str, body: bytes
) -> None:
    reply = edge.http(path, body, content_type="application/connect+json")
    error = json.loads(frames(reply.body)[-1][1])["error"]
    assert error["code"] == "invalid_argument"
    assert info_of(error).reason in {"INVALID_REQUEST", "STREAM_PROTOCOL", "PAYLOAD_TOO_LARGE"}


def test_a_malformed_envelope_over_grpc_web_is_an_invalid_argument(edge: Edge) -> None:
    body = frame(REQUEST, COMPRESSED)
    reply = edge.http(LIST, body, content_type="application/grpc-web+proto")
    told = reply.body + "".join(f"{k}:{v}\n" for k, v in reply.headers.items()).encode()
    assert b"grpc-status:3" in told.replace(b" ", b"")
    assert b"grpc-status-details-bin" in told


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/towpath.api.v1.RunService/Nope", "application/json", 404),
        ("/towpath.api.v1.NoService/ListRuns", "application/json", 404),
        ("/", "application/json", 404),
        (LIST, "text/html", 415),
        (LIST, "application/x-www-form-urlencoded", 415),
        (LIST, "application/grpc", 415),
        (LIST, "application/grpc+proto", 415),
    ],
)
def test_what_is_not_served_is_told_by_the_status(
    edge: Edge, path: str, kind: str, status: int
) -> None:
    assert edge.http(path, b"{}", content_type=kind).status == status


def test_a_stream_over_connect_ends_with_its_failure(edge: Edge) -> None:
    body = frame(json.dumps(WATCH_OF_NOTHING).encode())
    path = "/towpath.api.v1.LogService/TailLogs"
    reply = edge.http(path, body, content_type="application/connect+json")
    [(flags, end)] = frames(reply.body)
    assert (reply.status, flags) == (200, END_OF_CONNECT_STREAM)
    error = json.loads(end)["error"]
    assert (error["code"], info_of(error).reason) == ("not_found", "RESOURCE_NOT_FOUND")


def test_grpc_web_answers(edge: Edge) -> None:
    reply = edge.http(LIST, frame(REQUEST), content_type="application/grpc-web+proto")
    (_, answer), (flags, trailers) = frames(reply.body)
    assert run_service_pb2.ListRunsResponse.FromString(answer).resume_token
    assert (flags, b"grpc-status:0" in trailers.replace(b" ", b"")) == (TRAILERS_OF_GRPC_WEB, True)


def test_a_failure_over_grpc_web_has_status_and_details(edge: Edge) -> None:
    request = run_service_pb2.ListRunsRequest(parent="nowhere").SerializeToString()
    reply = edge.http(LIST, frame(request), content_type="application/grpc-web+proto")
    told = reply.body + "".join(f"{k}:{v}\n" for k, v in reply.headers.items()).encode()
    assert b"grpc-status:3" in told.replace(b" ", b"")
    assert b"grpc-status-details-bin" in told


def test_health_is_told(edge: Edge) -> None:
    reply = edge.http("/healthz", method="GET")
    assert (reply.status, reply.json) == (200, {"status": "serving"})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4201", "127.0.0.1.evil.example", ""]
)
def test_a_request_for_another_host_is_refused(edge: Edge, host: str) -> None:
    assert edge.http("/healthz", method="GET", host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:4201", "[::1]:4201"])
def test_a_request_for_loopback_is_answered(edge: Edge, host: str) -> None:
    assert edge.http("/healthz", method="GET", host=host).status == 200


@pytest.mark.parametrize(
    ("header", "name"),
    [("a", "a"), ("A:1", "a"), ("[::1]", "::1"), ("[::1]:1", "::1"), ("::1", ""), ("", "")],
)
def test_the_name_in_a_host_header_is_found(header: str, name: str) -> None:
    assert host_name(header) == name
