"""Whatever bytes arrive, the answer is one of the documented ones, and nothing leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from contextlib import aclosing, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from towpath.api.v1 import ingest_service_pb2
from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.errors import CODES

from tests.budgets import examples
from tests.in_process.edges import Edge, frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.rpc.dispatcher import Dispatcher
    from towpath_service.rpc.endpoints import Endpoint

LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|/(work|home|tmp|dev/shm)/"
    r"|sqlite|SELECT |INSERT |site-packages|0x[0-9a-f]{8}",
    re.IGNORECASE,
)
RUN = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
WORDS = [
    *("", "workspaces/default", f"workspaces/default/runs/{RUN}", RUN, "default", "etl"),
    *('state = "RUNNING"', "NOT (a:b", "create_time desc", "state", "\0", "\ud7ff", "%", "'; --"),
]
NAMES = [
    f"workspaces/default/runs/{RUN}",
    "workspaces/default/workPools/default",
    "workspaces/default/workPools/default/queues/default",
    "workspaces/default/flows/etl/deployments/nightly",
    "workspaces/default/flows/etl/deployments/nightly/schedules/daily",
]
# Without these, nearly every request would end at its first rule.
RIGHT = {
    "parent": "workspaces/default",
    "workspace": "workspaces/default",
    "name": NAMES[0],
    "producer_id": RUN,
    "run_id": RUN,
    "flow_id": "etl",
    "kind": 1,
    "first_sequence": 1,
    "page_size": 10,
    "page_token": "",
    "resume_token": "",
    "initial": {"state": 3},
    "occur_time": {"seconds": 1_800_000_000},
}
OPENING = ingest_service_pb2.StreamUpdatesRequest(
    open=ingest_service_pb2.OpenStream(workspace="workspaces/default", producer_id=RUN)
).SerializeToString()
NUMBERS = [0, 1, -1, 2, 100, 1000, 2**31 - 1, -(2**31)]
LARGE_NUMBERS = [*NUMBERS, 2**63 - 1, -(2**63), 253402300799, 253402300800, 315_576_000_001]
EXAMPLES_OF_ALL = 1_000
"""Shared by all rpcs, so that the tests of a new one cost the others some of theirs."""
LEAST_EXAMPLES = 8
MODEST = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.sampled_from(WORDS) | st.text(max_size=20),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_ENUM: st.integers(min_value=-1, max_value=20),
    FieldDescriptor.TYPE_INT64: st.sampled_from(LARGE_NUMBERS),
    FieldDescriptor.TYPE_INT32: st.sampled_from(NUMBERS),
}


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of one field, right ones among them."""
    any_value = any_values(field, depth)
    if not has_right_value(field):
        return any_value
    right = st.sampled_from(NAMES) if field.name == "name" else st.just(RIGHT[field.name])
    return st.one_of(*[right] * 9, any_value)


def has_right_value(field: FieldDescriptor) -> bool:
    """Whether there is a right value for a field; kinds of work pools are texts."""
    is_text = field.type == FieldDescriptor.TYPE_STRING
    return field.name in RIGHT and isinstance(RIGHT[field.name], str) == is_text


def any_values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return messages(field.message_type, depth - 1)
    return SCALARS[field.type]


@cache
def messages(descriptor: Any, depth: int) -> st.SearchStrategy[Any]:
    """Messages of a type as plain dicts of field names."""
    if depth <= 0:
        return st.just({})
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for field in descriptor.fields:
        one = values(field, depth)
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            value = field.message_type.fields_by_name["value"]
            parts[field.name] = st.dictionaries(
                st.sampled_from(WORDS), values(value, depth - 1), max_size=2
            )
        else:
            parts[field.name] = st.lists(one, max_size=2) if field.is_repeated else one
    right = [field.name for field in descriptor.fields if has_right_value(field)]
    needed = {name: parts.pop(name) for name in right}
    return st.fixed_dictionaries(needed, optional=parts)


def requests(endpoint: Endpoint) -> st.SearchStrategy[bytes]:
    """Requests as bytes: noise, messages, and messages with a byte changed."""

    def build(fields: dict[str, Any]) -> bytes:
        message: Message = endpoint.request_type(**fields)
        return message.SerializeToString()

    whole = messages(endpoint.request_type.DESCRIPTOR, 5).map(build)
    broken = st.builds(damaged, whole, st.integers(0, 10_000))
    return st.one_of(whole, whole, whole, broken, st.binary(max_size=64))


def damaged(data: bytes, place: int) -> bytes:
    if not data:
        return b"\xff"
    at = place % len(data)
    return data[:at] + bytes([data[at] ^ (1 << place % 8)]) + data[at + 1 :]


def judge(error: ServiceError) -> None:
    assert error.reason != "INTERNAL", error
    assert error.reason in CODES
    told = json.dumps(
        [error.message, dict(error.metadata), [item.description for item in error.violations]]
    )
    assert not LEAKS.search(told), told


async def ask(dispatcher: Dispatcher, endpoint: Endpoint, sent: list[bytes]) -> None:
    """Calls as a transport would; streams are left after their first words."""

    async def all_of() -> AsyncIterator[bytes]:
        yield OPENING
        for item in sent:
            yield item

    try:
        if endpoint.kind == "unary":
            await dispatcher.unary(endpoint, sent[0], {})
            return
        answers = (
            dispatcher.server_stream(endpoint, sent[0], {})
            if endpoint.kind == "server_stream"
            else dispatcher.bidi_stream(endpoint, all_of(), {})
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02), aclosing(answers):
                async for _ in answers:
                    pass
    except ServiceError as error:
        judge(error)


def try_all(dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
    """Tries requests on every endpoint, from another thread than that of the loop."""
    share = max(LEAST_EXAMPLES, EXAMPLES_OF_ALL // len(dispatcher.endpoints))

    def try_one(endpoint: Endpoint) -> None:
        @settings(MODEST, max_examples=examples(share))
        @given(sent=st.lists(requests(endpoint), min_size=1, max_size=3))
        def tried(sent: list[bytes]) -> None:
            asking = ask(dispatcher, endpoint, sent)
            asyncio.run_coroutine_threadsafe(asking, loop).result()

        tried()

    for endpoint in dispatcher.endpoints.values():
        try_one(endpoint)


async def test_no_request_makes_the_service_fail(
    caplog: pytest.LogCaptureFixture, database: PostgresUrl | None
) -> None:
    with caplog.at_level(logging.ERROR):
        async with open_service(database) as service:
            await asyncio.to_thread(try_all, service.dispatcher, asyncio.get_running_loop())
    assert not caplog.records


@pytest.fixture
def channel(edge: Edge) -> Any:
    with edge.channel() as opened:
        yield opened


@MODEST
@given(body=st.binary(max_size=100), chance=st.randoms(use_true_random=False))
def test_no_bytes_over_grpc_make_the_server_fail(
    edge: Edge, channel: grpc.Channel, body: bytes, chance: Any
) -> None:
    name = chance.choice(sorted(edge.service.dispatcher.endpoints))
    call: Any = channel.stream_stream(f"/{name}")
    try:
        answers = call(iter([body]), timeout=0.2)
        next(iter(answers))
    except StopIteration:
        return
    except grpc.RpcError as error:
        status: Any = error
        assert status.code() not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
        assert not LEAKS.search(status.details() or "")
    else:
        answers.cancel()


@MODEST
@given(
    body=st.binary(max_size=100) | st.binary(max_size=50).map(frame),
    kind=st.sampled_from(
        [
            *("application/json", "application/proto", "application/connect+json"),
            *("application/connect+proto", "application/grpc-web", "application/grpc-web+proto"),
            *("application/grpc-web+json", "application/grpc", "text/plain", ""),
        ]
    ),
    chance=st.randoms(use_true_random=False),
)
def test_no_bytes_over_http_make_the_server_fail(
    edge: Edge, caplog: pytest.LogCaptureFixture, body: bytes, kind: str, chance: Any
) -> None:
    endpoints = edge.service.dispatcher.endpoints
    name = chance.choice(sorted(n for n in endpoints if endpoints[n].kind == "unary"))
    with caplog.at_level(logging.ERROR):
        reply = edge.http(f"/{name}", body, content_type=kind)
    # What this server has switched off is 501.
    assert reply.status < 500 or b'"unimplemented"' in reply.body
    told = reply.body.decode("latin-1") + str(reply.headers)
    assert not LEAKS.search(told)
    assert not caplog.records
