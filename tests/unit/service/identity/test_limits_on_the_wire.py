"""Limits as callers meet them, over gRPC and over Connect (rows 48, 81 and 82 of the catalogue)."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.contract.identity.test_limits import Clock
from tests.in_process.edges import Edge, frame, frames
from tests.in_process.place import API, OPTIONS, open_place
from tests.in_process.producing import opening
from tests.in_process.serving import Ports, serving
from tests.unit.service.identity.test_address_limits import admission_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from google.protobuf.message import Message

    from tests.in_process.place import Place

PARENT = "workspaces/default"
STREAM, WATCH = "IngestService/StreamUpdates", "RunService/WatchRuns"


@dataclass(frozen=True)
class Refusal:
    """How a call was refused."""

    code: str
    reason: str
    quota: str
    retry: bool
    """Whether it was told when to try again."""


@dataclass
class Net:
    """A place behind both ports."""

    place: Place
    ports: Ports
    channel: Any

    async def limit(self, **quotas: int) -> None:
        await self.place.call(
            self.place.owner, "TenantService/SetTenantQuotas", name="tenants/main", quotas=quotas
        )

    def call(self, method: str, requests: Any) -> Any:
        return self.channel.stream_stream(f"/{API}.{method}")(
            requests, metadata=(("authorization", f"Bearer {self.place.owner}"),), timeout=60
        )

    async def over_grpc(self, method: str, message: Message) -> Refusal | None:
        """How a call is refused; None when it isn't."""
        call = self.call(method, once(message))
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            raised: Any = error
            status = rpc_status.from_call(raised)
            assert status is not None
            found = [(detail.type_url, detail.value) for detail in status.details]
            return refusal(error.code().name, found)
        call.cancel()
        return None

    async def over_connect(self, method: str, message: Message) -> Refusal | None:
        """The same."""
        content = json_format.MessageToJson(message).encode()
        unary = self.place.endpoint(method).kind == "unary"
        edge = Edge(service=self.place.service, port=0, web_port=self.ports.web_port)
        reply = await asyncio.to_thread(
            edge.http,
            f"/{API}.{method}",
            content if unary else frame(content),
            content_type="application/json" if unary else "application/connect+json",
            authorization=f"Bearer {self.place.owner}",
        )
        told = reply.json if unary else json.loads(frames(reply.body)[-1][1])
        error = told if unary else told.get("error", {})
        if "code" not in error:
            return None
        found = [
            (detail["type"], base64.b64decode(detail["value"] + "=="))
            for detail in error["details"]
        ]
        return refusal(error["code"].upper(), found)


def refusal(code: str, details: list[tuple[str, bytes]]) -> Refusal:
    by_name = {name.rpartition(".")[2]: value for name, value in details}
    info = error_details_pb2.ErrorInfo.FromString(by_name["ErrorInfo"])
    retry = error_details_pb2.RetryInfo.FromString(by_name.get("RetryInfo", b""))
    told_when = retry.retry_delay.ToNanoseconds() > 0
    return Refusal(code, info.reason, info.metadata["quota"], retry=told_when)


async def once(message: Message) -> AsyncIterator[bytes]:
    yield message.SerializeToString()


def exceeded(quota: str) -> Refusal:
    return Refusal("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", quota, retry=True)


@pytest_asyncio.fixture
async def net(small: Place) -> AsyncIterator[Net]:
    async with serving(small.service.dispatcher) as ports, ports.channel() as channel:
        yield Net(small, ports, channel)


async def test_calls_over_the_rate_are_told_when_to_come_again(net: Net) -> None:
    admission_of(net.place)._now = Clock()
    await net.limit(calls_per_second=1)
    method, request = "RunService/ListRuns", net.place.request("RunService/ListRuns", parent=PARENT)
    assert await net.over_grpc(method, request) is None
    while await net.over_grpc(method, request) is None:
        pass
    assert await net.over_grpc(method, request) == exceeded("calls_per_second")
    assert await net.over_connect(method, request) == exceeded("calls_per_second")


@asynccontextmanager
async def held(net: Net, method: str, message: Message) -> AsyncGenerator[None]:
    """A stream that is open."""
    over = asyncio.Event()

    async def requests() -> AsyncIterator[bytes]:
        yield message.SerializeToString()
        await over.wait()

    call = net.call(method, requests())
    await call.read()
    try:
        yield
    finally:
        over.set()
        call.cancel()


@pytest.mark.parametrize(("method", "quota"), [(STREAM, "open_streams"), (WATCH, "open_watches")])
async def test_one_stream_too_many_is_refused(net: Net, method: str, quota: str) -> None:
    await net.limit(**{quota: 2})

    def message() -> Message:
        if method == WATCH:
            return net.place.request(method, parent=PARENT)
        return opening(str(uuid4()))

    async with held(net, method, message()), held(net, method, message()):
        assert await net.over_grpc(method, message()) == exceeded(quota)
        assert await net.over_connect(method, message()) == exceeded(quota)
        # What counts as the other kind is let in.
        other = WATCH if method == STREAM else STREAM
        fields = {"parent": PARENT}
        free = opening(str(uuid4())) if other == STREAM else net.place.request(other, **fields)
        assert await net.over_grpc(other, free) is None
    while await net.over_grpc(method, message()) is not None:
        pass


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_sixty_silent_strangers_stand_in_nobodys_way(net: Net) -> None:
    methods = (WATCH, "RunService/ListRuns", "AuthService/ExchangeToken")
    async with net.ports.channel() as theirs, AsyncExitStack() as web:
        calls = [
            theirs.stream_stream(f"/{API}.{methods[number % 3]}")(silence()) for number in range(60)
        ]
        waiting = [asyncio.ensure_future(call.read()) for call in calls]
        await asyncio.gather(*(call.wait_for_connection() for call in calls))
        for _ in calls:
            await web.enter_async_context(net.ports.http(b"POST /" + b"x" * 60))
        listing = net.place.request("RunService/ListRuns", parent=PARENT)
        for _ in range(5):
            assert await net.over_grpc("RunService/ListRuns", listing) is None
            assert await net.over_connect("RunService/ListRuns", listing) is None
        assert await net.over_grpc(STREAM, opening(str(uuid4()))) is None
        # They are there still: nobody was let in at their cost.
        assert not [read for read in waiting if read.done()]
        for call in calls:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("proxy", [True, False])
async def test_a_proxy_tells_on_both_ports_where_calls_come_from(
    tmp_path: Path, proxy: bool
) -> None:
    method = "AuthService/StartDeviceSignIn"
    told = "203.0.113.1, 198.51.100.9"
    options = replace(OPTIONS, behind_tls_proxy=proxy)
    async with (
        open_place(tmp_path / "towpath.db", options) as place,
        serving(place.service.dispatcher) as ports,
        ports.channel() as channel,
    ):
        call = channel.unary_unary(f"/{API}.{method}")
        answer = await call(b"", metadata=(("x-forwarded-for", told),), timeout=20)
        first = place.endpoint(method).response_type.FromString(answer)
        edge = Edge(service=place.service, port=0, web_port=ports.web_port)
        reply = await asyncio.to_thread(
            edge.http,
            f"/{API}.{method}",
            b"{}",
            content_type="application/json",
            x_forwarded_for=told,
        )
        for code in (first.user_code, reply.json["userCode"]):  # type: ignore[attr-defined]
            seen = await place.call(place.owner, "AuthService/GetDeviceSignIn", user_code=code)
            assert seen.client_address == ("198.51.100.9" if proxy else "127.0.0.1")
