"""Streams that nobody reads end, and tell where to go on."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from towpath.api.v1 import log_service_pb2
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.rpc.slow_consumers import while_read

from tests.contract.web.test_web import info_of
from tests.in_process.edges import frame
from tests.in_process.serving import post, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

SOON = 0.2
TAIL = "LogService/TailLogs"
RUN = "workspaces/default/runs/01978d2a-7c1e-7aaa-8bbb-0123456789ab"
TEXT = "x" * 100_000


class Talker:
    """Tails logs that have no end, from where a token says."""

    service: ClassVar[str] = "towpath.api.v1.LogService"

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def tail_logs(self, request: Any, caller: Any) -> AsyncIterator[Any]:
        del caller
        number = int(request.resume_token or 0)
        try:
            while True:
                number += 1
                answer = log_service_pb2.TailLogsResponse(resume_token=str(number))
                answer.records.add(body=TEXT)
                yield answer
        finally:
            self.closed.set()

    async def write_logs(self, request: Any, caller: Any) -> Any:
        raise NotImplementedError

    async def list_logs(self, request: Any, caller: Any) -> Any:
        raise NotImplementedError


def slow(talker: Talker) -> Dispatcher:
    return Dispatcher([talker], LocalAuthenticator(), slow_consumer_seconds=SOON)


async def test_over_grpc_a_stream_that_isnt_read_ends_and_is_resumed() -> None:
    talker = Talker()
    async with serving(slow(talker)) as ports, ports.channel() as channel:
        method = channel.unary_stream(
            f"/towpath.api.v1.{TAIL}",
            log_service_pb2.TailLogsRequest.SerializeToString,
            log_service_pb2.TailLogsResponse.FromString,
        )
        call = method(log_service_pb2.TailLogsRequest(parent=RUN))
        tokens = [int((await call.read()).resume_token)]
        # It is closed behind whoever doesn't read, not when they come back.
        await asyncio.wait_for(talker.closed.wait(), 20)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await read_on(call, tokens)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        told: Any = raised.value
        status = rpc_status.from_call(told)
        assert status is not None
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert info.reason == "SLOW_CONSUMER"
        assert tokens == list(range(1, len(tokens) + 1))
        again = method(log_service_pb2.TailLogsRequest(parent=RUN, resume_token=str(tokens[-1])))
        assert int((await again.read()).resume_token) == tokens[-1] + 1
        again.cancel()


async def read_on(call: Any, tokens: list[int]) -> None:
    while (answer := await call.read()) is not grpc.aio.EOF:
        tokens.append(int(answer.resume_token))


async def test_over_connect_a_stream_that_isnt_read_ends_and_is_resumed() -> None:
    talker = Talker()
    kind = "application/connect+json"
    async with serving(slow(talker)) as ports:
        request = frame(json.dumps({"parent": RUN}).encode())
        async with ports.http(post(TAIL, request, kind, "connection: close")) as (reader, _):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.wait_for(talker.closed.wait(), 20)
            content = await asyncio.wait_for(reader.read(), 20)
        start, end = content.rindex(b'{"error"'), content.rindex(b"}") + 1
        error = json.loads(content[start:end])["error"]
        assert error["code"] == "resource_exhausted"
        assert info_of(error).reason == "SLOW_CONSUMER"
        last = content.rindex(b'"resumeToken"')
        token = content[last:].split(b'"')[3].decode()
        request = frame(json.dumps({"parent": RUN, "resumeToken": token}).encode())
        async with ports.http(post(TAIL, request, kind)) as (reader, _):
            answer = b""
            while b'"resumeToken"' not in answer:
                answer += await reader.read(65_536)
        assert f'"resumeToken": "{int(token) + 1}"'.encode() in answer


async def counting(most: int, closed: list[bool]) -> AsyncGenerator[int, None]:
    try:
        for number in range(most):
            yield number
    finally:
        closed.append(True)


async def test_a_stream_that_is_read_ends_as_it_would() -> None:
    closed: list[bool] = []
    found = [number async for number in while_read(counting(100, closed), 20)]
    assert (found, closed) == (list(range(100)), [True])


async def test_who_stops_reading_closes_the_stream() -> None:
    closed: list[bool] = []
    async with aclosing(while_read(counting(100, closed), 20)) as numbers:
        assert await anext(numbers) == 0
    assert closed == [True]


async def test_a_failure_of_the_stream_is_told() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise ServiceError(reason="OVERLOADED", message="no")

    numbers = while_read(failing(), 20)
    assert await anext(numbers) == 1
    with pytest.raises(ServiceError, match="no"):
        await anext(numbers)


async def test_a_stream_that_is_ended_while_nobody_reads_tells_why() -> None:
    ends = asyncio.Event()

    async def ended() -> AsyncGenerator[int, None]:
        until = asyncio.timeout(None)
        try:
            async with until:
                yield 1
                asyncio.get_running_loop().call_soon(
                    lambda: (until.reschedule(asyncio.get_running_loop().time()), ends.set())
                )
                yield 2
        except TimeoutError:
            raise ServiceError(reason="CREDENTIAL_REVOKED", message="over") from None

    numbers = while_read(ended(), 20)
    assert await anext(numbers) == 1
    await ends.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(ServiceError, match="over"):
        await anext(numbers)
