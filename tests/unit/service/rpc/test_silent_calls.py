"""Calls that begin and then say nothing are ended by the server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from towpath_service.core.draining import Draining
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.runs.rpc.ingest_handler import IngestHandler, StreamTimes

from tests.in_process.serving import serving
from tests.unit.service.rpc.fakes import FakeLogHandler, FakeServerHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SOON = 0.2


async def silence() -> AsyncIterator[bytes]:
    await asyncio.sleep(20)
    yield b""


async def nothing() -> AsyncIterator[bytes]:
    for never in ():
        yield never


async def said_once() -> AsyncIterator[bytes]:
    yield b""
    await asyncio.sleep(20)


async def said_twice() -> AsyncIterator[bytes]:
    yield b""
    yield b""


def silent() -> Dispatcher:
    nobody: Any = None
    times = StreamTimes(opening_seconds=SOON)
    ingest = IngestHandler(nobody, Draining(asyncio.Event()), times)
    return Dispatcher([ingest, FakeServerHandler(), FakeLogHandler()], LocalAuthenticator())


async def ended(channel: Any, method: str, requests: AsyncIterator[bytes]) -> tuple[str, str]:
    """How a call ends: code and reason."""
    call = channel.stream_stream(f"/towpath.api.v1.{method}")(requests, timeout=15)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    error: Any = raised.value
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code().name, info.reason


METHODS = ("ServerService/GetServerInfo", "LogService/TailLogs", "IngestService/StreamUpdates")


@pytest.mark.parametrize("method", METHODS)
async def test_headers_and_silence_end_soon(method: str) -> None:
    async with serving(silent(), request_seconds=SOON) as ports, ports.channel() as channel:
        assert await ended(channel, method, silence()) == (
            "DEADLINE_EXCEEDED",
            "DEADLINE_EXCEEDED",
        )


@pytest.mark.parametrize("method", METHODS[:2])
async def test_a_call_that_ends_without_a_request_is_refused(method: str) -> None:
    async with serving(silent()) as ports, ports.channel() as channel:
        assert await ended(channel, method, nothing()) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


@pytest.mark.parametrize("requests", [said_once, said_twice])
async def test_one_request_is_enough(requests: Callable[[], AsyncIterator[bytes]]) -> None:
    async with serving(silent()) as ports, ports.channel() as channel:
        call = channel.stream_unary(f"/towpath.api.v1.{METHODS[0]}")(requests(), timeout=15)
        assert b"fake" in await call


async def test_silent_calls_stand_in_nobodys_way() -> None:
    async with serving(silent()) as ports, ports.channel() as quiet, ports.channel() as honest:
        held = [
            quiet.stream_stream(f"/towpath.api.v1.{METHODS[number % 3]}")(silence())
            for number in range(60)
        ]
        await quiet.channel_ready()
        for _ in range(20):
            call = honest.unary_unary(f"/towpath.api.v1.{METHODS[0]}")
            assert b"fake" in await call(b"", timeout=10)
        assert not [call for call in held if call.done() and call.cancelled()]
        for call in held:
            call.cancel()
