"""Clients of the web port that keep the server waiting are waited for so long and no longer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.web.connections import Patience

from tests.contract.web.test_web import info_of
from tests.in_process.edges import HOST, frame
from tests.in_process.serving import post, serving
from tests.unit.service.rpc.fakes import FakeServerHandler
from tests.unit.service.rpc.test_silent_calls import silent
from tests.unit.service.rpc.test_slow_consumers import RUN, TAIL, Talker

if TYPE_CHECKING:
    from tests.in_process.serving import Ports

SOON = 0.2
LATE = 20
INFO = "ServerService/GetServerInfo"
HEALTH = f"GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
UPLOAD = f"POST /healthz HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 9\r\n\r\nhalf".encode()


def fake() -> Dispatcher:
    return Dispatcher([FakeServerHandler()], LocalAuthenticator())


async def rest(ports: Ports, request: bytes) -> bytes:
    """What comes for a request until the server closes the connection."""
    async with ports.http(request) as (reader, _):
        return await ended(reader)


async def ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), LATE)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"", b""),
        (b"GET /healthz HTT", b""),
        (HEALTH[:-2], b""),
        (HEALTH, b"200 OK"),
        (HEALTH + HEALTH[:20], b"200 OK"),
        (UPLOAD, b"404 Not Found"),
    ],
)
async def test_a_connection_without_a_whole_request_is_closed(
    request_: bytes, status: bytes
) -> None:
    async with serving(fake(), patience=Patience(request_seconds=SOON)) as ports:
        assert status in await rest(ports, request_)


async def test_drops_of_a_request_dont_make_it_longer() -> None:
    async with (
        serving(fake(), patience=Patience(request_seconds=SOON)) as ports,
        ports.http(b"GET /healthz HTTP/1.1\r\n") as (reader, writer),
    ):
        closed = asyncio.ensure_future(ended(reader))
        for _ in range(1000):
            done, _ = await asyncio.wait([closed], timeout=0.02)
            if done:
                break
            writer.write(b"x: y\r\n")
        assert closed.done()


async def test_a_request_whose_body_doesnt_end_is_told_and_closed() -> None:
    async with serving(fake(), body_seconds=SOON) as ports:
        whole = post(INFO, b"{}")
        answer = await rest(ports, whole[:-1])
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"connection: close" in head
        [error] = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
        assert info_of(json.loads(error)).reason == "DEADLINE_EXCEEDED"


async def test_calls_that_take_longer_than_their_requests_are_answered() -> None:
    gone = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(SOON * 3)
        gone.set()

    dispatcher = Dispatcher([FakeServerHandler(lambda _: work())], LocalAuthenticator())
    patience = Patience(request_seconds=SOON)
    async with serving(dispatcher, patience=patience, body_seconds=SOON) as ports:
        answer = await rest(ports, post(INFO, b"{}"))
        assert gone.is_set()
        assert b'"version":' in answer


async def test_a_stream_without_its_first_message_is_ended_over_connect() -> None:
    request = post("IngestService/StreamUpdates", b"", "application/connect+json").replace(
        b"content-length: 0", b"transfer-encoding: chunked"
    )
    async with serving(silent()) as ports, ports.http(request) as (reader, _):
        answer = await asyncio.wait_for(reader.readuntil(b"deadline_exceeded"), LATE)
        assert b"200 OK" in answer


async def test_who_takes_nothing_of_an_answer_is_cut_off() -> None:
    talker = Talker()
    dispatcher = Dispatcher([talker], LocalAuthenticator())
    request = post(TAIL, frame(json.dumps({"parent": RUN}).encode()), "application/connect+json")
    async with (
        serving(dispatcher, patience=Patience(answer_seconds=SOON)) as ports,
        ports.http(request) as (reader, _),
    ):
        await asyncio.wait_for(talker.closed.wait(), LATE)
        await ended(reader)


async def test_of_too_many_connections_the_one_that_waited_longest_makes_room() -> None:
    async with (
        serving(fake(), patience=Patience(most_connections=3)) as ports,
        ports.http(b"GET /") as (first, _),
        ports.http(b"GET /") as (second, writer),
        ports.http(b"GET /"),
        ports.http(HEALTH) as (fourth, _),
    ):
        assert b"200 OK" in await asyncio.wait_for(fourth.readuntil(b"serving"), LATE)
        assert await ended(first) == b""
        writer.write(HEALTH[5:])
        assert b"200 OK" in await asyncio.wait_for(second.readuntil(b"serving"), LATE)
