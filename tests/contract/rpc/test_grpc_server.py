"""What comes over gRPC, whole or broken."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from towpath.api.v1 import (
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
)
from towpath_service.rpc.endpoints import MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.in_process.edges import Edge

PRODUCER = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
LIST = "/towpath.api.v1.RunService/ListRuns"


@pytest.fixture
def channel(edge: Edge) -> Iterator[grpc.Channel]:
    with edge.channel() as opened:
        yield opened


def failure(channel: grpc.Channel, method: str, data: bytes, **options: Any) -> Any:
    call: Any = channel.unary_unary(method, None, None)
    with pytest.raises(grpc.RpcError) as raised:
        call(data, timeout=20, **options)
    return raised.value


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def test_a_call_is_answered(channel: grpc.Channel) -> None:
    answer = run_service_pb2_grpc.RunServiceStub(channel).ListRuns(
        run_service_pb2.ListRunsRequest(parent="workspaces/default"), timeout=20
    )
    assert not answer.runs
    assert answer.resume_token


def test_bytes_that_are_no_message_are_an_invalid_argument(channel: grpc.Channel) -> None:
    error = failure(channel, LIST, b"\xff\xff\xff")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(error).reason == "INVALID_REQUEST"


def test_a_method_of_no_service_is_unimplemented_with_details(channel: grpc.Channel) -> None:
    error = failure(channel, "/towpath.api.v1.RunService/Nope", b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert info_of(error).domain == "towpath"


def test_a_request_over_its_rpcs_limit_is_refused_with_details(channel: grpc.Channel) -> None:
    error = failure(channel, LIST, b"\x0a" * (MAX_REQUEST_BYTES + 1))
    assert info_of(error).metadata["limit_bytes"] == str(MAX_REQUEST_BYTES)


def test_a_message_over_every_limit_is_refused_with_details(channel: grpc.Channel) -> None:
    method = "/towpath.api.v1.IngestService/RecordUpdates"
    error = failure(channel, method, b"\x0a" * (MAX_MESSAGE_BYTES + 1))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(error).reason == "PAYLOAD_TOO_LARGE"
    assert info_of(error).metadata["limit_bytes"] == str(MAX_MESSAGE_BYTES)


def test_a_message_far_over_every_limit_is_refused_unread(channel: grpc.Channel) -> None:
    error = failure(channel, LIST, b"\x0a" * (2 * MAX_MESSAGE_BYTES + 1))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_small_request_that_unpacks_to_a_large_one_is_refused(channel: grpc.Channel) -> None:
    error = failure(
        channel, LIST, b"\0" * (2 * MAX_MESSAGE_BYTES + 1), compression=grpc.Compression.Gzip
    )
    assert error.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT}


def test_a_broken_rule_comes_with_the_field(channel: grpc.Channel) -> None:
    request = run_service_pb2.ListRunsRequest(parent="x", page_size=-1)
    error = failure(channel, LIST, request.SerializeToString())
    status = rpc_status.from_call(error)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert [item.field for item in bad.field_violations]


@pytest.mark.parametrize("service", ["", "towpath.api.v1.RunService"])
def test_every_service_tells_its_health(channel: grpc.Channel, service: str) -> None:
    answer = health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service), timeout=20
    )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_services_and_gives_files_that_resolve(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="towpath.api.v1.RunService"),
    ]
    listed, files = stub.ServerReflectionInfo(iter(asked), timeout=20)
    names = {service.name for service in listed.list_services_response.service}
    assert {"towpath.api.v1.RunService", "towpath.api.v1.IngestService"} <= names
    assert files.file_descriptor_response.file_descriptor_proto


def test_a_stream_that_its_client_drops_is_closed(channel: grpc.Channel) -> None:
    stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
    asked = ingest_service_pb2.GetProducerRequest(
        workspace="workspaces/default", producer_id=PRODUCER
    )
    opening = ingest_service_pb2.OpenStream(workspace="workspaces/default", producer_id=PRODUCER)
    never = threading.Event()

    def requests() -> Iterator[Any]:
        yield ingest_service_pb2.StreamUpdatesRequest(open=opening)
        never.wait(30)

    stream = stub.StreamUpdates(requests(), timeout=30)
    next(stream)
    assert stub.GetProducer(asked, timeout=20).connected
    stream.cancel()
    never.set()
    deadline = time.monotonic() + 20
    while stub.GetProducer(asked, timeout=20).connected:
        assert time.monotonic() < deadline
